"""The promotion gate on hand-made losses."""

from datetime import date

import numpy as np
import pytest
from pydantic import ValidationError

from orchestration.promotion import Budgets, RecommenderBudgets, Verdict, judge_challenger

WINDOW = (date(2025, 3, 1), date(2025, 4, 11))
MEASURED = {"latency_p99_ms": 3.0, "size_mb": 2.0, "coverage_80": 0.8}


def judge(challenger: float, champion: float | None, **measured: float) -> Verdict:
    rng = np.random.default_rng(1)
    noise = rng.normal(0, 0.02, 200)
    loss = {"challenger": challenger + noise, "baseline": np.ones(200)}
    if champion is not None:
        loss["champion"] = champion + noise
    return judge_challenger(
        model="forecaster",
        challenger="a" * 64,
        champion=None if champion is None else "b" * 64,
        window=WINDOW,
        trained_until={"challenger": date(2025, 2, 28)},
        loss=loss,
        measured={**MEASURED, **measured},
        budgets=Budgets(),
        seed=3,
    )


def failed(verdict: Verdict) -> list[str]:
    return [row.name for row in verdict.criteria if not row.passed]


def test_the_first_challenger_needs_the_baseline_and_the_budgets_alone() -> None:
    verdict = judge(0.8, None)
    assert verdict.promoted
    assert verdict.criteria[0].value == pytest.approx(0.8, abs=0.01)


def test_a_better_challenger_replaces_the_champion() -> None:
    assert judge(0.7, 0.8).promoted


def test_an_equal_challenger_does_not() -> None:
    assert failed(judge(0.8, 0.8)) == ["loss difference to the champion, upper 95 % bound"]


def test_a_worse_challenger_does_not() -> None:
    assert not judge(0.85, 0.8).promoted


@pytest.mark.parametrize(
    ("measured", "name"),
    [
        ({"latency_p99_ms": 51.0}, "latency p99, ms"),
        ({"size_mb": 65.0}, "size, MB"),
        ({"coverage_80": 0.5}, "coverage of the 80 % interval"),
        ({"coverage_80": 0.99}, "coverage of the 80 % interval"),
    ],
)
def test_every_budget_can_refuse(measured: dict[str, float], name: str) -> None:
    assert failed(judge(0.7, 0.8, **measured)) == [name]


def test_no_better_than_the_baseline_is_refused() -> None:
    assert failed(judge(0.99, None)) == ["loss over baseline"]


def test_a_window_that_a_model_saw_is_refused() -> None:
    with pytest.raises(ValueError, match="champion was trained until 2025-03-01"):
        judge_challenger(
            model="forecaster",
            challenger="a",
            champion="b",
            window=WINDOW,
            trained_until={"challenger": date(2025, 2, 1), "champion": date(2025, 3, 1)},
            loss={"challenger": np.ones(3), "champion": np.ones(3), "baseline": np.ones(3)},
            measured=MEASURED,
            budgets=Budgets(),
            seed=3,
        )


@pytest.mark.parametrize(
    ("own", "popular", "gain", "passed"),
    [
        (0.4, 0.25, 1.6, True),
        (0.275, 0.25, 1.1, True),
        (0.27, 0.25, 1.08, False),
        (0.0, 0.0, 0.0, False),
        (0.01, 0.0, 1e4, True),
    ],
)
def test_a_recommender_must_gain_over_popularity(own: float, popular: float, gain: float, passed: bool) -> None:
    """Of ten customers; NDCG@10 is what the loss lacks to 1."""
    loss = {"challenger": np.full(10, 1.0 - own), "baseline": np.full(10, 1.0 - popular)}
    budgets = RecommenderBudgets(baseline_gain_min=1.0999, size_mb_max=2.0)
    first, sure, latency, size = budgets.criteria(loss, {"latency_p99_ms": 50.0, "size_mb": 2.1}, seed=3)
    assert (first.value, first.passed) == (pytest.approx(gain), passed)
    assert (sure.value, sure.passed) == (pytest.approx(popular - own), own > popular)
    assert (latency.passed, size.passed) == (True, False)


def test_a_gain_that_may_be_chance_is_none() -> None:
    """Better by 0.02 on the mean; of 2,000 customers it is sure, of 20 it is not."""
    noise = np.random.default_rng(4).normal(0.0, 0.2, 2_000)
    noise -= noise.mean()
    for customers, sure in ((2_000, True), (20, False)):
        few = noise[:customers] - noise[:customers].mean()
        loss = {"challenger": 0.70 + few, "baseline": np.full(customers, 0.72)}
        gain, chance, *_ = RecommenderBudgets().criteria(loss, {"latency_p99_ms": 1.0, "size_mb": 1.0}, seed=3)
        assert gain.passed
        assert chance.passed is sure


def test_customers_whose_item_the_champion_saw_are_left_out_of_the_comparison() -> None:
    """Of 40 customers 20 may be compared; the challenger is better on these by 0.1, and worse on the others."""
    challenger = np.concatenate([np.full(20, 0.5), np.full(20, 0.9)]) + np.linspace(0, 0.01, 40)
    champion = np.concatenate([challenger[:20] + 0.1, np.full(20, np.nan)])
    verdict = judge_challenger(
        model="recommender",
        challenger="a" * 64,
        champion="b" * 64,
        window=None,
        trained_until={},
        loss={"challenger": challenger, "champion": champion, "baseline": np.full(40, 0.95)},
        measured={"latency_p99_ms": 3.0, "size_mb": 2.0},
        budgets=RecommenderBudgets(),
        seed=3,
        unit="customers",
        judged="Judged on 40 customers",
    )
    assert verdict.promoted
    assert "mean -0.1, interval [-0.1, -0.1], 20 customers" in verdict.criteria[-1].note
    assert Verdict.from_json(verdict.to_json()) == verdict
    assert verdict.context["champion"] == pytest.approx(np.nanmean(champion))


def test_budgets_of_one_model_decide_nothing_of_another() -> None:
    stricter = Budgets(recommender={"size_mb_max": 1.0})
    assert stricter.recommender.size_mb_max == 1.0
    assert stricter.model_dump() == Budgets().model_dump()
    with pytest.raises(ValidationError, match="Extra inputs"):
        Budgets(recommender={"coverage_80_low": 0.5})


def judge_few(challenger: np.ndarray, champion: np.ndarray, **options: object) -> Verdict:
    """Both given as squared errors (N, H)."""
    by_period = {"challenger": challenger, "champion": champion}
    loss = {name: np.sqrt(errors.mean(axis=1)) for name, errors in by_period.items()}
    return judge_challenger(
        model="forecaster",
        challenger="a" * 64,
        champion="b" * 64,
        window=WINDOW,
        trained_until={"challenger": date(2025, 2, 28), "champion": date(2025, 2, 28)},
        loss={**loss, "baseline": np.full(len(challenger), 9.0)},
        measured=MEASURED,
        budgets=Budgets(),
        seed=3,
        by_period=by_period,
        **options,
    )


def test_a_shop_with_one_series_is_judged_over_periods() -> None:
    errors = np.random.default_rng(5).gamma(2.0, size=(1, 42))
    better = judge_few(0.8 * errors, errors)
    assert better.promoted
    assert "42 periods" in better.criteria[-1].note
    assert failed(judge_few(errors, errors)) == ["loss difference to the champion, upper 95 % bound"]
    assert not judge_few(1.2 * errors, errors).promoted
    luck = errors.copy()
    luck[0, 0] -= 0.01  # better on one period alone is no proof
    assert not judge_few(luck, errors).promoted


def test_from_ten_series_on_the_series_are_drawn() -> None:
    errors = np.random.default_rng(5).gamma(2.0, size=(10, 42))
    assert "10 series" in judge_few(0.8 * errors, errors).criteria[-1].note
    assert "42 periods" in judge_few(0.8 * errors[:9], errors[:9]).criteria[-1].note


def test_a_champion_that_cannot_be_scored_refuses_every_challenger() -> None:
    errors = np.random.default_rng(5).gamma(2.0, size=(12, 42))
    verdict = judge_few(0.1 * errors, errors, champion_problem="format 9 is not known")
    assert failed(verdict) == ["champion cannot be scored"]
    assert verdict.criteria[-1].note == "format 9 is not known"
    assert not verdict.champion_scored
    assert verdict.champion == "b" * 64
