"""Decisions enter the world as given, touch nothing else, and are refused where they cannot be carried out."""

from datetime import date, timedelta

import numpy as np
import pyarrow.compute as pc
import pytest

from sources.twin.decisions import DecidedPromotion, DecisionError, Decisions
from sources.twin.params import TwinParams
from sources.twin.world import World

PARAMS = TwinParams.size("tiny").model_copy(update={"days": 120})
DAYS = [PARAMS.start + timedelta(days=n) for n in range(PARAMS.days)]


def test_another_stores_decisions_leave_a_store_as_it_was() -> None:
    plain, cheap = World(PARAMS, 11), World(PARAMS, 11)
    prices = np.full((3, 12), np.nan)
    prices[0] = plain.catalogue.products.list_price * 0.5
    wanted = []
    for day in DAYS[:60]:
        before, after = plain.advance(day), cheap.advance(day, Decisions(prices=prices))
        for name in ("prices", "transactions", "inventory"):
            others = [t.filter(pc.not_equal(t["store_id"], "S0001")) for t in (before[name], after[name])]
            assert others[0].num_rows > 0
            assert others[0].equals(others[1])
        # The same luck meets lower prices: no cell wants less.
        assert (cheap.outcome.demanded >= plain.outcome.demanded).all()
        wanted.append((cheap.outcome.demanded[0].sum(), plain.outcome.demanded[0].sum()))
    lowered, usual = np.sum(wanted, axis=0)
    assert lowered > 2 * usual


def test_decided_prices_are_charged() -> None:
    world = World(PARAMS, 11)
    prices = np.full((3, 12), np.nan)
    prices[1, 5] = round(2.0 * world.catalogue.products.list_price[5], 2)
    tables = world.advance(PARAMS.start, Decisions(prices=prices))
    plain = World(PARAMS, 11).advance(PARAMS.start)
    here = pc.and_(pc.equal(tables["prices"]["store_id"], "S0002"), pc.equal(tables["prices"]["product_id"], "P00006"))
    row = tables["prices"].filter(here).to_pylist()[0]
    assert row["price"] == row["base_price"] == prices[1, 5]
    assert tables["prices"].filter(pc.invert(here)).equals(plain["prices"].filter(pc.invert(here)))


def test_decided_orders_arrive_after_their_lead_time() -> None:
    params = PARAMS.model_copy(update={"stock": PARAMS.stock.model_copy(update={"short_delivery_share": 0.0})})
    world = World(params, 11)
    lead = int(world.catalogue.products.lead_time_days[3])
    received = []
    for ahead in range(lead + 3):
        orders = np.zeros((3, 12))
        orders[0, 3] = 17 if ahead == 1 else 0
        world.advance(params.start + timedelta(days=ahead), Decisions(orders=orders))
        received.append(int(world.outcome.stock.received[0, 3]))
        assert int(world.outcome.ordered.sum()) == (17 if ahead == 1 else 0)
    assert received == [0] * (1 + lead) + [17, 0]


def test_no_orders_empty_the_shelves() -> None:
    world = World(PARAMS, 11)
    for day in DAYS[:90]:
        world.advance(day, Decisions(orders=np.zeros((3, 12))))
    assert world.outcome.stock.stocked_out[world.outcome.active].mean() > 0.8
    assert world.outcome.stock.received.sum() == 0


def test_decided_promotions_are_announced_and_sold() -> None:
    world = World(PARAMS, 11)
    starts = PARAMS.start + timedelta(days=1)
    decided = DecidedPromotion(product=7, starts_on=starts, ends_on=starts, discount_fraction=0.5, store=0)
    announced = world.advance(PARAMS.start, Decisions(promotions=(decided,)))["promotions"].to_pylist()[-1]
    assert (announced["product_id"], announced["store_id"], announced["starts_on"]) == ("P00008", "S0001", starts)
    assert announced["announced_on"] == PARAMS.start
    price = world.advance(starts)["prices"].to_pandas().set_index(["store_id", "product_id"])
    row = price.loc[("S0001", "P00008"), :]
    assert row.price == pytest.approx(row.base_price / 2, abs=0.00501)
    after = world.advance(starts + timedelta(days=1))["prices"].to_pandas().set_index(["store_id", "product_id"])
    assert after.loc[("S0001", "P00008"), :].price > row.price


def test_recommendations_raise_demand_as_planted() -> None:
    world, plain = World(PARAMS, 11), World(PARAMS, 11)
    exposure = np.full((3, 12), np.nan)
    exposure[0, 0] = 0.5
    world.advance(PARAMS.start, Decisions(recommendations=exposure))
    plain.advance(PARAMS.start)
    ratio = world.outcome.expected / plain.outcome.expected
    assert ratio[0, 0] == pytest.approx(1 + 0.5 * PARAMS.demand.recommendation_uplift)
    ratio[0, 0] = 1
    assert np.allclose(ratio, 1)


@pytest.mark.parametrize(
    ("decisions", "message"),
    [
        (Decisions(prices=np.full((3, 12), 1000.0)), r"prices\[0, 0\] = 1000 lies outside .*clip it"),
        (Decisions(orders=np.full((3, 12), -1.0)), r"orders\[0, 0\] = -1 lies outside \[0, 1e\+06\]"),
        (Decisions(recommendations=np.full((3, 12), 1.5)), r"recommendations\[0, 0\] = 1.5"),
        (Decisions(prices=np.ones((2, 12))), r"shape \(2, 12\), the world is \(3, 12\)"),
        (Decisions(promotions=(DecidedPromotion(99, PARAMS.start, PARAMS.start, 0.2),)), r"product 99 outside 0\.\.11"),
        (Decisions(promotions=(DecidedPromotion(0, PARAMS.start, PARAMS.start, 0.95),)), r"0.95 outside \(0, 0.9\]"),
        (
            Decisions(promotions=(DecidedPromotion(0, PARAMS.start, PARAMS.start, 0.2, store=3),)),
            r"store 3 outside 0\.\.2",
        ),
        (
            Decisions(promotions=(DecidedPromotion(0, PARAMS.start, PARAMS.start, 0.2, kind="gift"),)),
            "'gift' is unknown",
        ),
        (
            Decisions(promotions=(DecidedPromotion(0, date(2020, 1, 1), PARAMS.start, 0.2),)),
            "must start today or later",
        ),
    ],
)
def test_impossible_decisions_are_refused_and_change_nothing(decisions: Decisions, message: str) -> None:
    world = World(PARAMS, 11)
    with pytest.raises(DecisionError, match=message):
        world.advance(PARAMS.start, decisions)
    assert world.advance(PARAMS.start)["inventory"].equals(World(PARAMS, 11).advance(PARAMS.start)["inventory"])


def test_days_follow_one_another() -> None:
    world = World(PARAMS.model_copy(update={"days": 1}), 11)
    with pytest.raises(DecisionError, match="2024-01-05 is out of turn; the world's next day is 2024-01-01"):
        world.advance(date(2024, 1, 5))
    world.advance(date(2024, 1, 1))
    with pytest.raises(DecisionError, match="after the last day 2024-01-01; raise the parameter `days`"):
        world.advance(date(2024, 1, 2))
