"""What the forecaster promises where expected demand is known: better than naive, calibrated, explained, equal in ONNX."""

import time
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from models.common import metrics
from models.common.artifact import ArtifactError
from models.common.protocols import DataError, ForecastPredictor, InputError
from models.common.report import Report
from models.forecaster import export, predict
from models.forecaster.config import Config
from models.forecaster.data import Dataset, assemble, prepare
from models.forecaster.evaluate import evaluate
from models.forecaster.export import ExportError, export_boosters
from models.forecaster.predict import ForecastInput, load
from models.forecaster.train import Trained, train

QUICK: dict[str, Any] = {"threads": 1, "trees": 80, "quantile_trees": 50, "max_pairs": 2_500}


class Run:
    def __init__(self, synthetic: ModuleType, *, shop: dict[str, Any], **config: Any) -> None:
        self.cfg = Config(**{**QUICK, **config})
        self.shop = synthetic.shop(self.cfg, **shop)
        self.data: Dataset = prepare(self.shop.tables, self.cfg)
        self.trained: Trained = train(self.data, self.cfg, seed=5)
        self.predictor = self.trained.predictor()
        test = self.data.test
        assert test is not None
        self.request = ForecastInput(test.state, test.known_future, test.origin).only(self.trained.spec)
        self.actual = self.data.targets(test)

    def report(self, **options: Any) -> Report:
        return evaluate(self.predictor, self.data, **{"peers": (), **options})


SHOP = {"n_series": 40, "n_periods": 400}


@pytest.fixture(scope="module")
def units(synthetic: ModuleType) -> Run:
    return Run(synthetic, shop=SHOP, horizon=14)


def test_it_beats_naive_clearly_and_nears_the_oracle(units: Run) -> None:
    report = units.report(truth=units.shop.truth())
    rmse = {model: report.value(model, "rmse_expected") for model in report.models("all")}
    assert rmse["oracle"] == 0.0
    assert rmse["champion"] <= 0.3 * rmse["seasonal naive"]
    assert report.value("champion", "rmse") <= 1.15 * report.value("oracle", "rmse")
    assert report.value("champion", "wape", "steps 1-7") < report.value("seasonal naive", "wape", "steps 1-7")


def test_its_intervals_cover_what_they_say(units: Run, synthetic: ModuleType) -> None:
    covered = []
    for run in (units, *(Run(synthetic, shop={**SHOP, "seed": seed}, horizon=14) for seed in (1, 2))):
        reply = run.predictor.predict(run.request, jittered=True)
        covered.append(metrics.coverage(run.actual, reply.q10, reply.q90, jitter=1.0))
    assert np.mean(covered) == pytest.approx(0.8, abs=0.04), covered  # two weeks of one shop alone may be calm or wild
    assert (reply.q10 <= reply.q50).all() and (reply.q50 <= reply.q90).all()
    assert (units.predictor.predict(units.request).q10 >= 0).all()


def test_peers_stand_beside_it_in_the_same_run(units: Run) -> None:
    report = units.report(peers=("lightgbm",))
    assert report.value("champion", "rmse") < report.value("lightgbm (mlforecast)", "rmse")
    assert report.value("lightgbm (mlforecast)", "rmse") < report.value("seasonal naive", "rmse")
    assert report.value("lightgbm (mlforecast)", "seconds") > 0
    assert any("judged" in note for note in report.notes)
    assert set(report.plots) == {"backtest", "worst_series", "calibration", "error_by_horizon", "wins_and_seconds"}


def test_the_planted_promotion_lift_is_found(units: Run, synthetic: ModuleType) -> None:
    with_it, without = ({**units.request.known_future, "promo_depth": np.full((40, 14), on)} for on in (1.0, 0.0))
    lift = (
        units.predictor.predict(replace(units.request, known_future=with_it)).mean.sum()
        / units.predictor.predict(replace(units.request, known_future=without)).mean.sum()
        - 1
    )
    assert lift == pytest.approx(synthetic.PROMOTION_LIFT, rel=0.25)


def test_reasons_add_up_and_name_the_promotion(units: Run) -> None:
    reasons = units.predictor.reasons(units.request)
    forecast = units.predictor.predict(units.request).mean[:, reasons.steps - 1]
    np.testing.assert_allclose(reasons.base + reasons.values.sum(axis=2), forecast, rtol=1e-4, atol=1e-4)
    promotion = reasons.values[:, :, reasons.groups.index("promotion and price")]
    promoted = units.request.known_future["promo_depth"][:, reasons.steps - 1] > 0
    assert promotion[promoted].mean() > 1.0
    assert abs(promotion[~promoted].mean()) < 0.2 * promotion[promoted].mean()
    one = units.predictor.reasons(units.request, steps=[3])
    np.testing.assert_allclose(one.values[:, 0], reasons.values[:, list(reasons.steps).index(3)], rtol=1e-5, atol=1e-6)
    with pytest.raises(InputError, match="from 1 to 14"):
        units.predictor.reasons(units.request, steps=[15])


def test_every_onnx_output_equals_its_booster_with_holes_in_the_input(units: Run) -> None:
    import xgboost as xgb

    rng = np.random.default_rng(0)
    spec = units.trained.spec
    state = {
        name: np.where(rng.random(values.shape) < 0.3, np.nan, values) if name != "scale" else values
        for name, values in units.request.state.items()
    }
    request = replace(units.request, state=state)
    matrix = assemble(
        state, request.known_future, origin=request.origin, horizon=14, frequency="daily",
        scale_floor=spec.scale_floor, feature_names=spec.feature_names, effects=spec.effects,
    )  # fmt: skip
    assert np.isnan(matrix.X).mean() > 0.1
    reply = units.predictor.predict(request, jittered=True)
    boosters = {name: xgb.Booster(model_file=bytearray(units.trained.files[f"{name}.ubj"])) for name in ("mean", "q50")}
    mean = boosters["mean"].predict(xgb.DMatrix(matrix.X)) * matrix.scale
    np.testing.assert_allclose(reply.mean.ravel(), mean, rtol=1e-4)


def test_a_wrong_conversion_is_caught_at_export(units: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    import xgboost as xgb

    names = ("mean", "q10", "q50", "q90")
    boosters = {name: xgb.Booster(model_file=bytearray(units.trained.files[f"{name}.ubj"])) for name in names}
    check = np.zeros((4, len(units.trained.spec.feature_names)), dtype=np.float32)
    assert set(export_boosters(boosters, check.shape[1], check, 1)) == {"forecast.onnx", "mean.onnx"}

    honest = export.predict_booster

    def skewed(booster: Any, X: np.ndarray, threads: int) -> np.ndarray:
        return honest(booster, X, threads) * (1.001 if booster is boosters["q90"] else 1.0)

    monkeypatch.setattr(export, "predict_booster", skewed)
    with pytest.raises(ExportError, match=r"output q90, row \d+: expected .* found"):
        export_boosters(boosters, check.shape[1], check, 1)


def test_chunks_change_nothing(units: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = units.predictor.predict(units.request)
    monkeypatch.setattr(predict, "_CHUNK_ROWS", 3 * 14)
    parts = units.predictor.predict(units.request)
    np.testing.assert_array_equal(whole.mean, parts.mean)
    np.testing.assert_array_equal(whole.confidence, parts.confidence)


def test_fewer_steps_are_the_first_of_all_steps(units: Run) -> None:
    few = units.predictor.predict(replace(units.request, steps=5))
    assert few.mean.shape == (40, 5)
    np.testing.assert_allclose(few.mean, units.predictor.predict(units.request).mean[:, :5])


def test_strange_input_lowers_the_confidence(units: Run) -> None:
    usual = units.predictor.predict(units.request).confidence
    state = {name: values * 1e6 for name, values in units.request.state.items()}
    strange = units.predictor.predict(replace(units.request, state=state)).confidence
    assert usual.min() > 0.9
    assert (strange < usual).all()
    unseen = {
        name: np.full_like(values, np.nan) if name.startswith(("level_", "last_", "std_")) else values
        for name, values in units.request.state.items()
    }
    assert (units.predictor.predict(replace(units.request, state=unseen)).confidence == 0).all()


def test_a_forecast_of_one_series_is_fast_and_so_are_its_reasons(units: Run) -> None:
    assert units.data.test is not None
    one = units.data.test.take(slice(0, 1))
    request = ForecastInput(one.state, one.known_future, one.origin).only(units.trained.spec)
    seconds: dict[str, list[float]] = {"predict": [], "reasons": []}
    for _ in range(20):
        for name, times in seconds.items():
            started = time.perf_counter()
            getattr(units.predictor, name)(request)
            times.append(time.perf_counter() - started)
    assert np.median(seconds["predict"]) < 0.02
    assert np.median(seconds["reasons"]) < 0.2


def test_it_is_a_forecast_predictor(units: Run) -> None:
    assert isinstance(units.predictor, ForecastPredictor)
    assert (units.predictor.horizon, units.predictor.unit) == (14, "units")


def test_features_that_are_never_known_are_left_out_by_name(units: Run) -> None:
    assert "always_null" in units.trained.spec.dropped_features
    assert "always_null" not in units.trained.spec.feature_names
    assert any("always_null" in note for note in units.trained.notes)


def test_closed_days_known_ahead_are_forecast_as_zero_for_everyone(synthetic: ModuleType) -> None:
    run = Run(synthetic, shop={"n_series": 8, "n_periods": 150, "closed_sundays": True}, horizon=14)
    reply = run.predictor.predict(run.request)
    closed = run.request.known_future["open"] == 0
    assert closed.any()
    for values in (reply.mean, reply.q10, reply.q50, reply.q90):
        assert (values[closed] == 0).all() and (values[~closed] > 0).any()
    reasons = run.predictor.reasons(run.request, steps=list(range(1, 15)))
    assert (reasons.base[closed] == 0).all() and (reasons.values[closed] == 0).all()
    report = run.report()
    assert report.value("champion", "rmse") < report.value("seasonal naive", "rmse")


def test_weekly_revenue(synthetic: ModuleType, tmp_path: Path) -> None:
    run = Run(
        synthetic, shop={"n_series": 20, "n_periods": 80, "unit": "EUR", "level": 900.0}, horizon=6, frequency="weekly"
    )
    assert run.trained.spec.loss == "poisson"
    assert not run.trained.spec.counts
    report = run.report(truth=run.shop.truth(), peers=("lightgbm", "autoets"))
    assert report.value("champion", "rmse") < 0.6 * report.value("seasonal naive", "rmse")
    assert report.value("champion", "rmse_expected") > 0
    run.trained.save(tmp_path / "weekly", report=report)
    assert load(tmp_path / "weekly").unit == "EUR"


def test_revenue_with_refunds_below_zero_is_fitted_by_squared_error(synthetic: ModuleType) -> None:
    import pyarrow as pa

    cfg = Config(horizon=7, **{**QUICK, "trees": 10, "quantile_trees": 5})
    tables = synthetic.shop(cfg, n_series=5, n_periods=90, unit="EUR").tables
    value = np.array(tables["sales"]["value"].to_numpy())
    value[::37] = -5.0
    tables = {**tables, "sales": tables["sales"].set_column(2, "value", pa.array(value))}
    data = prepare(tables, cfg)
    spec = train(data, cfg, seed=1).spec
    assert (spec.loss, spec.non_negative) == ("squared", False)
    with pytest.raises(DataError, match="loss='poisson'"):
        train(data, cfg.model_copy(update={"loss": "poisson"}), seed=1)


def test_intermittent_sales(synthetic: ModuleType) -> None:
    run = Run(synthetic, shop={"n_series": 60, "n_periods": 200, "level": 0.25}, horizon=14)
    assert run.data.intermittent.mean() > 0.9
    report = run.report(truth=run.shop.truth())
    assert report.value("champion", "rmse") < report.value("seasonal naive", "rmse")
    assert report.value("champion", "rmse_expected") < report.value("moving mean", "rmse_expected") * 1.1
    assert report.value("champion", "coverage80") == pytest.approx(0.8, abs=0.06)
    assert (run.predictor.predict(run.request).q10 >= 0).all()


@pytest.mark.parametrize(
    ("frequency", "periods", "horizon"), [("daily", 60, 14), ("daily", 60, 28), ("weekly", 30, 8), ("weekly", 30, 12)]
)
def test_one_short_series_without_covariates_is_enough(
    synthetic: ModuleType, frequency: str, periods: int, horizon: int
) -> None:
    run = Run(
        synthetic,
        shop={"n_series": 1, "n_periods": periods, "covariates": False, "level": 60.0},
        horizon=horizon,
        frequency=frequency,
        min_child_weight=2.0,
    )
    report = run.report(peers=("lightgbm", "autoets"))
    assert np.isfinite(report.value("champion", "rmse"))
    flat = report.value("moving mean", "rmse")
    assert report.value("champion", "rmse") < 1.1 * max(flat, report.value("seasonal naive", "rmse"))
    assert np.isfinite(report.value("lightgbm (mlforecast)", "rmse"))


def test_truth_may_be_told_by_store_and_product_and_by_day(synthetic: ModuleType) -> None:
    import pyarrow as pa

    run = Run(synthetic, shop={"n_series": 4, "n_periods": 90}, horizon=7, trees=10, quantile_trees=5)
    names = run.data.series_ids
    series = pa.table(
        {"series_id": names, "store_id": [f"S{i}" for i in range(4)], "product_id": [f"P{i % 2}" for i in range(4)]}
    )
    data = prepare({**run.shop.tables, "series": series}, run.cfg)
    told = run.shop.truth().expected_demand
    keyed = pa.table(
        {
            "store_id": np.repeat(series["store_id"].to_pylist(), 90),
            "product_id": np.repeat(series["product_id"].to_pylist(), 90),
            "date": told["period_start"],
            "expected_units": told["expected_units"],
        }
    )
    truth = type("Truth", (), {"expected_demand": keyed})()
    by_keys = evaluate(run.predictor, data, truth=truth, peers=())
    by_series = evaluate(run.predictor, run.data, truth=run.shop.truth(), peers=())
    assert by_keys.value("champion", "rmse_expected") == by_series.value("champion", "rmse_expected")
    assert by_keys.value("oracle", "rmse_expected") == 0.0


def test_an_artifact_of_other_inputs_is_refused(units: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    units.trained.save(tmp_path / "artifact")
    load(tmp_path / "artifact")
    monkeypatch.setattr(predict, "INPUTS_VERSION", 2)
    with pytest.raises(ArtifactError, match=r"expected inputs version 2, found 1.*retrain"):
        load(tmp_path / "artifact")
