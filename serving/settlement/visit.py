"""A visit as its events have told of it so far, and what is charged for it: the same whatever the order of the events."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

from serving.settlement.basket import BasketBeliefs, Held, carried
from serving.settlement.billing import Bill, Price, PriceBook, bill, picks
from serving.settlement.offers import Coupon, Promotion
from serving.settlement.shop_events import Decided, Entered, Left, Moved, OfVisit, Passed

Cause: TypeAlias = Literal["unsure", "late", "no price", "too long"]
MOST_EVENTS = 10_000  # of one visit: a shopper makes some ten


class Review(BaseModel):
    """A product of a visit that a person is asked about: what is most likely, how likely, why it is asked, what speaks of it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    product: str
    likely: int
    confidence: float
    cause: Cause
    evidence: tuple[str, ...]


class Visit(BaseModel):
    """What was told of a visit, by event id where there may be several, and what was settled.

    `account` is who was billed, `told` the decisions that entries have told of. `prices` are those that its bills were made with
    and `offers` the promotions and coupons known at the first: a list that is heard later changes no bill that was handed out.
    """

    model_config = ConfigDict(extra="forbid")

    visit_id: str
    entered: Entered | None = None
    moved: dict[str, Moved] = Field(default_factory=dict)
    passed: dict[str, Passed] = Field(default_factory=dict)
    left: Left | None = None
    decided: dict[str, Decided] = Field(default_factory=dict)
    version: int = 0
    bill: Bill | None = None
    account: str | None = None
    told: tuple[str, ...] = ()
    reviews: dict[str, Review] = Field(default_factory=dict)
    prices: dict[str, tuple[int, int]] = Field(default_factory=dict)
    offers: tuple[str, ...] | None = None

    def hear(self, event: OfVisit) -> bool:
        """Take an event in; False where it tells nothing new. Of two that say when it began or ended the earlier counts, of two
        decisions on a product the later."""
        match event:
            case Entered() if self.entered is None or _before(event, self.entered):
                self.entered = event
            case Left() if self.left is None or _before(event, self.left):
                self.left = event
            case Moved() if event.event_id not in self.moved:
                self.moved[event.event_id] = event
            case Passed() if event.event_id not in self.passed:
                self.passed[event.event_id] = event
            case Decided() if event.product not in self.decided or _before(self.decided[event.product], event):
                self.decided[event.product] = event
            case _:
                return False
        return True

    @property
    def full(self) -> bool:
        """Whether sensors have told as much of it as they may."""
        return len(self.moved) + len(self.passed) >= MOST_EVENTS


@dataclass(frozen=True)
class Charged:
    """What is charged, and what a person is asked about."""

    bill: Bill
    reviews: Mapping[str, Review]


class _FrozenPrices:
    """Prices of bills that were handed out before those of the book."""

    def __init__(self, visit: Visit, book: PriceBook) -> None:
        self._visit, self._book, self.currency = visit, book, book.currency

    def at(self, product: str, time: datetime) -> Price | None:
        key = f"{product}@{time.isoformat()}"
        if (known := self._visit.prices.get(key)) is not None:
            return Price(*known)
        price = self._book.at(product, time)
        if price is not None:
            self._visit.prices[key] = (price.cents, price.tax)
        return price


def charge(
    visit: Visit,
    book: PriceBook,
    promotions: Sequence[Promotion],
    coupons: Sequence[Coupon],
    *,
    least_confidence: float,
    beliefs: BasketBeliefs | None = None,
) -> Charged:
    """What the visit owes as things stand, once it has left.

    What is not sure enough is asked about and not charged. After the first bill a refund that is sure is given, and what would
    make the bill larger is asked about: nobody is charged more behind their back. What a person decided counts.
    """
    held = {each.product: each for each in carried(visit.moved.values(), list(visit.passed.values()), beliefs)}
    before = visit.bill.counts() if visit.bill is not None else None
    prices = _FrozenPrices(visit, book)
    counts: dict[str, int] = {}
    reviews: dict[str, Review] = {}
    for product in sorted(held.keys() | visit.decided.keys()):
        found = held.get(product, Held(product, 0, 1.0, ()))
        count, cause = _count(found, visit.decided.get(product), before, least_confidence)
        if any(prices.at(product, time) is None for time in _times(visit, product, count)):
            count, cause = 0, "no price"
        if cause is not None:
            reviews[product] = _asked(found, cause)
        counts[product] = count

    def made(counts: Mapping[str, int]) -> Bill:
        taken = {product: _times(visit, product, count) for product, count in counts.items() if count}
        return bill(taken, prices, promotions, coupons)

    charged = made(counts)
    if visit.bill is None or before is None:
        return Charged(charged, reviews)
    # What is put back may cost more than it did: an offer hung on it. Then it is a refund for a person to give.
    given_back = {product: before[product] for product, count in counts.items() if count < before[product]}
    given_back = {product: count for product, count in given_back.items() if product not in visit.decided}
    news = any(counts[product] != before[product] for product in visit.decided)
    held_back = made(counts | given_back) if news else visit.bill
    if charged.total_cents <= held_back.total_cents or (news and not given_back):
        return Charged(charged, reviews)
    return Charged(held_back, {product: _asked(held[product], "late") for product in given_back} | reviews)


def _times(visit: Visit, product: str, count: int) -> list[datetime]:
    """When so many packages of a product were taken."""
    return picks((event for event in visit.moved.values() if event.product == product), count, _ended(visit))


def _count(
    found: Held, decided: Decided | None, before: Mapping[str, int] | None, least_confidence: float
) -> tuple[int, Cause | None]:
    """How many are charged, and why a person is asked, if one is."""
    if decided is not None:
        return decided.count, None
    sure = found.confidence >= least_confidence
    if before is None:
        return (found.count, None) if sure else (0, "unsure")
    charged = before.get(found.product, 0)
    if found.count == charged and sure:
        return charged, None
    if found.count < charged and sure:
        return found.count, None
    return charged, "late" if sure else "unsure"


def _asked(found: Held, cause: Cause) -> Review:
    return Review(
        product=found.product,
        likely=found.count,
        confidence=round(found.confidence, 6),
        cause=cause,
        evidence=found.evidence,
    )


def known_offers(
    visit: Visit, promotions: Iterable[Promotion], coupons: Iterable[Coupon], used: Mapping[str, str]
) -> tuple[list[Promotion], list[Coupon]]:
    """Promotions that held during the visit, and coupons of the account that hold when it leaves and no other visit has used; at the
    first time they are noted in the visit, and are the same ever after."""
    left = _ended(visit)
    began = min((event.time for event in visit.moved.values()), default=left)
    account = visit.entered.account if visit.entered is not None else None
    first = visit.offers is None
    chosen = [
        each
        for each in promotions
        if (each.since <= left and began < each.until if first else each.promotion_id in (visit.offers or ()))
    ]
    own = [
        each
        for each in coupons
        if each.account == account
        and each.since <= left < each.until
        and used.get(each.coupon_id, visit.visit_id) == visit.visit_id
        and (first or each.coupon_id in (visit.offers or ()))
    ]
    if first:
        visit.offers = (*(each.promotion_id for each in chosen), *(each.coupon_id for each in own))
    return chosen, own


def _before(one: Entered | Left | Decided, other: Entered | Left | Decided) -> bool:
    return (one.time, one.event_id) < (other.time, other.event_id)


def _ended(visit: Visit) -> datetime:
    if visit.left is None:
        raise ValueError(f"visit {visit.visit_id!r} has not left")
    return visit.left.time
