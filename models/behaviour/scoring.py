"""Figures of attention and dwell, of each path or stop: judges compare them pairwise by visit."""

from dataclasses import dataclass

import numpy as np

from models.behaviour.data import Dataset
from models.behaviour.peers import Guess
from models.behaviour.shop import Floats, Ints
from models.behaviour.spec import LEVELS


@dataclass(frozen=True, eq=False)
class Scores:
    """Of P paths: seconds told of a wrong product `misplaced_s` (P,), squared error `squared` (P,) over offers, and `dwell_error_s`
    (P,) over gondolas. Of K true stops: `rank` (K,) Spearman's correlation of seconds over the products there, `first` (K,) whether
    the product looked at longest is told. Of Q moments of stops: error of the median `left_error_s` (Q,), `crps_s` (Q,) by five
    quantiles, and whether the true value lies in the middle 80 % `covered` (Q,).
    `sums_off` is the error of all paths' sums by product, as a share of all seconds."""

    misplaced_s: Floats
    squared: Floats
    dwell_error_s: Floats
    rank: Floats
    first: Floats
    left_error_s: Floats
    crps_s: Floats
    covered: Floats
    sums_off: float


def score(data: Dataset, guess: Guess, paths: Ints, asked: Ints) -> Scores:
    """Judge a guess on some paths (P,) and at some steps of stops (Q,)."""
    shop, targets = data.shop, data.targets
    true, told = (shop.of_offers(each[paths]) for each in (targets.attention_s, guess.attention_s))
    rank, first = [], []
    for gondola in range(shop.gondolas):
        offers = shop.offers[:, 0] == gondola
        here = true[:, offers].max(axis=1) > 0
        rank.append(spearman(true[np.ix_(here, offers)], told[np.ix_(here, offers)]))
        first.append(true[np.ix_(here, offers)].argmax(axis=1) == told[np.ix_(here, offers)].argmax(axis=1))
    left = targets.remaining_s[asked]
    off = left[:, None] - guess.left_s
    levels = np.array(LEVELS)
    return Scores(
        np.abs(true - told).sum(axis=1),
        ((true - told) ** 2).sum(axis=1),
        np.abs(targets.dwell_s[paths] - guess.dwell_s[paths]).sum(axis=1),
        np.concatenate(rank),
        np.concatenate(first).astype(np.float64),
        np.abs(off[:, LEVELS.index(0.5)]),
        2 * np.maximum(levels * off, (levels - 1) * off).mean(axis=1),
        ((off[:, 0] >= 0) & (off[:, -1] <= 0)).astype(np.float64),
        float(np.abs(true.sum(axis=0) - told.sum(axis=0)).sum() / true.sum()),
    )


def spearman(true: Floats, told: Floats) -> Floats:
    """Rank correlation (K,) of rows (K, P), ties sharing their mean rank; 0 where all of a row is told alike."""
    from scipy.stats import rankdata

    ranks = [rankdata(each, axis=1) if each.size else each for each in (true, told)]
    a, b = (each - each.mean(axis=1, keepdims=True) for each in ranks)
    size = np.sqrt((a**2).sum(axis=1) * (b**2).sum(axis=1))
    return np.asarray(np.divide((a * b).sum(axis=1), size, out=np.zeros(len(true)), where=size > 0))
