"""Forecast metrics: vectorised over any shape, periods with a missing actual or forecast are left out.

Sources: Hyndman and Koehler (2006) for MASE; Makridakis et al., M4 (2020) for sMAPE and M5 (2022) for RMSSE;
Gneiting and Raftery (2007) for the pinball loss; Czado, Gneiting and Held (2009) for the randomised PIT of counts.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.floating[Any]]


class MetricError(ValueError):
    """Arrays that a metric is not defined for; the message names the shapes or the bound."""


def rmse(actual: Array, forecast: Array) -> float:
    """Root mean squared error, in the unit of the series: sqrt(mean((y - f)^2))."""
    y, f = _pairs(actual, forecast)
    return float(np.sqrt(np.mean((y - f) ** 2)))


def mae(actual: Array, forecast: Array) -> float:
    """Mean absolute error, in the unit of the series: mean(|y - f|)."""
    y, f = _pairs(actual, forecast)
    return float(np.mean(np.abs(y - f)))


def bias(actual: Array, forecast: Array) -> float:
    """Forecast over actual, as a share of the actual total: sum(f - y) / sum(y). NaN where the total is 0."""
    y, f = _pairs(actual, forecast)
    return _ratio(float(np.sum(f - y)), float(np.sum(y)))


def wape(actual: Array, forecast: Array) -> float:
    """Weighted absolute percentage error, a share: sum(|y - f|) / sum(|y|). NaN where every actual is 0."""
    y, f = _pairs(actual, forecast)
    return _ratio(float(np.sum(np.abs(y - f))), float(np.sum(np.abs(y))))


def smape(actual: Array, forecast: Array) -> float:
    """Symmetric MAPE of M4, in percent: mean(200 |y - f| / (|y| + |f|)); a period with y = f = 0 counts as 0."""
    y, f = _pairs(actual, forecast)
    size = np.abs(y) + np.abs(f)
    return float(np.mean(np.divide(200.0 * np.abs(y - f), size, out=np.zeros_like(size), where=size > 0)))


def rmspe(actual: Array, forecast: Array) -> float:
    """Root mean squared percentage error, a share, over periods with y > 0: sqrt(mean(((y-f)/y)^2)). NaN if none."""
    y, f = _pairs(actual, forecast)
    positive = y > 0
    if not positive.any():
        return float("nan")
    return float(np.sqrt(np.mean(((y[positive] - f[positive]) / y[positive]) ** 2)))


def seasonal_scale(history: Array, season: int) -> Array:
    """Per-series denominator of MASE, (S,): mean |y_t - y_(t-season)| over the history (S, T). NaN if undefined."""
    return _mean_difference(history, season, power=1)


def squared_scale(history: Array, season: int = 1) -> Array:
    """Per-series denominator of RMSSE, (S,): mean (y_t - y_(t-season))^2 of (S, T), from the first sale on (M5)."""
    started = np.cumsum(np.nan_to_num(history) != 0, axis=1) > 0
    return _mean_difference(np.where(started, history, np.nan), season, power=2)


def mase(actual: Array, forecast: Array, scale: Array) -> float:
    """Mean absolute scaled error: mean over series of MAE / seasonal_scale. actual, forecast (S, H), scale (S,)."""
    error = _mean_rows(np.abs(_series(actual, scale) - forecast))
    return _mean_defined(np.divide(error, scale, out=np.full(scale.shape, np.nan), where=scale > 0))


def rmsse(actual: Array, forecast: Array, scale: Array) -> float:
    """Root mean squared scaled error: mean over series of sqrt(MSE / squared_scale). (S, H), (S, H), scale (S,)."""
    error = _mean_rows((_series(actual, scale) - forecast) ** 2)
    return _mean_defined(np.sqrt(np.divide(error, scale, out=np.full(scale.shape, np.nan), where=scale > 0)))


def pinball(actual: Array, forecast: Array, level: float) -> float:
    """Mean pinball loss at `level` in (0, 1), in the unit of the series: max(level (y - f), (level - 1) (y - f))."""
    _check_level(level)
    y, f = _pairs(actual, forecast)
    return float(np.mean(np.maximum(level * (y - f), (level - 1.0) * (y - f))))


def coverage(actual: Array, low: Array, high: Array, *, jitter: float = 0.0) -> float:
    """Share of actuals inside [low, high].

    jitter 0: plain coverage, for continuous values. jitter w > 0: the value is spread evenly over [y - w/2, y + w/2]
    and counts by the share of that stretch inside the interval. For counts with w = 1 and quantiles of the jittered
    variable this is the expectation of the coverage by randomised PIT, which a calibrated model meets exactly.
    """
    y, lo, hi = (part.ravel() for part in np.broadcast_arrays(actual, low, high))
    known = np.isfinite(y) & ~np.isnan(lo) & ~np.isnan(hi)
    if not known.any():
        raise MetricError(f"coverage: 0 of {y.size} periods have actual, low and high: give at least one")
    y, lo, hi = y[known], lo[known], hi[known]
    if jitter == 0.0:
        return float(np.mean((y >= lo) & (y <= hi)))
    inside = np.minimum(hi, y + jitter / 2) - np.maximum(lo, y - jitter / 2)
    return float(np.mean(np.clip(inside / jitter, 0.0, 1.0)))


def randomised_pit(
    actual: Array, quantiles: Array, levels: Array, *, jitter: float, rng: np.random.Generator
) -> npt.NDArray[np.float64]:
    """Probability integral transform of each actual, uniform on [0, 1] if the forecasts are calibrated.

    actual (N,), quantiles (N, Q) non-decreasing in the last axis, levels (Q,) increasing in (0, 1). The distribution
    function is linear between the quantiles and continues beyond the outer ones with the slope of the outer pieces.
    Counts (jitter = 1) are spread evenly over [y - 1/2, y + 1/2] first. Returns (N,), NaN where an input is missing.
    """
    if quantiles.shape != (actual.shape[0], levels.shape[0]) or levels.size < 2:
        raise MetricError(
            f"randomised_pit: actual {actual.shape}, quantiles {quantiles.shape}, levels {levels.shape}: "
            "expected (N,), (N, Q), (Q,) with Q >= 2"
        )
    if np.any(np.diff(levels) <= 0) or levels[0] <= 0 or levels[-1] >= 1:
        raise MetricError(f"randomised_pit: levels {levels.tolist()}: expected an increasing sequence inside (0, 1)")
    y = actual + jitter * (rng.random(actual.shape[0]) - 0.5)
    piece = np.clip(np.sum(y[:, None] > quantiles, axis=1) - 1, 0, levels.size - 2)
    rows = np.arange(actual.shape[0])
    left, right = quantiles[rows, piece], quantiles[rows, piece + 1]
    width = right - left
    step = levels[piece + 1] - levels[piece]
    share = np.divide(y - left, width, out=np.where(y > right, 1.0, 0.0), where=width > 0)
    known = np.isfinite(actual) & np.isfinite(quantiles).all(axis=1)
    return np.where(known, np.clip(levels[piece] + share * step, 0.0, 1.0), np.nan)


def _pairs(actual: Array, forecast: Array) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    if actual.shape != forecast.shape:
        raise MetricError(f"actual {actual.shape} and forecast {forecast.shape}: expected the same shape")
    known = ~(np.isnan(actual) | np.isnan(forecast))
    if not known.any():
        raise MetricError(f"0 of {actual.size} periods have both actual and forecast: give at least one")
    return actual[known].astype(np.float64), forecast[known].astype(np.float64)


def _series(actual: Array, scale: Array) -> npt.NDArray[np.float64]:
    if actual.ndim != 2 or scale.shape != (actual.shape[0],):
        raise MetricError(f"actual {actual.shape} and scale {scale.shape}: expected (S, H) and (S,)")
    return actual.astype(np.float64)


def _mean_difference(history: Array, season: int, *, power: int) -> Array:
    if history.ndim != 2 or season < 1:
        raise MetricError(f"history {history.shape}, season {season}: expected (S, T) and a season >= 1")
    if history.shape[1] <= season:
        return np.full(history.shape[0], np.nan)
    difference = np.abs(history[:, season:] - history[:, :-season])
    return _mean_rows(difference**power)


def _mean_rows(values: Array) -> npt.NDArray[np.float64]:
    known = ~np.isnan(values)
    count = known.sum(axis=1)
    total = np.where(known, values, 0.0).sum(axis=1)
    return np.asarray(np.divide(total, count, out=np.full(values.shape[0], np.nan), where=count > 0))


def _mean_defined(values: Array) -> float:
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if defined.size else float("nan")


def _ratio(top: float, bottom: float) -> float:
    return top / bottom if bottom != 0 else float("nan")


def _check_level(level: float) -> None:
    if not 0.0 < level < 1.0:
        raise MetricError(f"level {level}: expected a quantile level inside (0, 1)")
