"""What the page shows of a shop, folded from its logs: visits and their baskets, bills, reviews, heads, deeds at shelves, figures.

Everything is bounded: the newest stay. One thread writes, others take `told`.
"""

import threading
from collections import OrderedDict, deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np
from pydantic_core import to_json

from serving.live.bills import Billed, shown
from serving.live.camera_events import ShelfEvent
from serving.live.floor import ShopFloor
from serving.live.heads import SeenHead
from serving.settlement.basket import BasketBeliefs, carried
from serving.settlement.shop_events import Decided, Entered, Left, Moved, OfVisit
from serving.settlement.visit import Visit

MOST_VISITS, MOST_BILLS, MOST_DEEDS, MOST_REVIEWS = 200, 12, 10, 20
_SETTLED, _LATENCIES = 5_000, 1_000
_Told = dict[str, Any]


@dataclass
class _Live:
    visit: Visit
    left_s: float | None = None  # when its leaving was heard, by our clock; None for one that left before we looked
    shown: _Told | None = None  # made when it is asked for, and kept until it changes


@dataclass
class Figures:
    """Since the page's server began to look, what lay in the logs then included."""

    entered: int = 0
    settled: int = 0
    corrected: int = 0
    refused: int = 0
    latencies_ms: deque[float] = field(default_factory=lambda: deque(maxlen=_LATENCIES))

    def told(self) -> _Told:
        """As the page shows them; latencies from hearing that a visit left to its signed receipt."""
        ms = np.array(self.latencies_ms)
        latency = None
        if ms.size:
            latency = {"last": float(ms[-1]), "p50": float(np.median(ms)), "p99": float(np.quantile(ms, 0.99))}
        return {
            "entered": self.entered,
            "settled": self.settled,
            "corrected": self.corrected,
            "refused": self.refused,
            "latency_ms": latency,
        }


class Board:
    """See the module; `version` grows with every change."""

    def __init__(self, shop: str, beliefs: BasketBeliefs | None = None) -> None:
        self._shop, self._beliefs, self._lock = shop, beliefs, threading.Lock()
        self.version = 0
        self.floor: ShopFloor | None = None
        self._visits: OrderedDict[str, _Live] = OrderedDict()
        self._settled: OrderedDict[str, None] = OrderedDict()
        self._bills: deque[_Told] = deque(maxlen=MOST_BILLS)
        self._deeds: deque[_Told] = deque(maxlen=MOST_DEEDS)
        self._deeds_told = 0
        self._reviews: Sequence[_Told] = ()
        self._open_reviews = 0
        self._heads: Sequence[_Told] = ()
        self._figures = Figures()
        self._problems: Mapping[str, str] = {}
        self._note = self._refusal = ""
        self._latest: datetime | None = None
        self._written: tuple[int, bytes] = (-1, b"")

    def put_floor(self, floor: ShopFloor) -> None:
        """The plan that is drawn, and the names of products."""
        with self._changing():
            self.floor = floor

    def say(self, note: str) -> None:
        """A line for people on what goes on."""
        with self._changing():
            self._note = note

    def problems(self, found: Mapping[str, str]) -> None:
        """What does not work, by the part that it is of."""
        kept = {part: text for part, text in found.items() if text}
        if kept != self._problems:
            with self._changing():
                self._problems = kept

    def event(self, event: OfVisit, now_s: float | None) -> None:
        """What the log says of a visit; `now_s` by our clock, None for what lay there before we looked."""
        with self._changing():
            if not isinstance(event, Decided):  # people decide by their own clock, hours later
                self._latest = event.time if self._latest is None else max(event.time, self._latest)
            if isinstance(event, Moved):
                self._add_deed(event.event_id, event, event.shelf, event.deed, event.visit_id)
            if event.visit_id in self._settled:
                return
            live = self._visits.get(event.visit_id) or _Live(Visit(visit_id=event.visit_id))
            if not live.visit.hear(event):
                return
            self._visits[event.visit_id], live.shown = live, None
            self._figures.entered += isinstance(event, Entered)
            if isinstance(event, Left):
                live.left_s = now_s
            while len(self._visits) > MOST_VISITS:
                self._visits.popitem(last=False)

    def shelf(self, told: ShelfEvent) -> None:
        """What a box told of a shelf, before anybody knows whose it is."""
        if told.shop != self._shop:
            return
        camera = f"{told.event.box_id}/{told.event.camera}"
        gondola = camera if self.floor is None else self.floor.cameras.get(camera, camera)
        with self._changing():
            self._add_deed(told.event.shop_id, told.event, gondola, told.event.kind, None)

    def nobodys(self, told: ShelfEvent, why: str) -> None:
        """What a box told is no visit's."""
        with self._changing():
            for each in self._deeds:
                if each["id"] == told.event.shop_id:
                    each["why"] = why

    def refused(self, error: str) -> None:
        """An event that the till set aside."""
        with self._changing():
            self._figures.refused += 1
            self._refusal = error[:300]

    def entry(self, billed: Billed, *, verified: bool, now_s: float | None) -> None:
        """A bill or a correction that the ledger holds; `verified`: by the public keys alone."""
        visit, first = billed.visit, billed.kind == "bill"
        with self._changing():
            live = self._visits.pop(visit, None)
            latency = None
            if live is not None and live.left_s is not None and now_s is not None and first:
                latency = 1_000 * (now_s - live.left_s)
                self._figures.latencies_ms.append(latency)
            if first:
                self._figures.settled += visit not in self._settled
            else:
                self._figures.corrected += 1
            self._settled[visit] = None
            while len(self._settled) > _SETTLED:
                self._settled.popitem(last=False)
            self._bills.appendleft(shown(billed, self._name, verified=verified, latency_ms=latency))

    def reviews(self, found: Sequence[Mapping[str, Any]]) -> None:
        """All that a person is asked about just now."""
        mine = [dict(each) for each in found if each.get("shop") == self._shop]
        shown = [self._review(each) for each in mine[:MOST_REVIEWS]]
        if (shown, len(mine)) != (self._reviews, self._open_reviews):
            with self._changing():
                self._reviews, self._open_reviews = shown, len(mine)

    def heads(self, seen: Sequence[SeenHead]) -> None:
        """Heads of the ledger that were looked at, oldest first."""
        told = [
            {
                "size": each.head.size,
                "root": each.head.root.hex(),
                "when": each.head.when,
                "origin": each.head.origin,
                "extends": each.extends,
            }
            for each in reversed(seen)
        ]
        with self._changing():
            self._heads = told

    def wrong(self) -> list[str]:
        """What does not work just now."""
        return list(self._problems.values())

    def told(self) -> tuple[int, bytes]:
        """The version, and all of it as JSON."""
        with self._lock:
            if self._written[0] != self.version:
                self._written = (self.version, to_json(self._everything()))
            return self._written

    def _everything(self) -> _Told:
        return {
            "shop": self._shop,
            "time": self._latest,
            "note": self._note,
            "refusal": self._refusal,
            "problems": self.wrong(),
            "floor": self.floor is not None,
            "figures": self._figures.told() | {"reviews": self._open_reviews, "inside": len(self._inside())},
            "visits": [self._shown(live) for live in self._visits.values() if live.visit.entered is not None],
            "bills": list(self._bills),
            "reviews": self._reviews,
            "heads": self._heads,
            "deeds": list(self._deeds),
        }

    def _inside(self) -> list[_Live]:
        return [live for live in self._visits.values() if live.visit.entered is not None and live.visit.left is None]

    def _shown(self, live: _Live) -> _Told:
        if live.shown is None:
            visit = live.visit
            held = carried(visit.moved.values(), list(visit.passed.values()), self._beliefs)
            live.shown = {
                "visit": visit.visit_id,
                "since": visit.entered.time if visit.entered is not None else None,
                "left": visit.left is not None,
                "basket": [
                    {
                        "product": each.product,
                        "name": self._name(each.product),
                        "count": each.count,
                        "sure": each.confidence,
                    }
                    for each in held
                    if each.count
                ],
            }
        return live.shown

    def _add_deed(self, event_id: str, of: Any, shelf: str, deed: str, visit: str | None) -> None:
        known = next((each for each in self._deeds if each["id"] == event_id), None)
        if known is not None:
            known["visit"] = visit or known["visit"]
            return
        self._deeds_told += 1
        self._deeds.appendleft(
            {
                "id": event_id,
                "number": self._deeds_told,
                "time": of.time,
                "shelf": shelf,
                "deed": deed,
                "product": of.product,
                "name": "not told" if of.product is None else self._name(of.product),
                "count": of.count,
                "sure": of.confidence,
                "visit": visit,
                "why": "",
            }
        )

    def _review(self, told: _Told) -> _Told:
        return {
            "visit": told["visit"],
            "product": told["product"],
            "name": self._name(told["product"]),
            "likely": told["likely"],
            "sure": told["confidence"],
            "cause": told["cause"],
        }

    def _name(self, product: str) -> str:
        return product if self.floor is None else self.floor.name_of(product)

    @contextmanager
    def _changing(self) -> Iterator[None]:
        with self._lock:
            yield
            self.version += 1
