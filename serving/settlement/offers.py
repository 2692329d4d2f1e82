"""Promotions and coupons, and what they take off the packages of a basket: in whole cents, and to the cent the same each time.

A package takes part in one promotion, the first in the order of their ids that takes something off it. Coupons come after
all promotions, in the order of their ids.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, model_validator

_Name = Annotated[str, StringConstraints(pattern=r"^[\x21-\x7e]{1,120}$")]
_WHOLE = 10_000  # hundredths of a percent


class _Offer(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    since: AwareDatetime
    until: AwareDatetime = Field(description="the first moment at which it holds no more")

    @model_validator(mode="after")
    def _lasts(self) -> Self:
        if self.until <= self.since:
            raise ValueError(f"until {self.until} is not after since {self.since}: give it a time to hold")
        return self


class Promotion(_Offer):
    """Off its products: `percent` in hundredths, and for every `buy` packages only the `pay` dearest are paid."""

    promotion_id: _Name
    products: frozenset[_Name] = Field(min_length=1, max_length=10_000)
    percent: int = Field(default=0, ge=0, le=_WHOLE, description="hundredths of a percent")
    buy: int = Field(default=1, ge=1, le=100)
    pay: int = Field(default=1, ge=0, le=100)

    @model_validator(mode="after")
    def _takes_off(self) -> Self:
        if self.pay > self.buy or (self.pay == self.buy and not self.percent):
            raise ValueError(
                f"pay {self.pay} of {self.buy} at {self.percent / 100:g} % off takes nothing off: mend one"
            )
        return self


class Coupon(_Offer):
    """Once for one account: `cents` or `percent` off what its products cost, if that is at least `least_cents`."""

    coupon_id: _Name
    account: _Name
    kind: Literal["cents", "percent"]
    value: int = Field(ge=1, le=10_000_000, description="cents, or hundredths of a percent")
    products: frozenset[_Name] | None = Field(default=None, max_length=10_000, description="none given: all")
    least_cents: int = Field(default=0, ge=0, le=10_000_000)

    @model_validator(mode="after")
    def _sound(self) -> Self:
        if self.kind == "percent" and self.value > _WHOLE:
            raise ValueError(f"{self.value / 100:g} % off is more than all: 100 % is the bound")
        return self


@dataclass
class Unit:
    """A package that is charged: its `list_cents` and what it costs after all that was taken off, by which offers."""

    product: str
    list_cents: int
    cents: int
    offers: tuple[str, ...] = ()

    def take_off(self, cents: int, offer: str) -> None:
        """Lower what it costs."""
        self.cents -= cents
        self.offers += (offer,) if cents else ()


def promote(units: Sequence[tuple[Unit, AwareDatetime]], promotions: Iterable[Promotion]) -> None:
    """Take off what promotions give; each unit beside the time at which it was taken, which decides what holds for it."""
    free = list(units)
    for promotion in sorted(promotions, key=lambda each: each.promotion_id):
        meant = [
            each
            for each in free
            if each[0].product in promotion.products and promotion.since <= each[1] < promotion.until
        ]
        meant.sort(key=lambda each: (-each[0].cents, each[0].product, each[1]))
        used = meant[: len(meant) // promotion.buy * promotion.buy]
        for place, (unit, _) in enumerate(used):
            # Dearest first over all groups: a group of three may not give away the dearest of the next.
            paid = place < len(used) // promotion.buy * promotion.pay
            unit.take_off(unit.cents if not paid else _share(unit.cents, promotion.percent), promotion.promotion_id)
        taken = {id(each[0]) for each in used}
        free = [each for each in free if id(each[0]) not in taken]


def redeem(units: Sequence[Unit], coupons: Iterable[Coupon]) -> dict[str, int]:
    """Take off what coupons give, spread over the units by what they cost; cents by coupon, those that gave nothing left out."""
    given: dict[str, int] = {}
    for coupon in sorted(coupons, key=lambda each: each.coupon_id):
        meant = [each for each in units if coupon.products is None or each.product in coupon.products]
        total = sum(each.cents for each in meant)
        if not total or total < coupon.least_cents:
            continue
        off = min(total, coupon.value) if coupon.kind == "cents" else _share(total, coupon.value)
        for unit, part in zip(meant, spread(off, [each.cents for each in meant]), strict=True):
            unit.take_off(part, coupon.coupon_id)
        if off:
            given[coupon.coupon_id] = off
    return given


def spread(cents: int, weights: Sequence[int]) -> list[int]:
    """Split `cents` by weights into whole cents that add up to it, by largest remainder, earlier ones first among equals.

    No part is more than its weight as long as `cents` is no more than their sum, which must be above 0.
    """
    total = sum(weights)
    parts = [cents * each // total for each in weights]
    order = sorted(range(len(weights)), key=lambda k: (-(cents * weights[k] % total), k))
    for k in order[: cents - sum(parts)]:
        parts[k] += 1
    return parts


def _share(cents: int, percent: int) -> int:
    """Hundredths of a percent of it, half a cent rounded up: in favour of who pays."""
    return (cents * percent * 2 + _WHOLE) // (2 * _WHOLE)
