"""Strategies that choose from a pool: the most doubtful, the most diverse, or both.

coreset: Sener, Savarese 2018, "Active Learning for Convolutional Neural Networks: A Core-Set Approach"
(https://arxiv.org/abs/1708.00489), greedy k-center. badge: Ash, Zhang, Krishnamurthy, Langford, Agarwal 2020, "Deep Batch Active
Learning by Diverse, Uncertain Gradient Lower Bounds" (https://arxiv.org/abs/1906.03671). mix: Zhdanov 2019, "Diverse
mini-batch Active Learning" (https://arxiv.org/abs/1901.05954), weighted k-means by scikit-learn.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from models.active_learning.config import Config
from models.active_learning.uncertainty import MEASURES, Float
from models.common.protocols import DataError

Ints: TypeAlias = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Pool:
    """N pictures nobody has labelled and M that are: embeddings (N, D) and labelled (M, D); probabilities (N, K) of classes of
    whole pictures where a model told them, else None; doubt (N,) in 0 to 1 by measure, all 1 where no model was asked."""

    embeddings: Float
    labelled: Float
    probabilities: Float | None
    doubt: dict[str, Float]


def pool_of(embeddings: Float, probabilities: Float, is_labelled: npt.NDArray[np.bool_]) -> Pool:
    """Of pictures (N, D) with class probabilities (N, K), some of them labelled (N,)."""
    free = ~is_labelled
    doubt = {name: measure(probabilities[free]) for name, measure in MEASURES.items()}
    return Pool(embeddings[free], embeddings[is_labelled], probabilities[free], doubt)


def select(pool: Pool, cfg: Config, rng: np.random.Generator) -> Ints:
    """Rows of the pool to label next, (min(count, N),), most wanted first, each once. Deterministic under the generator.

    Errors: DataError for badge without class probabilities of whole pictures.
    """
    free = len(pool.embeddings)
    count = min(cfg.count, free)
    if not count:
        return np.zeros(0, np.int64)
    # Equal doubts come in an order of chance, or the first pictures of a folder would always win.
    order = rng.permutation(free)
    if cfg.strategy == "random":
        return order[:count]
    if cfg.strategy in MEASURES:
        return _most_doubtful(pool.doubt[cfg.strategy], order)[:count]
    if cfg.strategy == "coreset":
        return _coreset(pool, count)
    if cfg.strategy == "badge":
        return _badge(pool, count, rng)
    return _mix(pool, cfg, count, order, rng)


def coverage(pool: Pool, chosen: Ints) -> float:
    """Mean distance of the pool's pictures to the nearest one that is labelled or chosen; 0 for an empty pool."""
    from sklearn.metrics import pairwise_distances_argmin_min

    known = np.concatenate([pool.labelled, pool.embeddings[chosen]])
    if not len(pool.embeddings) or not len(known):
        return 0.0
    return float(pairwise_distances_argmin_min(pool.embeddings, known)[1].mean())


def _most_doubtful(doubt: Float, order: Ints) -> Ints:
    return np.asarray(order[np.argsort(-doubt[order], kind="stable")])


def _coreset(pool: Pool, count: int) -> Ints:
    """Again and again the picture farthest from all that is labelled or chosen."""
    from sklearn.metrics import pairwise_distances_argmin_min

    points = _Products(np.ones((len(pool.embeddings), 1)), pool.embeddings)
    if len(pool.labelled):
        nearest = pairwise_distances_argmin_min(pool.embeddings, pool.labelled)[1] ** 2
        return _spread(points, nearest, count, lambda away: int(away.argmax()))
    middle = int(((pool.embeddings - pool.embeddings.mean(axis=0)) ** 2).sum(axis=1).argmin())
    return _spread(points, points.squared_to(middle), count, lambda away: int(away.argmax()), first=middle)


def _badge(pool: Pool, count: int, rng: np.random.Generator) -> Ints:
    """k-means++ over the gradients that the last layer would have if the likeliest class were right."""
    if pool.probabilities is None:
        raise DataError(
            "strategy badge: 0 pictures have class probabilities, every one needs them: give predictions of whole pictures, or use mix"
        )
    likeliest = np.eye(pool.probabilities.shape[1])[pool.probabilities.argmax(axis=1)]
    points = _Products(pool.probabilities - likeliest, pool.embeddings)

    def draw(away: Float) -> int:
        total = away.sum()
        return int(rng.choice(len(away), p=away / total)) if total > 0 else int(away.argmax())

    first = int(points.squares.argmax())
    return _spread(points, points.squared_to(first), count, draw, first=first)


def _mix(pool: Pool, cfg: Config, count: int, order: Ints, rng: np.random.Generator) -> Ints:
    """Of the most doubtful the one nearest to the middle of each cluster, doubt being weight; then by doubt."""
    from sklearn.cluster import KMeans

    doubt = pool.doubt[cfg.doubt]
    candidates = _most_doubtful(doubt, order)[: count * cfg.candidates]
    if len(candidates) <= count or not len(np.unique(pool.embeddings[candidates], axis=0)) > count:
        return candidates[:count]
    weights = np.maximum(doubt[candidates], np.finfo(np.float32).eps)
    clusters = KMeans(count, n_init=1, random_state=int(rng.integers(2**31))).fit(
        pool.embeddings[candidates], sample_weight=weights
    )
    away = ((pool.embeddings[candidates] - clusters.cluster_centers_[clusters.labels_]) ** 2).sum(axis=1)
    by_cluster = np.lexsort((away, clusters.labels_))
    _, first = np.unique(clusters.labels_[by_cluster], return_index=True)
    middles = np.sort(by_cluster[first])  # candidates stand by doubt, and so do the chosen
    rest = np.setdiff1d(np.arange(len(candidates)), middles)[: count - len(middles)]
    return np.asarray(candidates[np.concatenate([middles, rest])])


class _Products:
    """N points that are outer products of left (N, A) and right (N, B), never written out: N x A x B may not fit in memory."""

    def __init__(self, left: Float, right: Float) -> None:
        self._left, self._right = left, right
        self.squares = (left**2).sum(axis=1) * (right**2).sum(axis=1)

    def squared_to(self, row: int) -> Float:
        """Squared distance (N,) of each point to one of them."""
        inner = (self._left @ self._left[row]) * (self._right @ self._right[row])
        away = np.maximum(self.squares + self.squares[row] - 2 * inner, 0.0)
        away[row] = 0.0
        return np.asarray(away)


def _spread(
    points: _Products, nearest: Float, count: int, pick: Callable[[Float], int], first: int | None = None
) -> Ints:
    """`count` rows, each picked by its squared distance (N,) to the nearest that is taken: `nearest` before the first pick."""
    nearest = nearest.copy()
    chosen = [] if first is None else [first]
    free = np.ones(len(nearest), bool)
    free[chosen] = False
    while len(chosen) < count:
        away = np.where(free, nearest, 0.0)
        # Where only copies of what is taken are left, the first of them is as good as any.
        row = pick(away) if away.max() > 0 else int(free.argmax())
        chosen.append(row)
        free[row] = False
        nearest = np.minimum(nearest, points.squared_to(row))
    return np.array(chosen, np.int64)
