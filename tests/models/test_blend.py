"""The blend: weights worked by hand, members that buy nothing left out, and a champion with a network in it, end to end."""

from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from pydantic import ValidationError

from models.forecaster.blend import SEGMENTS, Blend, convex_weights, fit_blend, segment_of
from models.forecaster.blending import _weeks, fit_network_member
from models.forecaster.config import Config
from models.forecaster.data import Dataset, prepare
from models.forecaster.networks import NetworkConfig, member
from models.forecaster.predict import ForecastInput, load
from models.forecaster.steps import HORIZON_BUCKETS
from models.forecaster.train import Trained, train

CONFIG = Config(network="lstm", horizon=21, trees=25, quantile_trees=10, max_pairs=2_400)


@pytest.fixture(scope="module")
def data(synthetic: ModuleType) -> Dataset:
    return prepare(synthetic.shop(CONFIG, n_series=40, unit="EUR").tables, CONFIG)


@pytest.fixture(scope="module")
def request_(data: Dataset, trained: Trained) -> ForecastInput:
    assert data.test is not None
    return ForecastInput(data.test.state, data.test.known_future, data.test.origin).only(trained.spec)


def _blend(*row: float, members: tuple[str, ...] = ("trees", "network")) -> Blend:
    return Blend.model_validate({"members": members, "weights": ((row,) * len(HORIZON_BUCKETS),) * len(SEGMENTS)})


def test_weights_of_two_members_are_those_of_the_closed_form() -> None:
    target = np.array([1.0, 2.0, 3.0])
    said = target[:, None] + np.array([[1.0, -1.0], [-1.0, 1.0], [1.0, 1.0]])
    # w = <b, b - a> / |a - b|^2 with errors a = (1, -1, 1), b = (-1, 1, 1): 4 / 8
    assert convex_weights(said, target, np.ones(3)) == (0.5, 0.5)
    # the first two rows weigh nothing, in the third both err alike: any weights do, none is below 0
    lopsided = convex_weights(said, target, np.array([1e-9, 1e-9, 1.0]))
    assert sum(lopsided) == pytest.approx(1.0) and min(lopsided) >= 0


def test_a_member_that_would_be_weighted_below_zero_gets_nothing() -> None:
    target = np.array([1.0, 2.0, 3.0, 4.0])
    good, worse = target + 0.1 * np.array([1, -1, 1, -1]), target + 0.1 * np.array([3, -2, 4, -3])
    assert convex_weights(np.stack([good, worse], axis=1), target, np.ones(4)) == (1.0, 0.0)


def test_weights_beat_every_grid_point_of_the_simplex() -> None:
    rng = np.random.default_rng(3)
    target = rng.gamma(2.0, 1.0, 300)
    said = target[:, None] + rng.normal(0, [0.3, 0.5, 0.4], (300, 3)) + [0.1, -0.2, 0.0]
    weight = rng.random(300)

    def loss(weights: np.ndarray) -> float:
        return float(np.average((said @ weights - target) ** 2, weights=weight))

    found = loss(np.asarray(convex_weights(said, target, weight)))
    grid = [(a / 20, b / 20, 1 - (a + b) / 20) for a in range(21) for b in range(21 - a)]
    assert all(found <= loss(np.asarray(point)) + 1e-7 for point in grid)


def test_segments_have_weights_of_their_own_and_the_useless_stay_out() -> None:
    rng = np.random.default_rng(5)
    n_rows = 8_000
    target = rng.gamma(4.0, 0.25, n_rows)
    segment = np.repeat([0, 1], n_rows // 2)
    step = np.tile(np.arange(1, 41), n_rows // 40)
    trees = np.tile((target + rng.normal(0, np.where(segment == 0, 0.1, 1.0)))[:, None], 4)
    season = target + rng.normal(0, np.where(segment == 0, 1.0, 0.1))
    outputs = {"trees": trees, "season": season, "level": target + rng.normal(0, 90.0, n_rows)}
    blend = fit_blend(outputs, target, np.ones(n_rows), segment, step)
    assert blend.members == ("trees", "season")
    smooth, intermittent = (np.asarray(table)[:, 0] for table in blend.weights)
    assert (smooth > 0.95).all() and (intermittent < 0.05).all()
    combined = blend.combine(outputs, segment, step)
    assert np.sqrt(np.mean((combined[:, 0] - target) ** 2)) < 0.12
    np.testing.assert_array_equal(combined[:, 1:], trees[:, 1:])


def test_as_many_networks_are_fitted_as_the_config_says(data: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    monkeypatch.setattr(member, "fit_member", lambda *given, **_: asked.append(given[3].ensemble))
    for config in (CONFIG, CONFIG.model_copy(update={"network_ensemble": 2})):
        fit_network_member(
            data, config, (), None, counts=False, refit=False, seed=0, on_progress=lambda stage, fraction: None
        )
    assert asked == [NetworkConfig().ensemble, 2]


def test_few_rows_leave_the_trees_alone() -> None:
    outputs = {"trees": np.ones((20, 4)), "season": np.zeros(20)}
    zeros = np.zeros(20, dtype=np.int64)
    assert fit_blend(outputs, np.zeros(20), np.ones(20), zeros, zeros + 1).members == ("trees",)


def test_an_unknown_member_leaves_its_weight_to_the_trees() -> None:
    outputs = {"trees": np.full((2, 4), 2.0), "level": np.array([4.0, np.nan])}
    at = np.zeros(2, dtype=np.int64)
    mean = _blend(0.5, 0.5, members=("trees", "level")).combine(outputs, at, at + 1)[:, 0]
    np.testing.assert_allclose(mean, [3.0, 2.0])


def test_quantiles_are_averaged_by_the_shares_of_trees_and_network() -> None:
    outputs = {
        "trees": np.array([[1.0, 0.0, 1.0, 2.0]]),
        "network": np.array([[3.0, 2.0, 3.0, 6.0]]),
        "season": np.ones(1),
    }
    at = np.zeros(1, dtype=np.int64)
    said = _blend(0.2, 0.6, 0.2, members=("trees", "network", "season")).combine(outputs, at, at + 1)
    np.testing.assert_allclose(said, [[0.2 + 1.8 + 0.2, 1.5, 2.5, 5.0]])


def test_weights_that_do_not_sum_to_one_are_refused() -> None:
    with pytest.raises(ValidationError, match="summing to 1"):
        _blend(0.7, 0.7)
    with pytest.raises(ValidationError, match="trees are among them"):
        _blend(1.0, members=("network",))


def test_what_is_gained_in_a_single_week_is_luck_where_gains_must_be_steady() -> None:
    rng = np.random.default_rng(4)
    week = np.repeat(np.arange(6), 200)
    target, zeros = 1.0 + rng.normal(0, 0.2, 1_200), np.zeros(1_200, dtype=np.int64)

    def members(knows: np.ndarray, week: np.ndarray | None) -> tuple[str, ...]:
        """Of a blend with trees that know half of what the season does not where they know anything."""
        trees = np.where(knows, (1.0 + target) / 2, 1.0 + rng.normal(0, 0.02, 1_200))
        said = {"trees": np.repeat(trees[:, None], 4, axis=1), "season": np.ones(1_200)}
        weights = fit_blend(said, target, np.ones(1_200), zeros, zeros + 1, first="season", week=week).weights
        return ("trees", "season") if weights[0][0][0] > 0 else ("season",)

    once, always = week == 2, np.ones(1_200, dtype=bool)
    assert members(once, None) == ("trees", "season") and members(once, week) == ("season",)
    assert members(always, None) == members(always, week) == ("trees", "season")
    assert members(once, zeros) == ("trees", "season")  # of a single week nothing can be said


def test_a_lucky_member_does_not_keep_a_steady_one_out() -> None:
    rng = np.random.default_rng(6)
    week = np.repeat(np.arange(6), 200)
    target, zeros = 1.0 + rng.normal(0, 0.2, 1_200), np.zeros(1_200, dtype=np.int64)
    steady = 0.9 + 0.1 * target  # a tenth of all that the season does not know
    lucky = np.where(week == 2, target, 1.0)  # all of it, for a week
    said = {"trees": np.repeat(steady[:, None], 4, axis=1), "network": np.repeat(lucky[:, None], 4, axis=1)}
    outputs = {**said, "season": np.ones(1_200)}
    blend = fit_blend(outputs, target, np.ones(1_200), zeros, zeros + 1, first="season", week=week)
    assert blend.members == ("trees", "season") and blend.weights[0][0] == (1.0, 0.0)


def test_weeks_count_from_the_first_day_and_the_last_few_days_are_part_of_one() -> None:
    assert np.bincount(_weeks(np.arange(42))).tolist() == [7] * 6
    assert np.bincount(_weeks(np.arange(10))).tolist() == [10]
    assert np.bincount(_weeks(np.arange(11))).tolist() == [7, 4]
    assert np.bincount(_weeks(np.arange(2))).tolist() == [2]


def test_the_segment_is_told_by_the_share_of_days_without_a_sale() -> None:
    assert segment_of({"zero_share_91": np.array([0.1, 0.5, np.nan])}, 3).tolist() == [0, 1, 0]
    assert segment_of({}, 2).tolist() == [0, 0]


@pytest.fixture(scope="module")
def trained(data: Dataset) -> Trained:
    return train(data, CONFIG, seed=1)


def test_a_network_in_the_champion_is_saved_loaded_and_answers_alike(
    trained: Trained, request_: ForecastInput, tmp_path: Path
) -> None:
    assert "network" in trained.spec.blend.members, trained.notes
    trained.save(tmp_path / "artifact")
    assert (tmp_path / "artifact" / "network.onnx").is_file()
    whole, loaded = trained.predictor().predict(request_), load(tmp_path / "artifact").predict(request_)
    np.testing.assert_array_equal(whole.mean, loaded.mean)
    part = trained.predictor().predict(replace(request_, steps=5))
    np.testing.assert_allclose(part.mean, whole.mean[:, :5], rtol=1e-6)
    trees, network = (trained.predictor().alone(name).predict(request_).mean for name in ("trees", "network"))
    assert not np.allclose(trees, network)


def test_reasons_of_a_blend_add_up_to_its_mean(trained: Trained, request_: ForecastInput) -> None:
    predictor = trained.predictor()
    reasons = predictor.reasons(request_, steps=[1, 9, 20])
    mean = predictor.predict(request_).mean[:, [0, 8, 19]]
    np.testing.assert_allclose(reasons.base + reasons.values.sum(axis=2), mean, rtol=1e-4)


def test_every_model_of_the_blend_stands_in_the_report_alone(trained: Trained, data: Dataset) -> None:
    assert data.test is not None
    alone = [candidate.forecast(data, data.test) for candidate in trained.contenders()]
    assert [forecast.name for forecast in alone] == ["trees alone", "network alone"]
    assert all(forecast.seconds and forecast.seconds > 0 for forecast in alone)
