"""How checkout is judged: days of the shop's floor through cameras, fusion, who did it and the till, against what was carried out.

Sensors can be left out one at a time, and the truth put in the place of a part: of who did it, or of what was done.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from checkout_truth import true_deeds, with_true_visits

from models.behaviour.visit_events import Handled, VisitEvent
from orchestration.billed_right import Basket, Billed
from orchestration.clip_recordings import TOLERANCE_S
from orchestration.shop_day import fit_positioner, to_shop_events
from orchestration.shop_sensing import ALL, GATE_READ, SeenDay, Sensors, deeds_of, seen_day, visits_of
from serving.settlement.basket import BasketBeliefs
from serving.settlement.shop_events import Heard, Prices
from serving.settlement.till import ENTRIES, REVIEWS, Till, TillConfig
from sources.twin.floor.floor import Floor
from sources.twin.floor.naive import bills_by_exit_tags
from sources.twin.floor.params import FloorParams

SHOP = "floor"
MIDNIGHT = datetime(2026, 1, 1, tzinfo=UTC)


ABLATIONS: Mapping[str, Sensors] = {
    "without the exit's antenna": Sensors(gate=False),
    "without shelf antennas": Sensors(antennas=False),
    "without scales": Sensors(scales=False),
    "without mats": Sensors(mats=False),
    "without Wi-Fi": Sensors(wifi=False),
    "without looks from above": Sensors(looks=False),
    "one shelf camera": Sensors(cameras=1),
    "mats alone at the shelves": Sensors(cameras=0, scales=False, antennas=False),
}


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
