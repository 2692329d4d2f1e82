"""Prices that boxes put on labels, as they told them: a SQLite file that only grows and survives a kill."""

import sqlite3
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic_core import from_json

from serving.label_schemas import LabelDecision
from serving.sqlite_file import SqliteFile

KEPT_S = 400 * 86_400.0  # a year and what reports of it need; 10,000 labels a day are some 5 MB
_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS label_decisions (place INTEGER PRIMARY KEY AUTOINCREMENT, event_id TEXT NOT NULL UNIQUE, "
    "box TEXT NOT NULL, taken_s REAL NOT NULL, body TEXT NOT NULL) STRICT",
    "CREATE INDEX IF NOT EXISTS label_decisions_by_age ON label_decisions (taken_s)",
)


@dataclass(frozen=True)
class Taken:
    """What became of a delivery: decisions that are kept, how many of them are `new` by who priced them, and `conflicts`, ids that
    were given before with another content."""

    kept: int
    new: Mapping[str, int]
    conflicts: tuple[str, ...]


@dataclass(frozen=True)
class Told:
    """Decisions in the order that they are asked for, with `place` and `box`, and how many are kept in all."""

    total: int
    decisions: list[dict[str, Any]]


class LabelDecisions(SqliteFile):
    """The file. Thread-safe; processes may share it. `clock` gives seconds since 1970."""

    def __init__(self, file: Path, *, clock: Callable[[], float]) -> None:
        super().__init__(file, _prepare)
        self._clock = clock

    def take(self, decisions: Sequence[LabelDecision], *, box: str) -> Taken:
        """Keep those that are new, all or none, on the disk when this returns; sqlite3.Error when the disk refuses."""
        new: Counter[str] = Counter()
        conflicts = []
        with self._writing() as connection:
            now = self._clock()
            connection.execute("DELETE FROM label_decisions WHERE taken_s <= ?", (now - KEPT_S,))
            for each in decisions:
                body = each.model_dump_json()
                added = connection.execute(
                    "INSERT INTO label_decisions (event_id, box, taken_s, body) VALUES (?, ?, ?, ?) "
                    "ON CONFLICT (event_id) DO NOTHING",
                    (each.event_id, box, now, body),
                ).rowcount
                if added:
                    new[each.source] += 1
                    continue
                (known,) = connection.execute(
                    "SELECT body FROM label_decisions WHERE event_id = ?", (each.event_id,)
                ).fetchone()
                if known != body:
                    conflicts.append(each.event_id)
        return Taken(len(decisions) - len(conflicts), new, tuple(conflicts))

    def last(self, count: int) -> Told:
        """The last decisions that came in, the newest first."""
        return self._told("ORDER BY place DESC LIMIT ?", (count,))

    def after(self, place: int, count: int) -> Told:
        """Decisions that came in after a place, the oldest first: a reader goes on with the last place that it saw."""
        return self._told("WHERE place > ? ORDER BY place LIMIT ?", (place, count))

    def _told(self, which: str, values: tuple[int, ...]) -> Told:
        connection = self._connection()
        (total,) = connection.execute("SELECT count(*) FROM label_decisions").fetchone()
        rows = connection.execute(f"SELECT place, box, body FROM label_decisions {which}", values)  # noqa: S608 (our own words)
        return Told(total, [{"place": place, "box": box, **from_json(body)} for place, box, body in rows])


def _prepare(connection: sqlite3.Connection) -> None:
    for statement in _SCHEMA:
        connection.execute(statement)
