"""No price leaves the service outside the rules, whoever made it: a hundred thousand situations that try."""

import asyncio
import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pricing_releases import PricingDesk, instances, random_network
from release_factory import Releases, model_helper

from models.pricing.guardrails import Rules
from models.pricing.ladder import ApprovedLadder
from models.pricing.predict import Predictor
from models.pricing.spec import FORMAT_VERSION, MarketSpec, ModelSpec
from models.pricing.state import NAMES
from serving.approvals import Approvals
from serving.pricing_batches import LADDER
from serving.pricing_schemas import RepriceRequest

STATES = 500  # an example; 200 examples make 100,000
SALAD = instances()[0]
by_hand = model_helper("test_pricing_guardrails").by_hand  # cents that the rules leave, in exact numbers
money = st.floats(0.01, 20, allow_nan=False)


@pytest.fixture(scope="module")
def desk(made_pricing: Releases) -> PricingDesk:
    return PricingDesk(made_pricing)


def with_rules(desk: PricingDesk, rules: Rules, seed: int, scale: float, steps: tuple[float, ...]) -> None:
    """Another network, other rules and another ladder in the champion's place."""
    spec = MarketSpec(instance=SALAD, rules=rules)
    models = ModelSpec(format_version=FORMAT_VERSION, variables=NAMES, markets=(spec,))
    predictor = Predictor(models, {"salad": random_network(SALAD, seed, scale=scale)})
    ladder = ApprovedLadder(
        market="salad", list_price=3.0, unit_cost=1.0, steps=steps, rules=spec.limits(), made_by="chance"
    )
    assert desk.champion is not None and desk.champion.model is not None
    model = replace(desk.champion.model, predictor=predictor)
    desk.champion = replace(desk.champion, model=model, ladders={"salad": ladder})


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    essential=st.booleans(),
    bounds=st.one_of(st.none(), st.tuples(money, money)),
    margin=st.one_of(st.none(), st.floats(-2, 0.95)),
    change=st.one_of(st.none(), st.floats(0.001, 2)),
    seed=st.integers(0, 2**32 - 1),
    scale=st.sampled_from([0.0, 0.1, 1.0, 30.0]),
    steps=st.lists(money, min_size=1, max_size=3),
)
def test_no_served_price_breaks_a_rule(
    desk: PricingDesk, essential: bool, bounds: tuple[float, float] | None, margin: float | None, change: float | None,
    seed: int, scale: float, steps: list[float],
) -> None:  # fmt: skip
    least, most = (None, None) if bounds is None else sorted(bounds)
    rules = Rules(essential=essential, floor=least, ceiling=most, margin_floor=margin, largest_change=change)
    with_rules(desk, rules, seed, scale, tuple(steps))
    rng = np.random.default_rng(seed)
    before = np.where(rng.random(STATES) < 0.5, rng.choice([1.0, 2.0, 3.0], STATES), rng.uniform(0.01, 300, STATES))
    store = {
        "market": "salad",
        "item_ids": [f"I{number}" for number in range(STATES)],
        "period": rng.integers(0, 8, STATES).tolist(),
        "stock": rng.integers(0, 5, (STATES, 2)).tolist(),
        "before": before.tolist(),
        "factors": {"weather": rng.choice([-100.0, -0.5, 0.0, 0.5, 100.0], STATES).tolist()},
    }
    body = asyncio.run(desk.answerer.reprice(RepriceRequest.model_validate({"markets": [store]})))
    (part,) = json.loads(body)["markets"]
    assert set(part["served_by"]) == {"champion", LADDER}
    price, wanted = np.array(part["price"]), np.array(part["wanted"])
    np.testing.assert_array_equal(price, np.round(price * 100) / 100)
    if essential:
        assert (price <= 3.0).all(), "the first rule never yields"
    for row in range(STATES):
        low, high = by_hand(rules, float(before[row]))
        assert low <= round(price[row] * 100) <= high
    moved = np.abs(price - wanted) > 0.005
    assert (np.array(part["rule"])[moved] != "").all(), "every price that a rule moved is named with it"


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    approved=money,
    before=money,
    bounds=st.tuples(money, money),
    essential=st.booleans(),
    change=st.one_of(st.none(), st.floats(0.001, 2)),
)
def test_no_approved_price_breaks_a_rule(
    desk: PricingDesk, approved: float, before: float, bounds: tuple[float, float], essential: bool,
    change: float | None,
) -> None:  # fmt: skip
    """Rules may have changed since somebody approved."""

    class Approved(Approvals):
        def __init__(self) -> None:
            pass

        def in_force(self, market: str, item_ids: object) -> dict[str, tuple[str, float]]:
            del market, item_ids
            return {"I1": ("p1", approved)}

    least, most = sorted(bounds)
    rules = Rules(essential=essential, floor=least, ceiling=most, largest_change=change)
    with_rules(desk, rules, 0, 1.0, (1.0,))
    desk.answerer._approvals = Approved()
    try:
        (told,) = desk.quote({"item_id": "I1", "period": 1, "stock": [1], "before": before})["prices"]
    finally:
        desk.answerer._approvals = None
    low, high = by_hand(rules, before)
    assert told["served_by"] == "approved" and low <= round(told["price"] * 100) <= high
