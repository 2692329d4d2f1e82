"""What friends took, beside what little is known of a customer: scoring in NumPy alone.

A customer who took few items is scored by a regression of its own, told by them and by the lists of friends:

    own_weight * sum of own[i] over the items taken + sum of weight * friends[i] over friends' items + direct * weight of the item

`friends` says what the lists of friends let expect, `direct` is what an item counts that the friends took themselves.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from models.recommender.histories import Histories, Ints
from models.recommender.sparse_rows import SparseRows

Floats = npt.NDArray[np.floating[Any]]
FRIENDS_POWER = 0.5  # of the number of friends: who has many says less of each
TOGETHER_POWER = 0.5  # of the weights of all friends of a customer: many say more than few, but not as much more


@dataclass(frozen=True)
class Company:
    """What the friends of N customers took: `lists` joins the lists of all friends of a customer, `weights` (nnz,)."""

    lists: Histories
    weights: Floats

    @classmethod
    def of(cls, friends: "Sequence[Sequence[tuple[Ints, int]]]") -> "Company":
        """From the items of each friend and how many friends that friend has."""
        joined = Histories.of(
            [np.concatenate([np.zeros(0, np.int64), *(items for items, _ in each)]) for each in friends]
        )
        counts = np.asarray([count for each in friends for _, count in each], np.int64)
        owners = np.repeat(np.arange(len(friends)), [len(each) for each in friends])
        lengths = np.asarray([len(items) for each in friends for items, _ in each], np.int64)
        return cls(joined, np.repeat(_says(counts, owners, len(friends)), lengths))

    @classmethod
    def among(cls, customers: Ints, ties: Histories, histories: Histories) -> "Company":
        """Of some customers of a data set, from `ties` (the friends of each) and the histories of all."""
        theirs = ties.take(customers)
        lists = histories.take(theirs.items)
        per_customer = np.bincount(theirs.rows, weights=lists.lengths, minlength=len(customers)).astype(np.int64)
        weights = np.repeat(_says(ties.lengths[theirs.items], theirs.rows, len(customers)), lists.lengths)
        return cls(Histories(np.concatenate([[0], np.cumsum(per_customer)]), lists.items), weights)

    def take(self, customers: Ints) -> "Company":
        """Some of the N customers."""
        lengths = self.lists.lengths[customers]
        starts = np.concatenate([[0], np.cumsum(lengths)])
        at = np.repeat(self.lists.starts[customers] - starts[:-1], lengths) + np.arange(starts[-1])
        return Company(Histories(starts, self.lists.items[at]), self.weights[at])

    def sums(self, n_items: int) -> npt.NDArray[np.float32]:
        """Weight of the friends who took each item (N, I)."""
        cell = self.lists.rows * n_items + self.lists.items
        total = np.bincount(cell, weights=self.weights, minlength=len(self.lists) * n_items)
        return total.reshape(len(self.lists), n_items).astype(np.float32)


def _says(counts: Ints, owners: Ints, customers: int) -> Floats:
    """Weight (F,) of each friend's list, of how many friends that friend has (F,) and whose friend it is (F,)."""
    alone = np.power(np.maximum(counts, 1), -FRIENDS_POWER)
    together = np.bincount(owners, weights=alone, minlength=customers)
    return np.asarray(alone * np.power(together[owners], -TOGETHER_POWER))


@dataclass(frozen=True)
class Social:
    """The regression of customers with `longest` items at most; `alone` is the same one fitted without friends."""

    alone: SparseRows
    own: SparseRows
    friends: SparseRows
    own_weight: float
    direct: float
    longest: int

    def answered(self, histories: Histories, company: Company | None) -> npt.NDArray[np.bool_]:
        """Whose scores (N,) are these: who has few items and some friend's list, or few items and no friend."""
        known = np.zeros(len(histories), bool) if company is None else company.lists.lengths > 0
        return (histories.lengths <= self.longest) & (known | (histories.lengths > 0))

    def scores(self, histories: Histories, company: Company | None) -> npt.NDArray[np.float32]:
        """Scores (N, I) of all items; of a customer without a friend's list those of the regression without friends."""
        total = self._own(self.alone, histories)
        rows = np.zeros(0, np.int64) if company is None else np.flatnonzero(company.lists.lengths)
        if company is not None and rows.size:
            theirs = company.take(rows)
            total[rows] = self._own(self.own, histories.take(rows))
            total[rows] += self.friends.gathered(theirs.lists, theirs.weights)
            total[rows] += np.float32(self.direct) * theirs.sums(self.own.width)
        return total

    def _own(self, rows: SparseRows, histories: Histories) -> npt.NDArray[np.float32]:
        return rows.gathered(histories, np.full(len(histories.items), self.own_weight))

    def shares(self, taken: Ints, company: Company, item: int) -> tuple[Floats, float]:
        """What each taken item (n,) and all friends together add to the score of one item for one customer."""
        own = self.own_weight * self.own.column(taken, item)
        told = float(company.weights @ self.friends.column(company.lists.items, item))
        return own, told + self.direct * float(company.weights[company.lists.items == item].sum())

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """What an artifact holds of it."""
        settings = np.asarray([self.own_weight, self.direct, self.longest], dtype=np.float64)
        found: dict[str, npt.NDArray[Any]] = {"settings": settings}
        for name in ("alone", "own", "friends"):
            rows: SparseRows = getattr(self, name)
            found |= {f"{name}_starts": rows.starts, f"{name}_targets": rows.targets, f"{name}_values": rows.values}
        return found

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Any], n_items: int) -> "Social":
        """From what `arrays` gave."""
        alone, own, friends = (SparseRows.named(arrays, name, n_items) for name in ("alone", "own", "friends"))
        own_weight, direct, longest = arrays["settings"].tolist()
        return cls(alone, own, friends, own_weight, direct, int(longest))
