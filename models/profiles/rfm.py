"""Recency, frequency, monetary value: the numbers of every customer, and the segments that their quintiles alone give.

Hughes 1994, "Strategic database marketing"; each of the three is scored from 1 (worst fifth) to 5 (best fifth).
"""

from collections.abc import Mapping

import numpy as np

from models.profiles.behaviour import Floats, Ints


def rfm(sums: Mapping[str, Floats]) -> Floats:
    """Recency in days (as long as observed, where nothing was bought), orders, spend in currency: (N, 3)."""
    never = np.isnan(sums["unbought_days"])
    recency = np.where(never, sums["observed_days"], sums["unbought_days"])
    return np.column_stack([recency, sums["orders"], sums["spend"]])


def quintile_scores(numbers: Floats) -> Ints:
    """Scores 1 to 5 of recency, orders and spend (N, 3), 5 the best; equal numbers score alike."""
    good = numbers * np.array([-1.0, 1.0, 1.0])
    cuts = np.quantile(good, [0.2, 0.4, 0.6, 0.8], axis=0)
    scores = [1 + np.searchsorted(cuts[:, each], good[:, each], side="left") for each in range(3)]
    return np.column_stack(scores).astype(np.int64)


def quintile_segments(scores: Ints, count: int) -> Ints:
    """`count` segments (N,) of about equal size along the sum of the three scores: the usual short cut."""
    total = scores.sum(axis=1)
    cuts = np.quantile(total, np.arange(1, count) / count)
    return np.asarray(np.searchsorted(np.unique(cuts), total, side="left"), dtype=np.int64)
