"""Elasticities beside the truth of a made-up market, beside statsmodels, and worked by hand."""

from dataclasses import replace
from datetime import date, timedelta
from types import ModuleType
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from models.common.protocols import DataError
from models.elasticity.config import Config
from models.elasticity.data import Dataset, prepare
from models.elasticity.evaluate import CHAMPION, evaluate
from models.elasticity.levels import fit_levels, log_error, years_since
from models.elasticity.model import Estimates, estimate, pool
from models.elasticity.peers import EACH, POOLED, fit_each
from models.elasticity.predict import ElasticityInput
from models.elasticity.train import train


@pytest.fixture
def case(model_cases: dict[str, ModuleType]) -> ModuleType:
    return model_cases["elasticity"]


def test_the_truth_is_found_and_intervals_hold_it(case: ModuleType) -> None:
    away: list[float] = []
    inside: list[float] = []
    standard: list[float] = []
    for seed in range(4):
        rows, true = case.panel(seed)
        data = prepare({"price_panel": rows}, Config())
        report = evaluate(train(data, Config(), seed=0).predictor(), data, truth=true)
        away.append(report.value(CHAMPION, "error of elasticity"))
        standard.append(report.value(EACH, "error of elasticity"))
        inside.append(report.value(CHAMPION, "coverage at 90%"))
        assert abs(report.value(CHAMPION, "bias of elasticity")) < 0.12
        assert report.value(CHAMPION, "log error") < report.value(EACH, "log error")
        assert report.value(CHAMPION, "dearer sells less") == 1.0
    assert np.mean(away) < 0.9 * np.mean(standard), "pooling must pay"
    assert 0.8 < np.mean(inside) < 0.98


def test_a_poisson_regression_of_one_series_is_that_of_statsmodels(case: ModuleType) -> None:
    import statsmodels.api as sm

    data = prepare({"price_panel": case.panel(1)[0]}, Config(harmonics=0, ridge=0, lags=3, common_from=100))
    years = years_since(data.periods, data.periods[0])
    found = estimate(data, years)
    row = 5
    X = np.column_stack([np.ones(len(years)), data.price[row], data.promoted[row], years - years.mean()])
    peer = sm.GLM(data.units[row], X, family=sm.families.Poisson()).fit(cov_type="HAC", cov_kwds={"maxlags": 3})
    # Two columns of zeros more (no shocks are held in common): the small-sample factor knows of them, the estimate does not.
    assert found.elasticity[row] == pytest.approx(-peer.params[1], abs=1e-4)
    assert found.promotion[row] == pytest.approx(peer.params[2], abs=1e-4)
    assert found.error[row] == pytest.approx(peer.bse[1], rel=0.05)


def test_random_effects_by_hand() -> None:
    """Values 1 and 3 with errors 1: Q = 2 on one degree of freedom, C = 2 - 2 / 2 = 1: a variance of 1 between them."""
    alone = Estimates(np.array([1.0, 3.0, 9.0]), np.array([1.0, 1.0, np.inf]), np.zeros(3))
    found = pool(alone, np.array([0, 0, 0]), 1)
    assert found.mean[0] == pytest.approx(2.0) and found.spread[0] == pytest.approx(1.0)
    assert found.mean_error[0] == pytest.approx(1.0)  # (2 / (1 + 1)) ** -0.5
    # Half-way to the mean; what says nothing takes the mean, and is as unsure as the spread and the mean together.
    assert found.elasticity.tolist() == pytest.approx([1.5, 2.5, 2.0])
    assert found.error[2] == pytest.approx(2**0.5)
    assert found.error[0] == pytest.approx((0.5 + 0.25) ** 0.5)


def test_a_group_of_one_leans_on_all() -> None:
    alone = Estimates(np.array([1.0, 1.2, 0.8, 4.0]), np.array([0.2, 0.2, 0.2, 2.0]), np.zeros(4))
    found = pool(alone, np.array([0, 0, 0, 1]), 2)
    # Weights 75 and 1/4: Q = 2.242, C = 0.499, so a variance of 2.49 between groups, whose mean is 1.834; the lone series is
    # 2.49 / 6.49 sure of its 4.
    assert found.elasticity[3] == pytest.approx(1.834 + (4 - 1.834) * 2.49 / 6.49, abs=0.01)
    assert found.elasticity[:3].tolist() == pytest.approx([1.0] * 3, abs=0.01), "three alike series have no spread"


def test_unknown_series_are_answered_by_their_group(case: ModuleType) -> None:
    rows, _ = case.panel(0)
    data = prepare({"price_panel": rows}, Config())
    trained = train(data, Config(), seed=0)
    reply = trained.predictor().predict(ElasticityInput(["s00", "new"], ["milk", "milk"]))
    assert reply.own.tolist() == [True, False]
    assert reply.elasticity[1] == pytest.approx(trained.numbers["mean"][0])
    assert reply.error[1] >= reply.error[0] - 1e-12 and np.isnan(reply.level[1])
    assert reply.reference[0] == pytest.approx(np.exp(np.log(data.reference[0])))


def test_the_future_does_not_move_what_was_learnt(case: ModuleType) -> None:
    rows, _ = case.panel(0)
    data = prepare({"price_panel": rows}, Config())
    later = pc.greater_equal(rows["period_start"], pa.scalar(data.periods[data.test_from].astype(object)))
    doubled = pc.if_else(later, pc.multiply(rows["units"], 7.0), rows["units"])
    other = prepare({"price_panel": rows.set_column(4, "units", doubled)}, Config())
    first, second = (train(each, Config(), seed=0).numbers for each in (data, other))
    for name, values in first.items():
        np.testing.assert_array_equal(values, second[name], err_msg=name)


def test_levels_by_hand() -> None:
    """Units halve when the price doubles; at the reference price two a week are sold, lately four."""
    weeks = 40
    price = np.where(np.arange(weeks) % 2, 2.0, 1.0)
    units = np.where(np.arange(weeks) < 36, 2.0, 4.0) / price
    data = _one(price, units, Config(half_lives=(1e6,), trend_shares=(0.0,)))
    years = years_since(data.periods, data.periods[0])
    usual = data.reference[0]  # the median price of the training weeks
    slow = fit_levels(data, np.ones(1), np.zeros(1), years)
    expected = units.sum() / (usual / price).sum()
    assert slow.level[0] == pytest.approx(expected, rel=1e-5)
    quick = fit_levels(
        replace(data, config=Config(half_lives=(0.5,), trend_shares=(0.0,))), np.ones(1), np.zeros(1), years
    )
    assert quick.level[0] == pytest.approx(4.0 / usual, rel=0.01)
    assert log_error(data.units, quick.told(data, np.ones(1), np.zeros(1), years)) > 0


def test_growth_goes_on_where_that_foretold_better() -> None:
    weeks = np.arange(120)
    data = _one(np.ones(120), np.round(1000 * np.exp(0.4 * 7 * weeks / 365.25)), Config(harmonics=0))
    years = years_since(data.periods, data.periods[0])
    found = fit_levels(data, np.ones(1), np.zeros(1), years)
    assert found.share == 1.0 and found.trend[0] == pytest.approx(0.4, abs=0.01)


def test_a_series_of_zeros_and_one_without_moves_get_their_groups(case: ModuleType) -> None:
    rows, _ = case.panel(0)
    zero, still = (pc.equal(rows["series_id"], name) for name in ("s00", "s02"))
    rows = rows.set_column(4, "units", pc.if_else(zero, 0.0, rows["units"]))
    rows = rows.set_column(3, "price", pc.if_else(still, 3.0, rows["price"]))
    data = prepare({"price_panel": rows}, Config())
    alone = estimate(data, years_since(data.periods, data.periods[0]))
    assert np.isinf(alone.error[[0, 2]]).all() and np.isfinite(alone.error[[1, 3]]).all()
    numbers = train(data, Config(), seed=0).numbers
    assert numbers["elasticity"][0] == numbers["elasticity"][2] == pytest.approx(numbers["mean"][0])
    assert np.isnan(fit_each(data, data.test_from).elasticity[2])
    report = evaluate(train(data, Config(), seed=0).predictor(), data)
    assert np.isfinite(report.value(CHAMPION, "log error")) and POOLED in report.models()


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        ("price", 0.0, "price: 0 in 1 rows, must be above 0"),
        ("price", float("inf"), "price: inf in 1 rows"),
        ("units", -1.0, "units: -1 in 1 rows, must be 0 or more"),
        ("units", float("nan"), "units: nan in 1 rows"),
        ("promoted", 2.0, "promoted: 2 in 1 rows"),
    ],
)
def test_impossible_values_are_named(case: ModuleType, column: str, value: float, said: str) -> None:
    rows, _ = case.panel(0)
    values = rows[column].to_pylist()
    values[3] = value
    changed = rows.set_column(rows.column_names.index(column), column, pa.array(values))
    with pytest.raises(DataError, match=said):
        prepare({"price_panel": changed}, Config())


def test_panels_that_are_none(case: ModuleType) -> None:
    rows, _ = case.panel(0)
    with pytest.raises(DataError, match="two rows in one period"):
        prepare({"price_panel": pa.concat_tables([rows, rows.slice(0, 1)])}, Config())
    with pytest.raises(DataError, match="at least 12"):
        prepare({"price_panel": rows.slice(0, 5)}, Config())
    mixed = rows.set_column(1, "group_id", pa.array(["other", *rows["group_id"].to_pylist()[1:]]))
    with pytest.raises(DataError, match="is in two groups"):
        prepare({"price_panel": mixed}, Config())
    flat = rows.set_column(3, "price", pa.array(np.full(len(rows), 3.0)))
    with pytest.raises(DataError, match="no series has enough"):
        train(prepare({"price_panel": flat}, Config()), Config(), seed=0)


def _one(price: Any, units: Any, cfg: Config) -> Dataset:
    start = date(2024, 1, 1)
    rows = {
        "series_id": ["a"] * len(units),
        "group_id": ["g"] * len(units),
        "period_start": [start + timedelta(days=7 * week) for week in range(len(units))],
        "price": price,
        "units": units,
    }
    return prepare({"price_panel": pa.table(rows)}, cfg)
