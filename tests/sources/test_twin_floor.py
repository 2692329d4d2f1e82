"""The twin's shop floor: people keep to the ways, packages are conserved, and every draw hangs on its own key."""

from collections import Counter

import numpy as np
import pytest
from floor_case import PARAMS, day, floor

from sources.base import SourceError
from sources.twin.floor.floor import Floor
from sources.twin.floor.naive import bills_by_exit_tags
from sources.twin.floor.params import NAIVE_BAND, CrowdParams, FloorParams, RoomParams
from sources.twin.floor.plan import GATE_M, crossings, floor_plan
from sources.twin.floor.routes import BODY_M, Routes
from sources.twin.floor.visit import Visit
from sources.twin.floor.walking import TICK_S


def test_ways_through_a_block_are_measured() -> None:
    block = np.array([[1.0, 1.0, 3.0, 2.0]])
    ways = [((0, 1.5), (4, 1.5), 2.0), ((0, 0), (4, 0.9), 0.0), ((2, 0), (2, 1.5), 0.5), ((0, 0), (3, 3), np.sqrt(2))]
    for start, end, long in ways:
        assert crossings(np.array([start], float), np.array([end], float), block)[0, 0] == pytest.approx(long)


def test_ways_go_round_what_stands_there_and_are_short() -> None:
    plan = floor_plan(PARAMS)
    routes, rng = Routes(plan), np.random.default_rng(0)
    island = next(place for place in plan.places if place.facing == (0, -1))
    start, end = np.array(island.at(0, 0.5)), np.array(island.at(0, -2 * island.depth - 0.5))
    for _ in range(50):
        way = routes.way(start, end, rng)
        assert crossings(way[:-1], way[1:], plan.blocks + BODY_M * np.array([-1, -1, 1, 1])).max() == 0
        long = np.linalg.norm(np.diff(way, axis=0), axis=1).sum()
        straight = float(np.linalg.norm(end - start))
        assert straight + 1 < long < straight + 5 and len(way) == 4


def test_a_room_that_is_too_small_says_so() -> None:
    with pytest.raises(SourceError, match=r"holds \d+ gondolas"):
        floor_plan(FloorParams(room=RoomParams(width_m=6, depth_m=6, gondolas=20)))


def test_nobody_walks_through_shelves_or_walls_nor_faster_than_people_do() -> None:
    plan = floor().plan
    for track in day().truth.tracks.values():
        x, y = track.xy.T
        for left, bottom, right, top in plan.blocks:
            assert not ((x > left - 0.1) & (x < right + 0.1) & (y > bottom - 0.1) & (y < top + 0.1)).any()
        assert (x > 0).all() and (x < plan.width).all() and (y < plan.depth).all()
        outside = x[y < 0]
        gates = np.array([plan.entrance.x, plan.exit.x])
        assert (np.abs(outside[:, None] - gates).min(axis=1) < GATE_M / 2).all()
        assert np.linalg.norm(np.diff(track.xy, axis=0), axis=1).max() / TICK_S < 2.5


def test_people_stand_before_what_they_reach_for() -> None:
    truth, plan = day().truth, floor().plan
    for event in truth.events:
        lane = floor().stands[event.gondola].gondola.lanes[event.lane]
        spot = truth.tracks[event.person].at(np.array([event.at_s]))[0]
        place = plan.places[event.gondola]
        assert np.linalg.norm(spot - place.at((lane.left + lane.right) / 200, 0.0)) < 1.25
        assert (spot - (place.x, place.y)) @ np.array(place.facing) > 0.3


def test_packages_are_where_they_were_put_and_nowhere_else() -> None:
    """Replayed from a morning's books: each unit is taken from where it stands, and put by who holds it."""
    truth = day().truth
    place: dict[int, object] = {}
    moments = [(event.at_s, event) for event in truth.events] + [(each.at_s, each) for each in truth.handed]
    for _, event in sorted(moments, key=lambda moment: moment[0]):
        assert len(event.units) == event.count > 0
        for unit in event.units:
            if not hasattr(event, "deed"):
                assert place[unit] == event.giver
                place[unit] = event.receiver
            elif event.deed == "take":
                assert place.get(unit, event.gondola) == event.gondola
                place[unit] = event.person
            else:
                assert place[unit] == event.person
                place[unit] = event.gondola
    for person, units in truth.carried.items():
        assert sorted(units) == sorted(unit for unit, at in place.items() if at == person)


def test_baskets_are_takes_less_puts() -> None:
    truth = day().truth
    for visit in truth.visits:
        net: Counter[int] = Counter()
        for event in truth.events:
            if event.visit_id == visit.visit_id:
                net[event.product] += event.count if event.deed == "take" else -event.count
        assert {product: count for product, count in net.items() if count} == truth.baskets[visit.visit_id]


def test_every_kind_of_happening_comes_about() -> None:
    truth, lanes = day().truth, [stand.gondola.lanes for stand in floor().stands]
    puts = [event for event in truth.events if event.deed == "put"]
    taken_at = {unit: e.gondola for e in truth.events if e.deed == "take" for unit in e.units}
    assert truth.handed and {len(visit.people) for visit in truth.visits} == {1, 2, 3}
    assert any(lanes[event.gondola][event.lane].product != event.product for event in puts)
    assert any(taken_at[unit] != event.gondola for event in puts for unit in event.units)
    reaches = [r for v in truth.visits for p in v.people for stop in p.stops for r in stop.reaches]
    assert {tuple(plan.kind for plan in reach.plans) for reach in reaches} == {
        ("take",), ("put",), ("touch",), ("put", "take"),
    }  # fmt: skip


def test_attention_is_what_was_looked_at() -> None:
    truth = day().truth
    for visit in truth.visits:
        attention, dwell = truth.attention(visit.visit_id), truth.dwell_s(visit.visit_id)
        assert set(attention) >= set(visit.wanted) and all(seconds > 0 for seconds in attention.values())
        assert sum(attention.values()) < sum(dwell.values())


def same(one: Visit, two: Visit) -> bool:
    people = zip(one.people, two.people, strict=True)
    return (one.opened_s, one.wanted, one.hand_overs) == (two.opened_s, two.wanted, two.hand_overs) and all(
        np.array_equal(a.knots, b.knots) and repr(a.stops) == repr(b.stops) and np.array_equal(a.clothes, b.clothes)
        for a, b in people
    )


def test_a_visit_hangs_on_its_day_and_number_alone() -> None:
    crowded = Floor(
        PARAMS.model_copy(update={"crowd": PARAMS.crowd.model_copy(update={"visits": 90})}), 5, world_seed=11
    )
    by_number = {visit.number: visit for visit in crowded.visits(2)}
    assert all(same(visit, by_number[visit.number]) for visit in floor().visits(2))
    assert not any(same(visit, by_number[visit.number]) for visit in floor().visits(3))
    with pytest.raises(SourceError, match="day -1"):
        floor().visits(-1)


def test_a_day_hangs_on_seed_and_number_alone() -> None:
    other = Floor(PARAMS, 5, world_seed=11)
    other.day(0)
    again = other.day(2)
    assert again.truth.events == day().truth.events and again.truth.clock_offset_s == day().truth.clock_offset_s
    assert again.observed.exit_reads.equals(day().observed.exit_reads)
    np.testing.assert_array_equal(again.observed.people.looks, day().observed.people.looks)
    stranger = Floor(PARAMS, 6, world_seed=11)
    assert [s.gondola for s in stranger.stands] == [s.gondola for s in floor().stands]  # one world, other visits
    assert stranger.day(2).truth.events != again.truth.events


def test_the_shop_is_neither_too_easy_nor_too_empty() -> None:
    shop = Floor(FloorParams(crowd=CrowdParams(visits=200)), 21, world_seed=14)
    lived = shop.day(0)
    ids = shop.studio.appearances.ids
    due = {visit: {ids[p]: n for p, n in basket.items()} for visit, basket in lived.truth.baskets.items()}
    bills = bills_by_exit_tags(lived.observed, lived.truth)
    exact = np.mean([bills[visit] == basket for visit, basket in due.items()])
    assert NAIVE_BAND[0] < exact < NAIVE_BAND[1]
    assert 1.5 < np.mean([sum(basket.values()) for basket in due.values()]) < 4
