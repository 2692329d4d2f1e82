"""Views of a package for gallery and training: its photo as small as a shop's camera sees it, then the square that is embedded."""

import numpy as np

from models.common.pictures import Pixels
from models.detector.boxes import Floats, crop

# Long sides of packages in pictures of 1280 x 960: about the 10th, 50th and 95th percentile of found boxes.
SHOP_SIDES_PX = (88.0, 136.0, 268.0)


def view(image: Pixels, box: Floats, side: int, *, margin: float = 0.05, long_side_px: float | None = None) -> Pixels:
    """The square (S, S, 3) of what a box (4,) of a picture (H, W, 3) shows, as `boxes.crop`.

    Where the box's long side is above `long_side_px`, the picture is first averaged down to it: an enrolment photo has several
    times the detail of a shop's picture, and would be like none. ValueError for a box of no size.
    """
    image, box = shrunk(image, box, float("inf") if long_side_px is None else long_side_px)
    return crop(image, box, side, margin=margin)


def shrunk(image: Pixels, box: Floats, long_side_px: float) -> tuple[Pixels, Floats]:
    """The picture (H, W, 3) averaged down until the box (4,) is at most so long, and the box there. ValueError for a box of no
    size."""
    import cv2

    longest = float(max(box[2] - box[0], box[3] - box[1]))
    if longest <= 0:
        raise ValueError(f"a box {box.tolist()} has no size; leave it out")
    if longest <= long_side_px:
        return image, box
    height, width = image.shape[:2]
    size = (max(round(width * long_side_px / longest), 1), max(round(height * long_side_px / longest), 1))
    smaller = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
    return smaller, box * np.tile(np.array(size) / [width, height], 2)


def jittered(boxes: Floats, rng: np.random.Generator, *, share: float = 0.03, pixels: float = 1.0) -> Floats:
    """Boxes (N, 4) whose ends are off as a finder's: by normal errors of `share` of the size and `pixels`, never inside out."""
    size = np.tile(boxes[:, 2:] - boxes[:, :2], 2)
    moved = boxes + rng.normal(size=boxes.shape) * (share * size + pixels)
    moved[:, 2:] = np.maximum(moved[:, 2:], moved[:, :2] + 2)
    return moved
