"""Rules that no price breaks: by hand, and on a hundred thousand states that try."""

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


def predictor(case: ModuleType, rules: Rules, scale: float) -> Predictor:
    """A network of random weights: prices as wild as they come."""
    instance = check_instances({"instances": [case.SALAD]})[0]
    market = build_market(instance)
    rng = np.random.default_rng(0)
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
    floor, ceiling = (None, None) if bounds is None else sorted(bounds)
    rules = Rules(essential=essential, floor=floor, ceiling=ceiling, margin_floor=margin, largest_change=change)
    rng = np.random.default_rng(seed)
    total = rng.integers(0, 7, STATES)
    fresh = rng.binomial(total, rng.random())
    labels = np.full(STATES, before) if before is not None else np.exp(rng.uniform(np.log(0.01), np.log(300), STATES))
    reply = predictor(model_cases["pricing"], rules, scale).predict(
        PriceInput(
            "salad",
            rng.integers(0, 6, STATES),
            np.stack([total - fresh, fresh], axis=1),
            labels,
            {"weather": rng.choice([-100.0, -0.5, 0.0, 0.5, 100.0], STATES)},
        )
    )
    price = reply.price
    gave = {name: reply.yielded[:, number] for number, name in enumerate(RULES)}
    tiny = 1e-9
    assert np.isfinite(price).all() and (price >= CENT - tiny).all()
    np.testing.assert_allclose(price * 100, np.round(price * 100), atol=1e-6)
    if essential:
        assert (price <= 3.0 + tiny).all(), "the first rule never yields"
        assert not gave["essential"].any()
    if ceiling is not None:
        assert ((price <= np.maximum(np.floor(ceiling * 100 + 1e-6) / 100, CENT) + tiny) | gave["ceiling"]).all()
    if floor is not None:
        assert ((price >= floor - CENT * 1e-6 - tiny) | gave["floor"]).all()
    if margin is not None:
        assert ((price - 1.0 >= margin * price - 1e-6) | gave["margin_floor"]).all()
    if change is not None:
        assert ((np.abs(price - labels) <= change * 3.0 + 1e-6) | gave["largest_change"]).all()
    moved = np.abs(price - reply.wanted) > CENT / 2
    assert (reply.rule[moved] != "").all(), "every price that a rule moved is logged with it"


def test_a_rule_is_named_only_where_it_moved_the_price() -> None:
    found = limits(Rules(floor=3), list_price=np.full(2, 10.0), unit_cost=np.zeros(2), before=np.full(2, 5.0))
    assert found.clip(np.array([2.0, 5.0]))[1].tolist() == [RULES.index("floor"), NO_RULE]


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
    }
    told = PriceInput("salad", [2, 2], [[1, 3], [1, 3]], [3.0, 3.0], {"weather": [0.5, 0.5]})
    first, second = predictor(model_cases["pricing"], Rules(), 1.0).predict(told).price
    assert first == second
