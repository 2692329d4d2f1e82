"""Measures of a ranked list of items: where the item that a customer did take stands in it."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating[Any]]
Ints = npt.NDArray[np.int64]
BLOCK = 64  # scores, at most, of which the best is looked for first


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

    NaN stands behind all numbers, but takes a place: whoever gave it must hear of it.
    """
    n_items = scores.shape[1]
    k = min(k, n_items)
    size = min(BLOCK, n_items // (4 * k)) if k else 0
    if size > 1:
        # The k-th best of the blocks' bests is no better than the k-th best of all: only what reaches it is sorted.
        blocks = n_items // size
        tops = scores[:, : blocks * size].reshape(len(scores), blocks, size).max(axis=2)
        if not np.isnan(tops).any():
            floor = np.partition(tops, blocks - k, axis=1)[:, blocks - k, None]
            return _first(scores, (scores >= floor) & (scores > -np.inf), k)
    return _first(scores, ~np.isneginf(scores), k)


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
