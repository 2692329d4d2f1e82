"""The best items by the mix, and what is known of each for a customer: what the ranker reads. NumPy alone."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from models.recommender.histories import Histories, Ints
from models.recommender.sparse_rows import SparseRows

Floats = npt.NDArray[np.floating[Any]]
FEATURES = (
    "mix",
    "sequence",
    "linear",
    "popularity",
    "attributes",
    "attributes of the newest",
    "place by sequence",
    "place by linear",
    "place by mix",
    "sequence by length",
    "linear by length",
    "popularity by length",
)
TYPICAL_LENGTH = 6.0  # of a history: the features that cross with its length are 0 there
FAINT = -30.0  # logarithm below which a chance is all the same


@dataclass(frozen=True)
class Parts:
    """What the parts say of all items for N customers: scores (N, I); `mix` is -inf where an item is barred."""

    mix: npt.NDArray[np.float32]
    sequence: npt.NDArray[np.float32]
    linear: npt.NDArray[np.float32]  # logarithms
    popularity: npt.NDArray[np.float32]  # (I,), logarithms


def describe(
    items: Ints, parts: Parts, histories: Histories, attributes: SparseRows, *, decay: float
) -> npt.NDArray[np.float32]:
    """Features (N, C, F) of candidates (N, C), the best by the mix first; 0 in empty places, where the item is -1.

    `attributes` has a row of length 1 for each item. What two customers' scores have in common is taken out: of the mix
    their best, of the sequence network the logarithm of the softmax among the candidates.
    """
    empty, at = items < 0, np.maximum(items, 0)
    mix, sequence, linear = (
        np.where(empty, -np.inf, np.take_along_axis(part, at, axis=1))
        for part in (parts.mix, parts.sequence, parts.linear)
    )
    length = np.log(np.maximum(histories.lengths, 1) / TYPICAL_LENGTH)[:, None]
    decayed = np.power(decay, histories.ages).astype(np.float32)
    newest = (histories.ages == 0).astype(np.float32)
    chance = np.maximum(_log_softmax(sequence), FAINT)
    popularity, said = parts.popularity[at], np.where(empty, 0.0, linear)
    found = [
        np.maximum(mix - np.where(empty[:, :1], 0.0, mix[:, :1]), FAINT),
        chance,
        said,
        popularity,
        attributes.products(at, attributes.gathered(histories, decayed)),
        attributes.products(at, attributes.gathered(histories, newest)),
        _place(sequence),
        _place(linear),
        np.broadcast_to(np.log1p(np.arange(items.shape[1])), items.shape),
        chance * length,
        said * length,
        popularity * length,
    ]
    return np.stack([np.where(empty, 0.0, feature) for feature in found], axis=-1).astype(np.float32)


def _log_softmax(scores: Floats) -> Floats:
    """Over rows (N, C) of which -inf is an empty place."""
    highest = scores.max(axis=1, keepdims=True)
    shifted = scores - np.where(np.isfinite(highest), highest, 0.0)
    total = np.exp(shifted).sum(axis=1, keepdims=True)
    return np.asarray(shifted - np.log(np.maximum(total, np.finfo(np.float32).tiny)))


def _place(scores: Floats) -> Floats:
    """Logarithm of one and the place (N, C) of each candidate among them, the best first; equal ones by their order."""
    order = np.argsort(-scores, axis=1, kind="stable")
    place = np.empty_like(order)
    np.put_along_axis(place, order, np.broadcast_to(np.arange(scores.shape[1]), order.shape), axis=1)
    return np.log1p(place)
