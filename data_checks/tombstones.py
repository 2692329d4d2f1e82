"""Who asked to be forgotten: salted hashes of customers, with who did it, when and why, and never the id itself."""

import hashlib
import secrets
from collections.abc import Collection
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from data_checks.durable import append_entry, locked, read_entries, replace_file

NAMED_BY = ("customer_id", "friend_id")  # columns that say whom a row is about
LONGEST_REASON = 2_000


class ErasureError(ValueError):
    """A request to erase that cannot be carried out; the message says what to change."""


@dataclass(frozen=True)
class Request:
    """One entry of the log; `done` says whether the erasure was carried to its end."""

    digest: str
    when: str
    who: str
    reason: str
    done: bool


class Tombstones:
    """Erased customers of a workspace, in `<root>/erasures/`: the salt, and a log that only grows."""

    def __init__(self, root: Path) -> None:
        self.folder = root / "erasures"

    def __len__(self) -> int:
        return len(self.digests)

    def ask(self, customer_ids: Collection[str], *, who: str, reason: str) -> None:
        """Write down that these customers are to be erased; from then on no source brings them back."""
        if not who.strip() or not 1 <= len(reason.strip()) <= LONGEST_REASON:
            raise ErasureError(f"say who erases and why, in 1 to {LONGEST_REASON} characters: both are recorded")
        if empty := [name for name in customer_ids if not name.strip()]:
            raise ErasureError(f"customer id {empty[0]!r} is empty: name the customer to erase")
        self._note(customer_ids, who=who, reason=reason, done=False)

    def finish(self, customer_ids: Collection[str], *, who: str, reason: str) -> None:
        """Write down that nothing is left of these customers."""
        self._note(customer_ids, who=who, reason=reason, done=True)

    def log(self) -> tuple[Request, ...]:
        """Every entry, oldest first."""
        return tuple(Request(**entry) for entry in read_entries(self.folder / "requests.jsonl"))

    @cached_property
    def digests(self) -> frozenset[str]:
        """Hashes of all who were asked to be erased."""
        return frozenset(request.digest for request in self.log())

    def names(self, column: "pa.ChunkedArray | pa.Array") -> pa.ChunkedArray:
        """Which values of a text column name an erased customer, blanks around them or not; null does not."""
        distinct = pc.unique(column).drop_null()
        erased = [name for name in distinct.to_pylist() if self._digest(name) in self.digests]
        return pc.is_in(column, pa.array(erased, column.type))

    def _digest(self, customer_id: str) -> str:
        return hashlib.blake2b(customer_id.strip().encode(), key=self._salt, digest_size=20).hexdigest()

    @cached_property
    def _salt(self) -> bytes:
        path = self.folder / "salt"
        with locked(self.folder):
            if not path.exists():

                def write(draft: Path) -> None:
                    draft.touch(mode=0o600)
                    draft.write_text(secrets.token_hex(32), encoding="utf-8")

                replace_file(path, write)
        return bytes.fromhex(path.read_text(encoding="utf-8"))

    def _note(self, customer_ids: Collection[str], *, who: str, reason: str, done: bool) -> None:
        when = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        digests = sorted({self._digest(name) for name in customer_ids})
        with locked(self.folder):
            known = {(request.digest, request.done) for request in self.log()}
            for digest in digests:
                if (digest, done) not in known:
                    append_entry(
                        self.folder / "requests.jsonl", asdict(Request(digest, when, who.strip(), reason.strip(), done))
                    )
        self.__dict__.pop("digests", None)


def forget(rows: pa.Table, tombstones: Tombstones, *, keep: bool) -> pa.Table:
    """The rows without erased customers; `rows` itself where it names none.

    With `keep` a row stays and names nobody: a sale was made, whoever made it.
    """
    if not len(tombstones):
        return rows
    for name in NAMED_BY:
        if name not in rows.column_names or not pa.types.is_string(rows.schema.field(name).type):
            continue
        theirs = tombstones.names(rows[name])
        if not pc.any(theirs).as_py():
            continue
        if keep:
            at, kind = rows.schema.get_field_index(name), rows.schema.field(name)
            nobody = pc.if_else(theirs, pa.scalar(None, kind.type), rows[name])
            rows = rows.set_column(at, kind, nobody)
        else:
            rows = rows.filter(pc.invert(theirs))
    return rows


def forgetting(reader: pa.RecordBatchReader, tombstones: Tombstones, *, keep: bool) -> pa.RecordBatchReader:
    """`forget` batch by batch, on what a source delivers."""
    if not len(tombstones) or not set(NAMED_BY) & set(reader.schema.names):
        return reader
    kept = (
        piece
        for batch in reader
        for piece in forget(pa.Table.from_batches([batch]), tombstones, keep=keep).to_batches()
    )
    return pa.RecordBatchReader.from_batches(reader.schema, kept)
