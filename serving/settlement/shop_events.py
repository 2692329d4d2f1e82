"""What the log of a shop holds: who came in, what was taken and put back, what the gate read, who left, what a person decided,
and the price lists, promotions and coupons that hold. All that a bill hangs on is in the log, so that it can be told again.

An event is known by its `event_id`: sent twice it counts once. `time` is when it happened, which may be long before it is heard.
"""

from datetime import UTC, datetime
from typing import Annotated, Literal, TypeAlias

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    TypeAdapter,
    ValidationError,
)

from models.common.protocols import InputError
from serving.settlement.offers import Coupon, Promotion

Name = Annotated[str, StringConstraints(pattern=r"^[\x21-\x7e]{1,120}$")]
# Names of shops and visits are parts of the ids of bills, which colons separate.
Part = Annotated[str, StringConstraints(pattern=r"^[\x21-\x39\x3b-\x7e]{1,120}$")]
EARLIEST, LATEST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
MOST_COUNT = 100  # packages in one reach
MOST_TAGS = 1_000  # read at the gate of one visit
MOST_PRICES = 100_000
MOST_CENTS = 10_000_000
LONGEST_EVENT = 8 << 20  # bytes


def _sound(time: datetime) -> datetime:
    if not EARLIEST <= time < LATEST:
        raise ValueError(f"{time.isoformat()} lies outside {EARLIEST:%Y} to {LATEST:%Y}: set the clock of who tells it")
    return time


class _Event(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    event_id: Name
    shop: Part
    time: Annotated[AwareDatetime, AfterValidator(_sound)] = Field(description="when it happened, with its time zone")


class _OfVisit(_Event):
    visit_id: Part


class Entered(_OfVisit):
    """The gate opened for an account."""

    kind: Literal["entered"] = "entered"
    account: Name = Field(description="pseudonym of who pays")


class Moved(_OfVisit):
    """Packages taken from a shelf or put into one, and how sure the sensors are of product and count."""

    kind: Literal["moved"] = "moved"
    deed: Literal["take", "put"]
    product: Name
    count: int = Field(ge=1, le=MOST_COUNT)
    confidence: float = Field(ge=0, le=1, description="that product, count and visit are right")
    shelf: Name
    tags: Literal["unseen", "followed", "returned"] = Field(
        default="unseen",
        description="whether shelf antennas followed its tags, so that the confidence holds what the gate read of them, and whether "
        "all of them came back",
    )


class Tag(BaseModel):
    """A tag read in passing: the product that the books say it is on."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    epc: Name
    product: Name


class Passed(_OfVisit):
    """What the antenna of the gate read while the visit passed: no tags where it read none, no such event where there is none."""

    kind: Literal["passed"] = "passed"
    tags: tuple[Tag, ...] = Field(default=(), max_length=MOST_TAGS)


class Left(_OfVisit):
    """The last of the visit has left."""

    kind: Literal["left"] = "left"


class Decided(_OfVisit):
    """What a person found the visit to have taken of a product, whatever the sensors say."""

    kind: Literal["decided"] = "decided"
    product: Name
    count: int = Field(ge=0, le=MOST_COUNT)
    by: Name
    reason: str = Field(min_length=1, max_length=500)


class Heard(_Event):
    """A source of events has told all that happened before `time`: nothing older is under way from it."""

    kind: Literal["heard"] = "heard"
    source: Name


class Priced(BaseModel):
    """What a product costs with tax, and the rate of that tax in hundredths of a percent."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    product: Name
    cents: int = Field(ge=0, le=MOST_CENTS, description="smallest unit of the currency, tax included")
    tax: int = Field(ge=0, le=10_000, description="hundredths of a percent")


class Prices(_Event):
    """Prices that hold from `time` on, until others of the same products follow."""

    kind: Literal["prices"] = "prices"
    currency: Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
    prices: tuple[Priced, ...] = Field(min_length=1, max_length=MOST_PRICES)


class Offered(_Event):
    """Promotions and coupons that shoppers may rely on from now on."""

    kind: Literal["offered"] = "offered"
    promotions: tuple[Promotion, ...] = ()
    coupons: tuple[Coupon, ...] = ()


OfVisit: TypeAlias = Entered | Moved | Passed | Left | Decided
ShopEvent: TypeAlias = OfVisit | Heard | Prices | Offered
_EVENT: TypeAdapter[ShopEvent] = TypeAdapter(Annotated[ShopEvent, Field(discriminator="kind")])


def read_event(content: bytes) -> ShopEvent:
    """An event as the log holds it; InputError names what is wrong with it."""
    if len(content) > LONGEST_EVENT:
        raise InputError(f"an event of {len(content):,} bytes: {LONGEST_EVENT:,} is the bound, split it")
    try:
        return _EVENT.validate_json(content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        where = ".".join(map(str, first["loc"])) or "event"
        raise InputError(f"{where}: {first['msg']}, in {content[:200]!r}") from error
