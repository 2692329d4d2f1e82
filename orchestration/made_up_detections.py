"""What a detector would find in the twin's clips, without one: boxes and names from the truth, with a detector's errors.

A package is missed the likelier the less of it is seen, boxes are off by some pixels, names mix up products of one brand and
shape, alike over all pictures of one package by one camera (the same view errs the same way), and some boxes show nothing.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from models.detector.observed import Floats, Ints, NamedDetections, Recording
from orchestration.clip_recordings import cameras_of, observed
from sources.twin.cameras.appearance import Appearances
from sources.twin.cameras.clips import Clip
from sources.twin.cameras.truth import Boxes


@dataclass(frozen=True)
class DetectorErrors:
    """`half_found` is the share seen at which half are found; `jitter` and `jitter_px` move the ends of boxes, in shares of the size
    and pixels; `false_boxes` a picture; names: likeness of the true product over products of brand and shape (`lookalike`) and
    others, with noise that stays over one package's pictures (`lasting`) and such that does not (`passing`)."""

    half_found: float = 0.22
    steepness: float = 18.0
    most_found: float = 0.985
    jitter: float = 0.025
    jitter_px: float = 0.8
    false_boxes: float = 0.5
    true_likeness: float = 9.0
    lookalike: float = 5.0
    lasting: float = 1.1
    passing: float = 1.1
    too_near: float = 0.65  # overlap of boxes of which only the surer is kept


class Lookalikes:
    """Mean likeness (P, P) of each product's picture to every product's gallery."""

    def __init__(self, looks: Appearances, errors: DetectorErrors) -> None:
        brand = np.array([looks[k].brand for k in range(len(looks))])
        shape = np.array([looks[k].shape for k in range(len(looks))])
        alike = (brand[:, None] == brand) & (shape[:, None] == shape)
        self.mean = np.where(alike, errors.lookalike, 0.0)
        np.fill_diagonal(self.mean, errors.true_likeness)


def recording(
    clip: Clip, looks: Appearances, alike: Lookalikes, errors: DetectorErrors, rng: np.random.Generator
) -> Recording:
    """A clip as the fusion sees it, by made-up detections."""
    camera = cameras_of(clip)
    found = detections(clip.truth.boxes, camera, len(clip.seen.pictures), _frame(clip), alike, errors, rng)
    return observed(clip, looks, found)


def _frame(clip: Clip) -> tuple[int, int]:
    return clip.seen.cameras[0].width, clip.seen.cameras[0].height


def detections(
    boxes: Boxes,
    camera: Ints,
    pictures: int,
    frame: tuple[int, int],
    alike: Lookalikes,
    errors: DetectorErrors,
    rng: np.random.Generator,
) -> NamedDetections:
    """NamedDetections of all `pictures`, taken by `camera` (F,), of size `frame` (width, height)."""
    chance = errors.most_found / (1 + np.exp(-errors.steepness * (boxes.share - errors.half_found)))
    shown = boxes.where((rng.random(boxes.share.size) < chance) & (boxes.share > 0))
    size = np.tile(shown.visible[:, 2:] - shown.visible[:, :2], 2)
    box = shown.visible + rng.normal(size=size.shape) * (errors.jitter_px + errors.jitter * size)
    products = len(alike.mean)
    # One error for each package in each camera, another for each picture; what is half hidden is named worse.
    keys, which = np.unique(np.stack([camera[shown.picture], shown.item]), axis=1, return_inverse=True)
    lasting = rng.normal(size=(keys.shape[1], products)) * errors.lasting
    passing = rng.normal(size=(shown.item.size, products)) * errors.passing
    clear = np.clip(0.45 + 0.75 * shown.share, 0.0, 1.0)[:, None]
    likeness = clear * alike.mean[shown.product] + lasting[which.ravel()] + passing
    false = rng.poisson(errors.false_boxes * pictures)
    corner = rng.random((false, 2)) * np.array(frame)
    box = np.concatenate([box, np.concatenate([corner, corner + rng.uniform(15, 60, (false, 2))], axis=1)])
    flat = 2.0 * rng.normal(size=(false, products))
    likeness = np.concatenate([likeness, flat])
    picture = np.concatenate([shown.picture, rng.integers(pictures, size=false)])
    box[:, 2:] = np.maximum(box[:, 2:], box[:, :2] + 2.0)
    log_probs = likeness - np.log(np.exp(likeness).sum(axis=1, keepdims=True))
    order = np.argsort(picture, kind="stable")
    kept = order[_apart(picture[order], box[order], log_probs[order].max(axis=1), errors.too_near)]
    return NamedDetections(picture[kept], box[kept], log_probs[kept])


def _apart(picture: Ints, box: Floats, sure: Floats, most: float) -> Ints:
    """Rows that stay when of boxes that overlap too much the surer is kept (non-maximum suppression)."""
    from models.detector.boxes import overlaps

    stay = []
    bounds = np.searchsorted(picture, np.arange(picture[-1] + 2)) if picture.size else np.zeros(1, dtype=np.int64)
    for a, b in pairwise(bounds.tolist()):
        near = overlaps(box[a:b], box[a:b])
        order = np.argsort(-sure[a:b], kind="stable")
        gone = np.zeros(b - a, dtype=bool)
        for k in order:
            if not gone[k]:
                gone |= (near[k] > most) & (np.arange(b - a) != k)
        stay.append(np.arange(a, b)[~gone])
    return np.concatenate(stay) if stay else np.zeros(0, dtype=np.int64)
