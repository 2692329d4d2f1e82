"""What a recommender is asked and what it answers, and the checks on the way in."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.common.protocols import InputError

MAX_CUSTOMERS = 100_000
MAX_HISTORY = 10_000
MAX_ITEMS = 1_000
MAX_NAME = 200


@dataclass(frozen=True)
class RecommendInput:
    """N customers: the names of the items each took, oldest first. Items that the model does not know are passed over.

    `k` items are wanted of each customer; those of the history are left out unless `with_taken`.
    """

    histories: Sequence[Sequence[str]]
    k: int = 10
    with_taken: bool = False


@dataclass(frozen=True)
class Reply:
    """Items (N, k) by name, best first, "" in places that no item is left for, and their scores (N, k), NaN there.

    `known` (N,) is how many items of each history the model knows; with none it recommends what most customers took.
    """

    items: npt.NDArray[np.str_]
    scores: npt.NDArray[np.float32]
    known: npt.NDArray[np.int64]


@dataclass(frozen=True)
class Reason:
    """An item of the history and its share of what the history says for the recommended item, by the linear part."""

    item: str
    share: float


def check(request: RecommendInput) -> None:
    """InputError names the field, the value and the bound."""
    k = request.k
    if isinstance(k, bool) or not isinstance(k, int) or not 1 <= k <= MAX_ITEMS:
        raise InputError(f"k {k!r}: expected a whole number from 1 to {MAX_ITEMS}")
    histories = request.histories
    if isinstance(histories, str) or not isinstance(histories, Sequence):
        raise InputError("histories: expected a list of lists of item names, one list a customer")
    if not 1 <= len(histories) <= MAX_CUSTOMERS:
        raise InputError(f"histories: {len(histories)} customers: expected 1 to {MAX_CUSTOMERS}; ask in parts")
    for number, history in enumerate(histories):
        if isinstance(history, str) or not isinstance(history, Sequence):
            raise InputError(f"histories[{number}]: expected a list of item names, found {type(history).__name__}")
        if len(history) > MAX_HISTORY:
            raise InputError(
                f"histories[{number}]: {len(history)} items: at most {MAX_HISTORY} are read; give the newest"
            )
        for item in history:
            if not isinstance(item, str) or not 1 <= len(item) <= MAX_NAME:
                shown = repr(item)[:60]
                raise InputError(
                    f"histories[{number}]: {shown}: an item is named by text of 1 to {MAX_NAME} characters"
                )
