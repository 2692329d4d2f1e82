"""The twin's newest days in its shop: what its sensors tell becomes events in the log, bills and entries of the ledger.

A day is told once: its events have ids of their own, so that a till that hears some twice does nothing twice. Of the truth nothing
is told; bills are judged by it afterwards.
"""

import json
from collections import Counter
from collections.abc import Callable, Sequence
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
    from serving.settlement.shop_events import ShopEvent
    from sources.twin.floor.floor import Floor

SHOP = "shop-1"
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


def _lived(workspace: Workspace, floor: "Floor", day: date, number: int) -> dict[str, Any]:
    """A day told and settled: how many events, and how right its bills are, also those of a naive method."""
    from orchestration.shop_day import fit_positioner, to_shop_events
    from orchestration.shop_prices import asked_on, priced
    from orchestration.shop_sensing import ALL, deeds_of, seen_day, visits_of
    from serving.settlement.shop_events import Heard, Prices
    from sources.twin.floor.naive import bills_by_exit_tags

    seen = seen_day(floor, fit_positioner(floor.survey(), seed=0), number, [ALL.shelf])
    shown, ids = seen.day, floor.studio.appearances.ids
    midnight, name = datetime.combine(day, time(), UTC), f"{SHOP}-{day:%Y%m%d}"
    prices = Prices(
        event_id=f"{name}-prices",
        shop=SHOP,
        time=midnight,
        currency="EUR",
        prices=priced(floor, asked_on(workspace, day)),
    )
    over = Heard(event_id=f"{name}-over", shop=SHOP, time=midnight + _OVER, source="floor")
    events = visits_of(seen, ALL, deeds_of(seen, ALL))
    heard = [prices, *to_shop_events(events, SHOP, midnight, ids), over]
    _settle(workspace, heard)
    bills, asked = _bills(workspace, list(shown.truth.baskets))
    billed, by_tags, naive = Billed(), Billed(), bills_by_exit_tags(shown.observed, shown.truth)
    for visit, basket in shown.truth.baskets.items():
        true = {ids[product]: count for product, count in basket.items()}
        billed.add(true, bills[visit], asked[visit])
        by_tags.add(true, naive.get(visit, {}), ())
    return {"events": len(heard), "billed": asdict(billed), "naive": asdict(by_tags)}


def _settle(workspace: Workspace, events: "Sequence[ShopEvent]") -> None:
    from orchestration.shop_sensing import GATE_READ
    from serving.settlement.basket import BasketBeliefs
    from serving.settlement.ledger_settings import LedgerSettings, open_ledger
    from serving.settlement.shop_settings import open_processor, open_producer
    from serving.settlement.transport import Message

    settings, root = ShopSettings(), workspace.root
    messages = [Message(settings.names().events, SHOP, each.model_dump_json().encode()) for each in events]
    producer = open_producer(settings, root)
    for first in range(0, len(messages), _BATCH):
        producer.send(messages[first : first + _BATCH])
    config = settings.till().model_copy(update={"beliefs": BasketBeliefs(gate_read=GATE_READ)})
    till = open_processor(settings, root, open_ledger(LedgerSettings(), root), config)
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
