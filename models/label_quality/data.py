"""From tables to arrays: the only place that knows the columns of the tables.

Tables (pyarrow), in the columns of their contracts:

`label_classes` (label, position), `images` (image_id), every picture of the set, `image_labels` (label_id, image_id, label, four
edges in pixels or null, is_crowd), and `predictions` (image_id, label, confidence, four edges or null): of whole pictures a row for
each class with its probability (classes without a row have none), of boxes a row for each predicted box. They must come from models
that did not learn from the picture they judge, such as those of a cross-validation.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from models.common.arrow_columns import need_columns, numbers, refuse_nulls
from models.common.protocols import DataError
from models.label_quality.config import Config

Float = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
EDGES = ("x_min_px", "y_min_px", "x_max_px", "y_max_px")
_NEEDED = {
    "label_classes": ("label", "position"),
    "images": ("image_id",),
    "image_labels": ("label_id", "image_id", "label", *EDGES, "is_crowd"),
    "predictions": ("image_id", "label", "confidence", *EDGES),
}


@dataclass(frozen=True)
class Whole:
    """N labels of whole pictures: given (N,) class numbers, probabilities (N, K) out of sample, rows summing to 1."""

    label_ids: tuple[str, ...]
    given: Ints
    probabilities: Float


@dataclass(frozen=True)
class BoxedPicture:
    """One picture: L labels with boxes (L, 4) and given (L,); M predictions with seen (M, 4), guessed (M,), confidence (M,)."""

    image_id: str
    label_ids: tuple[str, ...]
    boxes: Float
    given: Ints
    seen: Float
    guessed: Ints
    confidence: Float


@dataclass(frozen=True)
class Dataset:
    """Labels beside predictions; `classes` by number. Crowds are left out, and predictions in them: nobody says what they hold.
    `unasked`: labels of whole pictures that are left out because all predictions are boxes."""

    classes: tuple[str, ...]
    whole: Whole
    boxed: tuple[BoxedPicture, ...]
    unasked: int


@dataclass(frozen=True)
class _Rows:
    """A table as arrays: image (R,) and class (R,) numbers, edges (R, 4), values (R,) confidence or NaN."""

    image_ids: npt.NDArray[np.object_]
    classes: Ints
    edges: Float
    confidence: Float

    @property
    def is_whole(self) -> npt.NDArray[np.bool_]:
        return np.asarray(np.isnan(self.edges).all(axis=1), bool)

    def of(self, chosen: npt.NDArray[Any]) -> "_Rows":
        return _Rows(self.image_ids[chosen], self.classes[chosen], self.edges[chosen], self.confidence[chosen])


def prepare(tables: Mapping[str, Any], cfg: Config) -> Dataset:
    """Labels of a set and what models predict of the same pictures.

    Errors: DataError for a missing table or column, a class that is not in label_classes, a picture that is not in images, a
    confidence outside 0 to 1, two classes of one whole picture, a labelled whole picture without predictions where others have
    some, more pictures than `cfg.max_pictures`, or more predictions than `cfg.max_predictions`.
    """
    for name, columns in _NEEDED.items():
        if name not in tables:
            raise DataError(f"table {name} is missing; there are {', '.join(sorted(tables)) or 'none'}: hand it over")
        need_columns(name, tables[name], columns)
    if (rows := tables["predictions"].num_rows) > cfg.max_predictions:
        raise DataError(
            f"predictions: {rows:,} rows, at most {cfg.max_predictions:,}: leave out boxes that the model is unsure of, or report on "
            "a part of the set"
        )
    ordered = tables["label_classes"].sort_by("position")
    classes = tuple(str(name) for name in ordered["label"].to_pylist())
    crowd = np.nan_to_num(numbers("image_labels", tables["image_labels"], "is_crowd")) > 0
    labels = _rows("image_labels", tables["image_labels"], classes)
    label_ids = np.array(tables["image_labels"]["label_id"].to_pylist(), object)
    predictions = _rows("predictions", tables["predictions"], classes)
    if outside := int((~((predictions.confidence >= 0) & (predictions.confidence <= 1))).sum()):
        raise DataError(f"predictions.confidence: {outside} rows are null or outside 0 to 1: give probabilities")
    known = set(tables["images"]["image_id"].to_pylist())
    for name, named in (("image_labels", labels), ("predictions", predictions)):
        if strange := sorted(set(named.image_ids) - known):
            raise DataError(
                f"{name}.image_id: {len(strange):,} pictures, such as {strange[0]!r}, are none of the {len(known):,} good ones of the "
                "set: name those alone"
            )
    pictures = len({*labels.image_ids, *predictions.image_ids})
    if pictures > cfg.max_pictures:
        raise DataError(f"{pictures:,} pictures, at most {cfg.max_pictures:,}: report on a part of the set")
    whole, boxed = labels.is_whole & ~crowd, ~labels.is_whole & ~crowd
    unasked = 0
    if rows and not predictions.is_whole.any():  # a finder of boxes says nothing of a photo of one product
        unasked, whole = int(whole.sum()), np.zeros_like(whole)
    return Dataset(
        classes=classes,
        whole=_whole(labels.of(whole), tuple(label_ids[whole]), predictions.of(predictions.is_whole), len(classes)),
        boxed=_boxed(
            labels.of(boxed), label_ids[boxed], _outside(predictions.of(~predictions.is_whole), labels.of(crowd))
        ),
        unasked=unasked,
    )


def _rows(name: str, table: Any, classes: tuple[str, ...]) -> _Rows:
    for column in ("image_id", "label"):
        refuse_nulls(name, table, column, "every row needs one")
    number = {label: position for position, label in enumerate(classes)}
    labels = table["label"].to_pylist()
    if unknown := sorted(set(labels) - number.keys()):
        raise DataError(
            f"{name}.label: {', '.join(unknown[:5])} ({len(unknown)}) are not in label_classes: add them there"
        )
    has_confidence = "confidence" in table.column_names
    return _Rows(
        image_ids=np.array(table["image_id"].to_pylist(), object),
        classes=np.array([number[label] for label in labels], np.int64),
        edges=np.column_stack([numbers(name, table, edge) for edge in EDGES]),
        confidence=numbers(name, table, "confidence") if has_confidence else np.full(len(labels), np.nan),
    )


def _whole(labels: _Rows, label_ids: tuple[str, ...], predictions: _Rows, classes: int) -> Whole:
    places = {image_id: place for place, image_id in enumerate(labels.image_ids)}
    if len(places) < len(labels.image_ids):
        raise DataError(
            f"image_labels: {len(labels.image_ids) - len(places)} pictures have a second class: the report knows one a picture"
        )
    probabilities = np.zeros((len(places), classes))
    known = np.array([image_id in places for image_id in predictions.image_ids], bool)
    rows = np.array([places[image_id] for image_id in predictions.image_ids[known]], np.int64)
    np.add.at(probabilities, (rows, predictions.classes[known]), predictions.confidence[known])
    sums = probabilities.sum(axis=1, keepdims=True)
    if without := int((sums <= 0).sum()):
        raise DataError(f"predictions: {without} of {len(places)} labelled pictures have none: predict every picture")
    return Whole(label_ids, labels.classes, probabilities / np.where(sums > 0, sums, 1.0))


def _outside(predictions: _Rows, crowds: _Rows) -> _Rows:
    """Predicted boxes whose centre lies in no crowd: of those nobody can say whether they are right."""
    by_image = _grouped(crowds.image_ids)
    centres = (predictions.edges[:, :2] + predictions.edges[:, 2:]) / 2
    kept = np.ones(len(centres), bool)
    for place in np.flatnonzero([image_id in by_image for image_id in predictions.image_ids]):
        heaps = crowds.edges[by_image[predictions.image_ids[place]]]
        within = (centres[place] >= heaps[:, :2]) & (centres[place] <= heaps[:, 2:])
        kept[place] = not within.all(axis=1).any()
    return predictions.of(kept)


def _boxed(labels: _Rows, label_ids: npt.NDArray[np.object_], predictions: _Rows) -> tuple[BoxedPicture, ...]:
    """Pictures that have boxes of either kind, by id: one without labels may have a forgotten item."""
    by_label, by_guess = _grouped(labels.image_ids), _grouped(predictions.image_ids)
    none = np.zeros(0, np.int64)
    found = []
    for image_id in sorted(by_label.keys() | by_guess.keys()):
        mine, theirs = by_label.get(image_id, none), by_guess.get(image_id, none)
        found.append(
            BoxedPicture(
                image_id=image_id,
                label_ids=tuple(label_ids[mine]),
                boxes=labels.edges[mine],
                given=labels.classes[mine],
                seen=predictions.edges[theirs],
                guessed=predictions.classes[theirs],
                confidence=predictions.confidence[theirs],
            )
        )
    return tuple(found)


def _grouped(image_ids: npt.NDArray[np.object_]) -> dict[str, Ints]:
    places: dict[str, list[int]] = {}
    for place, image_id in enumerate(image_ids):
        places.setdefault(image_id, []).append(place)
    return {image_id: np.array(found, np.int64) for image_id, found in places.items()}
