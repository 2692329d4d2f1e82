"""Dagster's databases during a run: held open, consistent, let go behind it."""

import sqlite3
from pathlib import Path

import sqlalchemy
from sqlalchemy.pool import NullPool

from orchestration.dagster_storage import kept_open


def _write(path: Path, value: int) -> int:
    """One row by a connection of its own, as Dagster writes an event; the `synchronous` it was written with."""
    engine = sqlalchemy.create_engine(f"sqlite:///{path}", poolclass=NullPool)
    with engine.begin() as connection:
        connection.execute(sqlalchemy.text(f"INSERT INTO events VALUES ({value})"))
        return int(connection.execute(sqlalchemy.text("PRAGMA synchronous")).scalar_one())


def _database(path: Path) -> Path:
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("CREATE TABLE events (value INTEGER)")
    connection.close()
    return path


def test_databases_of_the_instance_stay_open_for_the_block(tmp_path: Path) -> None:
    home = tmp_path / "dagster"
    home.mkdir()
    ours, other = _database(home / "index.db"), _database(tmp_path / "other.db")
    log, other_log = home / "index.db-wal", tmp_path / "other.db-wal"
    with kept_open(home):
        assert _write(ours, 1) == 1  # NORMAL
        assert _write(ours, 2) == 1
        assert log.stat().st_size  # not carried over with every connection that closes
        assert _write(other, 1) == 2  # FULL, as SQLite does by itself
        assert not other_log.exists()
        with sqlite3.connect(ours) as reader:  # somebody else, such as the UI, sees each event at once
            assert reader.execute("SELECT value FROM events").fetchall() == [(1,), (2,)]
        reader.close()
    assert not log.exists()
    assert _write(ours, 3) == 2
    with sqlite3.connect(ours) as reader:
        assert reader.execute("SELECT value FROM events").fetchall() == [(1,), (2,), (3,)]
    reader.close()
