"""One door for everything that forecasts the held-out window: the champion, plain baselines and peer libraries alike."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from models.forecaster.baselines import MOVING_MEAN_DAYS, moving_mean, phase_mean, season_length, seasonal_naive
from models.forecaster.config import PERIOD_DAYS, QUANTILES
from models.forecaster.data import Dataset, Panel
from models.forecaster.functionals import relative_point
from models.forecaster.predict import ForecastInput, Predictor

Float = npt.NDArray[np.floating[Any]]
Ints = npt.NDArray[np.int64]
CHAMPION, NAIVE = "champion", "seasonal naive"
SAMPLED_SERIES = 40


@dataclass(frozen=True)
class Forecast:
    """What a candidate said of the N test pairs, in the unit of the series, and what it cost.

    mean (N, H), all NaN in the rows of series that the candidate was not given; quantiles {0.1, 0.5, 0.9: (N, H)} or
    None; seconds of fitting and forecasting on one thread (imports left out), None where nothing was computed.
    """

    name: str
    mean: Float
    quantiles: Mapping[float, Float] | None = None
    seconds: float | None = None

    @property
    def relative(self) -> Float:
        """(N, H) the point that relative errors are least for, where quantiles tell it; the mean elsewhere."""
        if self.quantiles is None:
            return self.mean
        return relative_point(self.mean, self.quantiles[QUANTILES[0]], self.quantiles[QUANTILES[2]])

    @property
    def given(self) -> npt.NDArray[np.bool_]:
        """(N,) True for the series that were forecast."""
        return np.asarray(~np.isnan(self.mean).all(axis=1))


class Candidate(Protocol):
    """Whatever forecasts the test pairs of a data set from what was known at their origins."""

    @property
    def name(self) -> str:
        """As it stands in reports."""

    def forecast(self, data: Dataset, test: Panel) -> Forecast:
        """Forecast the H periods after the origins of `test` (N pairs); nothing of `data` after them may be read."""


@dataclass(frozen=True)
class Champion:
    """The model under judgement. train_seconds, if known, is added to its seconds."""

    model: Predictor
    train_seconds: float | None = None
    name: str = CHAMPION

    def forecast(self, data: Dataset, test: Panel) -> Forecast:
        """One request for all pairs; quantiles are those of the jittered variable, as coverage wants them."""
        started = time.perf_counter()
        request = ForecastInput(test.state, test.known_future, test.origin, steps=data.horizon).only(self.model.spec)
        reply = self.model.predict(request, jittered=True)
        seconds = time.perf_counter() - started + (self.train_seconds or 0.0)
        quantiles = dict(zip(QUANTILES, (reply.q10, reply.q50, reply.q90), strict=True))
        return Forecast(self.name, reply.mean, quantiles, seconds)


@dataclass(frozen=True)
class Plain:
    """A baseline of `models.forecaster.baselines`: a formula of the history, without a fit."""

    name: str
    formula: Callable[[Dataset, Float, npt.NDArray[np.bool_]], Float]

    def forecast(self, data: Dataset, test: Panel) -> Forecast:
        """The formula on values and usable (N, T) up to the origin."""
        started = time.perf_counter()
        cut = data.test_period
        mean = self.formula(data, data.values[test.series, :cut], data.usable[test.series, :cut])
        return Forecast(self.name, mean, seconds=time.perf_counter() - started)


def baselines() -> tuple[Candidate, ...]:
    """Seasonal naive, phase mean and moving mean, in the order of the report."""

    def naive(data: Dataset, values: Float, usable: npt.NDArray[np.bool_]) -> Float:
        return seasonal_naive(values, usable, season=_season(data), horizon=data.horizon)

    def phase(data: Dataset, values: Float, usable: npt.NDArray[np.bool_]) -> Float:
        return phase_mean(values, usable, season=_season(data), horizon=data.horizon)

    def moving(data: Dataset, values: Float, usable: npt.NDArray[np.bool_]) -> Float:
        periods = MOVING_MEAN_DAYS // PERIOD_DAYS[data.frequency]
        return moving_mean(values, usable, periods=periods, horizon=data.horizon)

    return Plain(NAIVE, naive), Plain("phase mean", phase), Plain("moving mean", moving)


@dataclass(frozen=True)
class Ration:
    """How many series a candidate is given that fits each by itself.

    A seeded sample of `series`, the same for every such candidate, so that they can be compared with one another.
    With `minutes` a candidate whose sample says that all series cost less than that is given all of them. That is an
    estimate, made once: on a machine that grows busier meanwhile it takes longer (1,115 stores took AutoETS 259 s, where
    the sample of a quiet run had said 160). Without `minutes` no clock decides what is compared.
    """

    series: int = SAMPLED_SERIES
    minutes: float | None = None
    seed: int = 0

    def sample(self, n_pairs: int) -> Ints:
        """Sorted indices of the sampled pairs."""
        rng = np.random.default_rng(self.seed)
        return np.sort(rng.choice(n_pairs, size=min(self.series, n_pairs), replace=False))

    def affords_all(self, sampled: int, n_pairs: int, seconds: float) -> bool:
        """True where `seconds` for `sampled` series promise all `n_pairs` within the minutes."""
        return self.minutes is not None and seconds * n_pairs / max(sampled, 1) <= 60.0 * self.minutes


@dataclass(frozen=True)
class SeriesBySeries:
    """A library that fits each series by itself: it gets the rationed series, and the others stay NaN.

    fit(data, pairs) -> (n, H) imports nothing that `warm` has not imported, so that imports are not timed.
    """

    name: str
    fit: Callable[[Dataset, Panel], Float]
    warm: Callable[[], object]
    ration: Ration

    def forecast(self, data: Dataset, test: Panel) -> Forecast:
        """Fit the sample, then the rest if that stays within the ration."""
        self.warm()
        mean = np.full((len(test), data.horizon), np.nan)
        chosen = self.ration.sample(len(test))
        started = time.perf_counter()
        mean[chosen] = self.fit(data, test.take(chosen))
        rest = np.setdiff1d(np.arange(len(test)), chosen)
        if rest.size and self.ration.affords_all(chosen.size, len(test), time.perf_counter() - started):
            mean[rest] = self.fit(data, test.take(rest))
        return Forecast(self.name, mean, seconds=time.perf_counter() - started)


def informed(forecast: Forecast, data: Dataset, test: Panel) -> Forecast:
    """The forecast with what everyone knows: 0 where a closure is known ahead, and no sales below 0 that never were."""
    mean = forecast.mean
    cut = data.test_period
    lowest = np.nanmin(np.where(data.usable[:, :cut], data.values[:, :cut], np.nan), initial=0.0)
    if lowest >= 0.0:
        mean = np.fmax(mean, np.where(np.isnan(mean), np.nan, 0.0))
    if "open" in test.known_future:
        mean = np.where((test.known_future["open"] == 0) & ~np.isnan(mean), 0.0, mean)
    return Forecast(forecast.name, mean, forecast.quantiles, forecast.seconds)


def _season(data: Dataset) -> int:
    return season_length(data.frequency, data.test_period)
