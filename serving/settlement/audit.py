"""An auditor who trusts nobody: every entry is hashed again, and every head that was ever signed must come out of them."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING

from serving.settlement.entries import Entry, EntryError
from serving.settlement.ledger_store import LedgerStore, LedgerStoreError, Row
from serving.settlement.notes import Head, NoteError, TrustedKey, as_trusted, open_head
from serving.settlement.tree import Frontier, leaf_hash

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

MOST_PROBLEMS = 100  # of each kind that are told
_AT_ONCE = 1_000  # entries looked at between two reports of progress
Progress = Callable[[str, float], None]


@dataclass
class AuditReport:
    """How many `entries` and `heads` were looked at, and every one that is wrong, in a sentence; the last `head` that holds."""

    entries: int = 0
    heads: int = 0
    head: Head | None = None
    entry_problems: list[str] = field(default_factory=list)
    head_problems: list[str] = field(default_factory=list)
    more_problems: int = 0

    @property
    def problems(self) -> list[str]:
        """Those of entries, then those of heads; of each kind the first 100."""
        return self.entry_problems + self.head_problems

    @property
    def clean(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems

    def tell(self, problem: str, *, head: bool = False) -> None:
        """Note something that is wrong with an entry, or with a head."""
        told = self.head_problems if head else self.entry_problems
        if len(told) < MOST_PROBLEMS:
            told.append(problem)
        else:
            self.more_problems += 1


def audit(
    store: LedgerStore,
    keys: "Ed25519PublicKey | Sequence[TrustedKey]",
    *,
    origin: str,
    witnessed: Iterable[str] = (),
    on_progress: Progress | None = None,
) -> AuditReport:
    """Every row and head of a store, by the public keys of its owner and by heads that others have kept (`witnessed`).

    What is found: any change, loss, addition or new order of entries that were under a head, whatever was done to stored hashes,
    numbers and ids; entries that nobody has signed; entries that the store does not find by their ids, which it would take twice.
    A ledger cut short together with its heads, and one that the thief of a key has signed anew, are sound in themselves: a head
    kept elsewhere finds them, and each receipt holds one. Heads are consistent with one another as all of them come out of the
    same entries. Time and hashing grow with the entries, memory with the heads.
    """
    report, heads = AuditReport(), _Heads(as_trusted(keys), origin)
    try:
        with store.reading():  # for a ledger that goes on meanwhile
            heads.read(store, witnessed, report)
            _entries(store, heads, report, on_progress)
    except LedgerStoreError as error:
        report.tell(f"after entry {report.entries} the store cannot be read: {error}")
    heads.beyond(report)
    if report.entries and (report.head is None or report.head.size != report.entries):
        under = 0 if report.head is None else report.head.size
        report.tell(
            f"{report.entries} entries, {under} of them under a head that holds: the rest nobody has signed", head=True
        )
    return report


def _entries(store: LedgerStore, heads: "_Heads", report: AuditReport, on_progress: Progress | None) -> None:
    tree, total, before, rows = Frontier(), max(store.size(), 1), 0, store.rows()
    while chunk := list(islice(rows, _AT_ONCE)):
        for row in chunk:
            report.entries += 1
            if row.number != before + 1:
                report.tell(f"after number {before} comes {row.number}: rows were removed, added or moved")
            before = row.number
            for problem in flaws(row):
                report.tell(problem)
            tree.push(leaf_hash(row.content))
            heads.compare(tree, report)
        for problem in _lost(store, chunk):
            report.tell(problem)
        if on_progress is not None:
            on_progress(f"{report.entries:,} entries", min(report.entries / total, 1.0))


def flaws(row: Row) -> list[str]:
    """What is wrong with a row by itself, each in a sentence."""
    found = []
    try:
        entry = Entry.of(row.content)
    except EntryError as error:
        found.append(f"entry {row.number}: {error}")
    else:
        if entry.entry_id != row.entry_id:
            found.append(f"entry {row.number} is filed as {row.entry_id!r} and says that it is {entry.entry_id!r}")
    if leaf_hash(row.content) != row.hash:
        found.append(f"entry {row.number} has another hash than is stored with it: one of the two was changed")
    return found


def _lost(store: LedgerStore, rows: Sequence[Row]) -> Iterator[str]:
    known = store.known([row.entry_id for row in rows])
    for row in rows:
        found = known.get(row.entry_id)
        if found is None or found.number != row.number:
            where = "nowhere" if found is None else f"as number {found.number}"
            yield f"entry {row.number}: the store finds {row.entry_id!r} {where}, so it was filed twice or its index changed"


class _Heads:
    """Heads by size, each waiting for the tree of that size."""

    def __init__(self, keys: Sequence[TrustedKey], origin: str) -> None:
        self._keys, self._origin = keys, origin
        self._waiting: defaultdict[int, list[tuple[Head, str]]] = defaultdict(list)

    def read(self, store: LedgerStore, witnessed: Iterable[str], report: AuditReport) -> None:
        for note in witnessed:
            head = self._opened(note, "a head that was kept elsewhere", report)
            if head is not None:
                self._waiting[head.size].append((head, "kept elsewhere"))
        for size, note in store.notes():
            report.heads += 1
            head = self._opened(note, f"the head filed under {size} entries", report)
            if head is not None and head.size == size:
                self._waiting[size].append((head, "signed"))
            elif head is not None:
                report.tell(f"the head filed under {size} entries is of {head.size}", head=True)

    def compare(self, tree: Frontier, report: AuditReport) -> None:
        """The heads of a tree's size with its root."""
        for head, how in self._waiting.pop(tree.size, ()):
            if tree.root() != head.root:
                report.tell(
                    f"the first {head.size} entries are not those of the head {how} on {head.when}: they were changed",
                    head=True,
                )
            elif how == "signed":
                report.head = head

    def beyond(self, report: AuditReport) -> None:
        """The heads of trees larger than there is."""
        for head, how in (each for size in sorted(self._waiting) for each in self._waiting[size]):
            report.tell(
                f"a head of {head.size} entries, {how} on {head.when}: {report.entries} are there, the rest was removed",
                head=True,
            )

    def _opened(self, note: str, what: str, report: AuditReport) -> Head | None:
        try:
            return open_head(note, self._keys, self._origin)
        except NoteError as error:
            report.tell(f"{what}: {error}", head=True)
            return None
