"""Losses of forecasters on one held-out panel, and what a forecast costs in time."""

from dataclasses import dataclass
from functools import partial
from itertools import repeat
from typing import TYPE_CHECKING, Any

from orchestration.latency import p99_ms

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from models.forecaster.data import Dataset, Panel
    from models.forecaster.predict import Predictor

LATENCY_RUNS = 200


@dataclass(frozen=True)
class Scores:
    """How one forecaster did: squared scaled error of each series and period (S, H), NaN where it was not open."""

    errors: "NDArray[np.float64]"
    coverage_80: float = float("nan")

    def per_series(self) -> "NDArray[np.float64]":
        """Root mean squared scaled error of each series over the window (S,); NaN if it was never open.

        Squared, because a mean is judged: the absolute error of a series that mostly sells nothing is least for a
        forecast of nothing.
        """
        import numpy as np

        known = np.isfinite(self.errors)
        total = np.where(known, self.errors, 0.0).sum(axis=1)
        mean = np.divide(total, known.sum(axis=1), out=np.full(total.shape, np.nan), where=known.any(axis=1))
        return np.asarray(np.sqrt(mean), dtype=np.float64)


def score(predictor: "Predictor", data: "Dataset", test: "Panel") -> Scores:
    """Losses and interval coverage of a model; ValueError when it cannot answer on this panel."""
    from models.common.metrics import coverage

    target = data.targets(test)
    reply = predictor.predict(request(predictor, test), jittered=True)
    if reply.mean.shape != target.shape:
        raise ValueError(f"it forecasts {reply.mean.shape} (series, periods), asked {target.shape}: train it anew")
    jitter = 1.0 if predictor.spec.counts else 0.0
    return Scores(_errors(data, test, reply.mean), coverage(target, reply.q10, reply.q90, jitter=jitter))


def score_baseline(data: "Dataset", test: "Panel") -> Scores:
    """Losses of the seasonal naive forecast."""
    from models.forecaster.baselines import season_length, seasonal_naive

    cut = data.test_period
    forecast = seasonal_naive(
        data.values[test.series, :cut],
        data.usable[test.series, :cut],
        season=season_length(data.frequency, cut),
        horizon=data.horizon,
    )
    return Scores(_errors(data, test, forecast))


def _errors(data: "Dataset", test: "Panel", forecast: Any) -> "NDArray[np.float64]":
    import numpy as np

    from models.common.metrics import squared_scale

    cut = data.test_period
    history = np.where(data.usable[test.series, :cut], data.values[test.series, :cut], np.nan)
    error = np.asarray((forecast - data.targets(test)) ** 2, dtype=np.float64)
    scale = np.broadcast_to(squared_scale(history)[:, None], error.shape)
    scaled = np.full(error.shape, np.nan)
    np.divide(error, scale, out=scaled, where=scale > 0)
    return scaled


def request(predictor: "Predictor", panel: "Panel") -> Any:
    """The panel as this predictor reads it; a column it knows and the data lacks is unknown (NaN)."""
    import numpy as np

    from models.forecaster.predict import ForecastInput

    n, spec = len(panel), predictor.spec
    width = next((values.shape[1] for values in panel.known_future.values()), spec.horizon)
    state = {name: panel.state.get(name, np.full(n, np.nan)) for name in spec.state_columns}
    future = {name: panel.known_future.get(name, np.full((n, width), np.nan)) for name in spec.covariates}
    return ForecastInput(state, future, panel.origin)


def latency_p99_ms(predictor: "Predictor", test: "Panel") -> float:
    """p99 of one forecast of the longest horizon."""
    import numpy as np

    asked = request(predictor, test.take(np.arange(1)))
    return p99_ms(lambda: repeat(partial(predictor.predict, asked), LATENCY_RUNS))
