"""An auditor who trusts nobody: every entry is hashed again, and every head that was ever signed must come out of them."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pymerkle import InmemoryTree

from serving.settlement.entries import Entry, EntryError
from serving.settlement.ledger_store import LedgerStore
from serving.settlement.notes import Head, NoteError, open_head
from serving.settlement.tree import leaf_hash

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

MOST_PROBLEMS = 100  # told by name
Progress = Callable[[str, float], None]


@dataclass
class AuditReport:
    """How many `entries` and `heads` were looked at, and every one that is wrong, in a sentence; the last `head` that holds."""

    entries: int = 0
    heads: int = 0
    problems: list[str] = field(default_factory=list)
    more_problems: int = 0
    head: Head | None = None

    @property
    def clean(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems

    def tell(self, problem: str) -> None:
        """Note something that is wrong."""
        if len(self.problems) < MOST_PROBLEMS:
            self.problems.append(problem)
        else:
            self.more_problems += 1


def audit(
    store: LedgerStore,
    key: "Ed25519PublicKey",
    *,
    origin: str,
    witnessed: Iterable[str] = (),
    on_progress: Progress | None = None,
) -> AuditReport:
    """Every row and head of a store, by the public key of its owner and by heads that others have kept (`witnessed`).

    Stored hashes are compared with those of the entries and otherwise not used. A ledger cut short together with its heads is
    found by a witnessed head alone: keep some elsewhere, as every receipt does.
    """
    report, tree = AuditReport(), InmemoryTree("sha256")
    total, seen = max(store.size(), 1), set[str]()
    for row in store.rows():
        report.entries += 1
        if row.number != report.entries:
            report.tell(
                f"after entry {report.entries - 1} comes number {row.number}: rows were removed, added or moved"
            )
        try:
            entry = Entry.of(row.content)
        except EntryError as error:
            report.tell(f"entry {row.number}: {error}")
        else:
            if entry.entry_id != row.entry_id:
                report.tell(f"entry {row.number} is filed as {row.entry_id!r} and says that it is {entry.entry_id!r}")
            if entry.entry_id in seen:
                report.tell(f"entry {row.number}: {entry.entry_id!r} is there twice")
            seen.add(entry.entry_id)
        if leaf_hash(row.content) != row.hash:
            report.tell(f"entry {row.number} has another hash than is stored with it: one of the two was changed")
        tree.append_entry(row.content)
        if on_progress is not None and report.entries % 1000 == 0:
            on_progress(f"{report.entries:,} entries", report.entries / total)
    _heads(store, key, origin, report, tree)
    for note in witnessed:
        head = _opened(note, key, origin, "a head that was kept elsewhere", report)
        if head is not None:
            _compare(head, "kept elsewhere", report, tree)
    if report.entries and (report.head is None or report.head.size != report.entries):
        under = 0 if report.head is None else report.head.size
        report.tell(f"{report.entries} entries, {under} of them under a head that holds: the rest nobody has signed")
    return report


def _heads(store: LedgerStore, key: "Ed25519PublicKey", origin: str, report: AuditReport, tree: InmemoryTree) -> None:
    for size, note in store.notes():
        report.heads += 1
        head = _opened(note, key, origin, f"the head filed under {size} entries", report)
        if head is None:
            continue
        if head.size != size:
            report.tell(f"the head filed under {size} entries is of {head.size}")
        elif _compare(head, "signed", report, tree):
            report.head = head


def _opened(note: str, key: "Ed25519PublicKey", origin: str, what: str, report: AuditReport) -> Head | None:
    try:
        return open_head(note, key, origin)
    except NoteError as error:
        report.tell(f"{what}: {error}")
        return None


def _compare(head: Head, how: str, report: AuditReport, tree: InmemoryTree) -> bool:
    if head.size > report.entries:
        report.tell(
            f"a head of {head.size} entries, {how} on {head.when}: {report.entries} are there, the rest was removed"
        )
    elif tree.get_root(head.size) != head.root:
        report.tell(f"the first {head.size} entries are not those of the head {how} on {head.when}: they were changed")
    else:
        return True
    return False
