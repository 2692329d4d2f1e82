"""Peer libraries on the same split in the same run: LightGBM through mlforecast, AutoETS and Theta of statsforecast, Prophet.

They are given what the champion is given (history before the cutoff, the covariates as known ahead) in the way their
documentation shows; libraries are imported when a peer runs. Each is a `Candidate`. LightGBM learns from all series at
once; the others fit each series by itself and get those of a `Ration`.
"""

import importlib
import logging
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from models.forecaster.baselines import season_length
from models.forecaster.candidates import Candidate, Forecast, Ration, SeriesBySeries
from models.forecaster.data import Dataset, Panel

Float = npt.NDArray[np.floating[Any]]
Peer = Literal["lightgbm", "autoets", "theta", "prophet"]
PEERS: tuple[Peer, ...] = ("lightgbm", "autoets", "theta", "prophet")
PEER_ROWS = 400_000  # history rows given to LightGBM: the newest ones, so that a peer does not outlast the champion
OWN_FIT_PERIODS = 1_095  # newest periods given to those that fit a series by itself: three years of days
REGRESSOR_SHARE = 0.5  # Prophet takes a covariate that was known ahead in at least this share of the history
LAGS = {"daily": [1, 7, 14, 21, 28], "weekly": [1, 2, 4, 8, 52]}
ROLLING = {"daily": (7, 28), "weekly": (4, 13)}
DATE_FEATURES = {"daily": ["dayofweek", "day", "month", "dayofyear"], "weekly": ["month", "dayofyear"]}
PANDAS_FREQUENCY = {"daily": "D", "weekly": "7D"}
PROPHET_LOGS = ("prophet", "prophet.models", "prophet.plot", "cmdstanpy")


def peer_candidates(names: Sequence[Peer], *, ration: Ration, threads: int, seed: int) -> tuple[Candidate, ...]:
    """The peers of these names, in this order. ValueError names an unknown one."""
    makers: dict[str, Callable[[], Candidate]] = {
        "lightgbm": lambda: LightGBM(threads=threads, seed=seed),
        "autoets": lambda: SeriesBySeries("autoets (statsforecast)", _autoets, _warm("statsforecast.models"), ration),
        "theta": lambda: SeriesBySeries("theta (statsforecast)", _theta, _warm("statsforecast.models"), ration),
        "prophet": lambda: SeriesBySeries("prophet", _prophet, _warm("prophet"), ration),
    }
    if unknown := sorted(set(names) - set(makers)):
        raise ValueError(f"peers {unknown}: known ones are {', '.join(makers)}")
    return tuple(makers[name]() for name in names)


@dataclass(frozen=True)
class LightGBM:
    """Recursive LightGBM on lags, rolling means, date features and the same covariates, over all series at once."""

    threads: int
    seed: int
    windows: int = 0  # of cross-validation, by which 80 % intervals are made; none: point forecasts alone
    name: str = "lightgbm (mlforecast)"

    def forecast(self, data: Dataset, test: Panel) -> Forecast:
        """Fit on the newest rows of the history, then forecast step by step."""
        _warm("lightgbm", "mlforecast.lag_transforms")()
        started = time.perf_counter()
        mean = _lightgbm(data, test, threads=self.threads, seed=self.seed, windows=self.windows)
        return Forecast(self.name, mean, seconds=time.perf_counter() - started)


def _lightgbm(data: Dataset, test: Panel, *, threads: int, seed: int, windows: int = 0) -> Float:
    import lightgbm as lgb
    import pandas as pd
    from mlforecast import MLForecast
    from mlforecast.lag_transforms import RollingMean
    from mlforecast.utils import PredictionIntervals

    cut = data.test_period
    # A series begins with its first known period. Bounded by the typical one: a product that is new has NaN for older
    # lags, which LightGBM reads well, where a bound by the shortest would take a week from everyone.
    first = np.argmax(~np.isnan(data.values[test.series, :cut]), axis=1)
    typical = cut - int(np.median(first))
    lags = [lag for lag in LAGS[data.frequency] if lag <= max(1, typical // 3)]
    spans = [window for window in ROLLING[data.frequency] if window <= max(1, typical // 3)]
    keep = max(4 * max(lags), PEER_ROWS // max(len(test), 1))
    start = max(0, cut - keep)
    names = list(data.covariates)
    history = _long(data, test, start, cut, pd)
    if names:
        grids = covariate_history(data, test)
        for name in names:
            history[name] = grids[name][:, start:cut].ravel()
    history = history[_begun(data, test, start, cut)].reset_index(drop=True)
    model = lgb.LGBMRegressor(
        n_estimators=300, learning_rate=0.05, num_leaves=31, n_jobs=threads, random_state=seed, verbosity=-1
    )
    forecaster = MLForecast(
        models={"lightgbm": model},
        freq=PANDAS_FREQUENCY[data.frequency],
        lags=lags,
        lag_transforms={1: [RollingMean(window, min_samples=1) for window in spans]},
        date_features=DATE_FEATURES[data.frequency],
        num_threads=threads,
    )
    future = None
    if names:
        future = _long(data, test, cut, cut + data.horizon, pd).drop(columns="y")
        for name in names:
            future[name] = test.known_future[name].ravel()
    with warnings.catch_warnings():  # it says that new products lack the older lags, which is so
        warnings.filterwarnings("ignore", message="Found null values")
        intervals = PredictionIntervals(n_windows=windows, h=data.horizon) if windows else None
        forecaster.fit(history, static_features=[], dropna=False, prediction_intervals=intervals)
        predicted = forecaster.predict(data.horizon, X_df=future, level=[80] if windows else None)
    return _matrix(predicted, "lightgbm", len(test), data.horizon)


def _autoets(data: Dataset, pairs: Panel) -> Float:
    return _statsforecast(data, pairs, _ets(data))


def _ets(data: Dataset) -> Any:
    from statsforecast.models import AutoETS

    return AutoETS(season_length=7 if data.frequency == "daily" else 1)  # 52 seasonal terms are not identified


def autoets_of(values: Float, data: Dataset) -> Float:
    """AutoETS on each of G series, values (G, T) up to the cutoff of `data`, such as sums of its own. Returns (G, H).

    A series begins with its first known period; an unknown one repeats the season before it, and is 0 where there is none.
    """
    import pandas as pd

    season = season_length(data.frequency, data.test_period)
    history = values[:, -OWN_FIT_PERIODS:].copy()
    known = ~np.isnan(history)
    begun = (np.cumsum(known, axis=1) > 0) | ~known.any(axis=1, keepdims=True)
    for at in range(history.shape[1]):
        before = history[:, at - season] if at >= season else 0.0
        history[:, at] = np.where(np.isnan(history[:, at]), before, history[:, at])
    n_series, n_periods = history.shape
    dates = data.periods[data.test_period - n_periods : data.test_period].astype("datetime64[ns]")
    frame = pd.DataFrame(
        {"unique_id": np.repeat(np.arange(n_series), n_periods), "ds": np.tile(dates, n_series), "y": history.ravel()}
    )
    return _fitted(frame[begun.ravel()].reset_index(drop=True), data, n_series, _ets(data))


def _theta(data: Dataset, pairs: Panel) -> Float:
    """Dynamic optimised theta (Fiorucci et al. 2016), which deseasonalises first, so that a year of weeks is no hindrance."""
    from statsforecast.models import DynamicOptimizedTheta

    season = season_length(data.frequency, data.test_period)
    return _statsforecast(data, pairs, DynamicOptimizedTheta(season_length=season))


def _statsforecast(data: Dataset, pairs: Panel, model: Any) -> Float:
    """One model of statsforecast on each pair, naive where it cannot be fitted. Returns (n, H)."""
    import pandas as pd

    cut = data.test_period
    start = max(0, cut - OWN_FIT_PERIODS)
    history = _long(data, pairs, start, cut, pd)[_begun(data, pairs, start, cut)].reset_index(drop=True)
    return _fitted(history, data, len(pairs), model)


def _fitted(history: Any, data: Dataset, n_series: int, model: Any) -> Float:
    from statsforecast import StatsForecast
    from statsforecast.models import Naive

    engine = StatsForecast(
        models=[model], freq=PANDAS_FREQUENCY[data.frequency], n_jobs=1, fallback_model=Naive(alias="fallback")
    )
    with warnings.catch_warnings():  # a series of zeros has no autocorrelation: a division says so, and the answer is 0
        warnings.simplefilter("ignore", RuntimeWarning)
        predicted = engine.forecast(df=history, h=data.horizon)
    return _matrix(predicted, str(model), n_series, data.horizon)


def _prophet(data: Dataset, pairs: Panel) -> Float:
    """Prophet (Taylor and Letham 2018) with the covariates as regressors; closed and cut-short periods are missing to it.

    Point forecasts: its intervals are simulated and would cost more than its fits. Returns (n, H).
    """
    import pandas as pd
    from prophet import Prophet

    cut = data.test_period
    start = max(0, cut - OWN_FIT_PERIODS)
    history = np.where(data.usable[pairs.series, start:cut], data.values[pairs.series, start:cut], np.nan)
    past = {name: grid[:, start:cut] for name, grid in covariate_history(data, pairs).items()}
    step = np.timedelta64(1 if data.frequency == "daily" else 7, "D")
    dates = (data.periods[0] + np.arange(start, cut + data.horizon) * step).astype("datetime64[ns]")
    mean = np.zeros((len(pairs), data.horizon))
    with _silenced(PROPHET_LOGS):
        for row in range(len(pairs)):
            known = ~np.isnan(history[row])
            names = [name for name in past if _tells(past[name][row][known], pairs.known_future[name][row])]
            for name in names:
                known &= ~np.isnan(past[name][row])
            if known.sum() < 2:  # Prophet refuses fewer
                mean[row] = history[row][known].mean() if known.any() else 0.0
                continue
            model = Prophet(uncertainty_samples=0)
            for name in names:
                model.add_regressor(name)
            own = {name: past[name][row][known].astype(np.float64) for name in names}
            model.fit(pd.DataFrame({"ds": dates[: cut - start][known], "y": history[row][known], **own}), seed=0)
            ahead = {name: pairs.known_future[name][row].astype(np.float64) for name in names}
            mean[row] = model.predict(pd.DataFrame({"ds": dates[cut - start :], **ahead}))["yhat"].to_numpy()
    return mean


def _tells(past: Float, future: Float) -> bool:
    """A covariate that Prophet can use: known ahead, known in enough of the history, and not constant there."""
    known = past[~np.isnan(past)]
    return bool(not np.isnan(future).any() and known.size >= max(2, REGRESSOR_SHARE * past.size) and np.ptp(known) > 0)


@contextmanager
def _silenced(names: Sequence[str]) -> Iterator[None]:
    """Loggers of these names say nothing meanwhile: cmdstanpy reports every fit on stderr."""
    loggers = [logging.getLogger(name) for name in names]
    before = [logger.disabled for logger in loggers]
    for logger in loggers:
        logger.disabled = True
    try:
        yield
    finally:
        for logger, disabled in zip(loggers, before, strict=True):
            logger.disabled = disabled


def _warm(*modules: str) -> Callable[[], object]:
    """Imports them when called, quietly: Prophet complains on import of a plotting library that nobody asked for."""

    def load() -> object:
        with _silenced(PROPHET_LOGS):
            return [importlib.import_module(module) for module in modules]

    return load


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


def _begun(data: Dataset, panel: Panel, start: int, stop: int) -> npt.NDArray[np.bool_]:
    """(N * (stop - start),) True from the first known period of each series on; all of a series never known."""
    first = np.argmax(~np.isnan(data.values[panel.series, :stop]), axis=1)
    return np.asarray(np.arange(start, stop)[None, :] >= first[:, None]).ravel()


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
