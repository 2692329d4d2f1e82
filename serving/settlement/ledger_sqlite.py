"""The ledger in a SQLite file, which refuses by itself to change or remove a row."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from serving.settlement.ledger_store import LedgerStoreError, Row
from serving.sqlite_file import SqliteFile

_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS entries (number INTEGER PRIMARY KEY, entry_id TEXT NOT NULL UNIQUE, "
    "content BLOB NOT NULL, hash BLOB NOT NULL) STRICT",
    "CREATE TABLE IF NOT EXISTS heads (size INTEGER PRIMARY KEY, note TEXT NOT NULL) STRICT",
    *(
        f"CREATE TRIGGER IF NOT EXISTS {table}_{name} BEFORE {change} ON {table} "
        f"BEGIN SELECT RAISE(ABORT, 'the ledger only grows'); END"
        for table in ("entries", "heads")
        for name, change in (("stay", "UPDATE"), ("remain", "DELETE"))
    ),
)
_COLUMNS = "number, entry_id, content, hash"
_AT_ONCE = 500  # values of one question
_PAGE = 10_000  # rows read at a time


def _prepare(connection: sqlite3.Connection) -> None:
    for statement in _SCHEMA:
        connection.execute(statement)


class _Change:
    """See `Writing`."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connected = connection

    def add(self, rows: Sequence[Row]) -> None:
        """Append rows."""
        told = ((row.number, row.entry_id, row.content, row.hash) for row in rows)
        self._connected.executemany("INSERT INTO entries VALUES (?, ?, ?, ?)", told)

    def add_head(self, size: int, note: str) -> None:
        """Append a signed head."""
        self._connected.execute("INSERT INTO heads VALUES (?, ?)", (size, note))


class SqliteLedger(SqliteFile):
    """See `LedgerStore`. read_only: the file is neither made nor written to, as an auditor wants it."""

    def __init__(self, file: Path, *, read_only: bool = False) -> None:
        if read_only and not file.is_file():
            raise LedgerStoreError(f"{file} is no ledger: name the file that entries were appended to")
        self._place = file
        with self._told():
            super().__init__(file, None if read_only else _prepare)

    def size(self) -> int:
        """How many entries there are."""
        with self._told():
            return int(self._connection().execute("SELECT coalesce(max(number), 0) FROM entries").fetchone()[0])

    def hashes(self, first: int, count: int) -> list[bytes]:
        """Leaf hashes by number."""
        with self._told():
            rows = self._connection().execute(
                "SELECT hash FROM entries WHERE number BETWEEN ? AND ? ORDER BY number", (first, first + count - 1)
            )
            return [digest for (digest,) in rows]

    @contextmanager
    def writing(self) -> Iterator[_Change]:
        """One change, alone among all processes."""
        with self._told(), self._writing() as connection:
            yield _Change(connection)

    @contextmanager
    def reading(self) -> Iterator[None]:
        """What is read in here is of one moment."""
        with self._told():
            self._connection().execute("BEGIN")
        try:
            yield
        finally:
            self._connection().rollback()

    def known(self, entry_ids: Sequence[str]) -> dict[str, Row]:
        """The rows of those of some entries that are there."""
        found: dict[str, Row] = {}
        for first in range(0, len(entry_ids), _AT_ONCE):
            asked = entry_ids[first : first + _AT_ONCE]
            marks = ",".join("?" * len(asked))
            found |= {row.entry_id: row for row in self._rows(f"entry_id IN ({marks})", asked)}
        return found

    def rows(self, first: int | None = None, count: int | None = None) -> Iterator[Row]:
        """Rows by number, a page at a time so that a reader holds up nobody."""
        first = -(1 << 63) if first is None else first  # whoever forges rows may number them below 1
        last = (1 << 63) - 1 if count is None else first + count - 1
        while first <= last:
            page = self._rows(f"number BETWEEN ? AND ? ORDER BY number LIMIT {_PAGE}", (first, last))
            yield from page
            if len(page) < _PAGE:
                return
            first = page[-1].number + 1

    def notes(self) -> Iterator[tuple[int, str]]:
        """All signed heads, oldest first."""
        with self._told():
            rows = self._connection().execute("SELECT size, note FROM heads ORDER BY size").fetchall()
        yield from ((size, _text(note)) for size, note in rows)

    def note(self, size: int) -> str | None:
        """The head stored under a size."""
        return self._note("WHERE size = ?", (size,))

    def last_note(self) -> str | None:
        """The newest head."""
        return self._note("ORDER BY size DESC LIMIT 1")

    def _note(self, which: str, asked: Sequence[int] = ()) -> str | None:
        with self._told():
            row = self._connection().execute(f"SELECT note FROM heads {which}", asked).fetchone()  # noqa: S608
        return None if row is None else _text(row[0])

    def _rows(self, which: str, asked: Sequence[int | str]) -> list[Row]:
        with self._told():
            rows = self._connection().execute(f"SELECT {_COLUMNS} FROM entries WHERE {which}", asked).fetchall()  # noqa: S608
        return [_row(*row) for row in rows]

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except (
            sqlite3.Error,
            UnicodeDecodeError,
        ) as error:  # the latter: SQLite quotes a damaged schema in its message
            raise LedgerStoreError(
                f"{self._place}: {error}; nothing of a change under way was kept, send it again"
            ) from error


def _row(number: object, entry_id: object, content: object, digest: object) -> Row:
    """Whoever can write the file can make tables anew, of whatever types."""
    if not (isinstance(number, int) and isinstance(entry_id, str)):
        raise LedgerStoreError(f"a row is numbered {number!r} and filed as {entry_id!r}: the table was made anew")
    if not (isinstance(content, bytes) and isinstance(digest, bytes)):
        raise LedgerStoreError(f"entry {number} holds no bytes: the table was made anew")
    return Row(number, entry_id, content, digest)


def _text(note: object) -> str:
    if not isinstance(note, str):
        raise LedgerStoreError(f"a head is {note!r:.60}, no text: the table was made anew")
    return note
