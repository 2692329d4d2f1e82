"""Follows a shop's logs, books and ledger on to the board, in a thread of its own."""

import json
import sqlite3
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from models.common.protocols import InputError
from serving.live.bills import Billed
from serving.live.board import Board
from serving.live.camera_events import SHELF, UNATTRIBUTED, ShelfEvent
from serving.live.heads import LedgerWatch
from serving.settlement.books import Books
from serving.settlement.database import DatabaseError
from serving.settlement.entries import EntryError
from serving.settlement.notes import NoteError
from serving.settlement.receipts import Receipt
from serving.settlement.shop_events import Heard, Offered, Prices, read_event
from serving.settlement.till import ENTRIES, REFUSED
from serving.settlement.transport import Followed, Follower, Topics, TransportError
from serving.settlement.tree import ProofError

BACK = 5_000  # records of each log that are read again when the page begins
_MOST, _WAIT_S, _REVIEWS_S, _AGAIN_S = 500, 0.04, 0.5, 2.0
Problems = Callable[[], Mapping[str, str]]


def followed_topics(topics: Topics, *, boxes: bool) -> Sequence[str]:
    """The logs that the page follows; those that boxes fill only where any may."""
    return [topics.events, *(topics.of(each) for each in (ENTRIES, REFUSED, *((SHELF, UNATTRIBUTED) if boxes else ())))]


class Watch:
    """See the module. `open_follower` is asked again after a failure; `problems` tells what others suffer from; `clock` gives
    seconds that only grow."""

    def __init__(
        self,
        board: Board,
        shop: str,
        open_follower: Callable[[], Follower],
        books: Books,
        ledger: LedgerWatch,
        topics: Topics,
        problems: Problems,
        *,
        clock: Callable[[], float],
    ) -> None:
        self._board, self._shop, self._open, self._books, self._ledger = board, shop, open_follower, books, ledger
        self._topics, self._problems, self._clock = topics, problems, clock
        self._follower: Follower | None = None
        self._live = False  # whether all that lay in the logs before has been read
        self._reviews_s = 0.0
        self._problem = ""

    def step(self) -> int:
        """Take in what is new; how many records."""
        try:
            self._follower = self._follower or self._open()
            read = self._follower.read(_MOST)
            self._problem = ""
        except TransportError as error:
            self._follower, read, self._problem = None, [], f"the logs cannot be read: {error}"
        if self._ledger.look():  # before receipts are taken in: it knows the keys then
            self._board.heads(list(self._ledger.seen))
        for each in read:
            self._take(each)
        self._live = self._live or not (read or self._problem)
        if self._clock() >= self._reviews_s:
            self._ask_books()
            self._reviews_s = self._clock() + _REVIEWS_S
        own = {"logs": self._problem, "ledger": self._ledger.problem}
        self._board.problems({**self._problems(), **own})
        return len(read)

    def run(self, stop: threading.Event) -> None:
        """Step until `stop`; where it cannot go on, the page says so before it stands still."""
        try:
            while not stop.is_set():
                if not self.step():
                    stop.wait(_AGAIN_S if self._problem else _WAIT_S)
        except BaseException as error:
            self._board.problems(
                {"logs": f"this page stands still ({type(error).__name__}: {error}): start the shop again"}
            )
            raise

    def _ask_books(self) -> None:
        try:
            found = self._books.of_kind(self._shop, "review")
        except (DatabaseError, sqlite3.Error) as error:
            self._problem = f"the till's books cannot be read: {error}"
            return
        self._board.reviews([json.loads(text) for text in found.values()])

    def _take(self, followed: Followed) -> None:
        now_s = self._clock() if self._live else None
        value = followed.record.value
        if followed.topic == self._topics.events:
            self._take_event(value, now_s)
        elif followed.topic == self._topics.of(ENTRIES):
            self._take_entry(value, now_s)
        elif followed.topic == self._topics.of(REFUSED):
            self._board.refused(str(_object(value).get("error", "")))
        elif followed.topic == self._topics.of(SHELF):
            self._take_shelf(value, None)
        elif followed.topic == self._topics.of(UNATTRIBUTED):
            told = _object(value)
            self._take_shelf(json.dumps(told.get("told")).encode(), str(told.get("why")))

    def _take_event(self, value: bytes, now_s: float | None) -> None:
        try:
            event = read_event(value)
        except InputError:
            return  # the till sets it aside and says so in the log of what is refused
        if event.shop == self._shop and not isinstance(event, Heard | Prices | Offered):
            self._board.event(event, now_s)

    def _take_entry(self, value: bytes, now_s: float | None) -> None:
        try:
            receipt = Receipt.from_json(value.decode(errors="replace"))
            billed = Billed.of(receipt)
        except (ProofError, NoteError, EntryError, ValidationError) as error:
            self._board.refused(f"a receipt cannot be read: {error}")
            return
        if billed is not None and billed.shop == self._shop:
            self._board.entry(billed, verified=self._ledger.verified(receipt), now_s=now_s)

    def _take_shelf(self, value: bytes, why: str | None) -> None:
        try:
            told = ShelfEvent.model_validate_json(value)
        except ValidationError:
            return  # nobody but the intake writes this log
        if why is None:
            self._board.shelf(told)
        else:
            self._board.nobodys(told, why)


def _object(value: bytes) -> Mapping[str, Any]:
    try:
        found = json.loads(value)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
