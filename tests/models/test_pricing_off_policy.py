"""Values of other prices from a log: estimators by hand, beside the bandit's, beside exact worths over many logs; verdicts."""

from collections.abc import Mapping
from dataclasses import replace
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from models.common.protocols import DataError
from models.experiments import off_policy as bandit
from models.pricing.baselines import FixedPrice, MarkdownLadder, Policy, list_price
from models.pricing.exact import solve, worth
from models.pricing.fitted_q import Fitted, basis, fit_q
from models.pricing.instances import check_instances
from models.pricing.judging import action_table
from models.pricing.logged import Log, read_log
from models.pricing.logged_report import SHOP, judge_logged
from models.pricing.market import Market, build_market
from models.pricing.off_policy import (
    DOUBLY,
    FITTED,
    IMPORTANCE,
    LOGGED,
    MARGINAL,
    Evaluation,
    Parts,
    doubly_robust,
    effective_size,
    evaluate_off_policy,
    importance_sampling,
    marginal,
    verdict_on,
)
from models.pricing.practice import EpsilonGreedy, simulated_log

MONEY, WEIGHT = np.array([[1.0, 4.0], [3.0, 2.0]]), np.array([[2.0, 1.0], [1.0, 0.0]])
HELD = Fitted(
    np.array([[1.5, 3.0], [2.0, 1.0]]), np.array([[5.0, 3.0], [6.0, 2.0]]), np.array([[1.0, 0.5], [2.0, 0.0]])
)
LOGS, EPISODES = 30, 1_500


def total(parts: Parts) -> float:
    return float((parts.top.sum(axis=0) / parts.bottom.sum(axis=0)).sum())


def test_estimators_worked_by_hand() -> None:
    """Importance: (2 + 3) / 3 + (4 + 0) / 1. Doubly robust: ((2 x -0.5) + 1) / 3 + (1 x 1) / 1 and values (5 + 6) / 2 at first,
    then (2 x 3 + 1 x 2) / 3. Marginal: 5 + (1 + 3 - 1.5) + 0.5 (4 - 3) = 8 and 6 + 2 (3 + 2 - 2) + 0 = 12."""
    assert total(importance_sampling(MONEY, WEIGHT)) == pytest.approx(5 / 3 + 4)
    assert total(doubly_robust(MONEY, WEIGHT, HELD)) == pytest.approx(0 / 3 + 1 + 5.5 + 8 / 3)
    assert total(marginal(MONEY, HELD)) == pytest.approx((8 + 12) / 2)


def test_effective_sizes_by_hand() -> None:
    """(2 + 1)^2 / (4 + 1) in the first period, 1 in the second, which decides; nothing is left of no weight."""
    assert effective_size(WEIGHT[:, :1]) == pytest.approx(9 / 5)
    assert effective_size(WEIGHT) == pytest.approx(1.0)
    assert effective_size(np.array([[1.0, 0.0], [1.0, 0.0]])) == 0.0


@pytest.mark.parametrize(
    ("effective", "outside", "said"),
    [
        (50.0, 0.01, ""),
        (12.3, 0.0, "effective sample size 12 of 4,000 episodes (at least 50): log more exploration"),
        (float("nan"), 0.0, "effective sample size nan of 4,000 episodes (at least 50): log more exploration"),
        (900.0, 0.08, "8.0% of the policy's prices have no chance in the log (at most 1%): let the shop try them"),
    ],
)
def test_a_log_that_cannot_tell_says_why(effective: float, outside: float, said: str) -> None:
    assert verdict_on(effective, 4_000, outside) == said


def build(told: Mapping[str, Any], **other: Any) -> Market:
    return build_market(check_instances({"instances": [{**told, **other}]})[0])


@pytest.fixture(scope="module")
def salad(model_cases: dict[str, ModuleType]) -> Market:
    return build(model_cases["pricing"].SALAD)


def logged(market: Market, rule: Policy, explore: float, *, seed: int, episodes: int = EPISODES) -> Log:
    return read_log(simulated_log(market, EpsilonGreedy(market, rule, explore), episodes=episodes, seed=seed), market)


def exactly(market: Market, policy: Policy) -> float:
    best = solve(market)
    assert best is not None
    return worth(market, action_table(market, policy, best.stocks), best.stocks)


def test_one_decision_is_the_bandit_of_experiments(model_cases: dict[str, ModuleType]) -> None:
    once = build(model_cases["pricing"].SALAD, periods=1)
    log, target = logged(once, FixedPrice("cheap", 0), 0.6, seed=5), FixedPrice("dear", 2)
    choices = np.tile([0.0, 0.0, 1.0], (log.episodes, 1))
    row = np.arange(log.episodes)
    seen = bandit.Log(log.action[:, 0], log.money[:, 0], log.propensities[row, 0, log.action[:, 0]])
    theirs = bandit.self_normalised_ips(seen, choices)
    ours = evaluate_off_policy(once, log, target, seed=0).estimates[IMPORTANCE]
    assert ours.value == pytest.approx(theirs.value)
    assert ours.effective == pytest.approx(theirs.effective)
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=0.15 * (theirs.high - theirs.low))


def test_a_shop_that_acted_as_the_policy_would_is_told_exactly(salad: Market) -> None:
    """No exploration and the same rule: every weight is 1, every estimate the mean of what was earned."""
    ladder = MarkdownLadder((0, 2))
    found = evaluate_off_policy(salad, log := logged(salad, ladder, 0.0, seed=1), ladder, seed=0)
    for each in found.estimates.values():
        assert each.value == pytest.approx(log.money.sum(axis=1).mean(), rel=1e-6)
        assert each.effective == pytest.approx(EPISODES, rel=1e-4)
        assert each.gain == pytest.approx(0, abs=1e-4) and not each.verdict


@pytest.fixture(scope="module")
def repeated(model_cases: dict[str, ModuleType]) -> dict[str, tuple[list[Evaluation], float]]:
    """30 logs of one shop on a perishable, a capacity, a label that moves a step a day, a demand that is half again as elastic
    as believed, and a problem so short that products of weights tell; with what the target is worth."""
    case = model_cases["pricing"]
    salad, seats, steps = build(case.SALAD), build(case.SEATS), build(case.SALAD, largest_change=0.34)
    short = build(case.SALAD, periods=3)
    misjudged = salad.followed_by(build(case.SALAD, elasticity=2.25).mean)
    rule, target = FixedPrice("middle", 1), MarkdownLadder((0, 2))
    problems: dict[str, tuple[Market, Market, Policy, float]] = {
        "salad": (salad, salad, target, 0.6),
        "seats": (seats, seats, FixedPrice("dear", 2), 0.7),
        "steps": (steps, steps, target, 0.6),
        "misjudged": (misjudged, salad, target, 0.6),
        "short": (short, short, target, 1.0),
    }
    found = {}
    for name, (truth, believed, policy, explore) in problems.items():
        practice = EpsilonGreedy(truth, rule, explore)
        logs = [read_log(simulated_log(truth, practice, episodes=EPISODES, seed=n), believed) for n in range(LOGS)]
        judged = [evaluate_off_policy(believed, log, policy, seed=n, resamples=200) for n, log in enumerate(logs)]
        found[name] = (judged, exactly(truth, policy))
    return found


@pytest.mark.parametrize(
    ("problem", "names"),
    [
        ("salad", (MARGINAL, FITTED)),
        ("seats", (MARGINAL, FITTED)),
        ("steps", (MARGINAL, FITTED)),
        ("misjudged", (MARGINAL, FITTED)),
        ("short", (MARGINAL, FITTED, DOUBLY, IMPORTANCE)),
    ],
)
def test_over_many_logs_the_truth_lies_within(
    repeated: dict[str, tuple[list[Evaluation], float]], problem: str, names: tuple[str, ...]
) -> None:
    judged, true = repeated[problem]
    of = {name: [each.estimates[name] for each in judged] for name in judged[0].estimates}
    for name in names:
        error = np.array([each.value for each in of[name]]) - true
        claimed = np.mean([each.high - each.low for each in of[name]]) / (2 * 1.96)
        assert abs(error.mean()) < 3.5 * error.std() / np.sqrt(LOGS), name
        assert claimed == pytest.approx(error.std(), rel=0.4), name
        assert np.mean([each.low <= true <= each.high for each in of[name]]) >= 0.86, name
        assert name not in (MARGINAL, FITTED) or sum(bool(each.verdict) for each in of[name]) <= LOGS / 4, name
    naive = [each.low <= true <= each.high for each in of[LOGGED]]
    assert np.mean(naive) <= 0.1, "what the shop earned is another thing"


def test_what_regressions_buy(repeated: dict[str, tuple[list[Evaluation], float]]) -> None:
    """Three weights multiplied vary most; fitted values cut that, and so do weights that are no product. Of six nothing is left."""
    judged, true = repeated["short"]
    spread = {
        name: float(np.sqrt(np.mean([(each.estimates[name].value - true) ** 2 for each in judged])))
        for name in (IMPORTANCE, DOUBLY, MARGINAL)
    }
    assert spread[DOUBLY] < 0.85 * spread[IMPORTANCE]
    assert spread[MARGINAL] < 0.85 * spread[DOUBLY]
    size = {name: np.mean([each.estimates[name].effective for each in judged]) for name in spread}
    assert size[IMPORTANCE] == pytest.approx(size[DOUBLY]) and size[MARGINAL] > 2 * size[IMPORTANCE]
    longer, _ = repeated["salad"]
    assert all("log more exploration" in each.estimates[IMPORTANCE].verdict for each in longer)
    assert not any(each.answer.verdict for each in longer)


def test_the_same_seed_tells_the_same(salad: Market) -> None:
    log, target = logged(salad, FixedPrice("middle", 1), 0.6, seed=0), list_price(salad)
    first = evaluate_off_policy(salad, log, target, seed=4)
    assert repr(evaluate_off_policy(salad, log, target, seed=4)) == repr(first)  # NaN equals itself
    other = evaluate_off_policy(salad, log, target, seed=5)
    assert other.estimates[FITTED].value == first.estimates[FITTED].value
    assert other.estimates[FITTED].low != first.estimates[FITTED].low
    assert other.answer.value != first.answer.value, "other folds"


def test_an_episode_is_told_by_what_the_others_say(salad: Market) -> None:
    """A thousand more in one episode moves the regression it is in; cross-fitted, not its own values."""
    log, target = logged(salad, FixedPrice("middle", 1), 0.6, seed=2), list_price(salad)
    money = log.money.copy()
    money[7, 0] += 1_000
    for folds, moved in ((1, True), (4, False)):
        before, after = (
            fit_q(salad, each, target, folds=folds, seed=0, most_weight=100.0)
            for each in (log, replace(log, money=money))
        )
        assert (before.q[7, 0] != after.q[7, 0]) == moved
        assert (before.q[:, 0] != after.q[:, 0]).sum() > EPISODES / 2
    with pytest.raises(DataError, match="folds 0: expected 1 to 750"):
        fit_q(salad, log, target, folds=0, seed=0, most_weight=100.0)


def test_features_know_what_a_shelf_does_with_a_sale(model_cases: dict[str, ModuleType]) -> None:
    """Rain, price 3, mean 1: of 2 units 1 - 1/e + 1 - 2/e are sold; the old one first unless customers pick the newest."""
    case = model_cases["pricing"].SALAD
    where = (np.array([0]), np.array([[1, 1]]), np.array([2]))
    one, two = 1 - np.exp(-1), 2 - 3 * np.exp(-1)
    for picking, oldest in (("oldest", one), ("newest", two - one)):
        found = basis(build(case, picking=picking), 0, *where)[0]
        # chain, units by deadline (2), share^2, then left by deadline (2)
        assert found[:6] == pytest.approx([0, 1 / 6, 2 / 6, 1 / 9, (1 - oldest) / 6, (2 - two) / 6])


def test_a_huge_shelf_is_told_by_the_normal_distribution(model_cases: dict[str, ModuleType]) -> None:
    """A mean of 3,000 on 3,000 units: the lesser of both is short by a deviation x 0.3989."""
    huge = build(
        model_cases["pricing"].SALAD, room=100_000, mean=6_000.0, prices=np.linspace(0.5, 3.0, 21).tolist(),
    )  # fmt: skip
    stock = np.array([[0, 3_000], [0, 100_000]])
    found = basis(huge, 0, np.zeros(2, dtype=np.int64), stock, np.full(2, 20))
    left = found[0, 5] * 100_000  # by the last deadline
    assert left == pytest.approx(np.sqrt(3_000) * 0.39894, rel=1e-3)


def test_a_report_stands_policies_beside_the_shop(salad: Market) -> None:
    ladder = MarkdownLadder((0, 1))
    log = logged(salad, ladder, 0.0, seed=0)
    report = judge_logged(salad, log, {"ladder": ladder, "list price": list_price(salad)}, champion="ladder", seed=0)
    assert report.value("ladder", "from the log") == pytest.approx(report.value(SHOP, "from the log"))
    assert report.value("ladder", "promised") == pytest.approx(exactly(salad, ladder))
    assert np.isnan(report.value("list price", "from the log")), "a shop that never tried cannot tell"
    assert report.value("list price", "outside the log") == 1.0
    assert {MARGINAL, FITTED, DOUBLY, IMPORTANCE} <= set(report.segments())
    assert any("list price: the log cannot tell: 100.0% of the policy's prices" in note for note in report.notes)
    assert any(note == "ladder: the log tells no difference from the shop's past." for note in report.notes)
    assert report.plots["values_from_the_log"].startswith(b"\x89PNG")
    with pytest.raises(DataError, match=r"most_weight 0\.5"):
        evaluate_off_policy(salad, log, ladder, seed=0, most_weight=0.5)
