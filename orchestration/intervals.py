"""Mean and interval of a figure over independent worlds or seeds."""

from collections.abc import Sequence

import numpy as np


def interval(values: Sequence[float]) -> tuple[float, float, float]:
    """Mean and 95 % interval, Student's t; of one value, the value."""
    from scipy import stats

    mean = float(np.mean(values))
    if len(values) < 2:
        return mean, mean, mean
    half = float(stats.t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / np.sqrt(len(values)))
    return mean, mean - half, mean + half
