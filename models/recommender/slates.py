"""Which candidates make a slate: what is there and may be shown, then variety. NumPy alone.

Rules in order of precedence, each within what those before it left:
1. stock: what is not available is never shown;
2. already bought: what the customer has is not shown again, unless it is of a kind that people buy again;
3. variety: at most `most_of_category` items of one category, as long as others are left to fill the slate: a full slate
   comes before a varied one, a short one before one that breaks the first two rules.
Within the rules the best score comes first.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from models.common.protocols import InputError
from models.recommender.histories import Ints
from models.recommender.online import Bools, Floats

EMPTY = -1  # the place in a slate that no candidate is left for
MAX_PLACES = 1_000


class SlateConfig(BaseModel):
    """Knobs of a slate."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    most_of_category: int | None = Field(
        None,
        ge=1,
        le=MAX_PLACES,
        description="items of one category in a slate; None = no bound. It costs clicks today and shows what else there is",
    )


@dataclass(frozen=True)
class Choice:
    """What a slate is chosen of: C candidates for each of R requests, all (R, C). `category` as a number or by name;
    `allowed` is what the first two rules left: see `allowed_by`."""

    scores: Floats
    category: npt.NDArray[Any]
    allowed: Bools

    def __post_init__(self) -> None:
        shapes = {name: getattr(self, name).shape for name in ("scores", "category", "allowed")}
        if len(set(shapes.values())) > 1 or self.scores.ndim != 2:
            raise InputError(f"choice: shapes {shapes}: expected one shape (R, C) for all")
        if np.isnan(self.scores[self.allowed]).any():
            raise InputError("scores: NaN for a candidate that may be shown; score it, or do not allow it")


def allowed_by(available: Bools, bought: Bools, bought_again: Bools) -> Bools:
    """Rules 1 and 2 (R, C): `available`; `bought` by the customer before; `bought_again`, items of a kind that one buys
    again. Shapes may be any that broadcast."""
    return np.asarray(available & (~bought | bought_again), dtype=np.bool_)


def slates(choice: Choice, places: int, cfg: SlateConfig) -> Ints:
    """Places (R, K) of the chosen candidates among the C, the best first, EMPTY behind the last that may be shown."""
    if not 1 <= places <= MAX_PLACES:
        raise InputError(f"places {places}: expected 1 to {MAX_PLACES}, the items of a slate")
    scores = np.where(choice.allowed, choice.scores, -np.inf)
    order = np.argsort(-scores, axis=1, kind="stable")
    allowed = np.take_along_axis(choice.allowed, order, axis=1)
    category = np.take_along_axis(_numbers(choice.category), order, axis=1)
    last = ~allowed * 2
    if cfg.most_of_category is not None:
        last = np.maximum(last, _turn(category, allowed) >= cfg.most_of_category)
    chosen = np.argsort(last, axis=1, kind="stable")[:, :places]
    found = np.full((len(order), places), EMPTY, dtype=np.int64)
    found[:, : chosen.shape[1]] = np.where(
        np.take_along_axis(allowed, chosen, axis=1), np.take_along_axis(order, chosen, axis=1), EMPTY
    )
    return found


def exchangeable(choice: Choice, slate: Ints, cfg: SlateConfig) -> Bools:
    """Whether candidate c might stand at place k of slates (R, K) instead of what does, all else equal, (R, K, C).

    The rules hold after the exchange: it may be shown, is not in the slate, and its category is not full. An empty place
    takes nothing.
    """
    rows, places = slate.shape
    filled = slate != EMPTY
    free = choice.allowed.copy()
    row, place = np.nonzero(filled)
    free[row, slate[row, place]] = False
    found = np.broadcast_to(filled[:, :, None] & free[:, None, :], (rows, places, free.shape[1]))
    if cfg.most_of_category is None:
        return found
    category = _numbers(choice.category)
    in_slate = np.where(filled, np.take_along_axis(category, np.maximum(slate, 0), axis=1), -1)
    same = in_slate[:, :, None] == category[:, None, :]  # (R, K, C)
    left = same.sum(axis=1)[:, None, :] - same  # of the candidate's category, once place k is empty
    # A slate that had to go beyond the bound to be full may exchange within a category, which makes it no worse.
    return np.asarray(found & ((left < cfg.most_of_category) | same))


def _turn(category: Ints, allowed: Bools) -> Ints:
    """How many allowed candidates of its category stand before each (R, C)."""
    by_category = np.argsort(category, axis=1, kind="stable")
    sorted_category = np.take_along_axis(category, by_category, axis=1)
    counted = np.take_along_axis(allowed, by_category, axis=1).astype(np.int64)
    before = np.cumsum(counted, axis=1) - counted
    begins = np.ones(category.shape, dtype=np.bool_)
    begins[:, 1:] = sorted_category[:, 1:] != sorted_category[:, :-1]
    before -= np.maximum.accumulate(np.where(begins, before, 0), axis=1)
    turn = np.empty_like(before)
    np.put_along_axis(turn, by_category, before, axis=1)
    return turn


def _numbers(category: npt.NDArray[Any]) -> Ints:
    """A number >= 0 for each name, in the same shape."""
    _, numbers = np.unique(category, return_inverse=True)
    return np.asarray(numbers, dtype=np.int64).reshape(category.shape)
