"""Measures of a ranked list of items: where the item that a customer did take stands in it."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating[Any]]
Ints = npt.NDArray[np.int64]
BLOCK = 64  # scores of which the best is looked for first


@dataclass(frozen=True)
class RankingScores:
    """Means over customers with one held-out item each, and the share of the catalogue that was ever recommended."""

    hit_rate_10: float
    ndcg_10: float
    recall_20: float
    coverage_10: float


def ranks(scores: Floats, target: Ints) -> Ints:
    """Rank from 1 of `target` (N,) among `scores` (N, I); items barred from the list score -inf.

    Items with the very score of the target stand before it: a model that cannot tell items apart gains nothing by it.
    A target that is itself barred gets rank I, the last; so does every target of a row with NaN.
    """
    own = np.take_along_axis(scores, target[:, None], axis=1)
    rank = (scores >= own).sum(axis=1)
    unseen = np.isneginf(own[:, 0]) | np.isnan(own[:, 0])
    return np.asarray(np.where(unseen, scores.shape[1], np.maximum(rank, 1)), dtype=np.int64)


def summary(rank: Ints, top: Ints, n_items: int) -> RankingScores:
    """Scores from the ranks (N,) of the held-out items, each from 1, and the first ten items (N, 10) of each list.

    One item is held out a customer: HR@10 is recall@10, NDCG@10 is 1 / log2(1 + rank) within the first ten (Jarvelin
    and Kekalainen 2002), whose ideal is 1. An item index below 0 in `top` is an empty place.
    """
    if not rank.size:
        return RankingScores(*[float("nan")] * 4)
    gain = np.where(rank <= 10, 1.0 / np.log2(1.0 + rank), 0.0)
    shown = np.unique(top[:, :10])
    return RankingScores(
        hit_rate_10=float((rank <= 10).mean()),
        ndcg_10=float(gain.mean()),
        recall_20=float((rank <= 20).mean()),
        coverage_10=float((shown >= 0).sum() / n_items),
    )


def best(scores: Floats, k: int) -> Ints:
    """Indices (N, k) of the k highest scores of each row, highest first, ties by index; -1 where fewer are allowed.

    A row with NaN has no order: what stands in its places is of no meaning, but no place is left empty for it.
    """
    k = min(k, scores.shape[1])
    blocks = scores.shape[1] // BLOCK
    if blocks > k:
        # The k-th best of the blocks' bests is no better than the k-th best of all: only what reaches it is sorted.
        tops = scores[:, : blocks * BLOCK].reshape(len(scores), blocks, BLOCK).max(axis=2)
        floor = np.partition(tops, blocks - k, axis=1)[:, blocks - k, None]
        if not np.isnan(tops).any():
            return _first(scores, (scores >= floor) & (scores > -np.inf), k)
    some = np.argpartition(-scores, k - 1, axis=1)[:, :k]
    found = np.take_along_axis(scores, some, axis=1)
    order = np.lexsort((some, -found), axis=1)
    sorted_items = np.take_along_axis(some, order, axis=1)
    barred = np.isneginf(np.take_along_axis(found, order, axis=1))
    return np.asarray(np.where(barred, -1, sorted_items), dtype=np.int64)


def _first(scores: Floats, may: npt.NDArray[np.bool_], k: int) -> Ints:
    """The k highest of those that `may` (N, I) be among them."""
    row, item = np.divmod(np.flatnonzero(may), scores.shape[1])
    order = np.lexsort((item, -scores[row, item], row))
    count = np.bincount(row, minlength=len(scores))
    place = np.arange(order.size) - np.repeat(np.cumsum(count) - count, count)
    kept = place < k
    found = np.full((len(scores), k), -1, dtype=np.int64)
    found[row[kept], place[kept]] = item[order[kept]]  # rows stand in order already
    return found
