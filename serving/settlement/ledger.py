"""The ledger: entries that are appended and never changed, each batch under a signed head."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from serving.settlement.entries import Entry
from serving.settlement.ledger_reader import LedgerError, LedgerReader
from serving.settlement.ledger_store import LedgerStore, Row
from serving.settlement.notes import Head, NoteError, TrustedKey, as_trusted, sign_head
from serving.settlement.tree import Frontier, leaf_hash

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

LARGEST_BATCH = 10_000
Clock = Callable[[], str]  # the time as ISO 8601 in UTC
Publish = Callable[[str], None]  # tells somebody else of a head


class LedgerBroken(RuntimeError):
    """The ledger does not hold what it has signed: it writes nothing more until someone has looked."""


class Ledger(LedgerReader):
    """Appends to a store, signs, and proves what lies there. Threads may share it, processes the store.

    keys: every key that has signed this ledger or may, each with its range; the signing one alone by default. publish: is told the
    newest head before `append` returns, and after it is kept, so that no head is ever told of what was not; where it raises, the
    entries are there, and sending them again tells the head again.
    """

    def __init__(
        self,
        store: LedgerStore,
        key: "Ed25519PrivateKey",
        *,
        origin: str,
        clock: Clock,
        publish: Publish | None = None,
        keys: Sequence[TrustedKey] = (),
    ) -> None:
        public = key.public_key()
        super().__init__(store, keys or public, origin=origin)
        mine = public.public_bytes_raw()
        own = [each for each in keys or as_trusted(public) if each.key.public_bytes_raw() == mine]
        if not own:
            raise LedgerError("the signing key is none of those that are trusted: name its public half too")
        self._key, self._own, self._clock, self._publish = key, own[0], clock, publish
        self._seen = 0
        with store.writing():  # alone, for a head and the entries under it are two questions
            self._standing_tree()

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
        with self._store.writing() as change:
            numbers = self._known(contents)
            tree = self._standing_tree()
            fresh = [(name, content) for name, content in contents.items() if name not in numbers]
            if fresh:
                rows = [
                    Row(number, name, content, leaf_hash(content))
                    for number, (name, content) in enumerate(fresh, start=tree.size + 1)
                ]
                for row in rows:
                    tree.push(row.hash)
                change.add(rows)
                change.add_head(tree.size, self._signed(tree))
                numbers |= {row.entry_id: row.number for row in rows}
        self._seen = max(self._seen, tree.size)
        if self._publish is not None:
            self._publish(self._standing()[1])
        return [numbers[entry.entry_id] for entry in entries]

    def _known(self, contents: dict[str, bytes]) -> dict[str, int]:
        known = self._store.known(list(contents))
        for entry_id, row in known.items():
            if row.content != contents[entry_id]:
                raise LedgerError(
                    f"entry {entry_id!r} is there as number {row.number} and says something else: nothing is ever changed, "
                    "correct it by an entry of its own"
                )
        return {entry_id: row.number for entry_id, row in known.items()}

    def _signed(self, tree: Frontier) -> str:
        if not self._own.may_sign(tree.size):
            raise LedgerError(f"{self._own} is not to sign one of {tree.size}: sign with the key of that range")
        return sign_head(Head(self._origin, tree.size, tree.root(), self._clock()), self._key)

    def _standing_tree(self) -> Frontier:
        """What lies in the store, to go on with: it must be what was signed last, or a forgery would be signed over."""
        size, note = self._store.size(), self._store.last_note()
        tree = self._tree.frontier(size)
        if note is None:
            signed = Head(self._origin, 0, Frontier().root(), "")
        else:
            try:
                signed = self._opened(note)
            except NoteError as error:
                raise LedgerBroken(f"ledger {self._origin!r}: {error}; audit it") from error
        if (signed.size, signed.root) != (size, tree.root()):
            raise LedgerBroken(
                f"ledger {self._origin!r} holds {size} entries that are not those under its last head, of {signed.size}: "
                "audit it, and restore it from a copy"
            )
        if size < self._seen:
            raise LedgerBroken(
                f"ledger {self._origin!r} holds {size} entries, it had {self._seen}: audit it, and restore it from a copy"
            )
        self._seen = size
        return tree
