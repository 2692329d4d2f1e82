"""What pricing is asked of fresh goods and what it answers: bounded, unknown fields refused, nothing of a person among them."""

from collections.abc import Sequence
from typing import Annotated, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from models.pricing.fresh import AHEAD, LONGEST_LIFE, WEEK
from models.pricing.fresh_predict import MOST_EXPECTED
from serving.pricing_schemas import (
    BEFORE,
    EXPLAIN_MAX,
    QUOTE_MAX,
    REPRICE_MAX,
    Answered,
    Id,
    OutsideRange,
    PriceFields,
    ReasonFields,
    Served,
    Units,
    WhatIfFields,
)
from serving.schema_base import Breaker, PageReply, Reply, Request

EXAMPLE_GOOD, EXAMPLE_GOODS = "a fresh good", "columns of fresh goods"  # the API page shows ones of the champion

Money = Annotated[float, Field(ge=0.01, le=1e8, allow_inf_nan=False)]
Stock = Annotated[
    list[Units],
    Field(min_length=1, max_length=LONGEST_LIFE, description="Units by days left: those that expire tonight first."),
]
Weekday = Annotated[int, Field(ge=0, lt=WEEK, strict=True, description="0 on Monday.")]
Wait = Annotated[int, Field(ge=0, le=WEEK, strict=True, description="Nights until the next order, 0 tonight.")]
Expected = Annotated[
    list[Annotated[float, Field(ge=0, le=MOST_EXPECTED, allow_inf_nan=False)]],
    Field(min_length=AHEAD, max_length=AHEAD, description="Units a day at list price, today first; null: as trained."),
]
UpTo = Annotated[int, Field(ge=0, le=1_000_000, strict=True, description="Order level; null: as trained.")]


class FreshItem(Request):
    """One fresh good on its shelf, deliveries in: nobody's name, card or device belongs here."""

    good: Id = Field(description="A product in a shop, as `/goods` lists; comes back with the answer.")
    list_price: Money = Field(description="Of today.")
    stock: Stock
    before: Money = Field(description=BEFORE)
    weekday: Weekday
    coming: Units = Field(default=0, description="Units that arrive tomorrow whatever happens.")
    wait: Wait = 0
    expected: Expected | None = None
    up_to: UpTo | None = None
    lowest: Money | None = Field(default=None, description="Lowest price of the past 30 days, to show a discount.")


class FreshRequest(Request):
    """Some fresh goods."""

    model_config = ConfigDict(extra="forbid", frozen=True, json_schema_extra={"example": {"items": [EXAMPLE_GOOD]}})

    items: list[FreshItem] = Field(min_length=1, max_length=QUOTE_MAX)

    @model_validator(mode="after")
    def _once(self) -> Self:
        _each_once([item.good for item in self.items])
        return self


class QuoteFreshRequest(FreshRequest):
    """Prices for one or some fresh goods."""


class ExplainFreshRequest(FreshRequest):
    """Why, for a few fresh goods."""

    items: list[FreshItem] = Field(min_length=1, max_length=EXPLAIN_MAX)


class WhatIfFreshRequest(Request):
    """What each price would bring for one fresh good."""

    model_config = ConfigDict(extra="forbid", frozen=True, json_schema_extra={"example": {"item": EXAMPLE_GOOD}})

    item: FreshItem


class FreshShelves(Request):
    """Fresh goods as columns of one length; a column that is null is left out."""

    good: list[Id] = Field(min_length=1, max_length=REPRICE_MAX)
    list_price: list[Money] = Field(min_length=1, max_length=REPRICE_MAX)
    stock: list[Stock] = Field(min_length=1, max_length=REPRICE_MAX)
    before: list[Money] = Field(min_length=1, max_length=REPRICE_MAX, description=BEFORE)
    weekday: list[Weekday] = Field(min_length=1, max_length=REPRICE_MAX)
    coming: Annotated[list[Units], Field(max_length=REPRICE_MAX)] | None = None
    wait: Annotated[list[Wait], Field(max_length=REPRICE_MAX)] | None = None
    expected: Annotated[list[Expected | None], Field(max_length=REPRICE_MAX)] | None = None
    up_to: Annotated[list[UpTo | None], Field(max_length=REPRICE_MAX)] | None = None
    lowest: Annotated[list[Money | None], Field(max_length=REPRICE_MAX)] | None = None

    @model_validator(mode="after")
    def _one_length(self) -> Self:
        for name in type(self).model_fields:
            column = getattr(self, name)
            if column is not None and len(column) != len(self.good):
                raise ValueError(f"{name} has {len(column)} entries, good has {len(self.good)}: give one a good")
        _each_once(self.good)
        return self


class RepriceFreshRequest(Request):
    """The fresh goods of a store or of several, as columns."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        json_schema_extra={"example": {"request_id": "store-7 2026-01-05 09:00", "goods": EXAMPLE_GOODS}},
    )

    goods: FreshShelves
    request_id: Id | None = Field(
        default=None,
        description="Of this run, in approval mode: sent again under it, nothing is proposed twice. Null: the day, in UTC.",
    )


class FreshPriced(PriceFields):
    """One good's price and why it is that."""

    good: str


class QuoteFreshReply(Answered):
    """Prices, and who made them."""

    prices: list[FreshPriced]


class FreshColumns(Reply):
    """Prices in the order of the request, as columns."""

    good: list[str]
    price: list[float]
    wanted: list[float]
    rule: list[str]
    reference: list[float | None]
    worth: list[float | None]
    gain: list[float | None]
    served_by: list[Served]
    proposal_ids: list[str | None] = Field(description="In approval mode; null where the price stays as it is.")
    outside: dict[str, list[OutsideRange]] = Field(description="By good, of those that are.")


class RepriceFreshReply(Answered):
    """Prices of fresh goods; in approval mode proposals, none of which is live before it is approved."""

    mode: Literal["live", "proposals"]
    proposed: int = Field(description="New proposals; those known under the request's id are not counted again.")
    goods: FreshColumns


class UsualMorning(Reply):
    """A Monday: filled up to the order level with fresh units, nothing on the way, demand as trained, list price on the label."""

    weekday: int
    stock: list[int] = Field(description="Units by days left.")
    before: float


class FreshReasons(ReasonFields):
    """base + the sum of moved_by + limits == price, in money."""

    good: str
    usual: UsualMorning = Field(description="What the reasons are told against; `base` is the network's price there.")


class ExplainFreshReply(Reply):
    """Reasons of the network's prices."""

    served_by: str
    breaker: Breaker
    artifact_id: str
    groups: dict[str, list[str]] = Field(description="What of a morning is in each group.")
    reasons: list[FreshReasons]
    notes: list[str] = Field(description="Goods that the network does not price, and why.")


class WhatIfFreshReply(WhatIfFields):
    """The curve of one good, and the same as a picture."""

    good: str


class GoodCard(Reply):
    """One good and the ladder it falls back to, over list price."""

    good: str
    essential: bool
    unit_cost: float
    ceiling: float
    steps: list[float] = Field(description="While the oldest units have 1, 2, ... days left.")
    top: float


class GoodsReply(PageReply):
    """The fresh goods that are priced, by name."""

    goods: list[GoodCard]


def _each_once(names: Sequence[str]) -> None:
    if len(set(names)) < len(names):
        raise ValueError("each good may be there once; remove the repeated ones")
