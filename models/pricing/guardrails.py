"""Rules around the network, which it cannot break: limits -> model -> limits.

Order of precedence, the first wins where two cannot both hold: 1. essential goods never above list price; 2. ceiling;
3. floor; 4. margin floor; 5. largest change. A rule that yields is kept as nearly as those before it let it, and named.
The largest change is counted from the price before that the caller tells. It bounds a day only if that is the label at the
day's opening: whoever tells the label as it moves may move it again with each quote.
Discounts may be shown only against the lowest price of the past 30 days (Directive (EU) 2019/2161, Article 6a of 98/6/EC).
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, model_validator

from models.pricing.market import Bools, Floats, Ints

CENTS = 100  # a unit of money; dividing by it gives the nearest number to a price, multiplying by 0.01 does not
CENT = 1 / CENTS
HALF_CENT = CENT / 2
LEAST = CENT  # nothing is given away
_EPS = 1e-6  # of a cent: 0.30 / 0.01 is a little below 30
RULES = ("essential", "ceiling", "floor", "margin_floor", "largest_change")
NO_RULE, LARGEST_CHANGE = -1, RULES.index("largest_change")


class Rules(BaseModel):
    """Limits of a product's price; None: no such limit. Money in the currency of the price."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    essential: bool = Field(False, description="never above list price")
    ceiling: float | None = Field(None, ge=LEAST, le=1e9)
    floor: float | None = Field(None, ge=LEAST, le=1e9)
    margin_floor: float | None = Field(
        None,
        ge=-100,
        lt=1,
        description="least (price - unit cost) / price; below 0 a loss is allowed, as for goods that expire",
    )
    largest_change: float | None = Field(
        None,
        gt=0,
        le=10,
        description="largest move from the price before, the label at the day's opening, as a fraction of list price",
    )

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.floor is not None and self.ceiling is not None and self.floor > self.ceiling:
            raise ValueError(f"floor {self.floor} lies above ceiling {self.ceiling}: lower it or raise the other")
        return self


@dataclass(frozen=True)
class Limits:
    """What the rules leave: prices from `low` to `high` (N,), whole cents; `yielded` (N, len(RULES)) rules that gave way.

    `lows` and `highs` (len(RULES), N) are the rules' own bounds.
    """

    low: Floats
    high: Floats
    yielded: Bools
    lows: Floats
    highs: Floats

    def clip(self, wanted: Floats) -> tuple[Floats, Ints]:
        """Prices (N,) within the limits, in whole cents, and the number in RULES of the first that moved each; NO_RULE."""
        price = np.clip(_cents(wanted), self.low, self.high)
        breaks = (wanted[None, :] < self.lows - HALF_CENT) | (wanted[None, :] > self.highs + HALF_CENT)
        moved = breaks.any(axis=0) & (np.abs(price - wanted) > HALF_CENT)
        return price, np.where(moved, breaks.argmax(axis=0), NO_RULE)

    @property
    def largest_change(self) -> Floats:
        """Money (N,) that prices may move by from the price before, within half a cent; infinite where no rule says."""
        return np.asarray((self.highs[LARGEST_CHANGE] - self.lows[LARGEST_CHANGE]) / 2)

    def within(self, wanted: Floats) -> "Ruled":
        """Prices (N,) by whoever, within the limits."""
        price, rule = self.clip(wanted)
        return Ruled(price, wanted, rule_names(rule), self.yielded)


@dataclass(frozen=True)
class Ruled:
    """Prices (N,) in whole cents, within the rules; `wanted` (N,) before them; `rule` (N,) that moved it, "" for none;
    `yielded` (N, R) rules that could not hold."""

    price: Floats
    wanted: Floats
    rule: npt.NDArray[np.str_]
    yielded: Bools


def limits(
    rules: Rules, *, list_price: Floats, unit_cost: Floats, before: Floats, ceiling: Floats | None = None
) -> Limits:
    """Combine the rules for N products, (N,) each; `ceiling` of each product, beside that of the rules."""
    count = len(list_price)
    lows, highs = np.full((len(RULES), count), -np.inf), np.full((len(RULES), count), np.inf)
    told = []
    if rules.essential:
        highs[0] = list_price
        told.append(0)
    if rules.ceiling is not None or ceiling is not None:
        highs[1] = np.minimum(
            np.inf if ceiling is None else ceiling, np.inf if rules.ceiling is None else rules.ceiling
        )
        told.append(1)
    if rules.floor is not None:
        lows[2] = rules.floor
        told.append(2)
    if rules.margin_floor is not None:
        lows[3] = unit_cost / (1.0 - rules.margin_floor)
        told.append(3)
    if rules.largest_change is not None:
        lows[4] = before - rules.largest_change * list_price
        highs[4] = before + rules.largest_change * list_price
        told.append(4)
    lows = np.ceil(lows * CENTS - _EPS) / CENTS
    highs = np.maximum(np.floor(highs * CENTS + _EPS) / CENTS, LEAST)
    low, high = np.full(count, LEAST), np.full(count, np.inf)
    yielded = np.zeros((count, len(RULES)), dtype=np.bool_)
    for number in told:  # a rule that is not there leaves all as it is, and a quote waits for each of these lines
        least, most = lows[number], highs[number]
        # A step of less than a cent may leave no whole cent at all: then the nearest one above.
        yielded[:, number] = (least > high) | (most < low) | (least > most)
        most = np.maximum(least, most)
        low, high = (np.minimum(np.maximum(each, low), high) for each in (least, most))
    return Limits(low, high, yielded, lows, highs)


def limits_of_each(
    rules: Rules, essential: Bools, *, list_price: Floats, unit_cost: Floats, before: Floats, ceiling: Floats
) -> Limits:
    """As `limits`, for N products of which the `essential` (N,) are never above list price, whatever the rules say of it."""
    told = {"list_price": list_price, "unit_cost": unit_cost, "before": before, "ceiling": ceiling}
    plain = limits(rules, **told)
    if not essential.any():
        return plain
    strict = limits(rules.model_copy(update={"essential": True}), **told)
    return Limits(
        np.where(essential, strict.low, plain.low),
        np.where(essential, strict.high, plain.high),
        np.where(essential[:, None], strict.yielded, plain.yielded),
        np.where(essential, strict.lows, plain.lows),
        np.where(essential, strict.highs, plain.highs),
    )


def shown_reference(price: Floats, lowest: Floats) -> Floats:
    """Price (N,) that a discount may be shown against, NaN where none may: `lowest` (N,) is the lowest of the past 30 days."""
    return np.where(price < lowest - HALF_CENT, lowest, np.nan)


def rule_names(numbers: Ints) -> npt.NDArray[np.str_]:
    """Names of RULES by number, "" for NO_RULE."""
    return np.array([*RULES, ""])[numbers]


def _cents(prices: Floats) -> Floats:
    return np.asarray(np.round(prices * CENTS) / CENTS)
