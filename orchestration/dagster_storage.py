"""Dagster's SQLite files during a run: they stay open, and wait for the disk once instead of at every event.

Dagster opens and closes a connection an event. Whoever closes the last connection of a database makes SQLite carry its
write-ahead log over and wait for the disk; hundreds of times a run, that is seconds.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def kept_open(dagster_home: Path) -> Iterator[None]:
    """Hold every database below `dagster_home` open that is used within the block.

    A commit is then safe from a killed process as before; after a loss of power the newest events may be missing, in a
    file that is whole (SQLite's `synchronous=NORMAL` with a write-ahead log).
    """
    from sqlalchemy import event
    from sqlalchemy.pool import Pool

    folder, held = dagster_home.resolve(), dict[Path, sqlite3.Connection]()

    def connected(connection: Any, _record: Any) -> None:
        if not isinstance(connection, sqlite3.Connection):
            return
        path = Path(connection.execute("PRAGMA database_list").fetchone()[2] or "/")
        # Only with a write-ahead log; Dagster turns it on with the first connection.
        if not path.is_relative_to(folder) or connection.execute("PRAGMA journal_mode").fetchone() != ("wal",):
            return
        connection.execute("PRAGMA synchronous = NORMAL")
        if path not in held:
            held[path] = sqlite3.connect(path, check_same_thread=False)
            held[path].execute("PRAGMA schema_version").fetchone()  # SQLite opens the log with the first reading

    event.listen(Pool, "connect", connected)
    try:
        yield
    finally:
        event.remove(Pool, "connect", connected)
        for connection in held.values():
            connection.close()
