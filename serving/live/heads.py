"""The ledger's heads as an onlooker sees them: with public keys alone, each proved to go on from the one before."""

from collections import deque
from dataclasses import dataclass
from pathlib import Path

from serving.settlement.ledger_reader import LedgerError, LedgerReader
from serving.settlement.ledger_settings import FOLDER, STORE, LedgerSettings, open_store, trusted_keys
from serving.settlement.ledger_store import LedgerStoreError
from serving.settlement.notes import Head, NoteError, TrustedKey, open_head
from serving.settlement.receipts import Receipt
from serving.settlement.tree import ProofError, check_consistency

MOST = 8


@dataclass(frozen=True)
class SeenHead:
    """A head whose signature holds. `extends` is the size of the one seen before that it was proved to go on from; None for the
    first that was seen."""

    head: Head
    extends: int | None


class LedgerWatch:
    """Looks at the ledger of some settings now and then; it is opened once it is there."""

    def __init__(self, settings: LedgerSettings, home: Path) -> None:
        self._settings, self._home = settings, home
        self._keys: list[TrustedKey] = []
        self._reader: LedgerReader | None = None
        self.seen: deque[SeenHead] = deque(maxlen=MOST)
        self.problem = ""

    def look(self) -> bool:
        """Whether there is a new head, or a new problem with it."""
        before = (len(self.seen) and self.seen[-1].head.size, self.problem)
        try:
            self._look()
            self.problem = ""
        except (NoteError, ProofError, LedgerError) as error:
            self.problem = f"the ledger does not hold what it signed: {error}; run `storeloop ledger audit`"
        except (LedgerStoreError, OSError) as error:
            self._reader, self.problem = None, f"the ledger cannot be read: {error}"
        return before != (len(self.seen) and self.seen[-1].head.size, self.problem)

    def verified(self, receipt: Receipt) -> bool:
        """Whether a receipt proves itself by the public keys."""
        try:
            receipt.check(self._keys, self._settings.origin)
        except (NoteError, ProofError):
            return False
        return True

    def _look(self) -> None:
        if self._reader is None:
            place = self._settings.store.get_secret_value()
            if not place and not (self._home / FOLDER / STORE).exists():
                return
            self._keys = trusted_keys(self._settings, self._home)
            store = open_store(self._settings, self._home, read_only=True)
            self._reader = LedgerReader(store, self._keys, origin=self._settings.origin)
        found = self._reader.head()
        if found is None:
            return
        head, last = found[0], self.seen[-1].head if self.seen else None
        if last is None:
            self.seen.append(SeenHead(head, None))
        elif head.size != last.size or head.root != last.root:
            if head.size < last.size:
                raise ProofError(f"its head has {head.size} entries, it had {last.size}")
            proof = self._reader.consistency(last.size)
            newest = open_head(proof.later, self._keys, self._settings.origin)
            check_consistency(last.size, newest.size, proof.path, last.root, newest.root)
            self.seen.append(SeenHead(newest, last.size))
