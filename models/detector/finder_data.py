"""Training squares out of pictures with boxes: cut out, scaled, mirrored, lit, and their boxes with them. NumPy and OpenCV.

Pictures are (H, W, 3) uint8, red first. Boxes (N, 4) are left, top, right, bottom in pixels and span what is *seen* of an item;
whoever gives them decides what an item is (the base checkpoint: a package of which at least a quarter is seen).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models.common.pictures import Pixels
from models.common.protocols import DataError
from models.detector.boxes import GREY, Floats, letterbox
from models.detector.finder_config import FinderConfig

LEAST_PX = 3  # sides of a box below this are not asked for: nobody could see what it is


@dataclass(frozen=True, eq=False)
class Square:
    """A square (S, S, 3) and the boxes (N, 4) in it, in its pixels."""

    pixels: Pixels
    boxes: Floats


@dataclass(frozen=True, eq=False)
class Labelled:
    """Pictures and the boxes of each, of equal number. A sequence may decode its pictures as they are asked for.

    DataError for none, for other numbers, and for boxes of another shape, not finite, without area or outside any picture.
    """

    pictures: Sequence[Pixels]
    boxes: Sequence[Floats]

    def __post_init__(self) -> None:
        if not len(self.pictures) or len(self.pictures) != len(self.boxes):
            raise DataError(
                f"{len(self.pictures)} pictures and {len(self.boxes)} arrays of boxes: give one array for each picture, at least one"
            )
        for number, boxes in enumerate(self.boxes):
            if boxes.ndim != 2 or boxes.shape[1] != 4:
                raise DataError(
                    f"boxes of picture {number} are {boxes.shape}: (N, 4) is asked, (0, 4) where there is no item"
                )
            sound = np.isfinite(boxes).all(axis=1) & (boxes[:, 2:] > boxes[:, :2]).all(axis=1)
            if not sound.all():
                worst = boxes[~sound][0].tolist()
                raise DataError(f"box {worst} of picture {number} has no area: give left, top, right, bottom in pixels")


def cut(image: Pixels, boxes: Floats, cfg: FinderConfig, rng: np.random.Generator) -> Square:
    """A random square of `cfg.crop` pixels out of a picture."""
    scale = 1.0
    if rng.uniform() < cfg.resized_share:
        scale = float(np.exp(rng.uniform(np.log(cfg.smallest), np.log(cfg.largest))))
    height, width = image.shape[:2]
    left, top = (_corner(length, cfg.crop / scale, cfg.beyond, rng) for length in (width, height))
    pixels = _window(image, left, top, scale, cfg.crop)
    moved = (boxes - [left, top, left, top]) * scale
    if rng.uniform() < 0.5:
        pixels = pixels[:, ::-1]
        moved = np.stack([cfg.crop - moved[:, 2], moved[:, 1], cfg.crop - moved[:, 0], moved[:, 3]], axis=1)
    return Square(_lit(pixels, cfg, rng), within(moved, cfg.crop, cfg.least_left))


def whole(image: Pixels, boxes: Floats, side: int) -> Square:
    """The picture as it is served: letter-boxed."""
    pixels, fit = letterbox(image, side)
    return Square(pixels, boxes * fit.scale + [fit.left, fit.top] * 2)


def within(boxes: Floats, side: int, least_left: float) -> Floats:
    """Boxes clipped to a square, without those of which less than the share `least_left` lies in it."""
    clipped = np.clip(boxes, 0, side)
    size, left = boxes[:, 2:] - boxes[:, :2], clipped[:, 2:] - clipped[:, :2]
    kept = (left.prod(axis=1) >= least_left * size.prod(axis=1)) & (left >= LEAST_PX).all(axis=1)
    return np.asarray(clipped[kept], dtype=np.float64)


def _corner(length: int, window: float, beyond: float, rng: np.random.Generator) -> int:
    """First row or column of a window on a picture, somewhat beyond it at most; of a picture that is smaller, all is shown."""
    room = beyond * window
    lowest, highest = sorted((-room, length - window + room))
    if length < window:
        lowest, highest = length - window, 0.0
    return round(rng.uniform(lowest, highest))


def _window(image: Pixels, left: int, top: int, scale: float, side: int) -> Pixels:
    import cv2

    if scale != 1:
        matrix = np.array([[scale, 0, -left * scale + (scale - 1) / 2], [0, scale, -top * scale + (scale - 1) / 2]])
        return np.asarray(
            cv2.warpAffine(image, matrix, (side, side), flags=cv2.INTER_LINEAR, borderValue=(GREY, GREY, GREY)),
            np.uint8,
        )
    square = np.full((side, side, 3), GREY, np.uint8)
    height, width = image.shape[:2]
    first_row, first_column = max(top, 0), max(left, 0)
    shown = image[first_row : min(top + side, height), first_column : min(left + side, width)]
    row, column = first_row - top, first_column - left
    square[row : row + shown.shape[0], column : column + shown.shape[1]] = shown
    return square


def _lit(pixels: Pixels, cfg: FinderConfig, rng: np.random.Generator) -> Pixels:
    gain = (1 + rng.uniform(-cfg.light, cfg.light)) * (1 + rng.uniform(-cfg.tint, cfg.tint, 3))
    table = (
        np.clip(np.arange(256)[:, None] * gain, 0, 255).round().astype(np.uint8)
    )  # (256, 3): quicker than arithmetic
    return np.stack([table[:, channel][pixels[:, :, channel]] for channel in range(3)], axis=2)
