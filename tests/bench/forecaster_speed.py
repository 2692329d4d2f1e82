"""Row of the forecaster's cost: training and backtest of 1,500 series x 730 days, and a forecast of 10,000 series."""

import json
import time
from typing import Any

import numpy as np
from bench_row import BenchContext, BenchResult, BenchRow

WORLD = {"stores": 30, "products": 56, "days": 730}  # about 1,500 series of two years
SERIES, FORECASTS = 1_500, 10_000


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
    settings = Settings.model_validate({"home": context.scratch / "home", "twin_params": params})
    _made(run(settings, "+group:demand"))
    began = time.perf_counter()
    _made(run(settings, "group:features"))  # the peer works out its lags and means too
    features = time.perf_counter() - began
    workspace = Workspace(settings)
    began = time.perf_counter()
    data = dataset(workspace)
    config = forecaster_config(workspace)
    model = train(data, config, seed=0).predictor()
    test = data.test
    assert test is not None
    request = ForecastInput(test.state, test.known_future, test.origin).only(model.spec)
    model.predict(request)
    trained = time.perf_counter() - began
    peers.PEER_ROWS = 10**9  # the whole history, as the champion has it
    peer = peers.LightGBM(threads=config.threads, seed=0).forecast(data, test)
    many = np.resize(np.arange(len(test)), FORECASTS)
    large = ForecastInput(*(_taken(part, many) for part in (request.state, request.known_future)), test.origin[many])
    began = time.perf_counter()
    model.predict(large)
    predicted = time.perf_counter() - began
    seconds = features + trained
    note = (
        f"{len(test)} series x {data.test_period} days; features {features:.0f} s, training and backtest {trained:.0f} s; "
        f"{FORECASTS:,} series x {data.horizon} days in {predicted:.1f} s"
    )
    met = peer.seconds is not None and seconds <= 1.5 * peer.seconds and predicted <= 10 and len(test) >= SERIES
    bound = "<= 1.5x the peer; 10,000 series in <= 10 s"
    return BenchResult(seconds, "s", peer.name, peer.seconds, bound, met, note)


def _taken(columns: Any, index: Any) -> dict[str, Any]:
    return {name: values[index] for name, values in columns.items()}


def _made(outcome: Any) -> None:
    if not outcome.success:
        raise RuntimeError(f"the run stopped: {outcome.failures}")


ROWS = [BenchRow("forecaster-speed", "forecaster", "features, training and backtest of 1,500 series x 730 days", _row)]
