"""What answers beside the network, and what is told about it: ladders, the range of training, reasons and what-if, by hand."""

import json
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from models.pricing.baselines import MarkdownLadder, candidates
from models.pricing.config import Config
from models.pricing.explain import GROUPS, explain, reference_of
from models.pricing.guardrails import Rules, limits
from models.pricing.instances import check_instances
from models.pricing.judging import live
from models.pricing.ladder import ApprovedLadder, FallbackError, Ladders, read_ladders, write_ladders
from models.pricing.ladder_tuning import approved_ladders
from models.pricing.market import Market, build_market
from models.pricing.network import Network
from models.pricing.predict import Predictor, PriceInput
from models.pricing.shelf import demand_probabilities
from models.pricing.spec import FORMAT_VERSION, MarketSpec, ModelSpec
from models.pricing.state import NAMES, width
from models.pricing.training_range import TrainingRange
from models.pricing.what_if import expected_sales, what_if

LADDER = ApprovedLadder(
    market="salad", list_price=3.0, unit_cost=1.0, steps=(1.0, 2.0, 3.0), rules=Rules(), made_by="hand"
)


@pytest.fixture(scope="module")
def salad(model_cases: dict[str, ModuleType]) -> Any:
    return check_instances({"instances": [model_cases["pricing"].SALAD]})[0]


def predictor(instance: Any, rules: Rules | None = None, seed: int = 0) -> tuple[Predictor, Market]:
    market, rng = build_market(instance), np.random.default_rng(seed)
    sizes = {
        "first": (16, width(market)),
        "second": (16, 16),
        "value": (1, 16),
        "advantage": (3, 16),
        "weight": (1, 16),
    }
    parts = {f"{name}.weight": rng.normal(size=shape).astype(np.float32) for name, shape in sizes.items()}
    parts |= {f"{name}.bias": rng.normal(size=shape[0]).astype(np.float32) for name, shape in sizes.items()}
    spec = ModelSpec(
        format_version=FORMAT_VERSION, variables=NAMES, markets=(MarketSpec(instance=instance, rules=rules or Rules()),)
    )
    return Predictor(spec, {instance.name: Network(parts)}), market


def test_a_ladder_by_hand() -> None:
    stock = np.array([[1, 0, 0, 5], [0, 2, 0, 0], [0, 0, 0, 9], [0, 0, 0, 0]])
    found = LADDER.answer(stock, np.full(4, 3.0))
    assert found.price.tolist() == [1.0, 2.0, 3.0, 3.0]  # the oldest have 1, 2, 4 (the last step holds on); no stock
    assert found.rule.tolist() == ["", "", "", ""]


def test_a_ladder_keeps_the_rules() -> None:
    bound = LADDER.model_copy(update={"rules": Rules(floor=1.5, largest_change=0.2)})
    found = bound.answer(np.array([[1], [1], [0]]), np.array([3.0, 1.6, 1.6]))
    # 3.00 less a fifth of the list price is 2.40; 1.60 may fall to 1.00, the floor says 1.50; up it may go to 2.20.
    assert found.price.tolist() == [2.4, 1.5, 2.2]
    assert found.rule.tolist() == ["floor", "floor", "largest_change"]  # the first that the ladder's price breaks
    assert found.wanted.tolist() == [1.0, 1.0, 3.0]


def test_ladders_are_read_as_they_were_written_or_not_at_all(tmp_path: Path) -> None:
    write_ladders(tmp_path, Ladders({"salad": LADDER}))
    assert read_ladders(tmp_path) == Ladders({"salad": LADDER})
    file = tmp_path / "ladders.json"
    content = json.loads(file.read_text())
    content["ladders"][0]["steps"][0] = 0.5
    file.write_text(json.dumps(content))
    with pytest.raises(FallbackError, match=r"altered .*build the release again"):
        read_ladders(tmp_path)
    for broken in ("", "[]", "{", '{"ladders": [], "sha256": 1}'):
        file.write_text(broken)
        with pytest.raises(FallbackError):
            read_ladders(tmp_path)
    write_ladders(tmp_path, Ladders({"salad": LADDER, "salad again": LADDER}))
    with pytest.raises(FallbackError, match="2 ladders of 1 markets"):
        read_ladders(tmp_path)
    with pytest.raises(FallbackError, match="at least one"):
        write_ladders(tmp_path, Ladders({}))


def test_the_tuned_ladder_earns_most_of_its_grid_and_capacity_keeps_list_price(
    model_cases: dict[str, ModuleType],
) -> None:
    case, cfg = model_cases["pricing"], Config(tuning_episodes=100)
    specs = [MarketSpec(instance=each) for each in check_instances({"instances": [case.SALAD, case.SEATS]})]
    spec = ModelSpec(format_version=FORMAT_VERSION, variables=NAMES, markets=tuple(specs))
    salad, seats = approved_ladders(spec, None, cfg).markets.values()
    market = build_market(specs[0].instance)
    grid = [each for each in candidates(market) if isinstance(each, MarkdownLadder)]
    earned = {each.steps: live(market, each, episodes=100, seed=7_919).money.mean() for each in grid}
    assert len(grid) == 6  # two steps, not falling with the periods left, of three prices
    assert earned[tuple(market.prices.tolist().index(step) for step in salad.steps)] == max(earned.values())
    assert seats.steps == (10.0,) and seats.made_by == "list price"


def test_what_lies_outside_is_named_with_how_far(salad: Any) -> None:
    known = TrainingRange.of(build_market(salad))
    period, before = np.array([0, 6, 2, 2, 2]), np.array([3.0, 3.0, 3.5, 3.0, 0.9])
    stock = np.array([[1, 3, 0], [1, 3, 0], [7, 2, 0], [0, 0, 1], [6, 0, 0]])
    weather = np.array([0.5, -0.5, 0.0, np.nan, 0.75])
    found, anywhere = known.outside(period, stock, before, {"weather": weather})
    assert anywhere.tolist() == [False, True, True, True, True]
    told = {
        each.variable: (each.rows.tolist(), each.by[each.rows].tolist(), each.low[0], each.high[0]) for each in found
    }
    assert told["period"] == ([False, True, False, False, False], [1.0], 0, 5)
    assert told["stock"] == ([False, False, True, False, False], [3.0], 0, 6)
    assert told["periods_left"] == ([False, False, False, True, False], [1.0], 0, 2)
    assert told["before"][0] == [False, False, True, False, True]
    assert told["before"][1] == pytest.approx([0.5, 0.1])
    assert told["weather"][0] == [False, False, False, True, True]
    assert np.isnan(told["weather"][1][0]) and told["weather"][1][1] == 0.25


def test_whatever_lies_inside_is_answered_by_the_predictor(salad: Any) -> None:
    """The range asks no less than the predictor does: nothing inside it is refused."""
    priced, market = predictor(salad)
    known, rng = TrainingRange.of(market), np.random.default_rng(0)
    count = 2_000
    period, before = rng.integers(0, 9, count), rng.uniform(0.5, 4, count)
    stock, weather = rng.integers(0, 6, (count, 2)), rng.uniform(-1, 1, count)
    _, outside = known.outside(period, stock, before, {"weather": weather})
    inside = ~outside
    assert 50 < inside.sum() < count - 50
    priced.predict(PriceInput("salad", period[inside], stock[inside], before[inside], {"weather": weather[inside]}))


@pytest.mark.parametrize("dispersion", [None, 0.7, 40.0])
def test_expected_sales_are_those_of_the_law_of_demand(dispersion: float | None) -> None:
    mean = np.array([1e-6, 0.4, 3.0, 900.0])
    chances = demand_probabilities(mean, 7, dispersion)  # SciPy's, of 0, 1, ... 7 or more
    np.testing.assert_allclose(expected_sales(mean, 7, dispersion), chances @ np.arange(8), rtol=1e-9, atol=1e-12)
    assert expected_sales(mean, 0, dispersion).tolist() == [0.0] * 4


def test_expected_sales_of_one_unit_by_hand() -> None:
    np.testing.assert_allclose(expected_sales(np.array([2.0]), 1, None), [1 - np.exp(-2.0)])


def told(**changed: Any) -> PriceInput:
    given = {"period": [2, 3], "stock": [[1, 3], [4, 0]], "before": [3.0, 2.0], "factors": {"weather": [0.5, -0.5]}}
    return PriceInput("salad", **(given | changed))


def test_reasons_add_up_to_the_networks_price(salad: Any) -> None:
    moved = set()
    for seed in range(12):
        priced, market = predictor(salad, seed=seed)
        found = explain(priced, market, told())
        np.testing.assert_allclose(found.base + found.values.sum(axis=1), found.wanted)
        np.testing.assert_array_equal(found.wanted, priced.predict(told()).wanted)
        usual = found.reference
        first = priced.predict(
            PriceInput(
                "salad", [usual.period], [usual.stock], [usual.before], {k: [v] for k, v in usual.factors.items()}
            )
        )
        assert found.base.tolist() == [first.wanted[0]] * 2
        moved |= {
            name for name, values in zip(found.groups, found.values.T, strict=True) if np.abs(values).max() > 1e-9
        }
    assert {"stock", "scarcity"} <= moved
    assert "cost" not in moved, "it is the same in every situation of a market"


def test_every_variable_is_in_one_group() -> None:
    assert sorted(name for names in GROUPS.values() for name in names) == sorted(NAMES)


def test_the_reference_is_the_first_morning(salad: Any) -> None:
    found = reference_of(build_market(salad))
    assert (found.period, found.stock, found.before, found.factors) == (0, (0, 4), 3.0, {"weather": -0.5})


def test_what_if_tells_units_worth_and_the_rule_that_forbids(salad: Any) -> None:
    rules = Rules(floor=1.5, largest_change=0.34)
    priced, market = predictor(salad, rules)
    one = told(period=[2], stock=[[1, 3]], before=[2.0], factors={"weather": [0.5]})
    bounds = limits(rules, list_price=np.full(3, 3.0), unit_cost=np.full(3, 1.0), before=np.full(3, 2.0))
    curve = what_if(priced, market, bounds, one)
    assert curve.prices.tolist() == [1.0, 2.0, 3.0]
    # From 2.00 the label may move by 1.02: 1.00 is a floor's matter, 3.00 is open.
    assert curve.allowed.tolist() == [False, True, True] and curve.rule.tolist() == ["floor", "", ""]
    # 2 units a period at list price, half as many again by the weather, (p / 3) ** -1.5 times.
    mean = 3.0 * (np.array([1.0, 2.0, 3.0]) / 3.0) ** -1.5
    np.testing.assert_allclose(curve.units, demand_probabilities(mean, 4, None) @ np.arange(5))
    reply = priced.predict(one)
    assert curve.worth.tolist() == reply.values[0].tolist()
    assert (curve.price, curve.served_rule) == (reply.price[0], reply.rule[0])
