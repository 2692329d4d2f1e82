"""From what a visit carries out to a bill: prices as of the pick, promotions, coupons, tax; to the cent the same each time."""

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from pydantic import BaseModel, ConfigDict, Field

from models.common.protocols import InputError
from serving.settlement.offers import Coupon, Promotion, Unit, promote, redeem
from serving.settlement.shop_events import Moved, Prices

_WHOLE = 10_000  # hundredths of a percent


class Line(BaseModel):
    """`count` packages of one product at one price; `cents` is what they cost together after `offers`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    product: str
    count: int = Field(ge=1)
    list_cents: int = Field(description="of one package")
    cents: int
    tax: int = Field(description="rate in hundredths of a percent")
    offers: tuple[str, ...] = ()


class Bill(BaseModel):
    """What a visit owes. `tax_cents` by rate are parts of `total_cents`, `coupons` what each took off."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    currency: str
    lines: tuple[Line, ...] = ()
    total_cents: int = 0
    tax_cents: Mapping[str, int] = Field(default_factory=dict)
    coupons: Mapping[str, int] = Field(default_factory=dict)

    def counts(self) -> Counter[str]:
        """Packages by product."""
        found: Counter[str] = Counter()
        for line in self.lines:
            found[line.product] += line.count
        return found


@dataclass(frozen=True)
class Price:
    """In cents with tax, and the rate of the tax in hundredths of a percent."""

    cents: int
    tax: int


class Priced(Protocol):
    """Whoever knows prices."""

    @property
    def currency(self) -> str: ...

    def at(self, product: str, time: datetime) -> Price | None:
        """None where it has none."""


@dataclass
class PriceBook:
    """What every product cost at any time, whatever the order in which price lists are heard."""

    currency: str = ""
    _since: dict[str, list[tuple[datetime, str]]] = field(default_factory=lambda: defaultdict(list))
    _price: dict[tuple[str, datetime, str], Price] = field(default_factory=dict)

    def add(self, told: Prices) -> None:
        """A list that holds from its time on; of two of one time the one with the later id counts. InputError for another
        currency than before: a bill is of one."""
        if self.currency not in ("", told.currency):
            raise InputError(
                f"prices in {told.currency!r}, where those before are in {self.currency!r}: tell them to a shop of their own"
            )
        self.currency = told.currency
        for each in told.prices:
            key = (told.time, told.event_id)
            if (each.product, *key) not in self._price:
                history = self._since[each.product]
                history.insert(bisect_right(history, key), key)
                self._price[each.product, *key] = Price(each.cents, each.tax)

    def at(self, product: str, time: datetime) -> Price | None:
        """None before its first price."""
        history = self._since.get(product, [])
        place = bisect_right(history, (time, "\x7f"))
        return self._price[product, *history[place - 1]] if place else None


def picks(moved: Iterable[Moved], count: int, left: datetime) -> list[datetime]:
    """When each of `count` packages of one product was taken: what is put back is what was taken last, and what nobody saw
    taken was taken with the last that was, or on the way out."""
    times: list[datetime] = []
    for event in sorted(moved, key=lambda each: (each.time, each.event_id)):
        if event.deed == "take":
            times += [event.time] * event.count
        else:
            del times[max(len(times) - event.count, 0) :]
    return times[:count] + [times[-1] if times else left] * (count - len(times))


def bill(
    taken: Mapping[str, Sequence[datetime]],
    prices: Priced,
    promotions: Iterable[Promotion] = (),
    coupons: Iterable[Coupon] = (),
) -> Bill:
    """The bill for packages by product with the time at which each was taken. KeyError for a product without a price then."""
    units: list[tuple[Unit, datetime]] = []
    tax: dict[int, int] = {}
    for product in sorted(taken):
        for time in sorted(taken[product]):
            price = prices.at(product, time)
            if price is None:
                raise KeyError(f"{product!r} has no price at {time.isoformat()}")
            units.append((Unit(product, price.cents, price.cents), time))
            tax[id(units[-1][0])] = price.tax
    promote(units, promotions)
    given = redeem([unit for unit, _ in units], coupons)
    grouped: dict[tuple[str, int, int, tuple[str, ...]], list[Unit]] = {}
    for unit, _ in units:
        grouped.setdefault((unit.product, unit.list_cents, tax[id(unit)], unit.offers), []).append(unit)
    lines = tuple(
        Line(
            product=product,
            count=len(group),
            list_cents=cents,
            cents=sum(each.cents for each in group),
            tax=rate,
            offers=offers,
        )
        for (product, cents, rate, offers), group in sorted(grouped.items())
    )
    return Bill(
        currency=prices.currency,
        lines=lines,
        total_cents=sum(line.cents for line in lines),
        tax_cents=_tax(lines),
        coupons=given,
    )


def _tax(lines: Iterable[Line]) -> dict[str, int]:
    """The tax within what is paid, by rate, rounded once a rate (half up)."""
    gross: Counter[int] = Counter()
    for line in lines:
        gross[line.tax] += line.cents
    return {
        str(rate): (2 * cents * rate + _WHOLE + rate) // (2 * (_WHOLE + rate)) for rate, cents in sorted(gross.items())
    }
