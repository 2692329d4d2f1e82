"""Bills worked by hand, and what holds of all."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from serving.settlement.billing import Bill, PriceBook, bill, picks
from serving.settlement.offers import Coupon, Promotion, spread
from serving.settlement.shop_events import Moved, Prices

NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)
LAST = NOON + timedelta(days=1)


def at(minutes: float) -> datetime:
    return NOON + timedelta(minutes=minutes)


def listed(event_id: str, time: datetime, **cents: tuple[int, int]) -> Prices:
    told = [{"product": name, "cents": price, "tax": tax} for name, (price, tax) in cents.items()]
    return Prices(event_id=event_id, shop="s1", time=time, currency="EUR", prices=told)


@pytest.fixture
def prices() -> PriceBook:
    book = PriceBook()
    book.add(listed("p1", NOON - timedelta(days=1), milk=(119, 700), wine=(799, 1900), tea=(250, 700)))
    return book


def promotion(name: str, *products: str, **changed: Any) -> Promotion:
    return Promotion(promotion_id=name, products=products, since=NOON, until=LAST, **changed)


def coupon(name: str, kind: str, value: int, **changed: Any) -> Coupon:
    return Coupon(coupon_id=name, account="a", kind=kind, value=value, since=NOON, until=LAST, **changed)


def moved(deed: str, minutes: float, count: int = 1) -> Moved:
    return Moved(
        event_id=f"{deed}{minutes}", shop="s1", time=at(minutes), visit_id="v", deed=deed, product="milk", count=count,
        confidence=1, shelf="s",
    )  # fmt: skip


def test_a_bill_worked_by_hand(prices: PriceBook) -> None:
    """2 milk at 1.19 (7 %) and a wine at 7.99 (19 %): 2.38 holds 0.16 of tax (238 * 7 / 107 = 15.57), 7.99 holds 1.28 (127.57)."""
    told = bill({"milk": [NOON, NOON], "wine": [NOON]}, prices)
    assert [(line.product, line.count, line.list_cents, line.cents) for line in told.lines] == [
        ("milk", 2, 119, 238),
        ("wine", 1, 799, 799),
    ]
    assert (told.total_cents, told.currency, dict(told.tax_cents)) == (1_037, "EUR", {"700": 16, "1900": 128})
    assert bill({}, prices) == Bill(currency="EUR")


def test_prices_are_those_of_the_pick(prices: PriceBook) -> None:
    """Milk goes up at 12:10: what was taken at 12:09 costs the old price; lists may be heard in any order."""
    other = PriceBook()
    lists = [listed("p2", at(10), milk=(129, 700)), listed("p0", at(-2_000), milk=(99, 700))]
    for each in lists:
        prices.add(each)
    for each in (*reversed(lists), listed("p1", at(-1_440), milk=(119, 700))):
        other.add(each)
    for book in (prices, other):
        assert [line.list_cents for line in bill({"milk": [at(9), at(10)]}, book).lines] == [119, 129]
        assert book.at("milk", at(-1_441)).cents == 99
    assert prices.at("milk", at(-3_000)) is None
    with pytest.raises(KeyError, match="no price at"):
        bill({"rice": [NOON]}, prices)


def test_what_is_put_back_is_what_was_taken_last() -> None:
    assert picks([moved("take", 1, 2), moved("take", 5), moved("put", 6)], 2, at(9)) == [at(1), at(1)]
    assert picks([moved("put", 0), moved("take", 1)], 2, at(9)) == [at(1), at(1)], "one was not seen"
    assert picks([], 1, at(9)) == [at(9)]
    assert picks([moved("take", 1, 3)], 1, at(9)) == [at(1)]


def test_three_for_two_gives_away_the_cheapest_of_all(prices: PriceBook) -> None:
    """Six packages of 2.50, 2.50, 2.50, 1.19, 1.19, 1.19: two are free, both at 1.19; a seventh takes no part."""
    offer = promotion("3for2", "milk", "tea", buy=3, pay=2)
    told = bill({"tea": [NOON] * 3, "milk": [NOON] * 3}, prices, [offer])
    assert told.total_cents == 750 + 119
    assert bill({"tea": [NOON] * 3, "milk": [NOON] * 4}, prices, [offer]).total_cents == 750 + 238
    assert bill({"tea": [at(-1)] * 3}, prices, [offer]).total_cents == 750, "taken before it held"
    assert bill({"tea": [LAST] * 3}, prices, [offer]).total_cents == 750, "and after"


def test_a_package_takes_part_in_one_promotion(prices: PriceBook) -> None:
    """10 % off 1.19 is 0.12 (11.9 rounded), and then no third one free."""
    told = bill(
        {"milk": [NOON] * 3}, prices, [promotion("b", "milk", buy=3, pay=2), promotion("a", "milk", percent=1_000)]
    )
    assert [(line.cents, line.offers) for line in told.lines] == [(3 * 107, ("a",))]


def test_a_coupon_is_spread_to_the_cent_and_lowers_the_tax(prices: PriceBook) -> None:
    """1.00 off 2.38 and 7.99: 22.95 and 77.05 cents, so 23 and 77; 215 holds 14.07 at 7 %, 722 holds 115.28 at 19 %."""
    told = bill({"milk": [NOON] * 2, "wine": [NOON]}, prices, coupons=[coupon("c", "cents", 100)])
    assert [line.cents for line in told.lines] == [215, 722]
    assert (dict(told.coupons), dict(told.tax_cents)) == ({"c": 100}, {"700": 14, "1900": 115})


def test_coupons_in_turn_within_their_bounds(prices: PriceBook) -> None:
    offers = [
        coupon("c1", "percent", 5_000, products=["wine"]),
        coupon("c2", "cents", 10_000, products=["milk"]),
        coupon("c3", "cents", 100, least_cents=401),
    ]
    told = bill({"milk": [NOON], "wine": [NOON]}, prices, coupons=offers)
    assert dict(told.coupons) == {"c1": 400, "c2": 119}, "3.99 is left, c3 asks for 4.01"
    assert told.total_cents == 399
    assert bill({"tea": [NOON]}, prices, coupons=[offers[0]]).coupons == {}


@given(st.lists(st.integers(0, 5_000), min_size=1, max_size=30).filter(any), st.data())
def test_cents_are_spread_whole(weights: list[int], data: st.DataObject) -> None:
    cents = data.draw(st.integers(0, sum(weights)))
    parts = spread(cents, weights)
    assert sum(parts) == cents
    assert all(0 <= part <= weight for part, weight in zip(parts, weights, strict=True))
    assert all(abs(part - cents * weight / sum(weights)) < 1 for part, weight in zip(parts, weights, strict=True))


@given(
    st.dictionaries(st.sampled_from(["milk", "wine", "tea"]), st.integers(1, 7), min_size=1),
    st.integers(0, 10_000),
    st.integers(1, 5),
    st.integers(1, 3_000),
)
def test_no_bill_is_below_nothing_or_above_its_list(taken: dict[str, int], percent: int, buy: int, cents: int) -> None:
    book = PriceBook()
    book.add(listed("p", at(-1), milk=(119, 700), wine=(799, 1_900), tea=(1, 0)))
    offers = [promotion("p1", "milk", percent=max(percent, 1)), promotion("p2", "wine", "tea", buy=buy, pay=0)]
    told = bill({name: [NOON] * n for name, n in taken.items()}, book, offers, [coupon("c", "cents", cents)])
    full = sum(line.list_cents * line.count for line in told.lines)
    assert 0 <= told.total_cents <= full and all(line.cents >= 0 for line in told.lines)
    assert sum(told.tax_cents.values()) <= told.total_cents
    assert dict(told.counts()) == taken


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"buy": 2, "pay": 3}, "takes nothing off"),
        ({"buy": 2, "pay": 2}, "takes nothing off"),
        ({"percent": 10_001}, "less than or equal to 10000"),
        ({"percent": 1, "until": NOON}, "not after since"),
    ],
)
def test_offers_that_make_no_sense_say_so(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Promotion(**{"promotion_id": "p", "products": ["milk"], "since": NOON, "until": LAST} | wrong)
    with pytest.raises(ValidationError, match="100 % is the bound"):
        coupon("c", "percent", 10_001)
