"""No price of a fresh good leaves the service outside the rules, whoever made it: a hundred thousand shelves that try."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pricing_releases import PricingDesk, bread, fresh_network, fresh_spec, peach
from release_factory import Releases, model_helper

from models.pricing.fresh import AHEAD, FREE, Goods
from models.pricing.fresh_ladder import FreshLadders, GoodLadder
from models.pricing.guardrails import Rules
from models.pricing.predict import Predictor
from models.pricing.spec import FORMAT_VERSION, FRESH, ModelSpec
from models.pricing.state import NAMES
from serving.approvals import Approvals
from serving.pricing_batches import LADDER
from serving.pricing_fresh_schemas import RepriceFreshRequest

SHELVES = 500  # an example; 200 examples make 100,000
by_hand: Callable[..., tuple[int, float]] = model_helper("test_pricing_guardrails").by_hand
NAMED = tuple(f"S{number % 7}|P{number}" for number in range(SHELVES))
money = st.floats(0.01, 20, allow_nan=False)


@pytest.fixture(scope="module")
def desk(made_pricing: Releases) -> PricingDesk:
    return PricingDesk(made_pricing)


@pytest.fixture(scope="module")
def goods() -> Goods:
    """Half of them essential, a tenth below list price."""
    rng = np.random.default_rng(1)
    made: Goods = model_helper("test_pricing_fresh").some(SHELVES, 1)
    return replace(made, ceiling=rng.choice([0.8, 1.0, 1.05, 100.0], SHELVES, p=[0.1, 0.4, 0.1, 0.4]))


def with_rules(desk: PricingDesk, goods: Goods, rules: Rules, seed: int, scale: float) -> None:
    """Other goods, another network, other rules and ladders by chance in the champion's place."""
    spec, rng = fresh_spec(NAMED, goods, rules), np.random.default_rng(seed)
    models = ModelSpec(format_version=FORMAT_VERSION, variables=NAMES, fresh=spec)
    predictor = Predictor(models, {FRESH: fresh_network(seed, scale=scale)}, goods)
    ladders = FreshLadders(
        rules=rules,
        goods=tuple(
            GoodLadder(good=name, essential=own, unit_cost=cost, ceiling=ceiling, steps=steps, top=3.0 * steps[0])
            for name, own, cost, ceiling, steps in zip(
                NAMED, spec.essential, goods.cost.tolist(), goods.ceiling.tolist(),
                map(tuple, np.exp(rng.normal(0, 1, (SHELVES, 2)).clip(-4, 3)).tolist()), strict=True,
            )
        ),
        made_by="chance",
    )  # fmt: skip
    assert desk.champion is not None and desk.champion.model is not None
    model = replace(desk.champion.model, predictor=predictor)
    desk.champion = replace(desk.champion, model=model, fresh=ladders)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    essential=st.booleans(),
    bounds=st.one_of(st.none(), st.tuples(money, money)),
    margin=st.one_of(st.none(), st.floats(-2, 0.95)),
    change=st.one_of(st.none(), st.floats(0.001, 2)),
    seed=st.integers(0, 2**32 - 1),
    scale=st.sampled_from([0.0, 0.1, 1.0, 30.0]),
)
def test_no_served_price_breaks_a_rule(
    desk: PricingDesk, goods: Goods, essential: bool, bounds: tuple[float, float] | None, margin: float | None,
    change: float | None, seed: int, scale: float,
) -> None:  # fmt: skip
    least, most = (None, None) if bounds is None else sorted(bounds)
    rules = Rules(essential=essential, floor=least, ceiling=most, margin_floor=margin, largest_change=change)
    with_rules(desk, goods, rules, seed, scale)
    rng = np.random.default_rng(seed)
    listed = np.where(
        rng.random(SHELVES) < 0.9, np.round(rng.uniform(0.2, 12, SHELVES), 2), rng.uniform(0.01, 3, SHELVES)
    )
    before = np.maximum(listed * rng.choice([0.05, 0.3, 0.777, 1.0, 1.2, 40.0], SHELVES), 0.01)
    stock = rng.integers(0, 6, (SHELVES, 3)) * (np.arange(3) < goods.life[:, None] + rng.integers(0, 2, (SHELVES, 1)))
    expected = np.where(rng.random((SHELVES, 1)) < 0.1, 5_000.0, rng.gamma(2.0, 2.0, (SHELVES, AHEAD)))
    store = {
        "good": list(NAMED),
        "list_price": listed.tolist(),
        "stock": stock.tolist(),
        "before": before.tolist(),
        "weekday": rng.integers(0, 7, SHELVES).tolist(),
        "expected": [None if number % 3 else row for number, row in enumerate(expected.tolist())],
        "coming": rng.integers(0, 9, SHELVES).tolist(),
    }
    body = asyncio.run(desk.answerer.reprice(RepriceFreshRequest.model_validate({"goods": store})))
    part: dict[str, Any] = json.loads(body)["goods"]
    assert set(part["served_by"]) == {"champion", LADDER}
    price, wanted = np.array(part["price"]), np.array(part["wanted"])
    np.testing.assert_array_equal(price, np.round(price * 100) / 100)
    own = (goods.ceiling <= 1.0) | essential
    assert (price[own] <= np.maximum(listed[own], 0.01) + 1e-9).all(), "the first rule never yields"
    top = np.where(goods.ceiling < FREE, goods.ceiling * listed, np.inf)
    top = np.minimum(top, np.inf if most is None else most)
    assert (price <= np.maximum(top, 0.01) + 1e-8).all(), "no price goes above a good's own ceiling"
    for row in range(SHELVES):
        ceiling = float(top[row]) if np.isfinite(top[row]) else None
        strict = rules.model_copy(update={"essential": bool(own[row]), "ceiling": ceiling})
        low, high = by_hand(strict, float(before[row]), float(listed[row]), float(goods.cost[row] * listed[row]))
        assert low <= round(price[row] * 100) <= high
    moved = np.abs(price - np.maximum(wanted, 0.01)) > 0.005 + 1e-9  # more than to the nearest cent, of one at least
    assert (np.array(part["rule"])[moved] != "").all(), "every price that a rule moved is named with it"


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(approved=money, listed=money, before=money)
def test_no_approved_price_breaks_a_rule(made_pricing: Releases, approved: float, listed: float, before: float) -> None:
    """List prices may have changed since somebody approved; bread is essential, peaches are not."""

    class Approved(Approvals):
        def __init__(self) -> None:
            pass

        def in_force(self, market: str, item_ids: object) -> dict[str, tuple[str, float]]:
            assert market == "fresh" and item_ids == ("S1|bread", "S1|peaches")
            return dict.fromkeys(("S1|bread", "S1|peaches"), ("p1", approved))

    desk = PricingDesk(made_pricing, approvals=Approved())
    assert desk.champion is not None and desk.champion.fresh is not None
    rules = desk.champion.fresh.rules
    told = desk.quote_fresh(*(each(list_price=listed, before=before) for each in (bread, peach)))["prices"]
    for each, essential in zip(told, (True, False), strict=True):
        low, high = by_hand(rules.model_copy(update={"essential": essential}), before, listed, 0.6 * listed)
        assert each["served_by"] == "approved" and low <= round(each["price"] * 100) <= high
