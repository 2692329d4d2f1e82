"""Events of cameras: what they say, kept by the outbox, forwarded by a thread that is patient with the network."""

import hashlib
import http.client
import sqlite3
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from edge.outbox import DeniedError, Event, Name, Outbox, OutboxError, Send

FILE = "camera_events.sqlite"
CAPACITY = 100_000  # some 40 MB: days of a busy shop without network
PATH = "camera-events"  # of the service that takes them, see `edge.outbox.to_service`
TOLD = 700  # characters of a problem: what a service said and the remedy behind it have room
Deed = Literal["take", "put"]


class CameraEvent(Event):
    """Items that were taken from, or put into, the view of a camera. `event_id` is the same whenever the same box reads the same
    frames again, so that a file that is replayed after a kill counts once."""

    box_id: Name = Field(description="of the box, see `edge.box_id`: cameras of two shops may go by one name")
    camera: Name
    kind: Deed
    product: Name | None = Field(
        description="its number in the catalogue; null where the camera cannot tell: a person decides"
    )
    count: int = Field(ge=1, le=1_000, description="items of the product")
    time: AwareDatetime = Field(description="when it was seen, with its time zone")
    confidence: float = Field(ge=0, le=1, description="how sure it is of product and deed, the least of the items'")


def event_of(
    camera: str, kind: Deed, product: str | None, *, box: str, items: Sequence[int], time: datetime, confidence: float
) -> CameraEvent:
    """An event of the tracks numbered `items`, seen by `box`; its id is a hash of what happened, where and when."""
    at = time.astimezone(UTC).isoformat()
    told = "\0".join((box, camera, kind, product or "", at, ",".join(map(str, sorted(items)))))
    digest = hashlib.sha256(told.encode()).hexdigest()[:32]
    return CameraEvent(
        event_id=digest,
        box_id=box,
        camera=camera,
        kind=kind,
        product=product,
        count=len(items),
        time=time,
        confidence=confidence,
    )


def camera_outbox(home: Path, *, capacity: int = CAPACITY) -> Outbox:
    """Events of the cameras of the box under `home`."""
    return Outbox(home, capacity=capacity, kind=CameraEvent, file=FILE)


class Keeper:
    """Stores events, and says where it cannot: nothing goes on before what was seen lies on the disk."""

    def __init__(self, outbox: Outbox, *, retry_s: float = 1.0) -> None:
        self.outbox, self._retry_s = outbox, retry_s
        self.stored = 0
        self.problem = ""

    def keep(
        self, events: Sequence[CameraEvent], stop: threading.Event, alive: Callable[[], None] = lambda: None
    ) -> bool:
        """Wait until all of `events` are stored; False when `stop` came first. While it waits, `problem` says why, and `alive`
        is called before each try."""
        while events:
            try:
                self.stored += self.outbox.store_all([event.model_dump(mode="json") for event in events])
                break
            except (OutboxError, sqlite3.Error, OSError) as error:
                self.problem = f"{len(events)} events wait for room, no new frame is taken: {error}; free some space"
            if stop.wait(self._retry_s):
                return False
            alive()
        self.problem = ""
        return True


class ForwardConfig(BaseModel):
    """How patient a box is with the network."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    every_s: float = Field(default=1.0, gt=0, le=3_600, description="seconds between looks at the outbox")
    first_wait_s: float = Field(default=1.0, gt=0, le=3_600, description="seconds after a failure; doubled each time")
    longest_wait_s: float = Field(default=60.0, gt=0, le=86_400, description="seconds, the bound of that doubling")


@dataclass
class Forwarded:
    """What went out since the start."""

    events: int = 0
    failures: int = 0
    problem: str = ""
    denied: bool = False  # the last try failed on who the box is, or where it sends: no patience mends that
    fallen: str = ""  # what ended the thread, though nobody closed it


class Forwarder:
    """A thread that sends what waits in an outbox, oldest first, and tries again for ever."""

    def __init__(self, outbox: Outbox, send: Send, config: ForwardConfig | None = None) -> None:
        self._outbox, self._send, self._config = outbox, send, config or ForwardConfig()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="forwarder", daemon=True)
        self.done = Forwarded()

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def close(self, *, flush_s: float = 0.0) -> None:
        """End; first wait up to `flush_s` seconds for the outbox to empty."""
        until = time.monotonic() + flush_s
        while time.monotonic() < until and not self.done.fallen and self._outbox.waiting():
            time.sleep(0.02)
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(timeout=15.0)

    def _run(self) -> None:
        try:
            self._forward_until_closed()
        except BaseException as error:  # whatever a `Send` raises, the health says that nothing goes out any more
            self.done.fallen = f"{type(error).__name__}: {error}"[:300]
            raise

    def _forward_until_closed(self) -> None:
        wait_s = self._config.first_wait_s
        while not self._stop.is_set():
            try:
                self._outbox.forward(self._counted)
            except (
                OutboxError,
                sqlite3.Error,  # a full disk cannot forget what was sent: it comes again
                OSError,
                http.client.HTTPException,
            ) as error:
                self.done.failures += 1
                self.done.problem = (str(error) or type(error).__name__)[:TOLD]
                self.done.denied = isinstance(error.__cause__, DeniedError)
                self._stop.wait(wait_s)
                wait_s = min(2 * wait_s, self._config.longest_wait_s)
                continue
            wait_s, self.done.problem, self.done.denied = self._config.first_wait_s, "", False
            self._stop.wait(self._config.every_s)

    def _counted(self, events: Sequence[Mapping[str, Any]]) -> None:
        if self._stop.is_set():
            raise OutboxError("the box stops")
        self._send(events)
        self.done.events += len(events)
