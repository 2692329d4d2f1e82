"""Campaigns: a cascade worked by hand, the same luck for all seed sets, and influence that can be found in tables."""

from collections.abc import Sequence

import numpy as np
import pytest
from online_case import START, a_shop, lived

from sources.twin.customers.campaign import best_seeds, expected_spread, run_campaign
from sources.twin.customers.params import OnlineParams
from sources.twin.customers.records import PURCHASE, OnlineDay
from sources.twin.customers.shop import OnlineShop
from sources.twin.customers.social import Network
from sources.twin.decisions import DecisionError

WITHIN_DAYS = 5


def a_network(size: int, ties: Sequence[tuple[int, int, float]]) -> Network:
    source, target = (np.array([tie[k] for tie in sorted(ties)], dtype=np.int64) for k in (0, 1))
    begins = np.concatenate([[0], np.cumsum(np.bincount(source, minlength=size))]).astype(np.int64)
    strength = np.array([tie[2] for tie in sorted(ties)], dtype=float)
    return Network(source, target, np.zeros_like(source), strength, begins, np.ones(size))


# 0 -> 1 -> 2 surely, never back; 3 persuades nobody; 4 <-> 0 never.
CHAIN = a_network(5, [(0, 1, 1.0), (1, 0, 0.0), (1, 2, 1.0), (2, 1, 0.0), (0, 4, 0.0), (4, 0, 0.0)])


def test_a_cascade_by_hand() -> None:
    all_of_it = run_campaign(CHAIN, 1, np.array([0, 3]), acceptance=1.0)
    assert sorted(all_of_it.customer.tolist()) == [0, 1, 2, 3]
    assert dict(zip(all_of_it.customer.tolist(), all_of_it.offered.tolist(), strict=True)) == {
        0: True, 3: True, 1: False, 2: False,
    }  # fmt: skip
    when = dict(zip(all_of_it.customer.tolist(), all_of_it.after_days.tolist(), strict=True))
    assert when[0] == when[3] == 0 < when[1] < when[2] <= 8
    assert run_campaign(CHAIN, 1, np.array([2]), acceptance=1.0).customer.tolist() == [2]
    assert run_campaign(CHAIN, 1, np.array([0]), acceptance=1.0, days=0).customer.tolist() == [0]
    absent = np.array([True, False, True, True, True])
    assert run_campaign(CHAIN, 1, np.array([0]), acceptance=1.0, present=absent).customer.tolist() == [0]
    assert best_seeds(CHAIN, 1).tolist() == [0]
    assert expected_spread(CHAIN, 1, np.array([1]), acceptance=1.0) == 2.0


def test_spread_through_one_tie_is_its_strength() -> None:
    """Offer to one of two friends whose tie has 0.3: acceptance 0.5 x (1 + 0.3) conversions in the mean."""
    pair = a_network(2, [(0, 1, 0.3), (1, 0, 0.0)])
    spread = expected_spread(pair, 5, np.array([0]), draws=1_000, acceptance=0.5)
    assert spread == pytest.approx(0.65, abs=4 * 0.72 / np.sqrt(1_000))


@pytest.fixture(scope="module")
def history() -> tuple[OnlineShop, list[OnlineDay]]:
    shop = a_shop(OnlineParams(customers=1_000), 11, days=730)
    return shop, lived(shop, 0, 120)


def test_seed_sets_meet_the_same_luck(history: tuple[OnlineShop, list[OnlineDay]]) -> None:
    network = history[0].network
    some = run_campaign(network, 11, np.arange(0, 40))
    more = run_campaign(network, 11, np.arange(0, 80))
    assert set(some.customer.tolist()) < set(more.customer.tolist())
    first = dict(zip(more.customer.tolist(), more.after_days.tolist(), strict=True))
    assert all(first[c] <= d for c, d in zip(some.customer.tolist(), some.after_days.tolist(), strict=True))
    again = run_campaign(network, 11, np.arange(39, -1, -1))
    assert np.array_equal(again.customer, some.customer)
    assert not np.array_equal(run_campaign(network, 11, np.arange(40), campaign=1).customer, some.customer)


def test_only_registered_customers_convert(history: tuple[OnlineShop, list[OnlineDay]]) -> None:
    shop = history[0]
    state = shop.state
    converted = shop.campaign(START, np.arange(1_000), acceptance=1.0).customer
    assert set(converted.tolist()) == set(np.flatnonzero(shop.people.registered <= shop.setting.start).tolist())
    assert shop.state is state


def follow_up_scores(shop: OnlineShop, days: list[OnlineDay]) -> np.ndarray:
    """Score (N,) from observed purchases and friendships: how many more friends bought the same within days after a
    customer's purchase than within days before it, per purchase and friend, shrunken, times friends."""
    bought = [day.events.kind == PURCHASE for day in days]
    items, count = len(shop.setting.items), len(shop.people)
    grid = np.zeros((len(days), count, items), dtype=bool)
    for when, (day, paid) in enumerate(zip(days, bought, strict=True)):
        grid[when, day.events.customer[paid], day.events.item[paid]] = True
    when, who, item = np.nonzero(grid)
    ties, purchase = shop.network.rows_of(who)
    friend = shop.network.target[ties]
    more = np.zeros(len(friend))
    for lag in range(1, WITHIN_DAYS + 1):
        for sign in (1, -1):
            then = when[purchase] + sign * lag
            inside = (then >= 0) & (then < len(days))
            more[inside] += sign * grid[then[inside], friend[inside], item[purchase][inside]]
    gained = np.bincount(who[purchase], weights=more, minlength=count)
    chances = np.bincount(who[purchase], minlength=count)
    usual = max(gained.sum() / chances.sum(), 1e-6)
    return (gained + 100 * usual) / (chances + 100) * shop.network.degree()


def test_persuasive_customers_leave_a_trace(history: tuple[OnlineShop, list[OnlineDay]]) -> None:
    """Seeding 2 %: a plain estimator beats chance by 40 % and beats degree; the truth beats all of them."""
    shop, days = history
    seeds = 20
    network = shop.network

    def spread(chosen: np.ndarray) -> float:
        return expected_spread(network, 11, chosen, draws=30)

    chance = np.mean([spread(np.random.default_rng(r).choice(1_000, seeds, replace=False)) for r in range(10)])
    degree = spread(np.argsort(-network.degree(), kind="stable")[:seeds])
    estimated = spread(np.argsort(-follow_up_scores(shop, days), kind="stable")[:seeds])
    assert estimated > 1.4 * chance
    assert estimated > 1.1 * degree
    assert spread(best_seeds(network, seeds)) > 1.1 * estimated


def test_friends_follow_within_days(history: tuple[OnlineShop, list[OnlineDay]]) -> None:
    """Purchases without a showing come one to five days after a friend bought the same item, and come from friends."""
    shop, days = history
    bought = {}
    for when, day in enumerate(days):
        paid = day.events.kind == PURCHASE
        for who, item in zip(day.events.customer[paid].tolist(), day.events.item[paid].tolist(), strict=True):
            bought.setdefault((who, item), []).append(when)
    followed = 0
    for when, day in enumerate(days[20:40], start=20):
        direct = (day.events.kind == PURCHASE) & (day.events.impression < 0)
        for who, item in zip(day.events.customer[direct].tolist(), day.events.item[direct].tolist(), strict=True):
            friends = shop.network.target[shop.network.begins[who] : shop.network.begins[who + 1]].tolist()
            assert any(1 <= when - then <= WITHIN_DAYS for f in friends for then in bought.get((f, item), []))
            followed += 1
    assert followed > 50


@pytest.mark.parametrize(
    ("seeds", "more", "message"),
    [
        ([5], {}, r"customer 5, outside 0\.\.4; give the customer's number"),
        ([-1], {}, r"customer -1, outside 0\.\.4"),
        ([1, 2, 1], {}, "customer 1 twice; name each customer once"),
        ([1], {"acceptance": 0.0}, r"acceptance 0 lies outside \(0, 1\]; give"),
        ([1], {"days": 400}, r"campaign of 400 days lies outside 0\.\.365; give"),
    ],
)
def test_impossible_campaigns_are_refused(seeds: list[int], more: dict[str, float], message: str) -> None:
    with pytest.raises(DecisionError, match=message):
        run_campaign(CHAIN, 1, np.array(seeds), **more)
