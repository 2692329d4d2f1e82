"""K-Means on robustly scaled features, and how many clusters there are: silhouette, stability, gap (scikit-learn)."""

import itertools
from dataclasses import dataclass

import numpy as np

from models.common.protocols import ProgressCallback, silent
from models.profiles.behaviour import Floats, Ints
from models.profiles.config import Config
from models.profiles.scaling import Scaling, nearest
from models.profiles.spec import Tried

_EDGES = (10, 90)  # percentiles between which a feature's usual range lies


def fit_scaling(raw: Floats, clip: float) -> Scaling:
    """Scaling of features (N, F); a feature that hardly varies is left at its own scale."""
    low, high = np.percentile(raw, _EDGES, axis=0)
    spread = high - low
    return Scaling(np.median(raw, axis=0), np.where(spread > 1e-9, spread, 1.0), clip)


@dataclass(frozen=True)
class Choice:
    """The number of clusters, what was tried, and why it was taken."""

    clusters: int
    tried: tuple[Tried, ...]
    reason: str


def choose(scaled: Floats, cfg: Config, *, seed: int, on_progress: ProgressCallback = silent) -> Choice:
    """Among the numbers of clusters that are stable, the one of clearest silhouette; of none stable, the most stable.

    Silhouette: Rousseeuw 1987. Stability: clusters found in customers drawn with replacement, compared on all of them
    (Hennig 2007). Gap: Tibshirani, Walther, Hastie 2001; it is shown beside, as a second opinion.
    """
    rng = np.random.default_rng(seed)
    some = scaled[np.sort(rng.permutation(len(scaled))[: cfg.sample])]
    numbers = range(cfg.clusters_min, min(cfg.clusters_max, len(some) - 1) + 1)
    tried = []
    for place, count in enumerate(numbers):
        on_progress(f"{count} segments tried", place / len(numbers))
        tried.append(_tried(some, count, cfg, seed, rng))
    return decide(tuple(tried), cfg.stability_min)


def decide(tried: tuple[Tried, ...], stability_min: float) -> Choice:
    """The rule of `choose`, on what was measured."""
    stable = [each for each in tried if each.stability >= stability_min]
    if not stable:
        taken = max(tried, key=lambda each: (each.stability, -each.clusters))
        why = (
            f"no number of segments from {tried[0].clusters} to {tried[-1].clusters} reaches a stability of "
            f"{stability_min:g}; {taken.clusters} come nearest ({taken.stability:.2f})"
        )
        return Choice(taken.clusters, tried, why)
    taken = max(stable, key=lambda each: (each.silhouette, -each.clusters))
    by_gap = gap_choice(tried)
    why = (
        f"{taken.clusters} segments: of {len(stable)} of {len(tried)} numbers whose stability is {stability_min:g} or more, the "
        f"clearest silhouette ({taken.silhouette:.3f}, stability {taken.stability:.2f}); the gap statistic "
        + ("agrees" if by_gap == taken.clusters else f"would take {by_gap}")
    )
    return Choice(taken.clusters, tried, why)


def gap_choice(tried: tuple[Tried, ...]) -> int:
    """The least number whose gap the next one does not surpass by more than its error; the last one, if there is none."""
    for each, after in itertools.pairwise(tried):
        if each.gap >= after.gap - after.gap_error:
            return each.clusters
    return tried[-1].clusters


def k_means(scaled: Floats, clusters: int, *, restarts: int, seed: int) -> tuple[Floats, Ints]:
    """Centres (K, F), largest cluster first, and the cluster of each customer (N,)."""
    from sklearn.cluster import KMeans
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):  # more threads than cores take many times as long
        fitted = KMeans(clusters, n_init=restarts, random_state=seed).fit(scaled)
    size = np.bincount(fitted.labels_, minlength=clusters)
    order = np.lexsort((*fitted.cluster_centers_.T, -size))
    return fitted.cluster_centers_[order], np.argsort(order)[fitted.labels_].astype(np.int64)


def resampled_agreement(scaled: Floats, centers: Floats, cfg: Config, rng: np.random.Generator, *, seed: int) -> Floats:
    """Adjusted Rand index (B,) on all customers between these clusters and those found in each resample."""
    from sklearn.metrics import adjusted_rand_score

    own = nearest(scaled, centers)
    found = []
    for number in range(cfg.resamples):
        drawn = scaled[rng.integers(0, len(scaled), len(scaled))]
        other, _ = k_means(drawn, len(centers), restarts=max(3, cfg.restarts // 2), seed=seed + number)
        found.append(adjusted_rand_score(own, nearest(scaled, other)))
    return np.array(found)


def _tried(scaled: Floats, clusters: int, cfg: Config, seed: int, rng: np.random.Generator) -> Tried:
    from sklearn.metrics import silhouette_score

    centers, own = k_means(scaled, clusters, restarts=cfg.restarts, seed=seed)
    agreement = resampled_agreement(scaled, centers, cfg, rng, seed=seed)
    gap, error = _gap(scaled, centers, own, cfg, rng, seed)
    return Tried(
        clusters=clusters,
        silhouette=float(silhouette_score(scaled, own)) if len(np.unique(own)) > 1 else 0.0,
        stability=float(agreement.mean()),
        least_stability=float(agreement.min()),
        gap=gap,
        gap_error=error,
    )


def _gap(
    scaled: Floats, centers: Floats, own: Ints, cfg: Config, rng: np.random.Generator, seed: int
) -> tuple[float, float]:
    """How much tighter the clusters are than in customers drawn evenly from the same box, in logarithms, and its error."""
    low, high = scaled.min(axis=0), scaled.max(axis=0)
    spread = []
    for number in range(cfg.references):
        even = rng.uniform(low, high, scaled.shape)
        found, members = k_means(even, len(centers), restarts=2, seed=seed + number)
        spread.append(_log_within(even, found, members))
    error = float(np.std(spread) * np.sqrt(1.0 + 1.0 / cfg.references))
    return float(np.mean(spread)) - _log_within(scaled, centers, own), error


def _log_within(scaled: Floats, centers: Floats, own: Ints) -> float:
    within = float(((scaled - centers[own]) ** 2).sum())
    return float(np.log(max(within, 1e-12)))
