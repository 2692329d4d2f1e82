"""What answers beside the network of fresh goods, and what is told about it: ladders, range, reasons and what-if, by hand."""

from dataclasses import fields, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from models.common.protocols import InputError
from models.pricing.config import Config
from models.pricing.fresh import AHEAD, Goods, Situation
from models.pricing.fresh_explain import GROUPS, explain_fresh, usual_morning
from models.pricing.fresh_judging import live_fresh
from models.pricing.fresh_ladder import FreshLadders, GoodLadder
from models.pricing.fresh_predict import FreshInput, FreshPredictor
from models.pricing.fresh_range import FreshRange
from models.pricing.fresh_rules import FreshLadder, candidates
from models.pricing.fresh_what_if import what_if_fresh
from models.pricing.guardrails import Rules
from models.pricing.ladder import Ladders, read_ladders, write_ladders
from models.pricing.ladder_tuning import approved_ladders
from models.pricing.shelf import demand_probabilities
from models.pricing.spec import FORMAT_VERSION, ModelSpec
from models.pricing.state import NAMES

BREAD = GoodLadder(good="S1|bread", essential=True, unit_cost=0.6, ceiling=1.0, steps=(0.5, 0.8), top=1.1)
CAKE = GoodLadder(good="S1|cake", essential=False, unit_cost=0.7, ceiling=1.05, steps=(), top=1.1)
LADDERS = FreshLadders(rules=Rules(), goods=(BREAD, CAKE), made_by="hand")


@pytest.fixture(scope="module")
def kit(fresh_helper: ModuleType) -> Any:
    """Goods and predictors of chance."""
    return fresh_helper


def test_a_ladder_by_hand() -> None:
    number, stock = np.array([0, 0, 0, 0, 1]), np.array([[1, 0, 3], [0, 2, 0], [0, 0, 9], [0, 0, 0], [4, 0, 0]])
    found = LADDERS.answer(number, np.full(5, 2.0), stock, np.full(5, 2.0))
    # Bread: half price tonight, 0.8 tomorrow, its top is capped at list price. Cake: 1.1, capped at 1.05.
    assert found.price.tolist() == [1.0, 1.6, 2.0, 2.0, 2.1] and found.rule.tolist() == [""] * 5


def test_a_ladder_keeps_the_rules() -> None:
    bound = LADDERS.model_copy(update={"rules": Rules(margin_floor=0.25, largest_change=0.2)})
    found = bound.answer(np.array([0, 0, 1]), np.full(3, 2.0), np.array([[1], [1], [1]]), np.array([1.8, 2.0, 1.6]))
    # Bread costs 1.20: a margin of a quarter needs 1.60. From 2.00 a step of 0.40 leads to 1.60 as well.
    # Cake wants 2.10: from 1.60 it may rise to 2.00.
    assert found.price.tolist() == [1.6, 1.6, 2.0]
    assert found.rule.tolist() == ["margin_floor", "margin_floor", "largest_change"]
    dear = bound.bounds(np.array([0]), np.array([2.0]), np.array([9.0]))
    # Essential goods stay at list price however dear the label was: the largest change yields and is named.
    assert dear.within(np.array([8.0])).price.tolist() == [2.0] and dear.yielded[0].tolist()[-1]


def test_ladders_are_read_as_they_were_written(tmp_path: Path) -> None:
    write_ladders(tmp_path, Ladders({}, LADDERS))
    assert read_ladders(tmp_path) == Ladders({}, LADDERS)
    with pytest.raises(InputError, match="unknown good 'milk': name one that has a ladder"):
        LADDERS.number_of(["S1|bread", "milk"])
    with pytest.raises(ValidationError, match="two ladders"):
        FreshLadders(rules=Rules(), goods=(BREAD, BREAD), made_by="hand")


def test_each_good_gets_the_ladder_that_earns_most_of_the_grid(kit: Any) -> None:
    goods = kit.some(3, 4)
    of: FreshPredictor = kit.predictor(goods, Rules(largest_change=0.5))
    spec = ModelSpec(format_version=FORMAT_VERSION, variables=NAMES, fresh=of.spec)
    found = approved_ladders(spec, goods, Config(fresh_shelves=30, fresh_days=10)).fresh
    assert found is not None and found.rules == of.spec.rules and "10 shelves a good" in found.made_by
    grid = [each for each in candidates(kit.PRICES) if isinstance(each, FreshLadder)]
    gross = {
        (each.steps, each.top): live_fresh(goods, kit.PRICES, each, shelves=30, days=10, seed=7_919).gross
        for each in grid
    }
    for number, told in enumerate(found.goods):
        earned = {rule: each[number::3].mean() for rule, each in gross.items()}
        assert earned[told.steps, told.top] == max(earned.values()) > earned[(), 1.1]
        assert (told.good, told.unit_cost) == (of.spec.goods[number], goods.cost[number])
    assert len({(each.steps, each.top) for each in found.goods}) > 1, "a ladder of its own for each"


def test_what_lies_outside_is_named_with_how_far(kit: Any) -> None:
    goods = kit.some(2, life=3, up_to=10, level=2.0, every=2)
    told: dict[str, Any] = {
        "number": np.zeros(1, dtype=np.int64),
        "listed": np.array([2.0]),
        "stock": np.array([[5, 0, 30, 0]]),
        "before": np.array([6.0]),
        "expected": np.full((1, AHEAD), 40.0),
        "coming": np.array([35]),
        "wait": np.array([1]),
        "up_to": np.array([35]),
    }
    known = FreshRange(goods)
    assert not known.outside(**told)[1].any(), "the ends are inside: 3 times the order level and five units more"
    for name, value, variable, by in (
        ("stock", np.array([[6, 0, 30, 0]]), "stock", 1),
        ("stock", np.array([[0, 0, 0, 1]]), "days_left", 1),
        ("before", np.array([6.5]), "before", 0.5),
        ("before", np.array([0.1]), "before", 0.1),
        ("expected", np.array([[40.0] * 13 + [41.0]]), "expected", 1),
        ("coming", np.array([36]), "coming", 1),
        ("wait", np.array([2]), "wait", 1),
        ("up_to", np.array([40]), "up_to", 5),
    ):
        (found,), rows = known.outside(**{**told, name: value})
        assert (found.variable, rows.tolist()) == (variable, [True]) and found.by[0] == pytest.approx(by)


def test_reasons_add_up_and_belong_to_what_differs(kit: Any) -> None:
    goods = kit.some(12, 2)
    of: FreshPredictor = kit.predictor(goods)
    asked = kit.request(goods, np.random.default_rng(0), 12)
    found = explain_fresh(of, asked)
    np.testing.assert_allclose(found.base + found.values.sum(axis=1), found.wanted)
    np.testing.assert_array_equal(found.wanted, of.predict(asked).wanted)
    np.testing.assert_array_equal(found.base, of.predict(found.usual).wanted)
    moved = dict(zip(found.groups, np.abs(found.values).max(axis=0), strict=True))
    assert moved["stock"] > 0.01 and moved["elasticity"] == moved["cost"] == 0.0, "the good's own"
    # One thing changed: it alone is the reason.
    number, listed = np.arange(12), np.asarray(asked.list_price)
    usual = usual_morning(of, number, listed)
    one = explain_fresh(of, replace(usual, stock=np.zeros_like(usual.stock)))
    others = [column for column, name in enumerate(one.groups) if name != "stock"]
    assert not one.values[:, others].any() and one.values[:, one.groups.index("stock")].any()


def test_every_field_of_a_situation_is_in_one_group() -> None:
    told = sorted(name for names in GROUPS.values() for name in names)
    assert told == sorted(each.name for each in fields(Situation))


def test_the_usual_morning_by_hand(kit: Any) -> None:
    goods = kit.some(2, life=3, up_to=7)
    usual = usual_morning(kit.predictor(goods), np.array([1]), np.array([2.5]))
    assert (usual.good, usual.stock[0, :4].tolist(), usual.before.tolist()) == (["S1|P1"], [0, 0, 7], [2.5])


def test_what_if_tells_units_worth_and_the_rule_that_forbids(kit: Any) -> None:
    goods: Goods = kit.some(1, life=3, level=4.0, elasticity=2.0, dispersion=6.0, ceiling=1.0, cost=0.5)
    of: FreshPredictor = kit.predictor(goods, Rules(margin_floor=0.0, largest_change=0.35), essential=True)
    asked = FreshInput(["S1|P0"], [2.0], [[1, 2, 3]], [2.0], [0])
    curve = what_if_fresh(of, asked)
    assert curve.prices.tolist() == [0.6, 0.8, 1.0, 1.2, 1.4, 1.6, 1.8, 2.0], "1.1 is list price to essential goods"
    # From 2.00 the label may move by 0.70, to 1.30; below 1.00 a unit would be sold at a loss, which comes first.
    assert curve.rule.tolist() == ["margin_floor"] * 2 + ["largest_change"] * 2 + [""] * 4
    assert curve.allowed.tolist() == [False] * 4 + [True] * 4
    mean = 4.0 * 0.9 * (curve.prices / 2.0) ** -2.0  # Mondays: 0.9
    np.testing.assert_allclose(curve.units, demand_probabilities(mean, 6, 6.0) @ np.arange(7), rtol=1e-9)
    reply = of.predict(asked)
    assert curve.worth.tolist() == reply.values[0, :8].tolist()
    assert (curve.price, curve.served_rule) == (reply.price[0], reply.rule[0])
    with pytest.raises(InputError, match="2 shelves: ask for one"):
        what_if_fresh(of, FreshInput(["S1|P0"] * 2, [2.0] * 2, [[1]] * 2, [2.0] * 2, [0] * 2))


def test_the_smallest_money_has_a_curve(kit: Any) -> None:
    curve = what_if_fresh(kit.predictor(kit.some(1, life=1)), FreshInput(["S1|P0"], [0.01], [[1]], [0.01], [0]))
    assert curve.prices.tolist() == [0.01] and np.isfinite(curve.units).all() and curve.allowed.all()
