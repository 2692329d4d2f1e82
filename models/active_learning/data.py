"""From tables to arrays: the only place that knows the columns of the tables.

Tables (pyarrow), of which the second is optional:

`pictures` (image_id, embedding: a list of as many numbers each, is_labelled): every picture, with what tells it from others.
`predictions` (image_id, label, confidence, four edges in pixels or null), as the report on label quality reads them: of whole
pictures a row for each class with its probability, of boxes a row for each predicted box. Of a picture that is labelled
nothing is asked; one whose boxes are predicted may have none.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from models.active_learning.config import Config
from models.active_learning.selection import Pool, pool_of
from models.active_learning.uncertainty import MEASURES, Float, doubt_of_boxes
from models.common.arrow_columns import need_columns, numbers, refuse_nulls
from models.common.protocols import DataError

PICTURES, PREDICTIONS = "pictures", "predictions"
EDGES = ("x_min_px", "y_min_px", "x_max_px", "y_max_px")
_NEEDED = {
    PICTURES: ("image_id", "embedding", "is_labelled"),
    PREDICTIONS: ("image_id", "label", "confidence", *EDGES),
}
Told = Literal["nothing", "whole pictures", "boxes"]


@dataclass(frozen=True, eq=False)
class Dataset:
    """The N pictures of the pool by id, beside what is labelled; `told` says what a model predicted, and `without` of how many
    pictures of the pool it predicted no box."""

    image_ids: tuple[str, ...]
    pool: Pool
    told: Told
    without: int


def prepare(tables: Mapping[str, Any], cfg: Config) -> Dataset:
    """Pictures that nobody has labelled, and what a model predicts of them.

    Errors: DataError for a missing table or column, a picture twice, embeddings of several lengths or not finite, more pictures
    than `cfg.max_pictures`, predictions of boxes and of whole pictures in one, a confidence outside 0 to 1, and pictures of the
    pool without a prediction where whole pictures are predicted.
    """
    if PICTURES not in tables:
        raise DataError(f"table {PICTURES} is missing; there are {', '.join(sorted(tables)) or 'none'}: hand it over")
    pictures = tables[PICTURES]
    need_columns(PICTURES, pictures, _NEEDED[PICTURES])
    for column in _NEEDED[PICTURES]:
        refuse_nulls(PICTURES, pictures, column, "every picture needs one")
    if pictures.num_rows > cfg.max_pictures:
        raise DataError(
            f"{PICTURES}: {pictures.num_rows:,} pictures, at most {cfg.max_pictures:,}: choose from a part of the set"
        )
    ids = [str(name) for name in pictures["image_id"].to_pylist()]
    if len(set(ids)) < len(ids):
        raise DataError(f"{PICTURES}.image_id: {len(ids) - len(set(ids))} rows are of a picture named before: keep one")
    embeddings = _embeddings(pictures)
    labelled = numbers(PICTURES, pictures, "is_labelled") > 0
    free = tuple(name for name, done in zip(ids, labelled, strict=True) if not done)
    known, nobody = embeddings[labelled], np.ones(len(free))
    if PREDICTIONS not in tables:
        pool = Pool(embeddings[~labelled], known, None, dict.fromkeys(MEASURES, nobody))
        return Dataset(free, pool, "nothing", 0)
    place, names, confidence, boxed = _predicted(tables[PREDICTIONS], free)
    if boxed:
        doubt = {measure: doubt_of_boxes(confidence, place, len(free), measure) for measure in MEASURES}
        without = len(free) - len(np.unique(place))
        return Dataset(free, Pool(embeddings[~labelled], known, None, doubt), "boxes", without)
    probabilities = np.full((len(ids), len(np.unique(names))), np.nan)
    probabilities[~labelled] = _probabilities(place, names, confidence, len(free))
    return Dataset(free, pool_of(embeddings, probabilities, labelled), "whole pictures", 0)


def _embeddings(pictures: Any) -> Float:
    import pyarrow as pa
    import pyarrow.compute as pc

    column = pictures["embedding"].combine_chunks()
    if not (pa.types.is_list(column.type) or pa.types.is_fixed_size_list(column.type)):
        raise DataError(f"{PICTURES}.embedding: type {column.type}, a list of numbers is needed: write lists of floats")
    lengths = pc.unique(pc.list_value_length(column)).to_pylist()
    if len(lengths) > 1 or 0 in lengths:
        raise DataError(
            f"{PICTURES}.embedding: lists of {sorted(lengths)[:5]} numbers, one length above 0 is needed: embed all by one model"
        )
    values = numbers(f"{PICTURES}.embedding", pa.table({"numbers": pc.list_flatten(column)}), "numbers")
    if broken := int((~np.isfinite(values)).sum()):
        raise DataError(f"{PICTURES}.embedding: {broken} numbers are null or not finite: embed those pictures again")
    return values.reshape(len(column), -1)


def _predicted(table: Any, free: tuple[str, ...]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], Float, bool]:
    """Rows of the pool's pictures: picture (M,), class (M,), confidence (M,), and whether they are boxes."""
    need_columns(PREDICTIONS, table, _NEEDED[PREDICTIONS])
    for column in ("image_id", "label"):
        refuse_nulls(PREDICTIONS, table, column, "every row needs one")
    places = {name: row for row, name in enumerate(free)}
    of = np.array([places.get(name, -1) for name in table["image_id"].to_pylist()], np.int64)
    confidence = numbers(PREDICTIONS, table, "confidence")
    if outside := int((~((confidence >= 0) & (confidence <= 1))).sum()):
        raise DataError(f"{PREDICTIONS}.confidence: {outside} rows are null or outside 0 to 1: give probabilities")
    edges = np.column_stack([numbers(PREDICTIONS, table, edge) for edge in EDGES])
    whole = np.asarray(np.isnan(edges).all(axis=1), bool)
    if 0 < whole.sum() < len(whole):
        raise DataError(
            f"{PREDICTIONS}: {int(whole.sum())} rows of whole pictures, {int((~whole).sum())} of boxes: give one kind"
        )
    _, names = np.unique(np.array(table["label"].to_pylist(), object).astype(str), return_inverse=True)
    mine = of >= 0
    return of[mine], names[mine].astype(np.int64), confidence[mine], not bool(whole.any())


def _probabilities(place: npt.NDArray[np.int64], names: npt.NDArray[np.int64], confidence: Float, free: int) -> Float:
    """Class probabilities (N, K) of the pool; rows that sum to less or more are brought to 1."""
    found = np.zeros((free, int(names.max(initial=0)) + 1))
    np.add.at(found, (place, names), confidence)
    sums = found.sum(axis=1, keepdims=True)
    if without := int((sums <= 0).sum()):
        raise DataError(f"{PREDICTIONS}: {without} of {free} pictures of the pool have none: predict every picture")
    return np.asarray(found / sums)
