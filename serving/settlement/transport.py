"""How events reach the tills and their outputs leave them, whichever broker carries them: logs by topic, and one promise.

What a step consumed counts as consumed in the same moment in which what it produced may be read: both or neither.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

LARGEST_MESSAGE = 8 << 20  # bytes


@dataclass(frozen=True)
class Topics:
    """Names of the logs, which begin with `prefix`: what happened in shops, entries with their receipts, what they move in the
    stock, reviews, and events that could not be read."""

    prefix: str = "shop"

    @property
    def events(self) -> str:
        """What happened, by shop."""
        return f"{self.prefix}-events"

    def of(self, outputs: str) -> str:
        """Where outputs of a kind go."""
        return f"{self.prefix}-{outputs}"


class TransportError(RuntimeError):
    """The broker or its disk refuses or is away; nothing of the step counts."""


class Fenced(TransportError):
    """Another consumer has taken over: this one is to end."""


class LogLost(RuntimeError):
    """The log ends before what was read of it: it is another one, and a person must look."""


@dataclass(frozen=True)
class Record:
    """A message as it lies in a partition of a log; offsets of one partition grow."""

    partition: int
    offset: int
    key: str
    value: bytes


@dataclass(frozen=True)
class Message:
    """Something to be sent: messages of one key keep their order."""

    topic: str
    key: str
    value: bytes


class Consumer(Protocol):
    """The one reader of a topic under its name."""

    def committed(self) -> Mapping[int, int]:
        """By partition, the first offset that does not count as consumed."""

    def ends(self) -> Mapping[int, int]:
        """By partition of the log, the offset that its next record gets."""

    def poll(self, most: int, wait_s: float) -> Sequence[Record]:
        """Up to `most` records after those it gave before, in order within a partition; none where none came within `wait_s`."""

    def commit(self, consumed: Mapping[int, int], messages: Sequence[Message]) -> None:
        """Send `messages`, and count everything below these offsets as consumed, in one."""

    def rewind(self) -> None:
        """Give again what was not committed."""


@dataclass(frozen=True)
class Followed:
    """A record and the topic that it lies in."""

    topic: str
    record: Record


class Follower(Protocol):
    """Looks on: one of many readers of some topics, whom nobody waits for and whose place is written down nowhere."""

    def read(self, most: int) -> Sequence[Followed]:
        """Up to `most` records that came since, in order within a partition; none where there are none."""


class Producer(Protocol):
    """Whoever writes into logs."""

    def send(self, messages: Sequence[Message]) -> None:
        """All of them, on the disk when it returns; or none and TransportError."""
