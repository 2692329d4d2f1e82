"""Online re-weighting in a small world of the twin: it lifts clicks, the experiment reads tables alone, policies are apart."""

from pathlib import Path

import numpy as np
import pytest

from models.common.protocols import DataError
from models.recommender.calibration import fit_calibration
from models.recommender.config import Config
from orchestration.online_experiment import run_experiment, run_placebo
from orchestration.online_loop import (
    FROZEN,
    ORACLE,
    POPULARITY,
    REWEIGHTED,
    LoopConfig,
    LoopResult,
    OnlineWorld,
    run_loop,
)
from orchestration.online_policies import ShopMemory, SplitPolicy

SMALL = LoopConfig(
    customers=400,
    items=40,
    days=30,
    recommender=Config(kinds=("click",), threads=1, steps_min=20, epochs=1, width=16, ranker_epochs=0),
)


@pytest.fixture(scope="module")
def world() -> OnlineWorld:
    return OnlineWorld(SMALL, 11)


@pytest.fixture(scope="module")
def result(world: OnlineWorld, tmp_path_factory: pytest.TempPathFactory) -> LoopResult:
    return run_loop(world, tmp_path_factory.mktemp("loop"))


def test_reweighting_lifts_clicks_in_a_small_world(result: LoopResult) -> None:
    """Measured: the order of policies; the oracle is above all, and re-weighting above the frozen ranker."""
    last = {name: result.last_third(name) for name in result.daily}
    assert last[POPULARITY] < last[ORACLE] and last[FROZEN] < last[REWEIGHTED] < last[ORACLE]
    assert all(len(values) == 19 for values in result.daily.values())
    report = result.report()
    assert report.value(REWEIGHTED, "over the frozen ranker") == pytest.approx(result.lift)
    assert report.value(ORACLE, "of the oracle") == 1.0
    assert report.plots["days"].startswith(b"\x89PNG")


def test_the_loop_gives_equal_figures_again(world: OnlineWorld, result: LoopResult, tmp_path: Path) -> None:
    """What other policies lived through before, and the folder, leave no trace."""
    again = world.live(world.reweighted(tmp_path / "again"))
    assert [day.expected_clicks_per_impression for day in again] == result.daily[REWEIGHTED].tolist()
    propensity = np.concatenate([day.impressions.propensity for day in again])
    tried = propensity < 0.5
    share = world.cfg.exploration.share
    assert tried.mean() == pytest.approx(share / 8, abs=0.006)  # a place of eight in that share of the requests
    assert propensity[~tried] == pytest.approx(1 - share / 8)


def test_the_experiment_reads_what_the_truth_says(world: OnlineWorld, tmp_path: Path) -> None:
    found = run_experiment(world, tmp_path)
    lift, low, high = found.relative
    assert low <= found.true_lift <= high and low < lift < high
    assert not found.analysis.ratio.alarm(0.001)
    assert found.analysis.covariates[:2] == ("clicks_per_impression", "log_impressions")


def test_arms_that_are_equal_are_seldom_called_different(world: OnlineWorld) -> None:
    placebo = run_placebo(world, runs=200).placebo
    assert placebo is not None and placebo.runs == 200
    assert placebo.fixed == pytest.approx(0.05, abs=0.05) and placebo.always <= 0.05


def test_split_customers_meet_their_own_policy(world: OnlineWorld) -> None:
    """Arms of one policy each get the slates that this policy alone would give them."""
    arm = np.arange(SMALL.customers) % 2
    day = world.live(SplitPolicy((world.frozen(), world.popularity()), arm))[0]
    alone = world.live(world.frozen())[0]
    ours, theirs = (
        {(int(c), int(t), int(p)): int(i) for c, t, p, i in zip(d.impressions.customer, d.impressions.session,
         d.impressions.position, d.impressions.item, strict=True) if arm[c] == 0}
        for d in (day, alone)
    )  # fmt: skip
    same = np.mean([theirs[key] == item for key, item in ours.items()])
    assert ours.keys() == theirs.keys() and same == 1.0


def test_memory_fades_and_orders_clicks(world: OnlineWorld) -> None:
    memory = ShopMemory(2, 3)
    assert memory.histories(np.array([0, 1]), np.arange(3)).lengths.tolist() == [0, 0]
    assert memory.recent(5, np.array([1])).tolist() == [[0.0, 0.0, 0.0]]
    memory._shown[1, 2] = 1.0
    assert memory.recent(8, np.array([1]))[0, 2] == pytest.approx(np.exp(-1))


def test_calibration_finds_the_logistic_law() -> None:
    """Clicks of log-odds -1 + 0.7 s - 0.5 position; and what cannot be fitted is refused by name."""
    rng = np.random.default_rng(0)
    score, position = rng.normal(size=60_000), rng.integers(0, 3, 60_000)
    clicked = rng.random(60_000) < 1 / (1 + np.exp(1 - 0.7 * score + 0.5 * position))
    found = fit_calibration(score, position, clicked)
    assert (found.intercept, found.slope) == pytest.approx((-1, 0.7), abs=0.05)
    assert fit_calibration(-score, position, clicked).slope == 0.0
    with pytest.raises(DataError, match="3 of 50 were clicked, at least 20"):
        fit_calibration(score[:50], position[:50], np.arange(50) < 3)
