"""What friends bought after a customer's purchase, beside what they buy anyway: the evidence of influence.

A self-controlled design (Farrington 1995, "Relative incidence estimation from case series"): a friend's purchases of the
same item in the days after are compared with the same friend's purchases of that item some days earlier and later. What
both like (homophily), and what sells these weeks, acts on both and so is not mistaken for influence.
"""

from dataclasses import dataclass

import numpy as np

from models.profiles.behaviour import Floats, Ints
from models.profiles.data import Dataset

_CHUNK = 100_000  # purchases whose friends are looked at together


@dataclass(frozen=True)
class Follows:
    """Counts of each tie, (E,): purchases of its source that the friend could follow, friends' purchases of the same item
    within W days `after`, and `beside` in two spans of W days, more than W days before and after the source's purchase."""

    chances: Floats
    after: Floats
    beside: Floats

    def by_source(self, source: Ints, customers: int) -> "Follows":
        """The same sums of each customer (N,) as source; with the ties' targets, as target."""
        return Follows(
            *(
                np.asarray(np.bincount(source, weights=each, minlength=customers), dtype=np.float64)
                for each in (self.chances, self.after, self.beside)
            )
        )

    @property
    def excess(self) -> Floats:
        """How many purchases after it are more than usual; below 0 by chance."""
        return self.after - self.beside / 2.0


def count_follows(data: Dataset, days: int, first: int, end: int) -> Follows:
    """Follows of purchases from day `first` to before day `end` (days since 1970), W = `days`.

    A purchase counts where all three spans lie within the observed days and the friendship was known by then.
    """
    bought, ties = data.purchases, data.ties
    oldest, newest = int(bought.day.min()), int(bought.day.max())
    inside = (bought.day >= max(first, oldest + 2 * days)) & (bought.day < min(end, newest - 2 * days + 1))
    chances, after, beside = np.zeros((3, len(ties)))
    chosen = np.flatnonzero(inside)
    # One number per customer, item and day, with room so that spans of two items never meet.
    span = newest - oldest + 6 * days + 2
    known = np.sort((bought.customer * len(data.items) + bought.item) * span + bought.day - oldest + 3 * days)
    for start in range(0, len(chosen), _CHUNK):
        rows = chosen[start : start + _CHUNK]
        who, what, when = bought.customer[rows], bought.item[rows], bought.day[rows]
        counts = ties.degree[who]
        owner = np.repeat(np.arange(len(rows)), counts)
        tie = ties.begins[who][owner] + np.arange(len(owner)) - np.repeat(np.cumsum(counts) - counts, counts)
        friends_already = ties.since[tie] <= when[owner]
        tie, owner = tie[friends_already], owner[friends_already]
        at = (ties.target[tie] * len(data.items) + what[owner]) * span + when[owner] - oldest + 3 * days
        chances += np.bincount(tie, minlength=len(ties))
        after += np.bincount(tie, weights=_any_within(known, at, 1, days), minlength=len(ties))
        for low, high in ((-2 * days, -days - 1), (days + 1, 2 * days)):
            beside += np.bincount(tie, weights=_any_within(known, at, low, high), minlength=len(ties))
    return Follows(chances, after, beside)


def _any_within(known: Ints, at: Ints, low: int, high: int) -> Floats:
    """1 where one of the sorted numbers `known` lies in at + low, ..., at + high, else 0."""
    found = np.searchsorted(known, at + high, side="right") > np.searchsorted(known, at + low, side="left")
    return found.astype(np.float64)
