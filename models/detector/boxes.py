"""Boxes from a one-class YOLO graph: the picture made square and back, and one box for each item. NumPy, no training library.

Boxes (N, 4) are left, top, right, bottom in pixels, as `float64`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from models.common.pictures import Pixels

Floats: TypeAlias = npt.NDArray[np.float64]
Tensor: TypeAlias = npt.NDArray[np.float32]

GREY = 114  # what YOLO's training fills the rest of the square with
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
CANDIDATES = 3_000  # best-scored boxes that suppression looks at: its cost grows with their square


@dataclass(frozen=True)
class Fit:
    """How a picture lies in its square: point * scale + (left, top)."""

    scale: float
    left: int
    top: int
    width: int
    height: int


@dataclass(frozen=True, eq=False)
class Detections:
    """Boxes (N, 4) with scores (N,) in [0, 1], best first."""

    boxes: Floats
    scores: Floats


def letterbox(image: Pixels, side: int) -> tuple[Pixels, Fit]:
    """The picture (H, W, 3), proportions kept, in the middle of a square (side, side, 3); as Ultralytics' letter-box."""
    import cv2

    height, width = image.shape[:2]
    scale = min(side / height, side / width)
    inner_width, inner_height = max(round(width * scale), 1), max(round(height * scale), 1)
    left, top = (round((side - inner) / 2 - 0.1) for inner in (inner_width, inner_height))
    square = np.full((side, side, 3), GREY, np.uint8)
    smaller = image if scale == 1 else cv2.resize(image, (inner_width, inner_height), interpolation=cv2.INTER_LINEAR)
    square[top : top + inner_height, left : left + inner_width] = smaller
    return square, Fit(scale, left, top, width, height)


def to_tensor(
    squares: Sequence[Pixels], mean: Sequence[float] | None = None, std: Sequence[float] | None = None
) -> Tensor:
    """Squares (S, S, 3) of equal size as (B, 3, S, S) in [0, 1], less `mean` over `std` of each colour where these are given."""
    stacked = np.stack(squares).astype(np.float32) / np.float32(255)
    if mean is not None and std is not None:
        stacked -= np.asarray(mean, np.float32)
        stacked /= np.asarray(std, np.float32)
    return np.ascontiguousarray(stacked.transpose(0, 3, 1, 2))


def decode(output: npt.NDArray[np.floating], fit: Fit, *, least_score: float, iou: float, limit: int) -> Detections:
    """Detections of one picture from its rows (5, N) of a graph: middle x, middle y, width, height in the square, score.

    Boxes are those of the picture, clipped to it; at most `limit`, none scored below `least_score`, no two of which overlap by
    more than `iou`. ValueError for another shape.
    """
    if output.ndim != 2 or output.shape[0] != 5:
        raise ValueError(
            f"an output of shape {output.shape}, (5, N) is asked: export a detector of one class without NMS"
        )
    rows = output.T.astype(np.float64)
    rows = rows[np.isfinite(rows).all(axis=1) & (rows[:, 4] >= least_score)]
    rows = rows[np.argsort(-rows[:, 4], kind="stable")[:CANDIDATES]]
    half = rows[:, 2:4] / 2
    boxes = np.concatenate([rows[:, :2] - half, rows[:, :2] + half], axis=1)
    boxes = (boxes - [fit.left, fit.top] * 2) / fit.scale
    boxes = np.clip(boxes, 0, [fit.width, fit.height] * 2)
    kept = suppress(boxes, rows[:, 4], iou=iou, limit=limit)
    return Detections(boxes[kept], np.clip(rows[kept, 4], 0, 1))


def suppress(boxes: Floats, scores: Floats, *, iou: float, limit: int) -> npt.NDArray[np.int64]:
    """Greedy non-maximum suppression: numbers of the boxes that stay, best first, those without an area left out."""
    order = np.argsort(-scores, kind="stable")
    order = order[(boxes[order, 2] > boxes[order, 0]) & (boxes[order, 3] > boxes[order, 1])]
    kept: list[int] = []
    while order.size and len(kept) < limit:
        best, order = int(order[0]), order[1:]
        kept.append(best)
        order = order[overlaps(boxes[best : best + 1], boxes[order])[0] <= iou]
    return np.array(kept, dtype=np.int64)


def overlaps(first: Floats, second: Floats) -> Floats:
    """Intersection over union of each pair, (M, N); 0 where a box has no area."""
    common = _common(first, second)
    return _share(common, _areas(first)[:, None] + _areas(second)[None, :] - common)


def inside(first: Floats, second: Floats) -> Floats:
    """Share of each box of `first` that lies in each of `second`, (M, N); 0 where a box has no area."""
    return _share(_common(first, second), np.broadcast_to(_areas(first)[:, None], (len(first), len(second))))


def _common(first: Floats, second: Floats) -> Floats:
    corner = np.maximum(first[:, None, :2], second[None, :, :2])
    opposite = np.minimum(first[:, None, 2:], second[None, :, 2:])
    sides = np.clip(opposite - corner, 0, None)
    return np.asarray(sides[..., 0] * sides[..., 1])


def _areas(boxes: Floats) -> Floats:
    sides = np.clip(boxes[:, 2:] - boxes[:, :2], 0, None)
    return np.asarray(sides[:, 0] * sides[:, 1])


def _share(part: Floats, whole: Floats) -> Floats:
    shares: Floats = np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)
    return shares


def crop(image: Pixels, box: Floats, side: int, *, margin: float = 0.05) -> Pixels:
    """What a box (4,) shows, wider by `margin` of its size on each side within the picture, stretched to a square: most packages
    are tall, and a letter-box would spend a third of the pixels on grey."""
    import cv2

    left, top, right, bottom = widened(image, box, margin)
    part = image[top:bottom, left:right]
    # First what shrinks: OpenCV averages over areas only where no side grows.
    least = min(right - left, side), min(bottom - top, side)
    smaller = cv2.resize(part, least, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(smaller, (side, side), interpolation=cv2.INTER_LINEAR), dtype=np.uint8)


def widened(image: Pixels, box: Floats, margin: float) -> tuple[int, int, int, int]:
    """Whole pixels left, top, right, bottom of a box (4,) wider by `margin` of its size on each side, at least one of the picture."""
    height, width = image.shape[:2]
    wider = margin * np.array([box[2] - box[0], box[3] - box[1]])
    left, top = np.floor(np.maximum(box[:2] - wider, 0)).astype(int).tolist()
    right, bottom = np.ceil(np.minimum(box[2:] + wider, [width, height])).astype(int).tolist()
    left, top = min(left, width - 1), min(top, height - 1)
    return left, top, max(right, left + 1), max(bottom, top + 1)
