"""Takes in what boxes tell, each known by a token of the environment: camera events into the log of shelves, places into the feed."""

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path

from serving.approval_roles import Tokens
from serving.live.camera_events import SHELF, CameraEvent, EventsRequest, PositionsRequest, ShelfEvent
from serving.live.feed import PositionFeed
from serving.replies import Refusal
from serving.settlement.transport import Message, Producer, Topics, TransportError
from serving.sqlite_file import SqliteFile

FILE = "intake.sqlite"
KEPT_S = 90 * 86_400.0  # ids are known for longer than an event may lie in a box
NO_BOX = (
    "no box may tell anything: give STORELOOP_SERVE_BOXES as name:token pairs and start the shop again; boxes keep what they have "
    "to tell"
)
UNKNOWN = "no known token: send `Authorization: Bearer TOKEN`, which a box reads from STORELOOP_EDGE_TOKEN"
_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS taken (event_id TEXT PRIMARY KEY, digest BLOB NOT NULL, taken_s REAL NOT NULL) STRICT, WITHOUT ROWID",
    "CREATE INDEX IF NOT EXISTS taken_by_age ON taken (taken_s)",
)


@dataclass(frozen=True)
class Delivered:
    """Of a delivery: events that are `new`, those `known` before, and `conflicts`, ids given before with another content."""

    new: int
    known: int
    conflicts: tuple[str, ...]


class TakenEvents(SqliteFile):
    """Which camera events lie in the log already. Threads and processes share it; `clock` gives seconds since 1970."""

    def __init__(self, file: Path, *, clock: Callable[[], float]) -> None:
        super().__init__(file, _prepare)
        self._clock = clock

    def take(self, events: Sequence[CameraEvent], send: Callable[[Sequence[CameraEvent]], None]) -> Delivered:
        """Send those that are new, all or none; their ids are known once they are sent. Killed in between it sends them again, with
        the same ids, under which the till counts them once. sqlite3.Error where the disk refuses, what `send` raises goes on."""
        fresh: dict[str, tuple[bytes, CameraEvent]] = {}
        conflicts: list[str] = []
        with self._writing() as connection:
            now = self._clock()
            connection.execute("DELETE FROM taken WHERE taken_s <= ?", (now - KEPT_S,))
            for each in events:
                digest = sha256(each.model_dump_json().encode()).digest()
                row = connection.execute("SELECT digest FROM taken WHERE event_id = ?", (each.event_id,)).fetchone()
                known = row[0] if row is not None else fresh.get(each.event_id, (None,))[0]
                if known is None:
                    fresh[each.event_id] = (digest, each)
                elif known != digest:
                    conflicts.append(each.event_id)
            if fresh:
                connection.executemany(
                    "INSERT INTO taken VALUES (?, ?, ?)", [(name, digest, now) for name, (digest, _) in fresh.items()]
                )
                send([event for _, event in fresh.values()])
        return Delivered(len(fresh), len(events) - len(fresh) - len(conflicts), tuple(conflicts))


class Intake:
    """Behind `/camera-events` and `/positions`; see the module."""

    def __init__(
        self,
        shop: str,
        boxes: str,
        taken: TakenEvents,
        producer: Producer,
        topics: Topics,
        feed: PositionFeed,
        *,
        now: Callable[[], datetime],
    ) -> None:
        """`boxes` as `STORELOOP_SERVE_BOXES` tells them. ValueError for a token too short, or one that two have."""
        self._shop, self._topic = shop, topics.of(SHELF)
        self._tokens, self._taken, self._producer, self._feed = Tokens({"box": boxes}), taken, producer, feed
        self._now = now

    def events(self, request: EventsRequest, authorization: str) -> Delivered:
        """All of them are on the disk of the log when this returns. Refusal 401 and 503 as for `teller`, 400 for a time out of
        bounds, 503 where the log cannot be written."""
        teller = self.teller(authorization)
        now = self._now()
        for each in request.events:
            each.check(now)
        try:
            return self._taken.take(request.events, lambda fresh: self._send(teller, fresh))
        except (sqlite3.Error, TransportError) as error:
            raise Refusal(503, f"camera events cannot be kept now ({error}): send them again") from error

    def positions(self, request: PositionsRequest, authorization: str) -> int:
        """How many were news. Refusal as `teller`, InputError for a time out of bounds: none is taken then."""
        self.teller(authorization)
        request.check(self._now())
        return self._feed.take(request.positions)

    def teller(self, authorization: str) -> str:
        """Whose token it is. Refusal 503 where no box has any, 401 where it is nobody's."""
        if not self._tokens:
            raise Refusal(503, NO_BOX)
        box = self._tokens.by_header(authorization)
        if box is None:
            raise Refusal(401, UNKNOWN)
        return box.name

    def _send(self, teller: str, events: Sequence[CameraEvent]) -> None:
        told = [ShelfEvent(shop=self._shop, teller=teller, event=each) for each in events]
        self._producer.send([Message(self._topic, self._shop, each.model_dump_json().encode()) for each in told])


def _prepare(connection: sqlite3.Connection) -> None:
    for statement in _SCHEMA:
        connection.execute(statement)
