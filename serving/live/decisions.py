"""Decisions on products in review that a person makes on the page."""

from collections.abc import Callable
from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from serving.replies import Refusal
from serving.settlement.books import Books
from serving.settlement.database import DatabaseError
from serving.settlement.deciding import decision
from serving.settlement.shop_events import MOST_COUNT, Name
from serving.settlement.transport import Message, Producer, TransportError


class DecideRequest(BaseModel):
    """How many of a product a visit took home, by whose word and why; both stand in the ledger."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    visit: Name
    product: Name
    count: int = Field(ge=0, le=MOST_COUNT)
    by: Name
    reason: str = Field(min_length=1, max_length=500)


class Decisions:
    """Sends decisions to the till; `closed` where whoever opens the page may be anybody."""

    def __init__(
        self, shop: str, books: Books, producer: Producer, topic: str, *, closed: bool, now: Callable[[], datetime]
    ) -> None:
        self._shop, self._books, self._producer, self._topic, self._now = shop, books, producer, topic, now
        self.closed = closed

    def take(self, asked: DecideRequest) -> str:
        """The id of the event that tells it. InputError for an unknown visit; Refusal 503 where books or log refuse."""
        try:
            event = decision(
                self._books, self._shop, asked.visit, asked.product, asked.count,
                by=asked.by, reason=asked.reason, now=self._now(),
            )  # fmt: skip
            self._producer.send([Message(self._topic, self._shop, event.model_dump_json().encode())])
        except (DatabaseError, TransportError) as error:
            raise Refusal(503, f"the decision cannot be kept now ({error}): decide again") from error
        return event.event_id
