"""Ranks held-out items among all items for any scorer, some customers at a time."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from models.common.ranking import RankingScores, best, ranks, summary
from models.recommender.histories import Histories, Ints

Floats = npt.NDArray[np.floating[Any]]
CHUNK_CELLS = 24_000_000  # scores held at once: customers x items, a hundred megabytes of float32


# Scores (n, I) of all items for n customers, from their histories and their numbers in the data set.
Scorer = Callable[[Histories, Ints], Floats]


@dataclass(frozen=True)
class Judged:
    """Rank (N,) of each held-out item, and the scores they sum up to."""

    rank: Ints
    scores: RankingScores

    def of(self, rows: npt.NDArray[np.bool_]) -> RankingScores:
        """Scores of some customers (N,); their coverage is not worked out (0)."""
        return summary(self.rank[rows], np.zeros((0, 10), dtype=np.int64), 1)


def judge(
    scorer: Scorer, histories: Histories, customers: Ints, target: Ints, n_items: int, *, lists: bool = True
) -> Judged:
    """Rank `target` (N,) among all items for `customers` (N,), what they took before removed.

    Without `lists` the coverage is not worked out (0): to sort out each customer's first items costs more than all else.
    """
    step = max(1, CHUNK_CELLS // max(n_items, 1))
    found, top = [], []
    for first in range(0, len(customers), step):
        some = customers[first : first + step]
        theirs = histories.take(some)
        scores = np.array(scorer(theirs, some), dtype=np.float32)
        scores[theirs.rows, theirs.items] = -np.inf
        found.append(ranks(scores, target[first : first + step]))
        if lists:
            top.append(best(scores, 10))
    rank = np.concatenate(found) if found else np.zeros(0, dtype=np.int64)
    shown = np.concatenate(top) if top else np.zeros((0, 10), dtype=np.int64)
    return Judged(rank, summary(rank, shown, n_items))
