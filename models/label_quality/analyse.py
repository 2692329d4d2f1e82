"""Labels held against predictions by cleanlab: confident learning for whole pictures, ObjectLab for boxes.

Northcutt, Jiang, Chuang 2021, "Confident Learning" (https://arxiv.org/abs/1911.00068); Tkachenko, Thyagarajan, Mueller 2023,
"ObjectLab" (https://arxiv.org/abs/2309.00832).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from models.common.protocols import ProgressCallback, silent
from models.label_quality.config import Config
from models.label_quality.data import BoxedPicture, Dataset, Float, Ints, Whole

CLASS, PLACE = "class", "place"  # what is suspicious about a label


@dataclass(frozen=True)
class Judged:
    """N labels: quality (N,) in 0 to 1, 1 best; suspicious (N,) by cleanlab, disagrees (N,) by the plain rule that the model
    prefers another class; suggested (N,) class or None; reason (N,) "class", "place" or None; given (N,) class."""

    label_ids: tuple[str, ...]
    given: tuple[str, ...]
    quality: Float
    suspicious: npt.NDArray[np.bool_]
    disagrees: npt.NDArray[np.bool_]
    suggested: tuple[str | None, ...]
    reason: tuple[str | None, ...]


@dataclass(frozen=True)
class Overlooked:
    """A box that the model is sure of and nobody drew: edges in pixels, score 0 to 1, lowest first to look at."""

    image_id: str
    label: str
    edges: tuple[float, float, float, float]
    confidence: float
    score: float


@dataclass(frozen=True)
class Analysis:
    """What was found of labels of whole pictures and of boxes, boxes that are missing, and how many labels were not judged."""

    cfg: Config
    whole: Judged
    boxed: Judged
    overlooked: tuple[Overlooked, ...]
    unasked: int


def analyse(data: Dataset, cfg: Config, *, seed: int, on_progress: ProgressCallback = silent) -> Analysis:
    """Judge every label of the data. Deterministic: nothing is drawn, `seed` is there because every analysis has one."""
    del seed
    on_progress("labels of whole pictures", 0.0)
    whole = _judge_whole(data.whole, data.classes, cfg)
    on_progress("boxes", 0.5)
    boxed, overlooked = _judge_boxes(data.boxed, data.classes, cfg)
    on_progress("done", 1.0)
    return Analysis(cfg, whole, boxed, overlooked, data.unasked)


def _judge_whole(whole: Whole, classes: tuple[str, ...], cfg: Config) -> Judged:
    from cleanlab.filter import find_label_issues
    from cleanlab.rank import get_label_quality_scores

    given = whole.given
    if not given.size:
        return _nothing()
    # Classes that no picture bears would have to be estimated from nothing.
    borne = np.unique(given)
    likely = whole.probabilities[:, borne]
    likely = likely / np.maximum(likely.sum(axis=1, keepdims=True), np.finfo(float).tiny)
    renumbered = np.searchsorted(borne, given)
    suspicious = np.zeros(given.size, bool)
    if borne.size > 1:
        suspicious = np.asarray(find_label_issues(renumbered, likely, filter_by=cfg.filter_by, n_jobs=1), bool)
    guess = whole.probabilities.argmax(axis=1)
    return Judged(
        label_ids=whole.label_ids,
        given=tuple(classes[number] for number in given),
        quality=np.asarray(get_label_quality_scores(given, whole.probabilities), np.float64),
        suspicious=suspicious,
        disagrees=guess != given,
        suggested=tuple(classes[g] if g != own else None for g, own in zip(guess, given, strict=True)),
        reason=tuple(CLASS if flag else None for flag in suspicious),
    )


def _judge_boxes(
    pictures: tuple[BoxedPicture, ...], classes: tuple[str, ...], cfg: Config
) -> tuple[Judged, tuple[Overlooked, ...]]:
    """Quality of a box is the lower of two scores: how well it lies on what the model sees of its class, and how little on what
    the model is sure to be of another class."""
    from cleanlab.object_detection.rank import (
        compute_badloc_box_scores,
        compute_overlooked_box_scores,
        compute_swap_box_scores,
    )

    if not pictures:
        return _nothing(), ()
    labels: list[dict[str, Any]] = [{"bboxes": one.boxes, "labels": one.given} for one in pictures]
    predictions = [_by_class(one, len(classes)) for one in pictures]
    place = compute_badloc_box_scores(labels=labels, predictions=predictions, low_probability_threshold=cfg.likely)
    swap = compute_swap_box_scores(labels=labels, predictions=predictions, high_probability_threshold=cfg.sure)
    forgotten = compute_overlooked_box_scores(
        labels=labels, predictions=predictions, high_probability_threshold=cfg.sure
    )
    place_scores, swap_scores = (np.nan_to_num(np.concatenate(scores), nan=1.0) for scores in (place, swap))
    quality = np.clip(np.minimum(place_scores, swap_scores), 0.0, 1.0)
    suspicious = quality <= cfg.suspicious_below
    nearest = [guess for one in pictures for guess in _nearest(one, cfg.likely)]
    given = [number for one in pictures for number in one.given]
    other = np.array([guess not in (None, own) for guess, own in zip(nearest, given, strict=True)], bool)
    return Judged(
        label_ids=tuple(label_id for one in pictures for label_id in one.label_ids),
        given=tuple(classes[number] for number in given),
        quality=quality,
        suspicious=suspicious,
        disagrees=other,
        suggested=tuple(
            classes[guess] if guess is not None and differs else None
            for guess, differs in zip(nearest, other, strict=True)
        ),
        reason=tuple(
            (CLASS if swapped < placed else PLACE) if flag else None
            for flag, swapped, placed in zip(suspicious, swap_scores, place_scores, strict=True)
        ),
    ), _overlooked(pictures, predictions, forgotten, classes)


def _by_class(picture: BoxedPicture, classes: int) -> npt.NDArray[np.object_]:
    """Predictions as cleanlab wants them: for each class an array (m, 5) of edges and confidence."""
    rows = np.column_stack([picture.seen, picture.confidence])
    grouped = np.empty(classes, object)
    for number in range(classes):
        grouped[number] = rows[picture.guessed == number]
    return grouped


def _nearest(picture: BoxedPicture, likely: float) -> list[int | None]:
    """Of each label the class of the likely predicted box that covers it best, None where none touches it."""
    chosen = picture.confidence >= likely
    seen, guessed = picture.seen[chosen], picture.guessed[chosen]
    found: list[int | None] = []
    for box in picture.boxes:
        corners = np.minimum(seen[:, 2:], box[2:]) - np.maximum(seen[:, :2], box[:2])
        shared = np.clip(corners, 0, None).prod(axis=1)
        areas = (seen[:, 2:] - seen[:, :2]).prod(axis=1) + (box[2:] - box[:2]).prod() - shared
        iou = shared / np.maximum(areas, np.finfo(float).tiny)
        found.append(int(guessed[iou.argmax()]) if iou.size and iou.max() > 0 else None)
    return found


def _overlooked(
    pictures: tuple[BoxedPicture, ...],
    predictions: list[npt.NDArray[np.object_]],
    scores: list[Float],
    classes: tuple[str, ...],
) -> tuple[Overlooked, ...]:
    found = []
    for picture, grouped, of_picture in zip(pictures, predictions, scores, strict=True):
        rows = np.concatenate([np.asarray(part, float).reshape(-1, 5) for part in grouped])
        guessed: Ints = np.repeat(np.arange(len(grouped)), [len(part) for part in grouped])
        for row, number, score in zip(rows, guessed, of_picture, strict=True):
            if np.isfinite(score):
                edges = (float(row[0]), float(row[1]), float(row[2]), float(row[3]))
                found.append(Overlooked(picture.image_id, classes[number], edges, float(row[4]), float(score)))
    return tuple(sorted(found, key=lambda one: (one.score, one.image_id, one.edges)))


def _nothing() -> Judged:
    empty = np.zeros(0)
    return Judged((), (), empty, empty.astype(bool), empty.astype(bool), (), ())
