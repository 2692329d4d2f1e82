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

    def known(self, entry_ids: Sequence[str]) -> dict[str, Row]:
        """Those of some entries that are there."""
        found: dict[str, Row] = {}
        for first in range(0, len(entry_ids), _AT_ONCE):
            asked = entry_ids[first : first + _AT_ONCE]
            marks = ",".join("?" * len(asked))
            rows = self._connected.execute(f"SELECT {_COLUMNS} FROM entries WHERE entry_id IN ({marks})", asked)  # noqa: S608
            found |= {row[1]: Row(*row) for row in rows}
        return found

    def add(self, rows: Sequence[Row]) -> None:
        """Append rows."""
        told = ((row.number, row.entry_id, row.content, row.hash) for row in rows)
        self._connected.executemany("INSERT INTO entries VALUES (?, ?, ?, ?)", told)

    def add_head(self, size: int, note: str) -> None:
        """Append a signed head."""
        self._connected.execute("INSERT INTO heads VALUES (?, ?)", (size, note))


class SqliteLedger(SqliteFile):
    """See `LedgerStore`."""

    def __init__(self, file: Path) -> None:
        with _told(file):
            super().__init__(file, _prepare)
        self._place = file

    def size(self) -> int:
        """How many entries there are."""
        return int(self._connection().execute("SELECT coalesce(max(number), 0) FROM entries").fetchone()[0])

    def hashes(self, first: int, count: int) -> list[bytes]:
        """Leaf hashes by number."""
        rows = self._connection().execute(
            "SELECT hash FROM entries WHERE number BETWEEN ? AND ? ORDER BY number", (first, first + count - 1)
        )
        return [digest for (digest,) in rows]

    @contextmanager
    def writing(self) -> Iterator[_Change]:
        """One change, alone among all processes."""
        with _told(self._place), self._writing() as connection:
            yield _Change(connection)

    def rows(self, first: int | None = None, count: int | None = None) -> Iterator[Row]:
        """Rows by number, a page at a time so that a reader holds up nobody."""
        first = -(1 << 63) if first is None else first  # whoever forges rows may number them below 1
        last = (1 << 63) - 1 if count is None else first + count - 1
        while first <= last:
            page = (
                self._connection()
                .execute(
                    f"SELECT {_COLUMNS} FROM entries WHERE number BETWEEN ? AND ? ORDER BY number LIMIT {_PAGE}",  # noqa: S608
                    (first, last),
                )
                .fetchall()
            )
            yield from (Row(*row) for row in page)
            if len(page) < _PAGE:
                return
            first = page[-1][0] + 1

    def find(self, entry_id: str) -> Row | None:
        """The row of an entry."""
        row = self._connection().execute(f"SELECT {_COLUMNS} FROM entries WHERE entry_id = ?", (entry_id,)).fetchone()  # noqa: S608
        return None if row is None else Row(*row)

    def notes(self) -> Iterator[tuple[int, str]]:
        """All signed heads, oldest first."""
        yield from self._connection().execute("SELECT size, note FROM heads ORDER BY size").fetchall()

    def last_note(self) -> str | None:
        """The newest head."""
        row = self._connection().execute("SELECT note FROM heads ORDER BY size DESC LIMIT 1").fetchone()
        return None if row is None else str(row[0])


@contextmanager
def _told(file: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise LedgerStoreError(f"{file}: {error}; nothing of this change was kept, send it again") from error
