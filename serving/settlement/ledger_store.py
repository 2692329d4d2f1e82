"""Where the ledger's rows lie: what a store must do, whichever database it is."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from serving.settlement.tree import Leaves


class LedgerStoreError(RuntimeError):
    """The database refuses, is away, or holds what no ledger does; a change that was under way can be sent again."""


@dataclass(frozen=True)
class Row:
    """An entry as it lies in the database; `hash` is its leaf hash as stored, to be trusted by nobody."""

    number: int
    entry_id: str
    content: bytes
    hash: bytes


class Writing(Protocol):
    """A change under way: it alone writes; what lay in the store before it stays as it is."""

    def add(self, rows: Sequence[Row]) -> None:
        """Append rows, whose numbers follow the last."""

    def add_head(self, size: int, note: str) -> None:
        """Append a signed head."""


class LedgerStore(Leaves, Protocol):
    """Rows and heads; a change is whole or not at all, and on the disk when it ends. LedgerStoreError where the database refuses or
    holds what no ledger does."""

    def writing(self) -> AbstractContextManager[Writing]:
        """One change, alone among all processes."""

    def reading(self) -> AbstractContextManager[None]:
        """What is read in here is of one moment, whatever is appended meanwhile."""

    def known(self, entry_ids: Sequence[str]) -> dict[str, Row]:
        """The rows of those of some entries that are there, by their ids."""

    def rows(self, first: int | None = None, count: int | None = None) -> Iterator[Row]:
        """Rows by number, all that there are where neither `first` nor `count` is given."""

    def notes(self) -> Iterator[tuple[int, str]]:
        """All signed heads, oldest first, each with the size it is stored under."""

    def note(self, size: int) -> str | None:
        """The head stored under a size."""

    def last_note(self) -> str | None:
        """The newest head; None before the first entry."""
