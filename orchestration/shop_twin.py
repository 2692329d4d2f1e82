"""The twin's newest days in its shop: what its sensors tell becomes events in the log, bills and entries of the ledger.

A day is told once: its events have ids of their own, so that a till that hears some twice does nothing twice. Of the truth nothing
is told; bills are judged by it afterwards.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any

from orchestration.absence import not_provided
from orchestration.billed_right import Billed
from orchestration.fingerprints import Stamp
from orchestration.floors import REMEDY, floor_of, shop_days
from orchestration.workspace import Workspace
from serving.settlement.shop_settings import ShopSettings

if TYPE_CHECKING:
    from models.behaviour.positioning import Positioner
    from models.behaviour.visit_events import VisitEvent
    from models.detector.fusion import PickPut
    from serving.settlement.shop_events import Prices, ShopEvent
    from sources.twin.floor.floor import Floor, ShopDay
    from sources.twin.source import TwinSource

SHOP = "shop-1"
FULL_TAX, LOW_TAX = 1_900, 700  # hundredths of a percent
FULLY_TAXED = frozenset({"household", "beverages", "hot_drinks"})  # categories
_OVER = timedelta(days=1, minutes=1)  # from midnight, when all have been told
_BATCH = 500


def visit_shop(workspace: Workspace, *, on_progress: Callable[[str], None] = lambda _: None) -> dict[str, Any]:
    """Let the shop be visited on each of its days that was not told yet; what came of all of them, beside the truth."""
    floor = floor_of(workspace)
    if floor is None:
        return not_provided(REMEDY)
    stamp = Stamp(workspace.root / "shop" / "days.json")
    told, fresh = stamp.facts(), []
    for day, number in shop_days(workspace).items():
        if str(day) not in told:
            on_progress(f"{SHOP} opens on {day}")
            told[str(day)] = _lived(workspace, floor, day, number)
            stamp.write("told", told)
            fresh.append(str(day))
    total, naive = (sum((Billed(**each[name]) for each in told.values()), Billed()) for name in ("billed", "naive"))
    return {
        "days": len(told),
        "days_told": len(fresh),
        "visits": total.visits,
        "items": total.items,
        "events": sum(each["events"] for each in told.values()),
        "items billed right": round(total.items_right, 4),
        "items billed right (exit tags alone)": round(naive.items_right, 4),
        "baskets exactly right": round(total.baskets_exact, 4),
        "wrong charges": round(total.wrong_charges, 4),
        "in review": total.asked,
        "unchanged": not fresh,
    }


def prices_of(workspace: Workspace, floor: "Floor", day: date) -> "Prices":
    """What the twin's first shop asks on a day, with tax; the list price of what it does not sell then."""
    from serving.settlement.shop_events import Priced, Prices
    from sources.twin.categories import CATEGORIES

    source: TwinSource = workspace.source  # type: ignore[assignment]
    listed = source.read_parts("prices", [str(day)]).read_all().to_pylist()
    first = min((row["store_id"] for row in listed), default=None)
    asked = {row["product_id"]: row["price"] for row in listed if row["store_id"] == first}
    stocked = floor.studio.products
    products = zip(floor.studio.appearances.ids, stocked.list_price.tolist(), stocked.category.tolist(), strict=True)
    return Prices(
        event_id=f"{SHOP}-{day:%Y%m%d}-prices",
        shop=SHOP,
        time=_midnight(day),
        currency="EUR",
        prices=tuple(
            Priced(
                product=name,
                cents=round(100 * asked.get(name, list_price)),
                tax=FULL_TAX if CATEGORIES[category].name in FULLY_TAXED else LOW_TAX,
            )
            for name, list_price, category in products
        ),
    )


def sensed_events(floor: "Floor", day: "ShopDay", positioner: "Positioner") -> "list[VisitEvent]":
    """What all sensors of a day tell of its visits; in the place of a detector stand its errors."""
    from models.behaviour.mat_deeds import joined, mat_deeds
    from models.behaviour.mats import mat_changes
    from models.behaviour.visit_tracker import VisitTracker
    from orchestration.shop_day import mat_matrices, planogram, sensed, shelf_deeds, shop_plan

    looks, gondolas = floor.studio.appearances, [stand.gondola for stand in floor.stands]
    fused = [
        deed
        for gondola, from_s, events in _filmed(floor, day)
        for deed in shelf_deeds(events, gondola, gondolas[gondola], from_s)
    ]
    weights = [looks[k].weight_g for k in range(len(looks))]
    shelves = {number: planogram(gondola, weights) for number, gondola in enumerate(gondolas)}
    changes = mat_changes(mat_matrices(day.observed.mats, floor.mats.cells(0)[0]))
    tracker = VisitTracker(shop_plan(floor.plan))
    walked = tracker.walk(sensed(day.observed, positioner, looks.ids))
    return tracker.attribute(walked, joined(fused, mat_deeds(changes, shelves), shelves))


def _filmed(floor: "Floor", day: "ShopDay") -> "Iterator[tuple[int, float, Sequence[PickPut]]]":
    """Gondola, beginning and events of each clip."""
    import numpy as np

    from models.detector.beliefs import Beliefs
    from models.detector.fusion import fuse
    from models.detector.parts import base_events
    from orchestration.clip_recordings import LEAST_CONFIDENCE
    from orchestration.made_up_detections import DetectorErrors, Lookalikes, recording

    errors, spec = DetectorErrors(), base_events(Beliefs())
    alike = Lookalikes(floor.studio.appearances, errors)
    for number, shown in enumerate(day.clips()):
        rng = np.random.default_rng([floor.seed, day.number, number])
        whole = recording(shown.clip, floor.studio.appearances, alike, errors, rng)
        calibration = spec.of(whole)
        yield (
            shown.gondola,
            shown.from_s,
            fuse(whole, spec.beliefs, least_confidence=LEAST_CONFIDENCE, calibration=calibration),
        )


def _lived(workspace: Workspace, floor: "Floor", day: date, number: int) -> dict[str, Any]:
    """A day told and settled: how many events, and how right its bills are, also those of a naive method."""
    from orchestration.shop_day import fit_positioner, to_shop_events
    from serving.settlement.shop_events import Heard
    from sources.twin.floor.naive import bills_by_exit_tags

    shown, ids = floor.day(number), floor.studio.appearances.ids
    events = sensed_events(floor, shown, fit_positioner(floor.survey(), seed=0))
    over = Heard(event_id=f"{SHOP}-{day:%Y%m%d}-over", shop=SHOP, time=_midnight(day) + _OVER, source="floor")
    heard = [prices_of(workspace, floor, day), *to_shop_events(events, SHOP, _midnight(day), ids), over]
    _settle(workspace, heard)
    bills, asked = _bills(workspace, list(shown.truth.baskets))
    billed, by_tags, naive = Billed(), Billed(), bills_by_exit_tags(shown.observed, shown.truth)
    for visit, basket in shown.truth.baskets.items():
        true = {ids[product]: count for product, count in basket.items()}
        billed.add(true, bills[visit], asked[visit])
        by_tags.add(true, naive.get(visit, {}), ())
    return {"events": len(heard), "billed": asdict(billed), "naive": asdict(by_tags)}


def _settle(workspace: Workspace, events: "Sequence[ShopEvent]") -> None:
    from serving.settlement.ledger_settings import LedgerSettings, open_ledger
    from serving.settlement.processor import Processor
    from serving.settlement.shop_settings import open_books, open_consumer, open_producer
    from serving.settlement.transport import Message

    settings, root = ShopSettings(), workspace.root
    messages = [Message(settings.names().events, SHOP, each.model_dump_json().encode()) for each in events]
    producer = open_producer(settings, root)
    for first in range(0, len(messages), _BATCH):
        producer.send(messages[first : first + _BATCH])
    books, ledger = open_books(settings, root), open_ledger(LedgerSettings(), root)
    till = Processor(open_consumer(settings, root), books, ledger, settings.till(), topics=settings.names())
    while till.step(3.0 if settings.kafka else 0.0):
        pass


def _bills(workspace: Workspace, visits: Sequence[str]) -> tuple[dict[str, Counter[str]], dict[str, list[str]]]:
    """Packages billed by visit, and products in review by visit."""
    from serving.settlement.shop_settings import open_books
    from serving.settlement.visit import Visit

    books = open_books(ShopSettings(), workspace.root)
    bills: dict[str, Counter[str]] = {visit: Counter() for visit in visits}
    asked: dict[str, list[str]] = {visit: [] for visit in visits}
    for name in visits:
        if (text := books.find(SHOP, f"visit:{name}")) is not None:
            visit = Visit.model_validate(json.loads(text))
            bills[name] = visit.bill.counts() if visit.bill is not None else Counter()
            asked[name] = list(visit.reviews)
    return bills, asked


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
