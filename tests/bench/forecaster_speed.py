"""Row of the forecaster's cost: training and backtest of 1,500 series x 730 days, and a forecast of 10,000 series.

What is compared. Ours: state and covariates of every origin, Feast's join, the data set, a booster of the mean and three of
the quantiles, a backtest by which they are blended and calibrated, and the forecast of the held-out window. The peer's:
lags, rolling means and date features, one booster, the forecast. It makes no intervals; the note tells what it takes with
80 % ones, by two windows of cross-validation as its documentation shows, but the verdict is held against the plain fit.

Seconds are those of the processor, of one thread on either side: other work on the machine then counts for neither. Libraries
are imported before, ours as the peer's, for they are loaded once however much is trained.
"""

import importlib
import json
import resource
import time
from dataclasses import replace
from typing import Any

import numpy as np
from bench_row import BenchContext, BenchResult, BenchRow

WORLD = {"stores": 30, "products": 60, "days": 730}  # about 1,500 series of two years
SERIES, FORECASTS = 1_500, 10_000
WINDOWS = 2  # of the peer's cross-validation
LIBRARIES = (
    *("features.offline_store", "features.store.definitions", "xgboost", "onnxmltools", "onnxruntime"),
    *("lightgbm", "mlforecast.lag_transforms", "mlforecast.utils"),
)


def _row(context: BenchContext) -> BenchResult:
    from models.forecaster import peers
    from models.forecaster.predict import ForecastInput
    from models.forecaster.train import train
    from orchestration.feature_tables import forecaster_config
    from orchestration.forecasting import dataset
    from orchestration.runner import run
    from orchestration.settings import Settings
    from orchestration.workspace import Workspace

    params = context.scratch / "twin.json"
    params.write_text(json.dumps(WORLD), encoding="utf-8")
    settings = Settings.model_validate({"home": context.scratch / "home", "twin_params": params, "threads": 1})
    _made(run(settings, "+group:demand"))
    for library in LIBRARIES:
        importlib.import_module(library)
    began = _seconds()
    _made(run(settings, "group:features"))  # the peer works out its lags and means too
    features = _seconds() - began
    workspace = Workspace(settings)
    began = _seconds()
    data = dataset(workspace)
    config = forecaster_config(workspace)
    model = train(data, config, seed=0).predictor()
    test = data.test
    assert test is not None
    request = ForecastInput(test.state, test.known_future, test.origin).only(model.spec)
    model.predict(request)
    trained = _seconds() - began
    peers.PEER_ROWS = 10**9  # the whole history, as the champion has it
    peer = peers.LightGBM(threads=config.threads, seed=0)
    plain = _peer_seconds(peer, data, test)
    known = ~np.isnan(data.values[test.series, : data.test_period])
    old = known.argmax(axis=1) <= data.test_period - (WINDOWS + 1) * data.horizon  # it refuses series of fewer periods
    with_intervals = _peer_seconds(replace(peer, windows=WINDOWS), data, test.take(old))
    many = np.resize(np.arange(len(test)), FORECASTS)
    large = ForecastInput(*(_taken(part, many) for part in (request.state, request.known_future)), test.origin[many])
    began = time.perf_counter()
    model.predict(large)
    predicted = time.perf_counter() - began
    seconds = features + trained
    note = (
        f"{len(test)} series x {data.test_period} days; features {features:.0f} s, training and backtest {trained:.0f} s; "
        f"{FORECASTS:,} series x {data.horizon} days in {predicted:.1f} s; "
        f"the peer with intervals {with_intervals:.0f} s ({old.sum()} series)"
    )
    met = seconds <= 1.5 * plain and predicted <= 10 and len(test) >= SERIES
    bound = "<= 1.5x the peer; 10,000 series in <= 10 s"
    return BenchResult(seconds, "s", peer.name, plain, bound, met, note)


def _seconds() -> float:
    """Processor time of this process and of those that it waited for."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def _peer_seconds(peer: Any, data: Any, test: Any) -> float:
    began = _seconds()
    peer.forecast(data, test)
    return _seconds() - began


def _taken(columns: Any, index: Any) -> dict[str, Any]:
    return {name: values[index] for name, values in columns.items()}


def _made(outcome: Any) -> None:
    if not outcome.success:
        raise RuntimeError(f"the run stopped: {outcome.failures}")


ROWS = [BenchRow("forecaster-speed", "forecaster", "features, training and backtest of 1,500 series x 730 days", _row)]
