"""What the tills of a processor have written down: their documents, how far they have read, and what they brought about that may
not have gone out yet. Kept in one change with each other, in a SQLite file or in PostgreSQL.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol


class BooksError(RuntimeError):
    """The database refuses or is away; nothing of the step was kept."""


class Overtaken(BooksError):
    """Another processor has written since: this one is to end."""


@dataclass(frozen=True)
class Kept:
    """An output that the event at `offset` of `partition` brought about; outputs are numbered by `place` in their order."""

    place: int
    partition: int
    offset: int
    to: str
    key: str
    body: bytes


@dataclass(frozen=True)
class Step:
    """What one step changes: by partition the first offset that it has not read, documents by (shop, key), None to forget one, and
    what it brought about."""

    positions: Mapping[int, int]
    documents: Mapping[tuple[str, str], str | None]
    outputs: Sequence[Kept]


class Books(Protocol):
    """See the module."""

    def enter(self) -> int:
        """Begin to write: an epoch, which ends all that were given before."""

    def check(self, epoch: int) -> None:
        """Overtaken where another has entered since."""

    def positions(self) -> Mapping[int, int]:
        """By partition, the first offset that no till has applied; partitions of which none was, are left out."""

    def begin(self, shop: str) -> Mapping[str, str]:
        """All documents of a shop but its visits."""

    def find(self, shop: str, key: str) -> str | None:
        """One document."""

    def waiting(self) -> Sequence[Kept]:
        """Outputs that are not known to have gone out, in their order."""

    def keep(self, step: Step, epoch: int) -> None:
        """All of it or nothing. Overtaken where another has entered since."""

    def sent(self, place: int) -> None:
        """Outputs up to `place` have gone out."""
