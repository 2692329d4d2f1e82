"""Books in a SQLite file."""

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from serving.settlement.books import BooksError, Kept, Overtaken, Step
from serving.sqlite_file import SqliteFile

_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS epochs (epoch INTEGER PRIMARY KEY) STRICT",
    "CREATE TABLE IF NOT EXISTS positions (partition INTEGER PRIMARY KEY, next INTEGER NOT NULL) STRICT",
    "CREATE TABLE IF NOT EXISTS documents (shop TEXT NOT NULL, key TEXT NOT NULL, text TEXT NOT NULL, "
    "PRIMARY KEY (shop, key)) STRICT, WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS outputs (place INTEGER PRIMARY KEY, partition INTEGER NOT NULL, offset INTEGER NOT NULL, "
    "sent_to TEXT NOT NULL, key TEXT NOT NULL, body BLOB NOT NULL) STRICT",
)


def _prepare(connection: sqlite3.Connection) -> None:
    for statement in _SCHEMA:
        connection.execute(statement)


class SqliteBooks(SqliteFile):
    """See `Books`."""

    def __init__(self, file: Path) -> None:
        self._place = file
        with self._told():
            super().__init__(file, _prepare)

    def enter(self) -> int:
        """A new epoch."""
        with self._told(), self._writing() as connection:
            return int(connection.execute("INSERT INTO epochs VALUES (NULL) RETURNING epoch").fetchone()[0])

    def check(self, epoch: int) -> None:
        """Whether it is still the newest."""
        with self._told():
            self._check(self._connection(), epoch)

    def positions(self) -> Mapping[int, int]:
        """By partition."""
        with self._told():
            return dict(self._connection().execute("SELECT partition, next FROM positions"))

    def begin(self, shop: str) -> Mapping[str, str]:
        """Documents but visits."""
        with self._told():
            rows = self._connection().execute(
                "SELECT key, text FROM documents WHERE shop = ? AND (key < 'visit:' OR key >= 'visit;')", (shop,)
            )
            return dict(rows)

    def find(self, shop: str, key: str) -> str | None:
        """One document."""
        with self._told():
            row = (
                self._connection()
                .execute("SELECT text FROM documents WHERE (shop, key) = (?, ?)", (shop, key))
                .fetchone()
            )
            return None if row is None else str(row[0])

    def waiting(self) -> Sequence[Kept]:
        """Outputs in their order."""
        with self._told():
            rows = self._connection().execute(
                "SELECT place, partition, offset, sent_to, key, body FROM outputs ORDER BY place"
            )
            return [Kept(*row) for row in rows]

    def keep(self, step: Step, epoch: int) -> None:
        """All of it or nothing."""
        with self._told(), self._writing() as connection:
            self._check(connection, epoch)
            connection.executemany("INSERT OR REPLACE INTO positions VALUES (?, ?)", step.positions.items())
            written = [(*key, text) for key, text in step.documents.items() if text is not None]
            connection.executemany("INSERT OR REPLACE INTO documents VALUES (?, ?, ?)", written)
            gone = [key for key, text in step.documents.items() if text is None]
            connection.executemany("DELETE FROM documents WHERE (shop, key) = (?, ?)", gone)
            connection.executemany(
                "INSERT INTO outputs VALUES (?, ?, ?, ?, ?, ?)",
                [(each.place, each.partition, each.offset, each.to, each.key, each.body) for each in step.outputs],
            )

    def sent(self, place: int) -> None:
        """Forget outputs that have gone out."""
        with self._told(), self._writing() as connection:
            connection.execute("DELETE FROM outputs WHERE place <= ?", (place,))

    def _check(self, connection: sqlite3.Connection, epoch: int) -> None:
        (newest,) = connection.execute("SELECT max(epoch) FROM epochs").fetchone()
        if newest != epoch:
            raise Overtaken(f"another processor writes into {self._place} by now: this one ends")

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise BooksError(f"{self._place}: {error}; nothing of this was kept, try it again") from error
