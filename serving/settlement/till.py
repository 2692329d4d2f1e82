"""The till of one shop: a fold over its log. From the same events in the same order come the same bills, so that it may be
killed anywhere and begin again where it last wrote.

A visit is settled once it has left and every source has told what happened before that, or has been waited for long enough.
What comes later corrects the bill by an entry of its own.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from models.common.protocols import InputError
from serving.settlement.basket import BasketBeliefs
from serving.settlement.billing import Bill, PriceBook
from serving.settlement.entries import Entry, EntryError
from serving.settlement.movements import movements
from serving.settlement.offers import Coupon, Promotion
from serving.settlement.shop_events import Decided, Heard, Moved, Name, Offered, OfVisit, Passed, Prices, ShopEvent
from serving.settlement.visit import MOST_EVENTS, Charged, Review, Visit, charge, known_offers

REVIEW = "review:"  # documents of what a person is asked about begin so
MOST_ASKED = 100  # products of a bill that is too long for the ledger
ENTRIES, MOVEMENTS, REVIEWS, REFUSED = "entries", "movements", "reviews", "refused"  # where outputs go


class TillConfig(BaseModel):
    """What a till waits for, and how sure it must be."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sources: tuple[Name, ...] = Field(default=(), max_length=1_000, description="whose word a bill waits for")
    patience_s: float = Field(default=10.0, ge=0, le=86_400, description="seconds of the log's time that it waits")
    least_confidence: float = Field(default=0.95, gt=0, le=1, description="below it a person is asked, nothing charged")
    beliefs: BasketBeliefs = BasketBeliefs()


@dataclass(frozen=True)
class Output:
    """What an event brought about: an entry for the ledger, what it moves in the stock, the state of a review, or that it is
    refused."""

    to: str
    key: str
    body: Mapping[str, Any]

    def entry(self) -> Entry:
        """Of an output to the ledger."""
        return Entry(
            self.key, str(self.body["kind"]), {name: part for name, part in self.body.items() if name != "kind"}
        )


class Documents:
    """What the till remembers: texts by key. `start` is all that it needs to begin (what is kept under `visit:` it asks for by `find`
    when it needs it); what it changed since it was last asked lies in `changed`, with None for what it forgot."""

    def __init__(self, start: Mapping[str, str] | None = None, find: Callable[[str], str | None] | None = None) -> None:
        self.start, self.changed = dict(start or {}), dict[str, str | None]()
        self._find = find or self.start.get

    def get(self, key: str) -> str | None:
        """The newest text; None where there is none."""
        return self.changed[key] if key in self.changed else self._find(key)

    def put(self, key: str, text: str | None) -> None:
        """Remember, or forget."""
        self.changed[key] = text

    def taken(self) -> dict[str, str | None]:
        """What changed, once."""
        changed, self.changed = self.changed, {}
        return changed


class Till:
    """See the module. `documents` is what it remembered when it last ran."""

    def __init__(self, shop: str, config: TillConfig | None = None, documents: Documents | None = None) -> None:
        self.shop, self.config, self.documents = shop, config or TillConfig(), documents or Documents()
        self._prices = PriceBook()
        self._promotions: dict[str, Promotion] = {}
        self._coupons: dict[str, Coupon] = {}
        self._used: dict[str, str] = {}
        self._heard: dict[str, datetime] = {}
        self._latest: datetime | None = None
        self._open: dict[str, Visit] = {}  # those that left and are not settled
        self._remember()

    def apply(self, event: ShopEvent) -> list[Output]:
        """What follows from an event; nothing from one that was heard before. InputError, and nothing changes, for one of another
        shop or one too many of a visit."""
        if event.shop != self.shop:
            raise InputError(f"an event of shop {event.shop!r} at the till of {self.shop!r}: send it to its own")
        outputs: list[Output] = []
        match event:
            case Heard():
                self._heard[event.source] = max(event.time, self._heard.get(event.source, event.time))
                self.documents.put(f"heard:{event.source}", self._heard[event.source].isoformat())
            case Prices():
                self._prices.add(event)
                self.documents.put(f"prices:{event.event_id}", event.model_dump_json())
            case Offered():
                self._offer(event)
            case _:
                outputs += self._of_visit(event)
        # Prices and offers are told ahead, and a person decides by a clock of their own: neither says that others were silent.
        if not isinstance(event, Prices | Offered | Decided) and (self._latest is None or event.time > self._latest):
            self._latest = event.time
            self.documents.put("latest", event.time.isoformat())
        for visit_id in sorted(name for name, each in self._open.items() if self._complete(each)):
            outputs += self._settle(self._open[visit_id])
        return outputs

    def visit(self, visit_id: str) -> Visit | None:
        """As far as it is known."""
        if visit_id in self._open:
            return self._open[visit_id]
        text = self.documents.get(f"visit:{visit_id}")
        return None if text is None else Visit.model_validate_json(text)

    def _of_visit(self, event: OfVisit) -> list[Output]:
        visit = self.visit(event.visit_id) or Visit(visit_id=event.visit_id)
        if visit.full and isinstance(event, Moved | Passed):
            raise InputError(f"visit {visit.visit_id!r} has {MOST_EVENTS:,} events, the bound: begin a new visit")
        if not visit.hear(event):
            return []
        if visit.bill is None and visit.left is not None:
            self._open[visit.visit_id] = visit
            self.documents.put(f"open:{visit.visit_id}", "")
        outputs = self._settle(visit) if visit.bill is not None else []
        self._keep(visit)
        return outputs

    def _complete(self, visit: Visit) -> bool:
        left = visit.left.time if visit.left is not None else None
        if left is None:
            return False
        if self._latest is not None and self._latest >= left + timedelta(seconds=self.config.patience_s):
            return True
        return visit.entered is not None and not self._silent(left)

    def _silent(self, left: datetime) -> list[str]:
        """Sources that may still have something to tell of what happened before."""
        return [each for each in self.config.sources if each not in self._heard or self._heard[each] < left]

    def _settle(self, visit: Visit) -> list[Output]:
        promotions, coupons = known_offers(visit, self._promotions.values(), self._coupons.values(), self._used)
        found = charge(
            visit,
            self._prices,
            promotions,
            coupons,
            least_confidence=self.config.least_confidence,
            beliefs=self.config.beliefs,
        )
        told = self._entries(visit, found)
        if not _fits(told):
            found = _unbilled(visit, found)
            told = self._entries(visit, found)
        visit.version += bool(told)
        reviewed = list(_reviewed(self.shop, visit, found.reviews))
        outputs = [*told, *reviewed]
        for each in reviewed:
            self.documents.put(each.key, json.dumps(each.body, ensure_ascii=False) if each.body["open"] else None)
        for coupon in {*(visit.bill.coupons if visit.bill is not None else ())} - {*found.bill.coupons}:
            if self._used.pop(coupon, None) is not None:
                self.documents.put(f"used:{coupon}", None)
        for coupon in found.bill.coupons:
            self._used[coupon] = visit.visit_id
            self.documents.put(f"used:{coupon}", visit.visit_id)
        visit.bill, visit.account, visit.reviews = found.bill, _account(visit), dict(found.reviews)
        if told:
            visit.told = tuple(sorted(each.event_id for each in visit.decided.values()))
        if self._open.pop(visit.visit_id, None) is not None:
            self.documents.put(f"open:{visit.visit_id}", None)
        self._keep(visit)
        return outputs

    def _entries(self, visit: Visit, found: Charged) -> list[Output]:
        """The bill, or what corrects it where anything changed, and what that moves in the stock."""
        if found.bill == visit.bill and _account(visit) == visit.account:
            return []
        before = visit.bill.total_cents if visit.bill is not None else 0
        left = visit.left
        body: dict[str, Any] = {
            "kind": "bill" if visit.bill is None else "correction",
            "shop": self.shop,
            "visit": visit.visit_id,
            "version": visit.version,
            "account": _account(visit),
            "left": left.time.astimezone(UTC).isoformat() if left is not None else None,
            "bill": found.bill.model_dump(mode="json"),
            "due_cents": found.bill.total_cents - before,
            "asked": sorted(found.reviews),
        }
        if visit.bill is None and left is not None:
            body["silent"] = self._silent(left.time)
        else:
            body["changes"] = _changes(visit.bill, found.bill)
        decided = {
            product: {"by": each.by, "reason": each.reason}
            for product, each in sorted(visit.decided.items())
            if each.event_id not in visit.told
        }
        if decided or visit.bill is not None:
            body["decided"] = decided
        name = f"bill:{self.shop}:{visit.visit_id}" + (f":{visit.version}" if visit.version else "")
        outputs = [Output(ENTRIES, name, body)]
        if moved := movements(visit.bill, found.bill):
            told = {part: body[part] for part in ("shop", "visit", "version", "left", "due_cents")}
            told |= {"currency": found.bill.currency, "movements": [each.model_dump() for each in moved]}
            outputs.append(Output(MOVEMENTS, name, told))
        return outputs

    def _offer(self, told: Offered) -> None:
        """What was offered first under an id holds."""
        for promotion in told.promotions:
            if promotion.promotion_id not in self._promotions:
                self._promotions[promotion.promotion_id] = promotion
                self.documents.put(f"promotion:{promotion.promotion_id}", promotion.model_dump_json())
        for coupon in told.coupons:
            if coupon.coupon_id not in self._coupons:
                self._coupons[coupon.coupon_id] = coupon
                self.documents.put(f"coupon:{coupon.coupon_id}", coupon.model_dump_json())

    def _keep(self, visit: Visit) -> None:
        self.documents.put(f"visit:{visit.visit_id}", visit.model_dump_json())

    def _remember(self) -> None:
        for key, text in sorted(self.documents.start.items()):
            what, _, name = key.partition(":")
            match what:
                case "heard":
                    self._heard[name] = datetime.fromisoformat(text)
                case "prices":
                    self._prices.add(Prices.model_validate_json(text))
                case "promotion":
                    self._promotions[name] = Promotion.model_validate_json(text)
                case "coupon":
                    self._coupons[name] = Coupon.model_validate_json(text)
                case "used":
                    self._used[name] = text
                case "latest":
                    self._latest = datetime.fromisoformat(text)
                case "open":
                    if (visit := self.visit(name)) is not None:
                        self._open[name] = visit


def _account(visit: Visit) -> str | None:
    return visit.entered.account if visit.entered is not None else None


def _fits(outputs: Iterable[Output]) -> bool:
    """Whether the ledger can hold them: a bill that it refuses would hold up all others for ever."""
    try:
        for each in outputs:
            if each.to == ENTRIES:
                each.entry().content()
    except EntryError:
        return False
    return True


def _unbilled(visit: Visit, found: Charged) -> Charged:
    """In the place of a bill that is too long for the ledger: what held before, and a person is asked."""
    bill = visit.bill if visit.bill is not None else Bill(currency=found.bill.currency)
    asked = [
        Review(product=product, likely=count, confidence=1.0, cause="too long", evidence=())
        for product, count in sorted(found.bill.counts().items())[:MOST_ASKED]
    ]
    return Charged(bill, {each.product: each for each in asked})


def _changes(before: Bill | None, after: Bill) -> dict[str, int]:
    """Packages more or fewer by product."""
    then, now = before.counts() if before is not None else {}, after.counts()
    return {name: now[name] - then.get(name, 0) for name in sorted({*then, *now}) if now[name] != then.get(name, 0)}


def _reviewed(shop: str, visit: Visit, now: Mapping[str, Review]) -> Iterable[Output]:
    """Reviews that were opened, changed or closed."""
    for product in sorted({*visit.reviews, *now}):
        if (review := now.get(product)) == visit.reviews.get(product):
            continue
        left = visit.left.time.astimezone(UTC).isoformat() if visit.left is not None else None
        told = {"open": review is not None, "shop": shop, "visit": visit.visit_id, "product": product, "left": left}
        yield Output(
            REVIEWS,
            f"{REVIEW}{shop}:{visit.visit_id}:{product}",
            told | (review.model_dump(mode="json", exclude={"product"}) if review is not None else {}),
        )
