"""What the centre shall hear of a box, kept on its disk until the service has it: store and forward (SQLite).

An event lies on the disk before it counts as stored, and goes only after the service said that it has it. A kill in between
sends it twice, which its `event_id` makes one.
"""

import http.client
import json
import sqlite3
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from edge.transaction import Transaction
from models.common.protocols import InputError

FILE = "outbox.sqlite"
CAPACITY = 200_000  # events, some 60 MB: weeks of a busy kiosk without network
BATCH = 500
TIMEOUT_S = 10.0
SAID_BYTES = 300  # of a refusal, for the message
Name = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Send = Callable[[Sequence[Mapping[str, Any]]], None]


class OutboxError(RuntimeError):
    """Events that could not be stored or sent; the message says how many wait and what to do."""


class Event(BaseModel):
    """What every event has."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    event_id: Name = Field(description="given once, ever: what comes twice counts once")


class KioskEvent(Event):
    """One thing that a customer did at the kiosk, as the service's feedback takes it."""

    kind: Literal["view", "click", "cart", "purchase"]
    item_id: Name
    customer_id: Name
    event_time: AwareDatetime = Field(description="when it happened, with its time zone")


class Outbox:
    """Events of one kind waiting in `file` under `home`, oldest first; several processes may use it."""

    def __init__(
        self, home: Path, *, capacity: int = CAPACITY, kind: type[Event] = KioskEvent, file: str = FILE
    ) -> None:
        home.mkdir(parents=True, exist_ok=True)
        self._file, self._capacity, self._kind = home / file, capacity, kind
        with self._open() as connection:
            connection.execute(
                "CREATE TABLE IF NOT EXISTS events (place INTEGER PRIMARY KEY, id TEXT UNIQUE, body TEXT)"
            )

    def store(self, event: Mapping[str, Any]) -> bool:
        """Keep an event for good; False when it waits already. InputError for a wrong one, OutboxError when full."""
        return self.store_all([event]) == 1

    def store_all(self, events: Sequence[Mapping[str, Any]]) -> int:
        """Keep all of some events for good, or none; how many did not wait already. Errors as `store`."""
        rows = []
        for event in events:
            try:
                checked = self._kind.model_validate(dict(event))
            except ValidationError as error:
                first = error.errors()[0]
                where = ".".join(str(part) for part in first["loc"]) or "event"
                raise InputError(f"{where}: {first['msg']} (given: {str(first['input'])[:80]})") from error
            rows.append((checked.event_id, checked.model_dump_json()))
        if not rows:
            return 0
        with self._open() as connection:
            if (waiting := _count(connection)) + len(rows) > self._capacity:
                raise OutboxError(
                    f"{waiting} events wait, no more than {self._capacity} are kept: bring the box online"
                )
            return connection.executemany("INSERT OR IGNORE INTO events (id, body) VALUES (?, ?)", rows).rowcount

    def forward(self, send: Send) -> int:
        """Send what waits, oldest first, `BATCH` at a time; how many are gone. What `send` refuses by OSError stays."""
        gone = 0
        while batch := self._oldest():
            try:
                send([json.loads(body) for _, body in batch])
            except OSError as error:
                raise OutboxError(
                    f"{gone} events sent, {self.waiting()} wait: {error}; they are sent next time"
                ) from error
            with self._open() as connection:
                # By id: a place that another forwarder freed meanwhile may hold a new event.
                connection.executemany("DELETE FROM events WHERE id = ?", [(name,) for name, _ in batch])
            gone += len(batch)
        return gone

    def waiting(self) -> int:
        """Events that the service does not have yet."""
        with self._open() as connection:
            return _count(connection)

    def _oldest(self) -> list[tuple[str, str]]:
        """(id, body) of each."""
        with self._open() as connection:
            rows: list[tuple[str, str]] = connection.execute(
                "SELECT id, body FROM events ORDER BY place LIMIT ?", (BATCH,)
            ).fetchall()
            return rows

    def _open(self) -> Transaction:
        return Transaction(self._file)


def to_service(url: str, *, path: str = "feedback", field: str = "events", token: str = "") -> Send:
    """Send to `path` of the service at `url`, `{field: [...]}`, with the `token` that it knows this box by, if it asks for one;
    whatever is not answered with 200 is an OSError, which says what the service said."""
    if not url.startswith(("http://", "https://")):
        raise InputError(f"{url[:80]!r} is no address of a service: give http://HOST:PORT or https://HOST")
    if urlsplit(url).username is not None:  # not repeated here: it may hold a password
        raise InputError(
            "the service's address holds a user: give http://HOST:PORT, and the token in STORELOOP_EDGE_TOKEN"
        )
    address, opener = f"{url.rstrip('/')}/{path}", _opener()

    def send(events: Sequence[Mapping[str, Any]]) -> None:
        body = json.dumps({field: list(events)}).encode()
        request = urllib.request.Request(  # noqa: S310 - the scheme was checked above
            address, body, {"Content-Type": "application/json"}
        )
        if token:
            request.add_unredirected_header("Authorization", f"Bearer {token}")  # for this service alone
        try:
            with opener.open(request, timeout=TIMEOUT_S) as reply:
                if reply.status != 200:
                    raise OSError(f"{address} answered with {reply.status}")
        except urllib.error.HTTPError as error:
            raise _failure(address, error) from error
        except http.client.HTTPException as error:  # no OSError, unlike all else that a network does
            raise OSError(
                f"{address} gave no sound answer of HTTP ({type(error).__name__}: {error}): is it the service's?"
            ) from error

    return send


def _opener() -> urllib.request.OpenerDirector:
    """urllib's own but for redirections: it would follow one by a GET, whose 200 says nothing of the events."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
    ):
        opener.add_handler(handler)
    return opener


def _failure(address: str, answer: urllib.error.HTTPError) -> OSError:
    """What an answer other than 200 means."""
    with answer:
        if 300 <= answer.code < 400:
            where = str(answer.headers.get("Location", ""))[:SAID_BYTES]
            return OSError(
                f"{address} answered with {answer.code} and points to {where!r}, perhaps a network's login page, so nothing counts as "
                "delivered: log the box in, or give the address of the service itself"
            )
        try:
            said = answer.read(SAID_BYTES).decode(errors="replace")
        except (OSError, http.client.HTTPException):
            said = ""  # cut off
    return OSError(f"{address} answered with {answer.code}: {said}")


def _count(connection: sqlite3.Connection) -> int:
    return int(connection.execute("SELECT count(*) FROM events").fetchone()[0])
