"""A small shop's hour from sensors to bills: who did what, what mats tell alone, and what the till makes of it."""

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache

import numpy as np
import pyarrow as pa
import pytest

from models.behaviour.mat_deeds import mat_deeds
from models.behaviour.mats import mat_changes
from models.behaviour.tag_deeds import MovedTag
from models.behaviour.visit_events import Came, Carried, Handled, ShelfDeed, VisitEvent, Went
from models.behaviour.visit_tracker import SensedDay, VisitTracker, Walked
from models.detector.fusion import PickPut
from models.detector.tag_moves import TagMove, TagPaths
from orchestration.shop_day import (
    fit_positioner,
    mat_matrices,
    moved_tags,
    planogram,
    sensed,
    shelf_deeds,
    shop_plan,
    silent_tags,
    to_shop_events,
)  # fmt: skip
from serving.settlement.shop_events import Entered, Heard, Left, Moved, Passed, Prices
from serving.settlement.till import ENTRIES, Till
from sources.twin.floor.floor import Floor, ShopDay
from sources.twin.floor.params import CrowdParams, FloorParams

MIDNIGHT = datetime(2026, 1, 1, tzinfo=UTC)


@lru_cache
def floor() -> Floor:
    """Sixty visits in an hour, a third of them groups: busier than a day's peak."""
    crowd = CrowdParams(visits=60, opens_h=12, closes_h=13, peaks_h=(), pairs=0.25, trios=0.08)
    return Floor(FloorParams(crowd=crowd), 41, world_seed=51)


@lru_cache
def day() -> ShopDay:
    return floor().day(1)


@lru_cache
def told() -> SensedDay:
    positioner = fit_positioner(floor().survey(), seed=0)
    return sensed(day().observed, positioner, floor().studio.appearances.ids)


def tracker() -> VisitTracker:
    return VisitTracker(shop_plan(floor().plan))


@lru_cache
def walked() -> Walked:
    return tracker().walk(told())


def of_mats() -> list[ShelfDeed]:
    looks, gondolas = floor().studio.appearances, [stand.gondola for stand in floor().stands]
    weights = [looks[k].weight_g for k in range(len(looks))]
    shelves = {number: planogram(gondola, weights) for number, gondola in enumerate(gondolas)}
    changes = mat_changes(mat_matrices(day().observed.mats, floor().mats.cells(0)[0]))
    return [deed.told() for deed in mat_deeds(changes, shelves)]


def of_truth() -> list[ShelfDeed]:
    gondolas = [stand.gondola for stand in floor().stands]
    return [
        deed
        for each in day().truth.events
        for deed in shelf_deeds(
            [PickPut(each.deed, each.product, each.count, each.lane, each.at_s - 100.0, 1.0)],
            each.gondola, gondolas[each.gondola], 100.0,
        )
    ]  # fmt: skip


def right(events: list[VisitEvent]) -> float:
    """Share of the true shelf events that are told of the right visit."""
    handled = [event for event in events if isinstance(event, Handled)]
    return float(
        np.mean(
            [
                any(
                    (event.visit_id, event.gondola, event.deed, event.product, event.count)
                    == (each.visit_id, each.gondola, each.deed, each.product, each.count)
                    and abs(event.at_s - each.at_s) < 1.5
                    for event in handled
                )
                for each in day().truth.events
            ]
        )
    )


def test_everybody_is_followed_from_gate_to_gate() -> None:
    people = {visit.visit_id: len(visit.people) for visit in day().truth.visits}
    members = dict(zip(walked().openings.visit_id, map(len, walked().parties.members()), strict=True))
    assert len(walked().tracks) == sum(people.values())
    assert np.mean([members[visit] == count for visit, count in people.items()]) >= 0.93
    (visit, *_) = day().truth.visits
    for track in walked().of_visit(visit.visit_id):
        apart = [np.linalg.norm(true.at(track.at_s) - track.xy, axis=1).mean() for true in day().truth.tracks.values()]
        assert min(apart) < 0.25


def test_who_did_it_and_what_mats_tell_alone() -> None:
    assert right(tracker().attribute(walked(), of_truth())) >= 0.95
    assert right(tracker().attribute(walked(), of_mats())) >= 0.85
    blind = replace(told(), finds=replace(told().finds, looks=told().finds.looks[:, :0]))
    assert right(tracker().attribute(tracker().walk(blind), of_truth())) < right(
        tracker().attribute(walked(), of_truth())
    )


def test_the_till_hears_one_for_one_and_bills_most_baskets_exactly() -> None:
    ids = floor().studio.appearances.ids
    events = tracker().attribute(walked(), of_mats())
    heard = list(to_shop_events(events, "s", MIDNIGHT, ids))
    kinds = {Came: Entered, Handled: Moved, Carried: Passed, Went: Left}
    assert [type(each) for each in heard] == [kinds[type(event)] for event in events]
    assert [each.time - MIDNIGHT for each in heard] == [timedelta(seconds=event.at_s) for event in events]
    assert len({each.event_id for each in heard}) == len(heard)
    till = Till("s")
    prices = [{"product": name, "cents": 100, "tax": 700} for name in ids]
    begin = Prices(event_id="p", shop="s", time=MIDNIGHT, currency="EUR", prices=prices)
    done = Heard(event_id="d", shop="s", time=MIDNIGHT + timedelta(days=1), source="box")
    bills = {
        output.body["visit"]: Counter({line["product"]: line["count"] for line in output.body["bill"]["lines"]})
        for event in (begin, *heard, done)
        for output in till.apply(event)
        if output.to == ENTRIES
    }
    true = {
        visit: Counter({ids[product]: count for product, count in basket.items()})
        for visit, basket in day().truth.baskets.items()
    }
    assert bills.keys() == true.keys()
    assert np.mean([bills[visit] == basket for visit, basket in true.items()]) >= 0.75
    wrong = sum((bills[visit] - basket).total() for visit, basket in true.items())
    assert wrong <= 0.02 * sum(basket.total() for basket in true.values())


def test_a_lane_lies_where_its_middle_is() -> None:
    gondola = floor().stands[0].gondola
    lane = gondola.lanes[3]
    (deed,) = shelf_deeds([PickPut("put", 5, 2, 3, 1.5, 0.8)], 0, gondola, 50.0)
    assert (deed.deed, deed.product, deed.count, deed.at_s, deed.confidence) == ("put", 5, 2, 51.5, 0.8)
    assert deed.along_m == pytest.approx((lane.left + lane.right) / 200)


def test_tags_that_moved_and_those_that_nobody_reads() -> None:
    paths = {0: TagPaths([TagMove("take", "a", 1, 2, 9.0)], frozenset("a")), 3: TagPaths((), frozenset("b"))}
    assert moved_tags(paths) == [MovedTag("take", "a", 1, 0, 2, 9.0)]
    tags = pa.table({"epc": list("abcd"), "product_id": ["cola", "milk", "milk", "milk"]})
    assert silent_tags(paths, tags, ["milk", "cola"]) == {0: 2 / 3}
