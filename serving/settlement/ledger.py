"""The ledger: entries that are appended and never changed, each batch under a signed head; proofs of both to anyone."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from serving.settlement.entries import Entry
from serving.settlement.ledger_store import LedgerStore, Row
from serving.settlement.notes import Head, check_name, open_head, sign_head
from serving.settlement.receipts import Receipt
from serving.settlement.tree import Tree, leaf_hash

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

LARGEST_BATCH = 10_000
Clock = Callable[[], str]  # the time as ISO 8601 in UTC
Publish = Callable[[str], None]  # what is done with each new head before it counts


class LedgerError(ValueError):
    """What the ledger refuses or does not hold; the message names the entry or size and the remedy."""


class LedgerBroken(RuntimeError):
    """The ledger does not hold what it has signed: it writes nothing more until someone has looked."""


@dataclass(frozen=True)
class Consistency:
    """That the ledger under one head is the beginning of that under another: `path` as in RFC 6962; both notes."""

    earlier: str
    later: str
    path: tuple[bytes, ...]


class Ledger:
    """Appends to a store and proves what lies there.

    origin: its name, which stands in every head. publish: is told each head before the change that it covers is kept, so that
    no entry is ever under a head that only the database knows; raising keeps the change from happening.
    """

    def __init__(
        self, store: LedgerStore, key: "Ed25519PrivateKey", *, origin: str, clock: Clock, publish: Publish | None = None
    ) -> None:
        self._store, self._key, self._origin, self._clock = store, key, check_name(origin), clock
        self._publish = publish
        self._tree = Tree(store)
        self._check_last()

    def append(self, entries: Sequence[Entry]) -> list[int]:
        """Append entries that are not there yet, all or none, under one new head; the number of each, counted from 1.

        An entry that is there already keeps its number, so that sending a batch again changes nothing. LedgerError where an
        entry of that id says something else.
        """
        if not 1 <= len(entries) <= LARGEST_BATCH:
            raise LedgerError(f"a batch of {len(entries)} entries: append 1 to {LARGEST_BATCH:,} at once")
        contents: dict[str, bytes] = {}
        for entry in entries:
            content = entry.content()
            if contents.setdefault(entry.entry_id, content) != content:
                raise LedgerError(f"entry {entry.entry_id!r} comes twice in one batch and differs: send one of them")
        try:
            with self._store.writing() as change:
                known = change.known(list(contents))
                for entry_id, row in known.items():
                    if row.content != contents[entry_id]:
                        raise LedgerError(
                            f"entry {entry_id!r} is there as number {row.number} and says something else: nothing is ever "
                            "changed, correct it by an entry of its own"
                        )
                fresh = [(name, content) for name, content in contents.items() if name not in known]
                rows = [
                    Row(number, name, content, leaf_hash(content))
                    for number, (name, content) in enumerate(fresh, start=self._store.size() + 1)
                ]
                if rows:
                    change.add(rows)
                    change.add_head(rows[-1].number, self._signed(rows[-1].number))
        except BaseException:
            self._tree.cache_clear()  # it may hold roots over rows that are not kept
            raise
        numbers = {name: row.number for name, row in known.items()} | {row.entry_id: row.number for row in rows}
        return [numbers[entry.entry_id] for entry in entries]

    def head(self) -> tuple[Head, str] | None:
        """The newest head and its note; None before the first entry."""
        note = self._store.last_note()
        return None if note is None else (self._opened(note), note)

    def receipt(self, entry_id: str) -> Receipt:
        """An entry with the proof that it is in the ledger as it stands now."""
        row = self._store.find(entry_id)
        if row is None:
            raise LedgerError(f"no entry {entry_id!r} in ledger {self._origin!r}")
        head, note = self._standing()
        return Receipt(row.content, row.number, tuple(self._tree.inclusion(row.number, head.size)), note)

    def consistency(self, size: int) -> Consistency:
        """That the ledger as it stands now begins with that under its head of `size` entries."""
        head, note = self._standing()
        earlier = dict(self._store.notes()).get(size)
        if earlier is None:
            raise LedgerError(f"no head of {size} entries: ask for one that was signed, the newest has {head.size}")
        return Consistency(earlier, note, tuple(self._tree.consistency(size, head.size)))

    def entries(self, first: int = 1, count: int = 100) -> Iterator[tuple[int, Entry]]:
        """Entries by number."""
        for row in self._store.rows(first, count):
            yield row.number, Entry.of(row.content)

    def _signed(self, size: int) -> str:
        note = sign_head(Head(self._origin, size, self._tree.root(size), self._clock()), self._key)
        if self._publish is not None:
            self._publish(note)
        return note

    def _check_last(self) -> None:
        """Before anything is signed: what lies there is what was signed last."""
        last = self.head()
        size = self._store.size()
        if last is None and size:
            raise LedgerBroken(f"ledger {self._origin!r} holds {size} entries and no head: audit it")
        if last is not None and (last[0].size != size or self._tree.root(size) != last[0].root):
            raise LedgerBroken(
                f"ledger {self._origin!r} holds {size} entries that are not those under its last head, of {last[0].size}: "
                "audit it, and restore it from a copy"
            )

    def _standing(self) -> tuple[Head, str]:
        last = self.head()
        if last is None:
            raise LedgerError(f"ledger {self._origin!r} is empty: there is nothing to prove yet")
        return last

    def _opened(self, note: str) -> Head:
        return open_head(note, self._key.public_key(), self._origin)
