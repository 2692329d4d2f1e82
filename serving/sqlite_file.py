"""A SQLite file that threads and processes share: a connection a thread, and changes that are all or nothing."""

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

BUSY_MS = 5_000


class SqliteFile:
    """The file. What is written is on the disk before a change ends; sqlite3.Error when the disk refuses."""

    def __init__(self, file: Path, prepare: Callable[[sqlite3.Connection], None] | None) -> None:
        """prepare: makes the tables that are not there yet; None: the file is read alone."""
        self._file, self._threads, self._read_only = file, threading.local(), prepare is None
        if prepare is None:
            return
        file.parent.mkdir(parents=True, exist_ok=True)
        with self._writing() as connection:
            prepare(connection)

    def _connection(self) -> sqlite3.Connection:
        """One a thread: SQLite keeps readers and the writer apart."""
        made: sqlite3.Connection | None = getattr(self._threads, "connection", None)
        if made is None:
            place = f"{self._file.resolve().as_uri()}?mode={'ro' if self._read_only else 'rwc'}"
            made = sqlite3.connect(place, uri=True, isolation_level=None, timeout=BUSY_MS / 1000)
            if not self._read_only:
                made.execute("PRAGMA journal_mode = WAL")
                made.execute("PRAGMA synchronous = FULL")  # what was answered is on the disk
            self._threads.connection = made
        return made

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        connection = self._connection()
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield connection
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:  # where the disk is full SQLite may have rolled back by itself
                connection.execute("ROLLBACK")
            raise
