"""What a box is asked about prices: shelves of a market, or shelves of fresh goods, which go by the market's name `fresh`."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from models.common.protocols import InputError
from models.pricing.answering import FreshShelves, MarketShelves, by_left
from models.pricing.fresh import AHEAD, LONGEST_LIFE, WEEK
from models.pricing.fresh_ladder import FreshLadders
from models.pricing.fresh_predict import MOST_EXPECTED
from models.pricing.instances import FactorName
from models.pricing.ladder import Ladders
from models.pricing.market import Floats
from models.pricing.requests import MOST_PEOPLE, WILLINGNESS, check_people
from models.pricing.spec import FRESH

SHELVES_MAX = 10_000
BEFORE = (
    "label at the day's opening: the largest change is counted from it, so one that moved today may move as far again"
)
Money = Annotated[float, Field(ge=0.01, le=1e10, allow_inf_nan=False)]
FreshMoney = Annotated[float, Field(ge=0.01, le=1e8, allow_inf_nan=False)]
Units = Annotated[int, Field(ge=0, le=1_000_000)]
Level = Annotated[float, Field(ge=-100, le=100, allow_inf_nan=False)]
Demand = Annotated[float, Field(ge=0, le=MOST_EXPECTED, allow_inf_nan=False)]


_WHOLE = ("weekday", "coming", "wait")
_NOT_TOLD = [np.nan] * AHEAD


class Strict(BaseModel):
    """No field that is not known, no text that looks like a number."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Shelf(Strict):
    """One shelf as it stands, and the last price that was the model's. Outside the range of training the ladder answers."""

    period: int = Field(ge=0, le=10_000, description="of the market's, from 0")
    stock: list[Units] = Field(min_length=1, max_length=100, description="units by periods left, least first")
    before: Money = Field(description=BEFORE)
    factors: dict[FactorName, Level | None] = Field(
        default={}, description="what the market shows; null or left out: not observed, so the ladder answers"
    )
    willingness_people: int | None = Field(
        default=None,
        ge=0,
        le=MOST_PEOPLE,
        description="whom a factor willingness sums up, in a store and hour: 20 at least",
    )
    lowest: Money | None = Field(default=None, description="price of the past 30 days, if a discount is to be shown")
    last_good: Money | None = Field(default=None, description="last price that the model gave; list price where null")

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
    before: FreshMoney = Field(description=BEFORE)
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
        return kind.model_validate(dict(request))
    except ValidationError as error:
        raise InputError(first_problem(error, "request")) from error


def first_problem(error: ValidationError, whole: str) -> str:
    """Field, bound and value of the first problem; `whole` names what has no field."""
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"]) or whole
    return f"{where}: {first['msg']} (given: {str(first['input'])[:80]})"


def to_shelves(asked: ShelfRequest | FreshRequest, ladders: Ladders) -> MarketShelves | FreshShelves:
    """The request beside the ladders of its market or goods; InputError for one that has none."""
    lowest = column([shelf.lowest for shelf in asked.shelves])
    before = column([shelf.before for shelf in asked.shelves])
    if isinstance(asked, FreshRequest) and ladders.fresh is not None:
        return _fresh(asked.shelves, ladders.fresh, before, lowest)
    if isinstance(asked, FreshRequest) or asked.market not in ladders.markets:
        known = [*ladders.markets, *([] if ladders.fresh is None else [FRESH])]
        raise InputError(f"market: {asked.market} is unknown; name one of {', '.join(known)}")
    shelves = asked.shelves
    names: set[FactorName] = {name for shelf in shelves for name in shelf.factors}
    return MarketShelves(
        ladders.markets[asked.market],
        np.array([shelf.period for shelf in shelves], dtype=np.int64),
        by_left([shelf.stock for shelf in shelves]),
        before,
        {name: column([shelf.factors.get(name) for shelf in shelves]) for name in sorted(names)},
        lowest,
        column([shelf.willingness_people for shelf in shelves]),
    )


def column(values: Sequence[float | None]) -> Floats:
    """Numbers (N,), NaN where there is none."""
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)


def _fresh(shelves: Sequence[FreshShelf], ladders: FreshLadders, before: Floats, lowest: Floats) -> FreshShelves:
    whole = {name: np.array([getattr(shelf, name) for shelf in shelves], dtype=np.int64) for name in _WHOLE}
    found = FreshShelves(
        ladders,
        tuple(shelf.good for shelf in shelves),
        listed=column([shelf.list_price for shelf in shelves]),
        stock=by_left([shelf.stock for shelf in shelves]),
        before=before,
        **whole,
        expected=np.array([shelf.expected or _NOT_TOLD for shelf in shelves], dtype=np.float64),
        up_to=column([shelf.up_to for shelf in shelves]),
        lowest=lowest,
    )
    _ = found.number  # a good that is unknown is refused here
    return found
