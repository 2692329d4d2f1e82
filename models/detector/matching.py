"""Found boxes against labelled ones, and average precision as COCO defines it (Lin et al. 2014, arXiv:1405.0312; 101 recalls)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.detector.boxes import Detections, Floats, inside, overlaps

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

IOUS: tuple[float, ...] = tuple(round(0.5 + 0.05 * step, 2) for step in range(10))
RECALLS = np.linspace(0, 1, 101)


@dataclass(frozen=True, eq=False)
class Matched:
    """Of each found box (n,), best-scored first: the labelled box it is, -1 for none; and whether it is left out, as it lies in a
    crowd."""

    label: Ints
    left_out: Bools


@dataclass(frozen=True, eq=False)
class Curve:
    """Precision (101,) at RECALLS, its mean `area`, and the recall that all found boxes reach."""

    precision: Floats
    area: float
    recall: float


def match(found: Detections, boxes: Floats, crowd: Bools, iou: float) -> Matched:
    """Each found box, best-scored first, takes the labelled one it overlaps most, by `iou` at least, that is not taken yet.

    Boxes (m, 4) of which `crowd` (m,) is true hold many items: what lies in them by `iou` is neither right nor wrong.
    """
    items = np.flatnonzero(~crowd)
    overlap = overlaps(found.boxes, boxes[items])
    label, free = np.full(len(found.boxes), -1, dtype=np.int64), np.ones(len(items), dtype=np.bool_)
    for row in range(len(found.boxes)):
        here = np.where(free, overlap[row], -1.0)
        if here.size and here.max() >= iou:
            best = int(here.argmax())
            label[row], free[best] = items[best], False
    left_out = (label < 0) & (inside(found.boxes, boxes[crowd]) >= iou).any(axis=1)
    return Matched(label, left_out)


def curve(scores: Floats, right: Bools, labelled: int) -> Curve:
    """Precision over recall of found boxes (n,) of all pictures, of which `right` (n,) are items, `labelled` in all.

    The precision at a recall is the best that any recall at or beyond it has. ValueError for 0 labelled items.
    """
    if labelled < 1:
        raise ValueError("0 labelled items: average precision has no meaning; label some")
    hits = np.cumsum(right[np.argsort(-scores, kind="stable")])
    precision = hits / np.arange(1, len(hits) + 1)
    precision = np.maximum.accumulate(precision[::-1])[::-1]
    reached = np.searchsorted(hits / labelled, RECALLS, side="left")
    drawn = np.append(precision, 0.0)[np.minimum(reached, len(precision))]
    return Curve(drawn, float(drawn.mean()), float(hits[-1] / labelled) if len(hits) else 0.0)


def precision_curves(
    found: Sequence[Detections], boxes: Sequence[Floats], crowd: Sequence[Bools], ious: Sequence[float] = IOUS
) -> dict[float, Curve]:
    """A curve for each overlap that is asked, over pictures; mAP50 is the area at 0.5, mAP50-95 the mean area over IOUS."""
    labelled = int(sum((~each).sum() for each in crowd))
    scores = np.concatenate([each.scores for each in found]) if found else np.zeros(0)
    told = {}
    for iou in ious:
        matched = [match(*each, iou) for each in zip(found, boxes, crowd, strict=True)]
        counts = ~np.concatenate([each.left_out for each in matched])
        right = np.concatenate([each.label >= 0 for each in matched])
        told[iou] = curve(scores[counts], right[counts], labelled)
    return told
