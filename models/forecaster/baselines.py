"""Plain forecasts that every model must beat: seasonal naive, mean of the last seasons by phase, flat moving mean.

Each takes the history up to the origin only: values (N, T) and usable (N, T) bool of the N test pairs, the T-th column
being the origin. A period that was closed, missing or cut short by a stock-out is looked past, never copied.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

Float = npt.NDArray[np.floating[Any]]
Bools = npt.NDArray[np.bool_]
LOOK_BACK_SEASONS = 4
MOVING_MEAN_DAYS = 28


def season_length(frequency: str, n_periods: int) -> int:
    """Periods after which a series repeats: a week of days; a year of weeks if two are known, else no season (1)."""
    if frequency == "daily":
        return 7
    return 52 if n_periods >= 104 else 1


def seasonal_naive(values: Float, usable: Bools, *, season: int, horizon: int) -> Float:
    """The last known value of the same phase, at most four seasons back, else the moving mean. Returns (N, H)."""
    phases = _phases(values, usable, season)
    last = np.full(phases.shape[:2], np.nan)
    for back in range(phases.shape[2]):  # newest first
        last = np.where(np.isnan(last), phases[:, :, back], last)
    return _repeat(last, values, usable, horizon)


def phase_mean(values: Float, usable: Bools, *, season: int, horizon: int) -> Float:
    """The mean of the last four known values of the same phase, else the moving mean. Returns (N, H)."""
    return _repeat(_mean(_phases(values, usable, season)), values, usable, horizon)


def moving_mean(values: Float, usable: Bools, *, periods: int, horizon: int) -> Float:
    """The flat mean of the last `periods`, else of all that is known, else 0 for a series never seen: (N, H)."""
    known = np.where(usable, values, np.nan)
    mean = _mean(known[:, None, -periods:])[:, 0]
    overall = _mean(known[:, None, :])[:, 0]
    flat = np.where(np.isnan(mean), np.nan_to_num(overall), mean)
    return np.repeat(flat[:, None], horizon, axis=1)


def _phases(values: Float, usable: Bools, season: int) -> Float:
    """Known values by phase, newest first: (N, season, 4); phase 0 is that of the first step ahead."""
    n_series, n_periods = values.shape
    length = season * LOOK_BACK_SEASONS
    known = np.where(usable, values, np.nan)[:, -length:]
    padded: Float = np.concatenate([np.full((n_series, max(0, length - n_periods)), np.nan), known], axis=1)
    return np.asarray(padded.reshape(n_series, LOOK_BACK_SEASONS, season).transpose(0, 2, 1)[:, :, ::-1])


def _repeat(by_phase: Float, values: Float, usable: Bools, horizon: int) -> Float:
    season = by_phase.shape[1]
    forecast = by_phase[:, np.arange(horizon) % season]
    flat = moving_mean(values, usable, periods=season * LOOK_BACK_SEASONS, horizon=horizon)
    return np.where(np.isnan(forecast), flat, forecast)


def _mean(values: Float) -> Float:
    """Mean over the last axis without NaN; NaN where nothing is known."""
    known = ~np.isnan(values)
    count = known.sum(axis=-1)
    total = np.where(known, values, 0.0).sum(axis=-1)
    return np.asarray(np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0))
