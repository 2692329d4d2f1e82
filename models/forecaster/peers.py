"""Peer libraries on the same split in the same run: LightGBM through mlforecast, AutoETS of statsforecast.

They are given what the champion is given (history before the cutoff, the covariates as known ahead) in the way their
documentation shows; libraries are imported when a peer runs.
"""

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from models.forecaster.data import Dataset, Panel

Float = npt.NDArray[np.floating[Any]]
PEER_ROWS = 400_000  # history rows given to LightGBM: the newest ones, so that a peer does not outlast the champion
ETS_SERIES = 40
ETS_PERIODS = 730
LAGS = {"daily": [1, 7, 14, 21, 28], "weekly": [1, 2, 4, 8, 52]}
ROLLING = {"daily": (7, 28), "weekly": (4, 13)}
DATE_FEATURES = {"daily": ["dayofweek", "day", "month", "dayofyear"], "weekly": ["month", "dayofyear"]}
PANDAS_FREQUENCY = {"daily": "D", "weekly": "7D"}


@dataclass(frozen=True)
class PeerForecast:
    """mean (N, H) of the test pairs, NaN for series that the peer was not given; seconds of fit and forecast."""

    name: str
    mean: Float
    seconds: float


def lightgbm_peer(data: Dataset, test: Panel, *, threads: int, seed: int) -> PeerForecast:
    """Recursive LightGBM on lags, rolling means, date features and the same covariates, over all series at once."""
    import lightgbm as lgb
    import pandas as pd
    from mlforecast import MLForecast
    from mlforecast.lag_transforms import RollingMean

    started = time.perf_counter()
    cut = data.test_period
    rows = data.values[test.series, :cut]
    first = np.argmax(~np.isnan(rows), axis=1)  # a series begins with its first known period
    shortest = cut - int(first.max())
    lags = [lag for lag in LAGS[data.frequency] if lag <= max(1, shortest // 3)]
    windows = [window for window in ROLLING[data.frequency] if window <= max(1, shortest // 3)]
    keep = max(4 * max(lags), PEER_ROWS // max(len(test), 1))
    start = max(0, cut - keep)
    names = list(data.covariates)
    history = _long(data, test, start, cut, pd)
    if names:
        grids = covariate_history(data, test)
        for name in names:
            history[name] = grids[name][:, start:cut].ravel()
    begun = np.arange(start, cut)[None, :] >= first[:, None]
    history = history[begun.ravel()].reset_index(drop=True)
    model = lgb.LGBMRegressor(
        n_estimators=300, learning_rate=0.05, num_leaves=31, n_jobs=threads, random_state=seed, verbosity=-1
    )
    forecaster = MLForecast(
        models={"lightgbm": model},
        freq=PANDAS_FREQUENCY[data.frequency],
        lags=lags,
        lag_transforms={1: [RollingMean(window, min_samples=1) for window in windows]},
        date_features=DATE_FEATURES[data.frequency],
        num_threads=threads,
    )
    forecaster.fit(history, static_features=[], dropna=False)
    future = None
    if names:
        future = _long(data, test, cut, cut + data.horizon, pd).drop(columns="y")
        for name in names:
            future[name] = test.known_future[name].ravel()
    predicted = forecaster.predict(data.horizon, X_df=future)
    return PeerForecast(
        "lightgbm (mlforecast)", _matrix(predicted, "lightgbm", len(test), data.horizon), _since(started)
    )


def autoets_peer(data: Dataset, test: Panel, *, seed: int) -> PeerForecast:
    """AutoETS on a seeded sample of at most 40 series and the newest 730 periods (it fits each series by itself)."""
    import pandas as pd
    from statsforecast import StatsForecast
    from statsforecast.models import AutoETS

    started = time.perf_counter()
    rng = np.random.default_rng(seed)
    chosen = np.sort(rng.choice(len(test), size=min(ETS_SERIES, len(test)), replace=False))
    sample = test.take(chosen)
    cut = data.test_period
    history = _long(data, sample, max(0, cut - ETS_PERIODS), cut, pd)
    season = 7 if data.frequency == "daily" else 1  # exponential smoothing of 52 seasonal terms is not identified
    engine = StatsForecast(models=[AutoETS(season_length=season)], freq=PANDAS_FREQUENCY[data.frequency], n_jobs=1)
    predicted = engine.forecast(df=history, h=data.horizon)
    mean = np.full((len(test), data.horizon), np.nan)
    mean[chosen] = _matrix(predicted, "AutoETS", len(sample), data.horizon)
    return PeerForecast("autoets (statsforecast)", mean, _since(started))


def covariate_history(data: Dataset, test: Panel) -> dict[str, Float]:
    """Past covariates of the series of `test`, {name: (N, T)}: the value known at the latest origin before a period."""
    place = np.full(data.series_ids.shape[0], -1)
    place[test.series] = np.arange(len(test))
    n_periods = data.periods.shape[0]
    grids = {name: np.full((len(test), n_periods), np.nan, dtype=np.float32) for name in data.covariates}
    for step in range(data.horizon, 0, -1):  # short steps last: they overwrite what was known earlier
        period = data.panel.period + step
        rows = np.flatnonzero((period < data.test_period) & (place[data.panel.series] >= 0))
        for name, grid in grids.items():
            grid[place[data.panel.series[rows]], period[rows]] = data.panel.known_future[name][rows, step - 1]
    return grids


def _long(data: Dataset, panel: Panel, start: int, stop: int, pd: Any) -> Any:
    """Rows (unique_id, ds, y) of the periods [start, stop) of each pair; unknown values are 0: peers know no gaps."""
    n_pairs, n_periods = len(panel), stop - start
    step = np.timedelta64(1 if data.frequency == "daily" else 7, "D")
    dates = data.periods[0] + np.arange(start, stop) * step
    inside = data.values[panel.series, start : min(stop, data.values.shape[1])]
    y = np.zeros((n_pairs, n_periods))
    y[:, : inside.shape[1]] = np.nan_to_num(inside)
    return pd.DataFrame(
        {
            "unique_id": np.repeat(np.arange(n_pairs), n_periods),
            "ds": np.tile(dates.astype("datetime64[ns]"), n_pairs),
            "y": y.ravel(),
        }
    )


def _matrix(predicted: Any, column: str, n_pairs: int, horizon: int) -> Float:
    ordered = predicted.reset_index().sort_values(["unique_id", "ds"])
    return np.asarray(ordered[column].to_numpy(dtype=np.float64)).reshape(n_pairs, horizon)


def _since(started: float) -> float:
    return time.perf_counter() - started
