"""From tables to sentences: the effect that was built in is found, and what voids an experiment is said first."""

from types import ModuleType
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from models.common.protocols import DataError
from models.common.report import Report
from models.experiments.analyse import Analysis, analyse
from models.experiments.config import Config
from models.experiments.data import prepare
from models.experiments.off_policy import Log, ips
from models.experiments.plots import off_policy_plot
from models.experiments.report import BASELINE, CHAMPION, report
from models.experiments.sequential import boundary

NAMES = {"metric_name": "revenue", "metric_unit": "EUR per customer"}


def analysed(tables: dict[str, Any], **knobs: Any) -> tuple[Analysis, Report]:
    cfg = Config(**{**NAMES, "placebo_runs": 0, **knobs})
    found = analyse(prepare(tables, cfg), cfg, seed=1)
    return found, report(found)


@pytest.fixture(scope="module")
def shop(model_cases: dict[str, ModuleType]) -> ModuleType:
    return model_cases["experiments"]


def test_the_effect_that_was_built_in_is_found_and_said(shop: ModuleType) -> None:
    found, written = analysed(shop.simulated(units=8_000, lift=0.10))
    low, high = (written.value(CHAMPION, f"relative_{end}", "B vs A") for end in ("low", "high"))
    assert low < 10 < high and low > 5
    assert written.notes[0].startswith("B is better than A on revenue by +")
    assert found.comparisons[0].decided is not None
    reduction = written.value(CHAMPION, "variance_reduction", "B vs A")
    assert reduction == pytest.approx(0.49, abs=0.03)  # rho = 0.7
    width = {model: _width(written, model) for model in (CHAMPION, "plain, always valid", BASELINE)}
    # The same boundary on both, so the widths stand as the standard errors: sqrt(1 - 0.49) = 0.71
    assert width[CHAMPION] / width["plain, always valid"] == pytest.approx(0.71, abs=0.02)


def _width(written: Report, model: str) -> float:
    return written.value(model, "effect_high", "B vs A") - written.value(model, "effect_low", "B vs A")


def test_for_a_cost_more_is_worse(shop: ModuleType) -> None:
    _, written = analysed(shop.simulated(units=4_000, lift=0.2), higher_is_better=False)
    assert written.notes[0].startswith("B is worse than A on revenue by +")


def test_without_an_effect_nothing_is_claimed(shop: ModuleType) -> None:
    found, written = analysed(shop.simulated(units=4_000, history=0.8), placebo_runs=60)
    assert "cannot be told apart yet" in written.notes[0]
    assert found.comparisons[0].decided is None
    assert written.value("placebo", "false_alarms_always") <= 0.1
    assert written.value("placebo", "false_alarms_peeking") > written.value("placebo", "false_alarms_always")
    assert "has_history" in " ".join(written.notes)


def test_a_ratio_is_told_in_its_own_unit(shop: ModuleType) -> None:
    found, written = analysed(shop.simulated(units=6_000, lift=0.1), metric="ratio", metric_unit="EUR per visit")
    assert written.value(CHAMPION, "control", "B vs A") == pytest.approx(20 / 8, rel=0.03)
    assert written.value(CHAMPION, "relative_effect", "B vs A") == pytest.approx(10, abs=3)
    assert found.comparisons[0].adjusted.effect.variance_reduction[-1] > 0.2


def test_arms_in_the_wrong_shares_void_the_experiment_first(shop: ModuleType) -> None:
    _, written = analysed(shop.simulated(units=8_000, lift=0.1, share=0.56))
    assert written.notes[0].startswith("DO NOT READ THE EFFECT: the arms hold A 3,5")
    assert written.value("sample ratio", "p_always") < 0.001
    _, planned = analysed(shop.simulated(units=8_000, lift=0.1, share=0.56), shares=(0.44, 0.56))
    assert not planned.notes[0].startswith("DO NOT")


def test_three_arms_share_the_level(shop: ModuleType) -> None:
    tables = shop.simulated(units=6_000, lift=0.15)
    arms = np.asarray(tables["assignments"]["arm"].to_pylist())
    arms[(arms == "A") & (np.arange(6_000) % 2 == 0)] = "C"
    tables["assignments"] = tables["assignments"].set_column(2, "arm", pa.array(arms))
    found, written = analysed(tables, arms=("A", "B", "C"), shares=(0.25, 0.5, 0.25))
    assert written.segments() == ["all", "B vs A", "C vs A"]
    track = found.comparisons[1].adjusted
    half = boundary(track.effect.units, plan_units=10_000, alpha=0.025) * track.effect.standard_error
    assert track.always.high[-1] - track.effect.estimate[-1] == pytest.approx(half[-1])
    assert "C and A cannot be told apart" in " ".join(written.notes)


def test_an_effect_that_fades_is_not_sold_as_sure(shop: ModuleType) -> None:
    """B wins early and loses as much later: decided once, and now the interval holds 0 again."""
    tables = shop.simulated(units=8_000)
    early = dict(zip(tables["assignments"]["unit_id"].to_pylist(), range(8_000), strict=True))
    arm = np.asarray(tables["assignments"]["arm"].to_pylist())
    unit = np.array([early[name] for name in tables["outcomes"]["unit_id"].to_pylist()])
    shift = np.where(unit < 4_000, 2.0, -2.0) * (arm[unit] == "B")
    moved = pa.array(np.asarray(tables["outcomes"]["numerator"]) + shift)
    tables["outcomes"] = tables["outcomes"].set_column(2, "numerator", moved)
    found, written = analysed(tables)
    assert found.comparisons[0].decided is not None
    assert "seems to fade" in written.notes[0]


def test_covariates_are_left_alone_where_they_are_absent_or_not_wanted(shop: ModuleType) -> None:
    tables = shop.simulated(units=2_000)
    without = {name: table for name, table in tables.items() if name != "covariates"}
    for given, knobs in ((without, {}), (tables, {"adjust": False})):
        found, written = analysed(given, **knobs)
        adjusted, plain = found.comparisons[0].adjusted.effect, found.comparisons[0].plain.effect
        np.testing.assert_array_equal(adjusted.standard_error, plain.standard_error)
        assert "cuped" not in written.plots


def test_too_few_units_are_counted(shop: ModuleType) -> None:
    with pytest.raises(DataError, match="at least 100 are needed in each arm"):
        analysed(shop.simulated(units=150))


def test_off_policy_estimates_make_a_picture() -> None:
    log = Log(np.array([0, 0, 1, 1]), np.array([1.0, 0, 1, 1]), np.full(4, 0.5))
    estimate = ips(log, np.full((4, 2), 0.5))
    assert off_policy_plot([estimate], logged=0.75, truth=0.7, unit="clicks").startswith(b"\x89PNG")
