"""How checkout is judged: days of the shop's floor through cameras, fusion, who did it and the till, against what was carried out.

Sensors can be left out one at a time, and the truth put in the place of a part: of who did it, or of what was done.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import numpy as np

from models.behaviour.mat_deeds import joined, mat_deeds
from models.behaviour.mats import mat_changes
from models.behaviour.positioning import Positioner
from models.behaviour.visit_events import Handled, ShelfDeed, VisitEvent
from models.behaviour.visit_tracker import VisitTracker
from models.detector.beliefs import Beliefs
from models.detector.event_confidence import EventsSpec
from models.detector.fusion import PickPut, fuse
from models.detector.observed import Recording
from models.detector.parts import base_events
from orchestration.billed_right import Basket, Billed
from orchestration.clip_recordings import LEAST_CONFIDENCE, TOLERANCE_S, told_by
from orchestration.made_up_detections import DetectorErrors, Lookalikes, recording
from orchestration.shop_day import (
    fit_positioner,
    mat_matrices,
    planogram,
    sensed,
    shelf_deeds,
    shop_plan,
    to_shop_events,
)
from serving.settlement.basket import BasketBeliefs
from serving.settlement.shop_events import Heard, Prices
from serving.settlement.till import ENTRIES, REVIEWS, Till, TillConfig
from sources.twin.floor.floor import Floor, ShopDay
from sources.twin.floor.naive import bills_by_exit_tags
from sources.twin.floor.params import FloorParams

SHOP = "floor"
MIDNIGHT = datetime(2026, 1, 1, tzinfo=UTC)
GATE_READ = 0.915  # of the tags that pass, dead ones and shielded ones included: what four days of other worlds told


@dataclass(frozen=True)
class Sensors:
    """What a shop has; `cameras` at each gondola."""

    cameras: int = 2
    scales: bool = True
    antennas: bool = True
    mats: bool = True
    gate: bool = True
    wifi: bool = True
    looks: bool = True

    @property
    def shelf(self) -> tuple[int, bool, bool]:
        """What the fusion of a clip hangs on."""
        return self.cameras, self.scales, self.antennas


ALL = Sensors()
ABLATIONS: Mapping[str, Sensors] = {
    "without the exit's antenna": Sensors(gate=False),
    "without shelf antennas": Sensors(antennas=False),
    "without scales": Sensors(scales=False),
    "without mats": Sensors(mats=False),
    "without Wi-Fi": Sensors(wifi=False),
    "without looks from above": Sensors(looks=False),
    "one shelf camera": Sensors(cameras=1),
    "mats alone at the shelves": Sensors(cameras=0),
}


@dataclass(frozen=True, eq=False)
class SeenDay:
    """A day with the events of its clips by what the shelves have (`Sensors.shelf`): gondola, beginning, and events of each clip."""

    floor: Floor
    day: ShopDay
    positioner: Positioner
    clips: Mapping[tuple[int, bool, bool], Sequence[tuple[int, float, Sequence[PickPut]]]]


def seen_day(floor: Floor, positioner: Positioner, number: int, shelves: Sequence[tuple[int, bool, bool]]) -> SeenDay:
    """Film a day, and fuse each clip once for each set of what the shelves have."""
    day, errors, spec = floor.day(number), DetectorErrors(), base_events(Beliefs())
    alike = Lookalikes(floor.studio.appearances, errors)
    clips: dict[tuple[int, bool, bool], list[tuple[int, float, Sequence[PickPut]]]] = {each: [] for each in shelves}
    for k, shown in enumerate(day.clips()):
        rng = np.random.default_rng([floor.seed, number, k])
        whole = recording(shown.clip, floor.studio.appearances, alike, errors, rng)
        for (cameras, scales, antennas), told in clips.items():
            part = told_by(whole, cameras, weighed=scales, tagged=antennas)
            told.append((shown.gondola, shown.from_s, _fused(part, spec)))
    return SeenDay(floor, day, positioner, clips)


def _fused(part: Recording, spec: EventsSpec) -> list[PickPut]:
    return fuse(part, spec.beliefs, least_confidence=LEAST_CONFIDENCE, calibration=spec.of(part))


@dataclass(eq=False)
class Judged:
    """By name of what the shop has or is told: what was `billed`. Of all sensors: shelf `events` of the truth, how many of the
    told ones were `told` rightly, and to how many of those the right visit was given (`who`)."""

    billed: dict[str, Billed] = field(default_factory=dict)
    events: int = 0
    told: int = 0
    who: int = 0

    def of(self, name: str) -> Billed:
        """What is counted under a name."""
        return self.billed.setdefault(name, Billed())


def deeds_of(seen: SeenDay, sensors: Sensors) -> list[ShelfDeed]:
    """Shelf events as clips and mats tell them."""
    gondolas = [stand.gondola for stand in seen.floor.stands]
    fused = [
        deed
        for gondola, from_s, events in seen.clips[sensors.shelf]
        for deed in shelf_deeds(events, gondola, gondolas[gondola], from_s)
    ]
    if not sensors.mats:
        return fused
    weights = [seen.floor.studio.appearances[k].weight_g for k in range(len(seen.floor.studio.appearances))]
    shelves = {number: planogram(gondola, weights) for number, gondola in enumerate(gondolas)}
    changes = mat_changes(mat_matrices(seen.day.observed.mats, seen.floor.mats.cells(0)[0]))
    return joined(fused, mat_deeds(changes, shelves), shelves)


def true_deeds(seen: SeenDay) -> list[ShelfDeed]:
    """Shelf events as they were."""
    gondolas = [stand.gondola for stand in seen.floor.stands]
    found = []
    for event in seen.day.truth.events:
        lane = gondolas[event.gondola].lanes[event.lane]
        found.append(
            ShelfDeed(
                event.deed, event.product, event.count, event.gondola, (lane.left + lane.right) / 200, event.at_s, 1.0
            )
        )
    return found


def visits_of(seen: SeenDay, sensors: Sensors, deeds: Sequence[ShelfDeed]) -> list[VisitEvent]:
    """What is told of visits."""
    told = sensed(seen.day.observed, seen.positioner if sensors.wifi else None, seen.floor.studio.appearances.ids)
    if not sensors.looks:
        told = replace(told, finds=replace(told.finds, looks=told.finds.looks[:, :0]))
    if not sensors.gate:
        told = replace(told, reads=None)
    tracker = VisitTracker(shop_plan(seen.floor.plan))
    return tracker.attribute(tracker.walk(told), deeds)


def settled(
    events: Sequence[VisitEvent], product_of: Sequence[str]
) -> tuple[dict[str, Counter[str]], dict[str, list[str]]]:
    """Bills, visit -> product -> count, and products in review by visit."""
    till = Till(SHOP, TillConfig(beliefs=BasketBeliefs(gate_read=GATE_READ)))
    told = [{"product": product, "cents": 100, "tax": 700} for product in product_of]
    prices = Prices(event_id="list", shop=SHOP, time=MIDNIGHT - timedelta(days=1), currency="EUR", prices=told)
    done = Heard(event_id="done", shop=SHOP, time=MIDNIGHT + timedelta(days=2), source="floor")
    outputs = [
        output
        for event in (prices, *to_shop_events(events, SHOP, MIDNIGHT, product_of), done)
        for output in till.apply(event)
    ]
    bills: dict[str, Counter[str]] = {}
    asked: dict[str, list[str]] = {}
    for output in outputs:
        if output.to == ENTRIES:
            lines = output.body["bill"]["lines"]
            bills[output.body["visit"]] = Counter({line["product"]: line["count"] for line in lines})
        elif output.to == REVIEWS and output.body["open"]:
            asked.setdefault(output.body["visit"], []).append(output.body["product"])
    return bills, asked


def with_true_visits(seen: SeenDay, events: Sequence[VisitEvent]) -> list[VisitEvent]:
    """The same events, each shelf event given to who did it in truth: of the nearest such in time."""
    return [_of_true_visit(seen, event) if isinstance(event, Handled) else event for event in events]


def _of_true_visit(seen: SeenDay, event: Handled) -> Handled:
    near = [
        each
        for each in seen.day.truth.events
        if (each.gondola, each.deed) == (event.gondola, event.deed) and abs(each.at_s - event.at_s) < TOLERANCE_S
    ]
    if not near:
        return event
    best = min(near, key=lambda each: (each.product != event.product, abs(each.at_s - event.at_s)))
    return replace(event, visit_id=best.visit_id, share=1.0, confidence=min(event.confidence / event.share, 1.0))


def judge_day(seen: SeenDay, judged: Judged) -> None:
    """Add a day by all sensors, with what the truth of a part would give, and the naive method."""
    events = visits_of(seen, ALL, deeds_of(seen, ALL))
    _bill(seen, judged, "all sensors", events)
    _bill(seen, judged, "with the truth of who", with_true_visits(seen, events))
    _bill(seen, judged, "with the truth of what", visits_of(seen, ALL, true_deeds(seen)))
    naive = bills_by_exit_tags(seen.day.observed, seen.day.truth)
    for visit, basket in _true_baskets(seen):
        judged.of("exit tags alone").add(basket, naive.get(visit, {}), ())
    _count_events(seen, judged, events)


def ablate_day(seen: SeenDay, judged: Judged) -> None:
    """Add a day with each sensor left out."""
    for name, sensors in {"all sensors": ALL, **ABLATIONS}.items():
        _bill(seen, judged, name, visits_of(seen, sensors, deeds_of(seen, sensors)))


def judged_days(seed: int, world_seed: int, days: int, ablation_days: int) -> tuple[Judged, Judged]:
    """Days of a shop by all sensors, and the first of them with each left out."""
    floor = Floor(FloorParams(), seed, world_seed=world_seed)
    positioner = fit_positioner(floor.survey(), seed=0)
    judged, ablated = Judged(), Judged()
    for number in range(days):
        shelves = {ALL.shelf} | ({each.shelf for each in ABLATIONS.values()} if number < ablation_days else set())
        seen = seen_day(floor, positioner, number, sorted(shelves))
        judge_day(seen, judged)
        if number < ablation_days:
            ablate_day(seen, ablated)
    return judged, ablated


def _bill(seen: SeenDay, judged: Judged, name: str, events: Sequence[VisitEvent]) -> None:
    bills, asked = settled(events, seen.floor.studio.appearances.ids)
    for visit, basket in _true_baskets(seen):
        judged.of(name).add(basket, bills.get(visit, {}), asked.get(visit, ()))


def _true_baskets(seen: SeenDay) -> Iterator[tuple[str, Basket]]:
    ids = seen.floor.studio.appearances.ids
    for visit, basket in seen.day.truth.baskets.items():
        yield visit, {ids[product]: count for product, count in basket.items()}


def _count_events(seen: SeenDay, judged: Judged, events: Sequence[VisitEvent]) -> None:
    handled = [event for event in events if isinstance(event, Handled)]
    for event in seen.day.truth.events:
        judged.events += 1
        same = [
            each for each in handled
            if (each.gondola, each.deed, each.product, each.count)
            == (event.gondola, event.deed, event.product, event.count) and abs(each.at_s - event.at_s) < TOLERANCE_S
        ]  # fmt: skip
        judged.told += bool(same)
        judged.who += any(each.visit_id == event.visit_id for each in same)
