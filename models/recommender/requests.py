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
MAX_FRIENDS = 1_000
FRIENDS = "friends took it"  # stands in a reason where other reasons name an item


@dataclass(frozen=True)
class Friend:
    """What a friend took, by name, and how many friends that friend has: of many each list says less."""

    items: Sequence[str]
    friends: int = 1


@dataclass(frozen=True)
class RecommendInput:
    """N customers: the names of the items each took, oldest first. Items that the model does not know are passed over.

    `k` items are wanted of each customer; those of the history are left out unless `with_taken`.
    `friends` are those of each customer, in the order of `histories`; None or an empty list where they are not known.
    """

    histories: Sequence[Sequence[str]]
    k: int = 10
    with_taken: bool = False
    friends: Sequence[Sequence[Friend]] | None = None


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
    """An item of the history and its share of what is known for the recommended item, by the linear part.

    `item` is FRIENDS where friends speak for it: what they took, all together.
    """

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
        _check_items(f"histories[{number}]", history)
    if request.friends is None:
        return
    if isinstance(request.friends, str) or not isinstance(request.friends, Sequence):
        raise InputError("friends: expected a list of lists of Friend, one list a customer")
    if len(request.friends) != len(histories):
        raise InputError(
            f"friends: {len(request.friends)} lists for {len(histories)} customers; give one each, or None"
        )
    for number, friends in enumerate(request.friends):
        if isinstance(friends, str) or not isinstance(friends, Sequence):
            raise InputError(f"friends[{number}]: expected a list of Friend, found {type(friends).__name__}")
        if len(friends) > MAX_FRIENDS:
            raise InputError(
                f"friends[{number}]: {len(friends)} friends: at most {MAX_FRIENDS} are read; leave some out"
            )
        for place, friend in enumerate(friends):
            _check_friend(f"friends[{number}][{place}]", friend)


def _check_friend(where: str, friend: Friend) -> None:
    if not isinstance(friend, Friend):
        raise InputError(f"{where}: expected a Friend, found {type(friend).__name__}")
    count = friend.friends
    if isinstance(count, bool) or not isinstance(count, int) or count < 1:
        raise InputError(f"{where}: friends {count!r}: expected a whole number from 1: the customer is one of them")
    _check_items(where, friend.items)


def _check_items(where: str, items: Sequence[str]) -> None:
    if isinstance(items, str) or not isinstance(items, Sequence):
        raise InputError(f"{where}: expected a list of item names, found {type(items).__name__}")
    if len(items) > MAX_HISTORY:
        raise InputError(f"{where}: {len(items)} items: at most {MAX_HISTORY} are read; give the newest")
    for item in items:
        if not isinstance(item, str) or not 1 <= len(item) <= MAX_NAME:
            raise InputError(f"{where}: {repr(item)[:60]}: an item is named by text of 1 to {MAX_NAME} characters")
