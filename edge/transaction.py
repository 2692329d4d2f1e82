"""SQLite as a box uses it: a connection for each transaction, on the disk when it ends."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any


class Transaction:
    """`with Transaction(file) as connection:` commits what was done, or nothing when it raises."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def __enter__(self) -> sqlite3.Connection:
        self._connection = sqlite3.connect(self._file, timeout=30.0)
        self._connection.execute("PRAGMA synchronous = FULL")
        return self._connection.__enter__()

    def __exit__(self, *raised: Any) -> None:
        with closing(self._connection):
            self._connection.__exit__(*raised)
