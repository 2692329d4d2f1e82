"""Delivery slots: who books at which fee, what is carried over, what the shop sees, and that no other table knows of them."""

from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest

from sources.twin.catalogue import day_number
from sources.twin.decisions import DecisionError, Decisions
from sources.twin.params import TwinParams
from sources.twin.slots.params import PARTS, SlotParams, SlotSegment
from sources.twin.slots.shop import SlotDay, SlotShop
from sources.twin.slots.state import SlotState
from sources.twin.slots.tables import SLOT_BOOKINGS, slot_bookings
from sources.twin.slots.truth import weekday
from sources.twin.source import TwinSource
from sources.twin.state_file import load_state, save_state
from sources.twin.world import World

START = date(2024, 1, 1)
DAYS = [START + timedelta(days=number) for number in range(120)]
SLOTS = SlotParams(areas=2, horizon_days=5, capacity=6)
PARAMS = TwinParams.size("tiny").model_copy(update={"days": 40, "slots": SLOTS})


def shop(params: SlotParams = SLOTS, seed: int = 11) -> SlotShop:
    return SlotShop(params, seed, day_number(START))


def fees(value: float, params: SlotParams = SLOTS) -> np.ndarray:
    return np.full((params.horizon_days, params.areas, len(PARTS)), value)


def test_no_other_table_knows_of_slots() -> None:
    with_slots, without = World(PARAMS, 11), World(PARAMS.model_copy(update={"slots": SlotParams()}), 11)
    for day in DAYS[:40]:
        seen, plain = with_slots.advance(day, Decisions(slot_fees=fees(3.0))), without.advance(day)
        assert seen.keys() == plain.keys() and all(seen[name].equals(plain[name]) for name in seen)
    assert with_slots.outcome is not None and with_slots.outcome.slots is not None
    assert with_slots.outcome.slots.booked.sum() > 0
    assert without.outcome is not None and without.outcome.slots is None
    for name, table in with_slots.static_tables().items():
        assert table.equals(without.static_tables()[name])
    assert with_slots.truth().expected_demand.equals(without.truth().expected_demand)
    sources = [TwinSource(world.params, 11) for world in (with_slots, without)]
    for name in ("prices", "events"):
        assert sources[0].parts(name) == sources[1].parts(name)


def test_the_world_books_as_the_shop_alone_does(tmp_path: Path) -> None:
    world, alone = World(PARAMS, 11, tables=("prices",)), shop()
    for number, day in enumerate(DAYS[:20]):
        if number == 10:  # a state on disk, put back, goes on in the same way
            save_state(tmp_path / "state", world.state)
            world = World(PARAMS, 11, tables=("prices",))
            world.restore(load_state(tmp_path / "state"))
        asked = fees(2.0 + number % 4)
        world.advance(day, Decisions(slot_fees=asked))
        lived = alone.advance(day, asked)
        assert world.outcome is not None and world.outcome.slots is not None
        assert slot_bookings([world.outcome.slots]).equals(slot_bookings([lived]))


def test_a_window_by_hand() -> None:
    """All are willing to pay 5 and hardly differ: at 4.90 all who come book, as far as slots go, at 5.10 nobody does."""
    one = SlotSegment(name="all", arrivals=40.0, comes_days=1.0, within_days=50.0, willingness=5.0, spread=1e-3)
    alike = SlotParams(areas=1, horizon_days=3, capacity=20, segments=(one,), competitor=(1.0,), strength_spread=0.0)
    cheap, dear = shop(alike), shop(alike)
    left = np.full((3, 1, len(PARTS)), 20)
    for day in DAYS[:10]:
        booked = cheap.advance(day, fees(4.9, alike))
        assert (booked.booked == np.minimum(booked.wanted[0], booked.left)).all()
        assert (booked.left == left).all()
        left = np.concatenate([(booked.left - booked.booked)[1:], np.full((1, 1, len(PARTS)), 20)])
        assert dear.advance(day, fees(5.1, alike)).booked.sum() == 0
    assert (left[:-1] == 0).any(), "evenings sell out"


def test_customers_are_the_same_under_any_fees() -> None:
    cheap, dear, mixed = shop(), shop(), shop()
    for day in DAYS[:30]:
        low, high = cheap.advance(day, fees(3.0)), dear.advance(day, fees(5.0))
        assert (low.wanted >= high.wanted).all()
        split = fees(3.0)
        split[:, 1] = 5.0
        both = mixed.advance(day, split)
        assert (both.wanted[:, :, 0] == low.wanted[:, :, 0]).all() and (
            both.wanted[:, :, 1] == high.wanted[:, :, 1]
        ).all()
    assert low.wanted.sum() > high.wanted.sum()


def test_as_many_want_a_slot_as_is_told_of_the_truth() -> None:
    params = SLOTS.model_copy(update={"competitor": (1.0,)})
    lived, truth = shop(params), shop(params).truth
    wanted, expected = 0.0, 0.0
    share = np.array([1 / (1 + np.exp((4.0 - s.willingness) / s.spread)) for s in params.segments])
    for day in DAYS:
        now = lived.advance(day, fees(4.0))
        delivered = now.day + 1 + np.arange(params.horizon_days)
        level = truth.usual(delivered) * truth.strength(delivered)
        expected += float((share[:, None] * truth.arrivals() * level.transpose(1, 2, 0)[:, :, None]).sum())
        wanted += now.wanted.sum()
    assert abs(wanted - expected) < 4 * np.sqrt(expected)


def test_popular_windows_fill_and_others_do_not() -> None:
    params = SlotParams(areas=2)
    lived = shop(params)
    days = [lived.advance(day, fees(4.75, params)) for day in DAYS[:60]][20:]
    load = 1 - np.mean([each.left[0] - each.booked[0] for each in days], axis=(0, 1)) / params.capacity
    assert load[PARTS.index("evening")] > 0.9 and load[PARTS.index("noon")] < 0.65


def test_the_table_shows_what_a_shop_sees() -> None:
    days = [shop().advance(DAYS[0])]
    table = slot_bookings(days)
    assert table.schema == SLOT_BOOKINGS and not {"strength", "segment", "wanted"} & set(table.column_names)
    row = table.slice(2 * len(PARTS) + len(PARTS) + 3, 1).to_pylist()[0]  # two days ahead, second area, evening
    assert (row["area_id"], row["delivered_on"], row["part"]) == ("A002", START + timedelta(days=2), "evening")
    assert (row["booked_on"], row["open_slots"]) == (START, SLOTS.capacity)
    assert row["fee"] == days[0].fee[1, 1, 3] and row["booked_slots"] == days[0].booked[1, 1, 3]
    assert slot_bookings([]).num_rows == 0
    assert weekday(np.array([day_number(START)]))[0] == START.weekday()


def test_the_plan_tries_fees_and_keeps_them_a_while() -> None:
    lived = shop(SLOTS.model_copy(update={"plan_days": 7}))
    found: dict[int, set[float]] = {}
    days: list[SlotDay] = [lived.advance(day) for day in DAYS]
    for each in days:
        for ahead in range(SLOTS.horizon_days):
            found.setdefault((each.day + ahead + 1) // 7, set()).add(float(each.fee[ahead, 0, 0]))
    assert all(len(tried) == 1 for tried in found.values())
    tried = set().union(*found.values())
    assert len(tried) > 5 and min(tried) >= 1.0 and max(tried) <= 10.0


def test_wrong_fees_are_refused_and_change_nothing() -> None:
    world = World(PARAMS, 11, tables=("prices",))
    wrong = fees(4.0)
    wrong[3, 1, 2] = 41.0
    with pytest.raises(DecisionError, match=r"slot_fees\[3, 1, 2\] = 41 lies outside \[0, 40\]; clip it"):
        world.advance(START, Decisions(slot_fees=wrong))
    with pytest.raises(DecisionError, match=r"slot_fees has shape \(2, 2\), windows are \(5, 2, 4\)"):
        world.advance(START, Decisions(slot_fees=np.ones((2, 2))))
    world.advance(START, Decisions(slot_fees=np.full_like(wrong, np.nan)))
    assert world.outcome is not None and world.outcome.slots is not None
    assert (world.outcome.slots.fee == shop().planned(day_number(START))).all()
    with pytest.raises(DecisionError, match=r"no delivery slots are offered; set slots\.areas"):
        World(TwinParams.size("tiny"), 11, tables=("prices",)).advance(START, Decisions(slot_fees=wrong))
    with pytest.raises(DecisionError, match="out of turn; the next day of the slots is 2024-01-01"):
        shop().advance(DAYS[1])
    with pytest.raises(ValueError, match="must be above 0"):
        SlotParams(parts=(1.0, 0.0, 1.0, 1.0))


def test_a_fresh_state_is_a_copy() -> None:
    state = SlotState.fresh(SLOTS)
    other = state.copy()
    other.left[:] = 0
    assert (state.left == SLOTS.capacity).all()
