"""Rules that no price breaks: by hand, and on a hundred thousand states that try."""

from fractions import Fraction
from math import ceil, floor
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from models.pricing.guardrails import NO_RULE, RULES, Rules, limits, rule_names, shown_reference
from models.pricing.instances import check_instances
from models.pricing.market import build_market
from models.pricing.network import Network
from models.pricing.predict import Predictor, PriceInput
from models.pricing.spec import FORMAT_VERSION, MarketSpec, ModelSpec
from models.pricing.state import NAMES, VARIABLES, width

STATES = 500  # an example; 200 examples make 100,000
CENT = 0.01


def within(rules: Rules, wanted: list[float], *, before: float = 10.0, cost: float = 4.0) -> Any:
    count = len(wanted)
    found = limits(
        rules, list_price=np.full(count, 10.0), unit_cost=np.full(count, cost), before=np.full(count, before)
    )
    price, rule = found.clip(np.array(wanted))
    return price.round(2).tolist(), rule_names(rule).tolist(), found.yielded


def test_each_rule_by_hand() -> None:
    wanted = [2.0, 9.0, 14.0]
    assert within(Rules(), wanted)[:2] == (wanted, ["", "", ""])
    assert within(Rules(essential=True), wanted)[:2] == ([2.0, 9.0, 10.0], ["", "", "essential"])
    assert within(Rules(ceiling=12), wanted)[:2] == ([2.0, 9.0, 12.0], ["", "", "ceiling"])
    assert within(Rules(floor=3), wanted)[:2] == ([3.0, 9.0, 14.0], ["floor", "", ""])
    # 4.00 of cost with a fifth of the price left over: at least 5.00.
    assert within(Rules(margin_floor=0.2), wanted)[:2] == ([5.0, 9.0, 14.0], ["margin_floor", "", ""])
    assert within(Rules(largest_change=0.3), wanted)[:2] == ([7.0, 9.0, 13.0], ["largest_change", "", "largest_change"])


def test_bounds_are_whole_cents_inside_the_rule() -> None:
    assert within(Rules(margin_floor=0.1), [1.0])[0] == [4.45]  # 4.444 is too little
    assert within(Rules(ceiling=9.999), [14.0])[0] == [9.99]
    assert within(Rules(floor=0.3), [0.1])[0] == [0.3]


def test_precedence_where_two_rules_cannot_both_hold() -> None:
    price, rule, yielded = within(Rules(essential=True, floor=12), [5.0])
    assert price == [10.0] and rule == ["floor"]
    assert [name for name, gave in zip(RULES, yielded[0], strict=True) if gave] == ["floor"]
    # The label stands at 20, the ceiling is 12: down to 12 at once, although that is more than a step.
    price, _, yielded = within(Rules(ceiling=12, largest_change=0.2), [11.0], before=20.0)
    assert price == [12.0] and yielded[0].tolist() == [False, False, False, False, True]
    # Margin asks for 13.34, the ceiling allows 12.
    assert within(Rules(ceiling=12, margin_floor=0.7), [5.0])[0] == [12.0]


def test_a_discount_is_shown_against_the_lowest_price_of_thirty_days() -> None:
    found = shown_reference(np.array([8.0, 9.0, 9.5]), np.array([9.0, 9.0, 9.0]))
    np.testing.assert_array_equal(found, [9.0, np.nan, np.nan])


def test_rules_at_odds_are_refused() -> None:
    with pytest.raises(ValidationError, match=r"floor 5.0 lies above ceiling 4.0"):
        Rules(floor=5, ceiling=4)
    with pytest.raises(ValidationError, match="margin_floor"):
        Rules(margin_floor=1.0)


def predictor(case: ModuleType, rules: Rules, scale: float, seed: int = 0, **other: Any) -> Predictor:
    """A network of random weights: prices as wild as they come."""
    instance = check_instances({"instances": [{**case.SALAD, **other}]})[0]
    market = build_market(instance)
    rng = np.random.default_rng(seed)
    sizes = {
        "first": (16, width(market)),
        "second": (16, 16),
        "value": (1, 16),
        "advantage": (3, 16),
        "weight": (1, 16),
    }
    parts = {}
    for name, shape in sizes.items():
        parts[f"{name}.weight"] = (scale * rng.normal(size=shape)).astype(np.float32)
        parts[f"{name}.bias"] = (scale * rng.normal(size=shape[0])).astype(np.float32)
    spec = ModelSpec(
        format_version=FORMAT_VERSION,
        variables=NAMES,
        markets=(MarketSpec(instance=instance, rules=rules),),
    )
    return Predictor(spec, {"salad": Network(parts)})


def by_hand(rules: Rules, before: float, listed: float = 3.0, cost: float = 1.0) -> tuple[int, float]:
    """Cents that the rules leave, of a salad where nothing else is told, one rule after the other in exact numbers."""
    low, high = 1, float("inf")
    bounds: list[tuple[Fraction | None, Fraction | None]] = [
        (None, Fraction(listed) if rules.essential else None),
        (None, None if rules.ceiling is None else Fraction(rules.ceiling)),
        (None if rules.floor is None else Fraction(rules.floor), None),
        (None if rules.margin_floor is None else Fraction(cost) / (1 - Fraction(rules.margin_floor)), None),
        (None, None)
        if rules.largest_change is None
        else (
            Fraction(before) - Fraction(listed) * Fraction(rules.largest_change),
            Fraction(before) + Fraction(listed) * Fraction(rules.largest_change),
        ),
    ]
    hair = Fraction(1, 10**6)  # of a cent: what a float may be off
    for least, most in bounds:
        bottom = -(10**9) if least is None else ceil(least * 100 - hair)
        top = float("inf") if most is None else max(floor(most * 100 + hair), 1)
        top = max(bottom, top)
        low, high = int(min(max(bottom, low), high)), min(max(top, low), high)
    return low, high


money = st.floats(0.01, 20, allow_nan=False)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    essential=st.booleans(),
    bounds=st.one_of(st.none(), st.tuples(money, money)),
    margin=st.one_of(st.none(), st.floats(-2, 0.95)),
    change=st.one_of(st.none(), st.floats(0.001, 2)),
    seed=st.integers(0, 2**32 - 1),
    scale=st.sampled_from([0.0, 0.1, 1.0, 30.0]),
    before=st.one_of(st.none(), st.sampled_from([0.01, 0.02, 1.0, 2.999, 3.0, 300.0])),
)
def test_no_served_price_breaks_a_rule(
    model_cases: dict[str, ModuleType],
    essential: bool,
    bounds: tuple[float, float] | None,
    margin: float | None,
    change: float | None,
    seed: int,
    scale: float,
    before: float | None,
) -> None:
    least, most = (None, None) if bounds is None else sorted(bounds)
    rules = Rules(essential=essential, floor=least, ceiling=most, margin_floor=margin, largest_change=change)
    rng = np.random.default_rng(seed)
    total = rng.integers(0, 7, STATES)
    fresh = rng.binomial(total, rng.random())
    labels = np.full(STATES, before) if before is not None else np.exp(rng.uniform(np.log(0.01), np.log(300), STATES))
    reply = predictor(model_cases["pricing"], rules, scale, seed).predict(
        PriceInput(
            "salad",
            rng.integers(0, 6, STATES),
            np.stack([total - fresh, fresh], axis=1),
            labels,
            {"weather": rng.choice([-100.0, -0.5, 0.0, 0.5, 100.0], STATES)},
        )
    )
    price = reply.price
    assert np.isfinite(price).all()
    np.testing.assert_array_equal(price, np.round(price * 100) / 100)
    if essential:
        assert (price <= 3.0).all(), "the first rule never yields"
    for number in range(STATES):
        low, high = by_hand(rules, float(labels[number]))
        assert low <= round(float(price[number]) * 100) <= high
    moved = np.abs(price - reply.wanted) > CENT / 2
    assert (reply.rule[moved] != "").all(), "every price that a rule moved is logged with it"


def test_a_rule_is_named_only_where_it_moved_the_price() -> None:
    found = limits(Rules(floor=3), list_price=np.full(2, 10.0), unit_cost=np.zeros(2), before=np.full(2, 5.0))
    assert found.clip(np.array([2.0, 5.0]))[1].tolist() == [RULES.index("floor"), NO_RULE]


def test_the_problems_own_largest_change_holds_without_a_rule(model_cases: dict[str, ModuleType]) -> None:
    labels = np.repeat([1.0, 2.0, 3.0, 2.5], 50)
    told = PriceInput("salad", np.full(200, 2), np.tile([1, 3], (200, 1)), labels, {"weather": np.full(200, 0.5)})
    for seed in range(20):
        reply = predictor(model_cases["pricing"], Rules(), 3.0, seed, largest_change=0.34).predict(told)
        assert (np.abs(reply.price - labels) <= 0.34 * 3 + 1e-9).all()


def test_what_a_price_between_the_ladders_is_worth(model_cases: dict[str, ModuleType]) -> None:
    """Only 2.40 to 2.60 are allowed and the ladder has 1, 2 and 3: the nearest one tells what to expect."""
    told = PriceInput("salad", [2], [[1, 3]], [2.5], {"weather": [0.5]})
    reply = predictor(model_cases["pricing"], Rules(floor=2.4, ceiling=2.6), 1.0).predict(told)
    nearest = 1 if reply.price[0] <= 2.5 else 2
    assert 2.4 <= reply.price[0] <= 2.6 and reply.worth[0] == reply.values[0, nearest]


def test_two_customers_get_one_price(model_cases: dict[str, ModuleType]) -> None:
    """Nothing of a person can be told: the state has no such variable, and a request refuses what it does not know."""
    personal = ("customer", "age_of", "income", "gender", "segment", "device", "loyalty")
    assert not [each.name for each in VARIABLES for word in personal if word in each.name]
    assert set(PriceInput.__dataclass_fields__) == {
        "market",
        "period",
        "stock",
        "before",
        "factors",
        "lowest",
        "willingness_people",  # how many an aggregate sums up, 20 at the least: a count, nobody of them
    }
    told = PriceInput("salad", [2, 2], [[1, 3], [1, 3]], [3.0, 3.0], {"weather": [0.5, 0.5]})
    first, second = predictor(model_cases["pricing"], Rules(), 1.0).predict(told).price
    assert first == second
