"""What the recommender is asked and what it answers: bounded, unknown fields refused."""

from typing import Annotated, Literal, Self

from pydantic import AwareDatetime, ConfigDict, Field, StringConstraints, field_validator, model_validator

from serving.impressions import MAX_LENGTH
from serving.schema_base import Breaker, CardReply, PageReply, PageRequest, Reply, Request

CUSTOMERS_MAX = 100
K_MAX = 100
HISTORY_MAX = 200
STOCK_MAX = 20_000
EXCLUDED_MAX = 1_000
SHOWN_MAX = 1_000
EVENTS_MAX = 1_000
EXAMPLE_CUSTOMER, EXAMPLE_ITEM = "C00001", "I00001"  # the API page shows ones of the champion in their places

Id = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Word = Annotated[str, StringConstraints(max_length=100)]
ImpressionId = Annotated[str, StringConstraints(min_length=1, max_length=MAX_LENGTH)]


class Context(Request):
    """What is known of the moment; all of it may be left out."""

    device: Word = Field(default="", description="As the shop names its devices: phone, kiosk, ...")
    hour: int | None = Field(
        default=None, ge=0, le=23, strict=True, description="Hour of the day where the customer is; null: now, in UTC."
    )
    segment: Word = Field(default="", description="Segment of a customer of whom the store knows none.")


class RecommendRequest(Request):
    """Recommendations for customers by id, or for somebody of whom no more is known than what was taken."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        json_schema_extra={
            "example": {
                "customer_ids": [EXAMPLE_CUSTOMER],
                "k": 5,
                "context": {"device": "phone", "hour": 18},
                "reasons": True,
            }
        },
    )

    customer_ids: list[Id] | None = Field(
        default=None, min_length=1, max_length=CUSTOMERS_MAX, description="Customers; or give `history`, not both."
    )
    history: list[Id] | None = Field(
        default=None, max_length=HISTORY_MAX, description="Items that somebody without an id took, oldest first."
    )
    k: int = Field(default=10, ge=1, le=K_MAX, strict=True, description="Items a customer.")
    context: Context = Field(default=Context())
    in_stock: list[Id] | None = Field(
        default=None, max_length=STOCK_MAX, description="Only these items, such as those in stock here; null: all."
    )
    exclude: list[Id] = Field(default=[], max_length=EXCLUDED_MAX, description="None of these items.")
    already_taken: Literal["leave_out", "allow"] = Field(
        default="leave_out", description="`allow` where goods are bought again and again."
    )
    most_of_category: int | None = Field(
        default=None,
        ge=1,
        le=K_MAX,
        strict=True,
        description="At most so many items of one category, as long as others are left; null: no bound.",
    )
    explore: bool = Field(
        default=True, description="Now and then show what is not thought best, to learn of it; `propensity` tells."
    )
    reasons: bool = Field(default=False, description="Also say why, item by item.")

    @field_validator("customer_ids")
    @classmethod
    def _unique(cls, values: list[str] | None) -> list[str] | None:
        if values is not None and len(set(values)) != len(values):
            raise ValueError("each customer may be named once; remove the repeated ones")
        return values

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.customer_ids is None) == (self.history is None):
            raise ValueError("give either customer_ids or history (an empty one is a stranger's)")
        return self


class Event(Request):
    """One thing that a customer did."""

    kind: Literal["view", "click", "cart", "purchase"]
    item_id: Id
    event_time: AwareDatetime = Field(description="When it happened, with its time zone.")
    customer_id: Id | None = Field(default=None, description="Null for somebody without an id.")
    impression_id: ImpressionId | None = Field(
        default=None, description="Of the recommendation that it answers to; null where it answers to none."
    )
    event_id: Id | None = Field(
        default=None, description="Given once, ever: what comes twice counts once. Needed without an impression."
    )

    @model_validator(mode="after")
    def _known_again(self) -> Self:
        if self.impression_id is None and self.event_id is None:
            raise ValueError("give an impression_id or an event_id, by which an event that comes twice is known again")
        if self.impression_id is None and self.customer_id is None:
            raise ValueError("without an impression_id and a customer_id nothing can be learned of an event")
        return self


class FeedbackRequest(Request):
    """What was shown, and what customers did. Send it again until it is answered: what comes twice counts once."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        json_schema_extra={
            "example": {
                "shown": [],
                "events": [
                    {
                        "kind": "purchase",
                        "customer_id": EXAMPLE_CUSTOMER,
                        "item_id": EXAMPLE_ITEM,
                        "event_time": "2026-01-05T18:30:00Z",
                        "event_id": "order-1-line-1",
                    }
                ],
            }
        },
    )

    shown: list[ImpressionId] = Field(
        default=[], max_length=SHOWN_MAX, description="Impressions that came into view, as `recommend` replied them."
    )
    events: list[Event] = Field(default=[], max_length=EVENTS_MAX)


class SimilarRequest(Request):
    """Items like one."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, json_schema_extra={"example": {"item_id": EXAMPLE_ITEM, "k": 5}}
    )

    item_id: Id
    k: int = Field(default=10, ge=1, le=K_MAX, strict=True)


class ItemsRequest(PageRequest):
    """One page of the items that this service recommends."""


class Because(Reply):
    """An item of the history and its share of what the history says for the recommended one."""

    item_id: str
    share: float


class Reason(Reply):
    """Why an item is recommended."""

    kind: Literal["history", "friends", "segment", "popular", "new", "explored", "order"]
    text: str
    because: list[Because] = Field(default=[])


class RecommendedItem(Reply):
    """An item in its place."""

    item_id: str
    category: str = Field(description="Empty where the catalogue tells none.")
    position: int = Field(description="From 1.")
    score: float = Field(
        description="Log-odds of a click if it stood first; of a fallback, share of the most popular item's customers."
    )
    propensity: float = Field(description="Chance that this item came to this place.")
    impression_id: str | None = Field(description="To refer to in `feedback`; null of a fallback.")
    reason: Reason | None = None


class Recommendation(Reply):
    """The items of one customer, best first; fewer than asked where stock or taken items leave no more."""

    customer_id: str | None
    cold_start: bool = Field(description="Nothing that the model knows was taken: what is popular in the segment.")
    segment: str
    served_by: str
    items: list[RecommendedItem]


class RecommendReply(Reply):
    """Recommendations, and who made them."""

    served_by: str = Field(description="`champion ID` or `fallback:segment_popular`.")
    breaker: Breaker
    artifact_id: str
    registry_version: str
    learned_events: int = Field(description="Impressions that the online part had learned of when this was answered.")
    recommendations: list[Recommendation]
    notes: list[str] = Field(description="What a reader must know: degraded, unknown customers and items.")


class Counted(Reply):
    """What became of a delivery: `new` is on the disk, `known` had come before, `too_old` cannot be told from known."""

    new: int
    known: int
    too_old: int


class FeedbackReply(Reply):
    """Taken in for good: this is sent only after it is on the disk."""

    shown: Counted
    clicks: Counted
    customer_events: int = Field(description="Events that customers' features did not know yet.")
    notes: list[str]


class SimilarItem(Reply):
    """An item and how like it is."""

    item_id: str
    category: str
    similarity: float = Field(description="Cosine of the item vectors.")


class SimilarReply(Reply):
    """Items like one, most like it first."""

    served_by: str
    items: list[SimilarItem]


class ItemsPage(PageReply):
    """Known items in the order of their ids."""

    item_ids: list[str]


class RecommenderCard(CardReply):
    """Which champion answers, what it knows, and whether something is wrong."""

    items: int
    customers: str = Field(description="Where customers are read: `feast`, `snapshot` or `none`.")
    learner: str = Field(description="`process`: this service owns it; `elsewhere`; `off`: no folder for feedback.")
    learned_events: int
    learner_problem: str | None
