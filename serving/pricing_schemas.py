"""What pricing is asked and what it answers: bounded, unknown fields refused, and nothing of a person among the known."""

from collections.abc import Sized
from typing import Annotated, Literal, Self

from pydantic import ConfigDict, Field, StringConstraints, model_validator

from models.pricing.instances import FactorName
from models.pricing.requests import MOST_PEOPLE, PEOPLE, WILLINGNESS, check_people
from serving.schema_base import Breaker, CardReply, Reply, Request

QUOTE_MAX, REPRICE_MAX, EXPLAIN_MAX, MARKETS_MAX = 500, 10_000, 20, 1_000
EXAMPLE_MARKET, EXAMPLE_ITEM, EXAMPLE_COLUMNS = (
    "salad",
    "an item",
    "its columns",
)  # the API page shows ones of the champion

Id = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Period = Annotated[int, Field(ge=0, le=1_000_000, strict=True, description="Of the market, from 0.")]
Units = Annotated[int, Field(ge=0, le=1_000_000, strict=True)]
Stock = Annotated[
    list[Units],
    Field(min_length=1, max_length=400, description="Units by periods left: those that expire first come first."),
]
Money = Annotated[float, Field(ge=0.01, le=1e9, allow_inf_nan=False)]
BEFORE = (
    "Label at the day's opening: the largest change is counted from it, so with a label that has moved today each quote may move it "
    "as far again. In approval mode tell the label as it stands, for what differs from it is proposed; the queue holds a day's "
    "approvals to the first label that it was told."
)
Reading = Annotated[float, Field(ge=-1e6, le=1e6, allow_inf_nan=False)]
People = Annotated[int, Field(ge=0, le=MOST_PEOPLE, strict=True)]
Served = Literal["champion", "approved", "fallback:approved_ladder"]


class Item(Request):
    """One shelf, seat class or slot: nobody's name, card or device belongs here."""

    item_id: Id = Field(description="Comes back with the answer.")
    period: Period
    stock: Stock
    before: Money = Field(description=BEFORE)
    factors: dict[FactorName, Reading | None] = Field(
        default={}, description="What the market watches beside; null or left out: not observed, so the ladder answers."
    )
    lowest: Money | None = Field(default=None, description="Lowest price of the past 30 days, to show a discount.")
    willingness_people: People | None = Field(
        default=None,
        description="Of a store and hour that a factor `willingness` sums up: 20 at least, else it is refused.",
    )

    @model_validator(mode="after")
    def _of_many(self) -> Self:
        check_people([self.factors.get(WILLINGNESS)], [self.willingness_people])
        return self


class MarketRequest(Request):
    """Some items of one market."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, json_schema_extra={"example": {"market": EXAMPLE_MARKET, "items": [EXAMPLE_ITEM]}}
    )

    market: Id
    items: list[Item] = Field(min_length=1, max_length=QUOTE_MAX)

    @model_validator(mode="after")
    def _once(self) -> Self:
        if len({item.item_id for item in self.items}) < len(self.items):
            raise ValueError("each item_id may be there once; remove the repeated ones")
        return self


class QuoteRequest(MarketRequest):
    """Prices for one or some items of a market."""


class ExplainRequest(MarketRequest):
    """Why, for a few items of a market."""

    items: list[Item] = Field(min_length=1, max_length=EXPLAIN_MAX)


class WhatIfRequest(Request):
    """What each price would bring for one item."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, json_schema_extra={"example": {"market": EXAMPLE_MARKET, "item": EXAMPLE_ITEM}}
    )

    market: Id
    item: Item


class Shelves(Request):
    """Items of one market as columns of one length."""

    market: Id
    item_ids: list[Id] = Field(min_length=1, max_length=REPRICE_MAX)
    period: list[Period] = Field(min_length=1, max_length=REPRICE_MAX)
    stock: list[Stock] = Field(min_length=1, max_length=REPRICE_MAX)
    before: list[Money] = Field(min_length=1, max_length=REPRICE_MAX, description=BEFORE)
    factors: dict[FactorName, Annotated[list[Reading | None], Field(max_length=REPRICE_MAX)]] = Field(default={})
    lowest: Annotated[list[Money | None], Field(max_length=REPRICE_MAX)] | None = None
    willingness_people: Annotated[list[People | None], Field(max_length=REPRICE_MAX)] | None = None

    @model_validator(mode="after")
    def _one_length(self) -> Self:
        count = len(self.item_ids)
        columns: list[tuple[str, Sized]] = [("period", self.period), ("stock", self.stock), ("before", self.before)]
        columns += [*self.factors.items(), *(() if self.lowest is None else (("lowest", self.lowest),))]
        columns += [] if self.willingness_people is None else [(PEOPLE, self.willingness_people)]
        for name, column in columns:
            if len(column) != count:
                raise ValueError(f"{name} has {len(column)} entries, item_ids has {count}: give one an item")
        if len(set(self.item_ids)) < count:
            raise ValueError("each item_id may be there once in a market; remove the repeated ones")
        if WILLINGNESS in self.factors:
            check_people(self.factors[WILLINGNESS], self.willingness_people)
        return self


class RepriceRequest(Request):
    """A whole store: several markets, each as columns."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        json_schema_extra={"example": {"request_id": "store-7 2026-01-05 09:00", "markets": [EXAMPLE_COLUMNS]}},
    )

    markets: list[Shelves] = Field(min_length=1, max_length=MARKETS_MAX)
    request_id: Id | None = Field(
        default=None,
        description="Of this run, in approval mode: sent again under it, nothing is proposed twice. Null: the day, in UTC.",
    )

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        if len({each.market for each in self.markets}) < len(self.markets):
            raise ValueError("each market may be there once; join its columns")
        if (count := sum(len(each.item_ids) for each in self.markets)) > REPRICE_MAX:
            raise ValueError(f"{count} items: at most {REPRICE_MAX} a request; split it")
        return self


class OutsideRange(Reply):
    """A variable outside what the network was trained on; null where it was not given."""

    variable: str
    value: float | None
    low: float
    high: float
    by: float | None = Field(description="How far beyond the nearer end.")


class PriceFields(Reply):
    """A price and why it is that."""

    price: float
    wanted: float = Field(description="Before the limits.")
    rule: str = Field(description="The first rule that moved the price; empty for none.")
    yielded: list[str] = Field(description="Rules that could not hold beside those before them.")
    reference: float | None = Field(description="Price that a discount may be shown against; null where none may.")
    worth: float | None = Field(description="Money expected until the end; null of a price that no network gave.")
    gain: float | None = Field(description="Of that over list price.")
    served_by: str
    outside: list[OutsideRange]


class Priced(PriceFields):
    """One item's price and why it is that."""

    item_id: str


class Answered(Reply):
    """Who answered."""

    served_by: str = Field(
        description="`champion ID`, `approved` or `fallback:approved_ladder`, the worst of the items'."
    )
    breaker: Breaker
    artifact_id: str
    registry_version: str
    notes: list[str] = Field(description="What a reader must know: degraded, outside the range.")


class QuoteReply(Answered):
    """Prices, and who made them."""

    prices: list[Priced]


class PricedColumns(Reply):
    """Prices of one market in the order of the request, as columns."""

    market: str
    item_ids: list[str]
    price: list[float]
    wanted: list[float]
    rule: list[str]
    reference: list[float | None]
    worth: list[float | None]
    gain: list[float | None]
    served_by: list[Served]
    proposal_ids: list[str | None] = Field(description="In approval mode; null where the price stays as it is.")
    outside: dict[str, list[OutsideRange]] = Field(description="By item_id, of those that are.")


class RepriceReply(Answered):
    """Prices of a store; in approval mode proposals, none of which is live before it is approved."""

    mode: Literal["live", "proposals"]
    proposed: int = Field(description="New proposals; those known under the request's id are not counted again.")
    markets: list[PricedColumns]


class ReferenceSituation(Reply):
    """What reasons are told against: the market's first period, opened as usual, list price on the label."""

    period: int
    stock: list[int]
    before: float
    factors: dict[str, float]


class ReasonFields(Reply):
    """base + the sum of moved_by + limits == price, in money."""

    price: float
    base: float = Field(description="What the network asks in the reference situation.")
    moved_by: dict[str, float] = Field(description="Exact Shapley value of each group of variables, largest first.")
    limits: float = Field(description="What the rules moved the price by, after the network.")
    rule: str


class Reasons(ReasonFields):
    """base + the sum of moved_by + limits == price, in money."""

    item_id: str


class ExplainReply(Reply):
    """Reasons of the network's prices."""

    served_by: str
    breaker: Breaker
    artifact_id: str
    reference: ReferenceSituation
    groups: dict[str, list[str]] = Field(description="Variables of the state in each group.")
    reasons: list[Reasons]
    notes: list[str] = Field(description="Items that the network does not price, and why.")


class WhatIfPoint(Reply):
    """One price of the ladder."""

    price: float
    units: float = Field(description="Expected to be sold now; of fresh goods today.")
    worth: float = Field(description="Money expected until the end; of fresh goods days to come count less and less.")
    allowed: bool
    rule: str = Field(description="That forbids it; empty where it is allowed.")


class WhatIfFields(Reply):
    """A curve, and the same as a picture."""

    served_by: str
    breaker: Breaker
    artifact_id: str
    price: float = Field(description="What would be served.")
    rule: str
    points: list[WhatIfPoint]
    svg: str = Field(description="The curve as a picture; `/curve` shows it on a page.")


class WhatIfReply(WhatIfFields):
    """The curve of one item, and the same as a picture."""

    item_id: str


class MarketCard(Reply):
    """One market."""

    market: str
    list_price: float
    periods: int | None
    ages: int | None
    factors: dict[str, tuple[float, float]]
    ladder: list[float]


class FreshCard(Reply):
    """The fresh goods, all priced by one network; `/goods` lists them."""

    goods: int
    prices: list[float] | None = Field(description="Over list price; null where no network can be asked.")
    made_by: str = Field(description="How the ladders that they fall back to were chosen.")


class PricingCard(CardReply):
    """Which champion answers, its markets and fresh goods, and whether something is wrong."""

    approval: Literal["on", "off"]
    markets: list[MarketCard]
    fresh: FreshCard | None
