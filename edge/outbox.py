"""What the centre shall hear of a box, kept on its disk until the service has it: store and forward (SQLite).

An event lies on the disk before it counts as stored, and goes only after the service said that it has it. A kill in between
sends it twice, which its `event_id` makes one. One that the service will never take is set aside with the answer, so that it
holds up nothing behind it.
"""

import http.client
import json
import sqlite3
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
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
# Answers of 4xx which say nothing against an event: some pass, others last until somebody mends the box or its address.
PASSING = frozenset({408, 425, 429})
ABOUT_THE_BOX = frozenset({401, 403, 404, 405, 407, 410, 415, 421, 426, 431})
_TABLES = (
    "CREATE TABLE IF NOT EXISTS events (place INTEGER PRIMARY KEY, id TEXT UNIQUE, body TEXT)",
    "CREATE TABLE IF NOT EXISTS refused (place INTEGER PRIMARY KEY, id TEXT UNIQUE, body TEXT, answer TEXT)",
)
Name = Annotated[str, StringConstraints(min_length=1, max_length=200)]
_Waiting = tuple[str, str]  # id and body
Send = Callable[[Sequence[Mapping[str, Any]]], None]


class OutboxError(RuntimeError):
    """Events that could not be stored or sent; the message says how many wait and what to do."""


class RefusedError(OSError):
    """Of a `Send`: the service will never take these events as they are; the message is its answer."""


class DeniedError(OSError):
    """Of a `Send`: nothing is taken from this box, or at this address, whatever the event; the message says what to mend."""


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


@dataclass(frozen=True)
class Refusal:
    """An event that was set aside, and what the service answered to it."""

    event: dict[str, Any]
    answer: str


class Outbox:
    """Events of one kind waiting in `file` under `home`, oldest first; several processes may use it."""

    def __init__(
        self, home: Path, *, capacity: int = CAPACITY, kind: type[Event] = KioskEvent, file: str = FILE
    ) -> None:
        home.mkdir(parents=True, exist_ok=True)
        self._file, self._capacity, self._kind = home / file, capacity, kind
        with self._open() as connection:
            for table in _TABLES:
                connection.execute(table)

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
            waiting, refused = _count(connection, "events"), _count(connection, "refused")
            if waiting + refused + len(rows) > self._capacity:
                aside = f" and {refused} were refused" if refused else ""
                remedy = ", or settle what `storeloop edge refused` tells" if refused else ""
                raise OutboxError(
                    f"{waiting} events wait{aside}, no more than {self._capacity} are kept: bring the box online{remedy}"
                )
            return connection.executemany("INSERT OR IGNORE INTO events (id, body) VALUES (?, ?)", rows).rowcount

    def forward(self, send: Send) -> int:
        """Send what waits, oldest first, `BATCH` at a time; how many the service has taken. What `send` fails on by an OSError stays.

        The events of a batch that fails by RefusedError are sent again one by one; those refused alone are set aside.
        """
        gone, alone = 0, list[_Waiting]()
        while batch := [alone.pop()] if alone else self._oldest():
            try:
                send([json.loads(body) for _, body in batch])
            except RefusedError as refusal:
                if len(batch) == 1:
                    self._set_aside(*batch[0], str(refusal))
                else:
                    alone = batch[::-1]
                continue
            except OSError as error:
                raise OutboxError(
                    f"{gone} events sent, {self.waiting()} wait: {error}; they are sent next time"
                ) from error
            self._forget(batch)
            gone += len(batch)
        return gone

    def waiting(self) -> int:
        """Events that the service does not have yet, less those refused."""
        with self._open() as connection:
            return _count(connection, "events")

    def refused(self) -> int:
        """Events that were set aside."""
        with self._open() as connection:
            return _count(connection, "refused")

    def refusals(self, most: int) -> list[Refusal]:
        """Events that were set aside, the last `most`, newest first."""
        with self._open() as connection:
            rows = connection.execute("SELECT body, answer FROM refused ORDER BY place DESC LIMIT ?", (most,))
            return [Refusal(json.loads(body), answer) for body, answer in rows]

    def retry_refused(self) -> int:
        """Let all that was set aside wait again, behind what waits; how many."""
        with self._open() as connection:
            connection.execute("INSERT OR IGNORE INTO events (id, body) SELECT id, body FROM refused ORDER BY place")
            return connection.execute("DELETE FROM refused").rowcount

    def _oldest(self) -> list[_Waiting]:
        with self._open() as connection:
            return connection.execute("SELECT id, body FROM events ORDER BY place LIMIT ?", (BATCH,)).fetchall()

    def _forget(self, sent: Sequence[_Waiting]) -> None:
        """By id: a place that another forwarder freed meanwhile may hold a new event."""
        ids = [(name,) for name, _ in sent]
        with self._open() as connection:
            connection.executemany("DELETE FROM events WHERE id = ?", ids)
            connection.executemany("DELETE FROM refused WHERE id = ?", ids)  # told anew, and taken after all

    def _set_aside(self, name: str, body: str, answer: str) -> None:
        with self._open() as connection:
            if connection.execute("DELETE FROM events WHERE id = ?", (name,)).rowcount:  # no other forwarder sent it
                connection.execute(
                    "INSERT OR REPLACE INTO refused (id, body, answer) VALUES (?, ?, ?)", (name, body, answer)
                )

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
    told, where = f"{address} answered with {answer.code}", str(answer.headers.get("Location", ""))[:SAID_BYTES]
    with answer:
        try:
            said = answer.read(SAID_BYTES).decode(errors="replace").strip()
        except (OSError, http.client.HTTPException):
            said = ""  # cut off
    if 300 <= answer.code < 400:
        return OSError(
            f"{told} and points to {where!r}, perhaps a network's login page, so nothing counts as delivered: log the box in, or "
            "give the address of the service itself"
        )
    told += f": {said}" if said else ""
    if answer.code in {401, 403}:
        return DeniedError(f"{told}; set STORELOOP_EDGE_TOKEN to the token that the service knows this box by")
    if answer.code in ABOUT_THE_BOX:
        return DeniedError(f"{told}; give the address of a service that takes these events")
    refused = 400 <= answer.code < 500 and answer.code not in PASSING
    return RefusedError(told) if refused else OSError(told)


def refused_problem(count: int) -> str:
    """What to tell somebody who looks after the box; empty when nothing was refused."""
    return (
        f"{count} events were refused and set aside: see `storeloop edge refused`, then send them again"
        if count
        else ""
    )


def _count(connection: sqlite3.Connection, table: Literal["events", "refused"]) -> int:
    return int(connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])  # noqa: S608 - one of two names
