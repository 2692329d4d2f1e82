"""A database that threads and processes share, whichever it is: changes that are all or nothing, and on the disk when they end.

Statements are the part of SQL that SQLite and PostgreSQL read alike, with `?` for values and
`COLLATE BINARY` where texts are compared byte by byte, as no language orders them.
"""

import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from serving.sqlite_file import SqliteFile

if TYPE_CHECKING:
    from psycopg import Connection

_WAIT_MS = 5_000  # for another writer
_LOCK = 7_041_963  # of all changes by this module
_BYTES = "COLLATE BINARY"  # SQLite's name of it


class DatabaseError(RuntimeError):
    """The database refuses or is away; nothing of the change was kept."""


class Change(Protocol):
    """A change under way, which alone writes."""

    def execute(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Its rows."""

    def execute_all(self, statement: str, values: Iterable[Sequence[Any]]) -> None:
        """Once for each."""


class Database(Protocol):
    """See the module; every call raises DatabaseError where the database refuses."""

    def ask(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Rows, as of one moment."""

    def writing(self) -> AbstractContextManager[Change]:
        """One change, alone among all processes."""


class _SqliteChange:
    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def execute(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        return self._connection.execute(statement, values).fetchall()

    def execute_all(self, statement: str, values: Iterable[Sequence[Any]]) -> None:
        self._connection.executemany(statement, values)


class SqliteDatabase(SqliteFile):
    """A file; see `Database`."""

    def __init__(self, file: Path, schema: Sequence[str]) -> None:
        self._place = file

        def prepare(connection: sqlite3.Connection) -> None:
            for statement in schema:
                connection.execute(statement)

        with self._told():
            super().__init__(file, prepare)

    def ask(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Rows."""
        with self._told():
            return self._connection().execute(statement, values).fetchall()

    @contextmanager
    def writing(self) -> Iterator[Change]:
        """One change."""
        with self._told(), self._writing() as connection:
            yield _SqliteChange(connection)

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise DatabaseError(f"{self._place}: {error}; nothing of this was kept, try it again") from error


class _PostgresChange:
    def __init__(self, connection: "Connection") -> None:
        self._connection = connection

    def execute(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        found = self._connection.execute(_of_postgres(statement), values)
        return found.fetchall() if found.description else []

    def execute_all(self, statement: str, values: Iterable[Sequence[Any]]) -> None:
        with self._connection.cursor() as cursor:
            cursor.executemany(_of_postgres(statement), list(values))


def _of_postgres(statement: str) -> bytes:
    return statement.replace("?", "%s").replace(_BYTES, 'COLLATE "C"').encode()


class PostgresDatabase:
    """A schema of a server; see `Database`. `url`: a libpq connection string, a secret; one connection a thread, made anew after
    one that broke."""

    def __init__(self, url: str, schema: Sequence[str]) -> None:
        self._url, self._threads = url, threading.local()
        with self.writing() as change:
            for statement in schema:
                change.execute(statement)

    def ask(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Rows."""
        with self._told() as connection:
            return _PostgresChange(connection).execute(statement, values)

    @contextmanager
    def writing(self) -> Iterator[Change]:
        """One change."""
        with self._told() as connection, connection.transaction():
            connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
            yield _PostgresChange(connection)

    @contextmanager
    def _told(self) -> "Iterator[Connection]":
        import psycopg

        try:
            connection: Connection | None = getattr(self._threads, "connection", None)
            if connection is None or connection.closed or connection.broken:
                options = f"-c synchronous_commit=on -c lock_timeout={_WAIT_MS}"
                connection = psycopg.connect(
                    self._url, autocommit=True, options=options, connect_timeout=_WAIT_MS // 1_000
                )
                self._threads.connection = connection
            yield connection
        except psycopg.Error as error:
            first = str(error).strip().split("\n")[0]
            raise DatabaseError(f"PostgreSQL: {first}; nothing of this was kept, try it again") from error
