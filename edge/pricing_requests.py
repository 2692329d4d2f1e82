"""What a box is asked about prices: shelves of a market, or shelves of fresh goods, which go by the market's name `fresh`."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from models.common.protocols import InputError
from models.pricing.fresh import AHEAD, LONGEST_LIFE, WEEK
from models.pricing.fresh_predict import MOST_EXPECTED
from models.pricing.guardrails import LEAST
from models.pricing.market import Floats
from models.pricing.predict import FreshInput, PriceInput
from models.pricing.requests import MOST_PEOPLE, WILLINGNESS, check_people
from models.pricing.spec import FRESH

SHELVES_MAX = 10_000
Money = Annotated[float, Field(ge=0.01, le=1e10, allow_inf_nan=False)]
FreshMoney = Annotated[float, Field(ge=0.01, le=1e8, allow_inf_nan=False)]
Units = Annotated[int, Field(ge=0, le=1_000_000)]
Level = Annotated[float, Field(ge=-100, le=100, allow_inf_nan=False)]
Demand = Annotated[float, Field(ge=0, le=MOST_EXPECTED, allow_inf_nan=False)]


class Strict(BaseModel):
    """No field that is not known, no text that looks like a number."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Shelf(Strict):
    """One shelf as it stands: what `models.pricing.requests.PriceInput` says of it, and the last price that was the model's."""

    period: int = Field(ge=0, le=10_000, description="of the market's, from 0")
    stock: list[Units] = Field(min_length=1, max_length=100, description="units by periods left, least first")
    before: Money = Field(description="price until now")
    factors: dict[str, Level] = Field(default={}, max_length=20, description="what the market shows, by name")
    willingness_people: int | None = Field(
        default=None,
        ge=0,
        le=MOST_PEOPLE,
        description="whom a factor willingness sums up, in a store and hour: 20 at least",
    )
    lowest: Money | None = Field(default=None, description="price of the past 30 days, if a discount is to be shown")
    last_good: Money | None = Field(default=None, description="last price that the model gave; list price where null")

    @property
    def told(self) -> tuple[str, ...]:
        """What shelves of one request have in common."""
        return (f"stock of {len(self.stock)} ages", *sorted(self.factors))

    @model_validator(mode="after")
    def _of_many(self) -> Self:
        if WILLINGNESS in self.factors:
            check_people([self.factors[WILLINGNESS]], [self.willingness_people])
        return self


class FreshShelf(Strict):
    """One shelf of a fresh good as it stands: what `models.pricing.fresh_predict.FreshInput` says of it, and the last price
    that was the model's."""

    good: str = Field(min_length=1, max_length=200, description="as the artifact names it")
    list_price: FreshMoney = Field(description="of today")
    stock: list[Units] = Field(
        min_length=1, max_length=LONGEST_LIFE, description="units by days left, those that expire tonight first"
    )
    before: FreshMoney = Field(description="price until now")
    weekday: int = Field(ge=0, lt=WEEK, description="0 on Monday")
    coming: Units = Field(default=0, description="units that arrive tomorrow whatever happens")
    wait: int = Field(default=0, ge=0, le=WEEK, description="nights until the next order")
    expected: list[Demand] | None = Field(
        default=None,
        min_length=AHEAD,
        max_length=AHEAD,
        description="units a day at list price, today first; as trained where null",
    )
    up_to: Units | None = Field(default=None, description="order level; as trained where null")
    lowest: FreshMoney | None = Field(default=None, description="price of the past 30 days, if a discount is shown")
    last_good: FreshMoney | None = Field(default=None, description="last price that the model gave; list price if null")

    @property
    def told(self) -> tuple[str, ...]:
        """What shelves of one request have in common."""
        return tuple(name for name in ("expected", "up_to") if getattr(self, name) is not None)


class ShelfRequest(Strict):
    """Prices of some shelves of one market."""

    market: str = Field(min_length=1, max_length=64)
    shelves: list[Shelf] = Field(min_length=1, max_length=SHELVES_MAX)


class FreshRequest(Strict):
    """Prices of some shelves of fresh goods."""

    market: Literal["fresh"]
    shelves: list[FreshShelf] = Field(min_length=1, max_length=SHELVES_MAX)


def read_request(request: Mapping[str, Any]) -> ShelfRequest | FreshRequest:
    """The request; InputError names the field, the value and the bound."""
    kind: type[ShelfRequest] | type[FreshRequest] = FreshRequest if request.get("market") == FRESH else ShelfRequest
    try:
        asked = kind.model_validate(dict(request))
    except ValidationError as error:
        raise InputError(first_problem(error, "request")) from error
    shelves: Sequence[Shelf | FreshShelf] = asked.shelves
    told = shelves[0].told
    for number, shelf in enumerate(shelves):
        if shelf.told != told:
            here, there = (", ".join(each)[:200] or "nothing more" for each in (shelf.told, told))
            raise InputError(f"shelves.{number}: tells {here}; shelves.0 tells {there}: give all of them alike")
    return asked


def first_problem(error: ValidationError, whole: str) -> str:
    """Field, bound and value of the first problem; `whole` names what has no field."""
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"]) or whole
    return f"{where}: {first['msg']} (given: {str(first['input'])[:80]})"


def to_input(asked: ShelfRequest | FreshRequest) -> PriceInput | FreshInput:
    """The request as the model takes it."""
    lowest = column([shelf.lowest for shelf in asked.shelves])
    before = column([shelf.before for shelf in asked.shelves])
    # Against the least price there is no discount can be shown: what is not told shows none.
    shown = None if np.isnan(lowest).all() else np.where(np.isnan(lowest), LEAST, lowest)
    if isinstance(asked, FreshRequest):
        return _fresh(asked.shelves, before, shown)
    shelves, told = asked.shelves, asked.shelves[0].factors
    return PriceInput(
        market=asked.market,
        period=np.array([shelf.period for shelf in shelves]),
        stock=np.array([shelf.stock for shelf in shelves]),
        before=before,
        factors={name: column([shelf.factors[name] for shelf in shelves]) for name in sorted(told)},
        lowest=shown,
        willingness_people=column([shelf.willingness_people for shelf in shelves]) if WILLINGNESS in told else None,
    )


def column(values: Sequence[float | None]) -> Floats:
    """Numbers (N,), NaN where there is none."""
    return np.array([np.nan if value is None else value for value in values])


def _fresh(shelves: Sequence[FreshShelf], before: Floats, lowest: Floats | None) -> FreshInput:
    ages = max(len(shelf.stock) for shelf in shelves)
    told = shelves[0].told
    return FreshInput(
        good=[shelf.good for shelf in shelves],
        list_price=column([shelf.list_price for shelf in shelves]),
        stock=np.array([shelf.stock + [0] * (ages - len(shelf.stock)) for shelf in shelves]),
        before=before,
        weekday=np.array([shelf.weekday for shelf in shelves]),
        coming=np.array([shelf.coming for shelf in shelves]),
        wait=np.array([shelf.wait for shelf in shelves]),
        expected=np.array([shelf.expected for shelf in shelves], np.float64) if "expected" in told else None,
        up_to=np.array([shelf.up_to for shelf in shelves]) if "up_to" in told else None,
        lowest=lowest,
    )
