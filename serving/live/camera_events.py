"""What boxes with cameras tell, as it comes in and as the log of shelves keeps it."""

from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from models.common.protocols import InputError
from serving.live.feed import Position
from serving.settlement.shop_events import Name

SHELF, UNATTRIBUTED = "shelf", "unattributed"  # logs: what boxes tell, and what of it is nobody's
MOST_EVENTS, MOST_POSITIONS = 1_000, 2_000  # of one request
AHEAD, BEHIND = timedelta(minutes=5), timedelta(days=60)
LONGEST_NAME = 120  # as `Name` bounds it
_CAMERA = "camera"
_Text = Annotated[str, StringConstraints(min_length=1, max_length=200)]


class _Told(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class CameraEvent(_Told):
    """Items that a camera saw taken or put; `event_id` is the same whenever the same thing is told again."""

    event_id: Name
    box_id: _Text
    camera: _Text
    kind: Literal["take", "put"]
    product: _Text | None = Field(description="null where the camera cannot tell")
    count: int = Field(ge=1, le=1_000)
    time: AwareDatetime
    confidence: float = Field(ge=0, le=1)

    def check(self, now: datetime) -> None:
        """InputError for a time that no sound clock tells: events from the future would end the waiting for all others."""
        remedy = "set the box's clock, then `storeloop edge refused` sends it again"
        _check_time(f"event {self.event_id!r}", self.time, now, remedy)

    @property
    def shop_id(self) -> str:
        """Its id in the log of the shop: a digest where its own is too long for one there, by a sign that no other id of a camera
        has."""
        whole = f"{_CAMERA}-{self.event_id}"
        return whole if len(whole) <= LONGEST_NAME else f"{_CAMERA}+{sha256(self.event_id.encode()).hexdigest()}"


class ShelfEvent(_Told):
    """A camera event in the log: of which shop it is, and whose token it came with."""

    shop: Name
    teller: str
    event: CameraEvent


class EventsRequest(_Told):
    """A delivery of a box."""

    events: tuple[CameraEvent, ...] = Field(min_length=1, max_length=MOST_EVENTS)


class PositionsRequest(_Told):
    """What a tracker tells of where people are."""

    positions: tuple[Position, ...] = Field(min_length=1, max_length=MOST_POSITIONS)

    def check(self, now: datetime) -> None:
        """InputError for a time that no sound clock tells: a place from the future would hide all others."""
        for each in self.positions:
            _check_time(f"a place of visit {each.visit_id!r}", each.time, now, "set the tracker's clock")


def _check_time(what: str, time: datetime, now: datetime, remedy: str) -> None:
    if not now - BEHIND <= time <= now + AHEAD:
        raise InputError(
            f"{what}: time {time.isoformat()} lies outside {(now - BEHIND).isoformat()} to {(now + AHEAD).isoformat()}: {remedy}"
        )


def utc_now() -> datetime:
    """Now."""
    return datetime.now(UTC)
