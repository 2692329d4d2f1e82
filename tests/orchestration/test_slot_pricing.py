"""Delivery slots: from bookings to problems, the same customers for every policy, promises, and what a report says."""

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest

from models.pricing.baselines import BidPrice, FixedPrice
from models.pricing.config import Config
from models.pricing.fluid import Fluid
from models.pricing.market import FACTORS
from orchestration.intervals import interval
from orchestration.slot_demand import FEES, INDEX, KINDS, SlotBook, _chances, booking_log
from orchestration.slot_oracle import Solved, oracle, true_problem
from orchestration.slot_play import Played, at_one_fee, by_desk, play, promised, slot_shop
from orchestration.slot_pricing import (
    CHAMPION,
    FIXED,
    LISTED,
    NAIVE_BAND,
    ORACLE,
    PROGRAM,
    Judged,
    Tuned,
    judge,
    report,
    tune,
)  # fmt: skip
from sources.twin.slots.params import PARTS, SlotParams
from sources.twin.slots.shop import Morning, SlotDay, SlotShop
from sources.twin.slots.tables import slot_bookings

SMALL = SlotParams(areas=1, horizon_days=6, capacity=6)
QUICK = Config(steps=40, shelves=8, batch=8, buffer=400, hidden=16, ensemble=2)
FRIDAY, TUESDAY = 4, 1


@pytest.fixture(scope="module")
def lived() -> tuple[SlotShop, SlotBook]:
    return slot_shop(SMALL, 21)


@pytest.fixture(scope="module")
def judged() -> tuple[Tuned, Judged, Judged]:
    tuned = tune(SMALL, seeds=(22,), days=20)
    first, again = (judge(SMALL, tuned, QUICK, seed=23, wrong_cfg=QUICK, days=30) for _ in range(2))
    return tuned, first, again


def test_rows_of_bookings_become_numbers(lived: tuple[SlotShop, SlotBook]) -> None:
    shop = SlotShop(SMALL, 21, 19_723)  # 2024-01-01, a Monday
    day = shop.advance(date(2024, 1, 1))
    log = booking_log(slot_bookings([day]), lived[1].offer)
    assert log.to_go.tolist() == np.repeat(np.arange(1, 7), 4).tolist()
    assert log.traits[:5].tolist() == [[0, 0, 1], [0, 1, 1], [0, 2, 1], [0, 3, 1], [0, 0, 2]]
    assert (log.booked == day.booked.ravel()).all() and (log.fee == day.fee.ravel()).all()
    assert len(set(log.window.tolist())) == 24 and log.rival.tolist() == [1.0] * 24


def test_moves_between_levels_by_hand() -> None:
    found = _chances(np.array([0, 0, 0, 1]), np.array([0, 0, 1, 1]), 3)
    assert found[0] == pytest.approx(np.array([2 + 1 / 6, 1 + 1 / 6, 1 / 6]) / 3.5)
    assert found[2].tolist() == [0.0, 0.0, 1.0], "a level that nobody saw stays"


def test_windows_are_grouped_by_how_much_is_wanted(lived: tuple[SlotShop, SlotBook]) -> None:
    _, book = lived
    assert np.bincount(book.kind.ravel()).max() - np.bincount(book.kind.ravel()).min() <= 1
    assert (np.diff(book.levels) > 0).all()
    evening, noon = PARTS.index("evening"), PARTS.index("noon")
    assert (KINDS[book.kind[0, evening, FRIDAY]], KINDS[book.kind[0, noon, TUESDAY]]) == ("busy", "quiet")
    for number in range(len(KINDS)):
        assert book.usual[book.kind == number].mean() == pytest.approx(1.0)
    assert book.moves.sum(axis=1) == pytest.approx(1.0)
    assert np.diag(book.moves) == pytest.approx(SMALL.competitor_stays, abs=0.06)


def test_problems_are_the_fitted_demand(lived: tuple[SlotShop, SlotBook]) -> None:
    _, book = lived
    traits = np.array([[0, PARTS.index("evening"), FRIDAY]])
    for number, market in enumerate(book.markets()):
        rival, index = np.array([1.3]), np.array([1.02])
        state = book.chain_state(rival, index)
        shown = market.chain.shown[state[0]]
        level = INDEX[int(np.abs(np.array(INDEX) - 1.02).argmin())]
        assert shown[FACTORS.index("competitor_price")] == 1.3 and shown[FACTORS.index("attention")] == level
        for t, fee in ((0, 3), (5, 7)):
            mean = book.demand.mean(traits, np.array([SMALL.horizon_days - t]), np.array([FEES[fee]]), rival)
            mean = mean / book.demand.level(traits) * book.levels[number] * level
            assert market.nominal[t, state[0], fee] == pytest.approx(mean[0])
    plausible = book.markets(ensemble=3, seed=1)[0].mean
    assert len(plausible) == 3 and 0 < np.abs(plausible[1] / plausible[0] - 1).max() < 3


def test_what_was_booked_tells_how_strong_a_window_is(lived: tuple[SlotShop, SlotBook]) -> None:
    _, book = lived
    traits = np.array([[0, 0, 0]] * 3)
    index = book.index(traits, np.array([0.0, 2.0, 8.0]), np.array([0.0, 4.0, 4.0]))
    shape = book.demand.shape
    assert index / book.usual[0, 0, 0] == pytest.approx([1.0, (shape + 2) / (shape + 4), (shape + 8) / (shape + 4)])


def test_every_policy_meets_the_same_customers(lived: tuple[SlotShop, SlotBook]) -> None:
    shop, book = lived
    before = shop.next_day
    first, again = (play(shop, book, at_one_fee(4.0), days=30) for _ in range(2))
    assert (first.revenue == again.revenue).all() and shop.next_day == before
    cheaper = play(shop, book, at_one_fee(3.0), days=30)
    assert (cheaper.booked >= first.booked).all()
    # All windows whose six days lie within the thirty, 25 days of four.
    assert len(first.revenue) == 100 and (first.revenue == 4.0 * first.booked).all()
    assert first.booked.max() <= SMALL.capacity and first.price == pytest.approx(4.0)
    assert first.load == first.booked.mean() / 6 and first.money == pytest.approx(4.0 * first.booked.mean())


def test_a_window_is_counted_over_its_whole_horizon(lived: tuple[SlotShop, SlotBook]) -> None:
    """By hand: fees that rise by the day, bookings of one window added up day by day."""
    shop, book = lived
    days: list[SlotDay] = []

    def rising(seen: Morning, booked: np.ndarray, expected: np.ndarray) -> np.ndarray:
        del booked, expected
        to_go = np.arange(1, 7)[:, None, None]
        return np.broadcast_to(8.0 - to_go, seen.left.shape).astype(float)

    told = play(shop, book, rising, days=8)
    trial = SlotShop(SMALL, 21, shop.next_day)
    trial.state = shop.state
    start = date(1970, 1, 1)
    for number in range(8):
        seen = trial.morning()
        days.append(
            trial.advance(start + timedelta(days=shop.next_day + number), rising(seen, seen.before, seen.before))
        )
    # Day 1 opens, six days ahead, the window that is booked for the last time on day 6.
    by_hand = sum((8.0 - to_go) * days[1 + 6 - to_go].booked[to_go - 1, 0, 3] for to_go in range(6, 0, -1))
    assert told.revenue.reshape(3, 1, 4)[1, 0, 3] == by_hand > 0
    assert told.path[0].tolist() == [2.0, 3.0, 4.0, 5.0, 6.0, 7.0]


def test_a_promise_is_the_fitted_demand(lived: tuple[SlotShop, SlotBook]) -> None:
    _, book = lived
    roomy = replace(book, offer=replace(book.offer, capacity=5_000))
    fixed = [FixedPrice("fixed fare", 3)] * len(KINDS)
    told = promised(roomy, fixed, weeks=200, seed=1)
    share = np.linalg.matrix_power(book.moves, 500)[0]
    expected = 0.0
    for ahead in range(1, 7):
        for rival, weight in zip(book.rivals, share, strict=True):
            at = np.full(len(book.traits), ahead)
            expected += (
                weight * book.demand.mean(book.traits, at, np.full(len(at), 4.0), np.full(len(at), rival)).mean()
            )
    assert told.money == pytest.approx(4.0 * expected, rel=0.02)
    assert told.price == pytest.approx(4.0)


def test_the_exact_program_promises_most(lived: tuple[SlotShop, SlotBook]) -> None:
    _, book = lived
    markets = book.markets()
    best = promised(book, [Solved(market) for market in markets], weeks=100, seed=1).money
    for rule in ([BidPrice(Fluid(market), 1.0) for market in markets], [FixedPrice("fixed fare", 4)] * len(KINDS)):
        assert promised(book, rule, weeks=100, seed=1).money < best


def test_the_oracle_knows_the_truth(lived: tuple[SlotShop, SlotBook]) -> None:
    shop, book = lived
    problem = true_problem(shop.truth, book.offer, 2.0)
    assert [sum(each.arrivals) for each in problem.segments] == pytest.approx([2 * s.arrivals for s in SMALL.segments])
    best = play(shop, book, oracle(shop, book.offer), days=150).money
    for policy in ([Solved(market) for market in book.markets()], [FixedPrice("fixed fare", 4)] * len(KINDS)):
        assert play(shop, book, by_desk(book, policy), days=150).money < best


def test_the_naive_method_scores_inside_the_band() -> None:
    """Neither too easy nor too hard, on a seed that nothing was chosen on."""
    params = SlotParams(areas=3)
    shop, book = slot_shop(params, 31)
    best = play(shop, book, oracle(shop, book.offer), days=60).money
    share = max(play(shop, book, at_one_fee(fee), days=60).money for fee in (4.25, 4.5, 4.75, 5.0, 5.25)) / best
    assert NAIVE_BAND[0] <= share <= NAIVE_BAND[1]


def test_judging_twice_gives_the_same(judged: tuple[Tuned, Judged, Judged]) -> None:
    tuned, first, again = judged
    assert set(tuned.rules) == {"myopic elasticity", "bid price", "EMSR-b", "EMSR-b, marginal revenues"}
    assert FEES[0] <= tuned.fee <= FEES[-1] and tuned.fee * 4 % 1 == 0
    assert list(first.played) == list(again.played)
    for name, each in first.played.items():
        assert (each.revenue == again.played[name].revenue).all()
    assert first.promised == again.promised and FIXED not in first.promised


def test_a_report_holds_every_policy_beside_the_others(judged: tuple[Tuned, Judged, Judged]) -> None:
    tuned, first, _ = judged
    worse = {name: replace(each, revenue=each.revenue * 0.5) for name, each in first.played.items()}
    told = report([first, Judged(24, worse, first.promised)], tuned)
    mean = first.played[CHAMPION].money * 0.75
    assert told.value(CHAMPION, "revenue") == pytest.approx(mean)
    assert told.value(CHAMPION, "revenue, low") < mean < told.value(CHAMPION, "revenue, high")
    assert told.value(PROGRAM, "share of the oracle") == pytest.approx(
        first.played[PROGRAM].money / first.played[ORACLE].money
    )
    assert told.value("DQN, elasticity x 1.5", f"revenue over {LISTED}") == pytest.approx(
        first.over("DQN, elasticity x 1.5", LISTED, "money")
    )
    assert set(told.plots) == {"fees", "frontier"} and all(each[:4] == b"\x89PNG" for each in told.plots.values())


def test_intervals_and_differences_by_hand() -> None:
    # t of four degrees of freedom is 2.776; 1..5 have a standard deviation of 1.5811.
    assert interval([1.0, 2.0, 3.0, 4.0, 5.0]) == pytest.approx((3.0, 3.0 - 1.9632, 3.0 + 1.9632), abs=1e-3)
    none = np.zeros((3, 6))
    dear = Played(np.array([60.0, 40.0]), np.array([10.0, 10.0]), 12, none, none)
    cheap = Played(np.array([40.0, 40.0]), np.array([8.0, 12.0]), 12, none, none)
    both = Judged(1, {"dear": dear, "cheap": cheap}, {})
    assert both.over("dear", "cheap", "price") == pytest.approx(0.25)
    assert both.over("dear", "cheap", "load") == pytest.approx(0.0)
    assert both.over("dear", "cheap", "money") == pytest.approx(0.25)
