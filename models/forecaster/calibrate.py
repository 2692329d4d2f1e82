"""Conformal calibration of the outer quantiles (Romano, Patterson and Candès 2019, asymmetric, scaled by the width)."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from models.forecaster.blending import HeldRows
from models.forecaster.spec import Calibration
from models.forecaster.steps import HORIZON_BUCKETS

Float = npt.NDArray[np.floating[Any]]
MIN_BUCKET_ROWS = 200
TAIL = 0.1  # mass beyond each outer quantile
LOWEST_SHIFT = -0.45  # both shifts together must not turn the interval inside out


def fit_calibration(
    raw: Mapping[str, Float] | None,
    held: HeldRows | None,
    *,
    counts: bool,
    rng: np.random.Generator,
) -> Calibration:
    """Shifts by bucket so that on the validation rows a tenth lies beyond each outer quantile.

    raw: q10, q50, q90 (V,) of the rows of `held` in units of the scale. Buckets with fewer than 200 rows borrow the shift of
    all rows; without enough rows at all nothing is shifted.
    """
    buckets = len(HORIZON_BUCKETS)
    if raw is None or held is None:
        return Calibration(low=(0.0,) * buckets, high=(0.0,) * buckets, rows=(0,) * buckets)
    value, scale, steps = held.value, held.scale, held.step
    jitter = rng.random(value.size) - 0.5 if counts else 0.0
    z = (value + jitter) / scale
    low, _, high = np.sort(np.stack([raw["q10"], raw["q50"], raw["q90"]]), axis=0)
    width = np.maximum(high - low, 1e-6)
    below, above = (low - z) / width, (z - high) / width
    pooled = (_shift(below), _shift(above)) if value.size >= MIN_BUCKET_ROWS // 4 else (0.0, 0.0)
    shifts, sizes = [], []
    for first, last in HORIZON_BUCKETS:
        inside = (steps >= first) & (steps <= last)
        enough = inside.sum() >= MIN_BUCKET_ROWS
        shifts.append((_shift(below[inside]), _shift(above[inside])) if enough else pooled)
        sizes.append(int(inside.sum()))
    return Calibration(low=tuple(s[0] for s in shifts), high=tuple(s[1] for s in shifts), rows=tuple(sizes))


def _shift(score: Float) -> float:
    """The (1 - TAIL) quantile of the scores with the finite-sample correction (n + 1)."""
    level = min(1.0, (1.0 - TAIL) * (score.size + 1) / score.size)
    return max(float(np.quantile(score, level, method="higher")), LOWEST_SHIFT)
