"""Who reads the ledger: its newest head, and proofs of what lies there, with public keys alone."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from serving.settlement.entries import Entry
from serving.settlement.ledger_store import LedgerStore
from serving.settlement.notes import Head, TrustedKey, as_trusted, check_name, open_head
from serving.settlement.receipts import Receipt
from serving.settlement.tree import Tree

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey


class LedgerError(ValueError):
    """What the ledger refuses or does not hold; the message names the entry or size and the remedy."""


@dataclass(frozen=True)
class Consistency:
    """That the ledger under one head is the beginning of that under another: `path` as in RFC 6962; both notes."""

    earlier: str
    later: str
    path: tuple[bytes, ...]


class LedgerReader:
    """Proves what lies in a store; `origin`: its name, which stands in every head; `keys`: who may have signed those."""

    def __init__(self, store: LedgerStore, keys: "Ed25519PublicKey | Sequence[TrustedKey]", *, origin: str) -> None:
        self._store, self._keys, self._origin = store, as_trusted(keys), check_name(origin)
        self._tree = Tree(store)

    def head(self) -> tuple[Head, str] | None:
        """The newest head and its note; None before the first entry."""
        note = self._store.last_note()
        return None if note is None else (self._opened(note), note)

    def receipt(self, entry: str | int) -> Receipt:
        """An entry, by id or number, with the proof that it is in the ledger as it stands now."""
        rows = self._store.known([entry]).values() if isinstance(entry, str) else self._store.rows(entry, 1)
        row = next(iter(rows), None)
        if row is None:
            raise LedgerError(f"no entry {entry!r} in ledger {self._origin!r}")
        head, note = self._standing()
        receipt = Receipt(row.content, row.number, tuple(self._tree.inclusion(row.number, head.size)), note)
        receipt.check(self._keys, self._origin)  # a proof that proves nothing leaves no ledger
        return receipt

    def consistency(self, size: int) -> Consistency:
        """That the ledger as it stands now begins with that under its head of `size` entries."""
        head, note = self._standing()
        earlier = self._store.note(size)
        if earlier is None:
            raise LedgerError(f"no head of {size} entries: ask for one that was signed, the newest has {head.size}")
        return Consistency(earlier, note, tuple(self._tree.consistency(size, head.size)))

    def entries(self, first: int = 1, count: int = 100) -> Iterator[tuple[int, Entry]]:
        """Entries by number."""
        for row in self._store.rows(first, count):
            yield row.number, Entry.of(row.content)

    def _standing(self) -> tuple[Head, str]:
        last = self.head()
        if last is None:
            raise LedgerError(f"ledger {self._origin!r} is empty: there is nothing to prove yet")
        return last

    def _opened(self, note: str) -> Head:
        return open_head(note, self._keys, self._origin)
