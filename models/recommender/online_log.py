"""The journal of feedback: impressions and clicks come in twice, late and in any order; labelled examples come out in one.

An impression waits `label_wait_s` from when it was shown (event time, never the clock of this machine). Then it becomes an
example: 1 if a click of it is known that came within the wait, else 0. A click known only later, or made after the wait, is
a late correction: one more example, of label 1. The 0 is not taken back, which FTRL could not do exactly; such an item
counts as shown twice and clicked once, so choose a wait that few clicks exceed (`Settled.corrections` counts them).

Examples are put in order by the time at which each fell due and by id, so that it does not matter when within the wait, how
often and in which order feedback arrived. What arrives later still is learned once, behind what was there. What is older
than `remember_s` is refused, for nobody could say any more whether it had come before; so is a click that late.

One SQLite file (WAL, every transaction on the disk before it is confirmed): that an event is known, that it is settled and
its example stand or fall together, and a transaction that a kill tore fails its checksum and is as if it had not been.
"""

import json
import re
import sqlite3
from collections.abc import Collection, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from models.common.protocols import DataError, InputError
from models.recommender.histories import Ints
from models.recommender.online import Floats, OnlineEvents
from models.recommender.online_config import FeedbackConfig

SECOND_US = 1_000_000
BEGINNING_US = -(2**61)  # before any event
MAX_ID = 200
TABLES = """
CREATE TABLE IF NOT EXISTS impressions (
    id TEXT PRIMARY KEY, shown_us INTEGER NOT NULL, codes BLOB NOT NULL, offset REAL NOT NULL, weight REAL NOT NULL,
    settled INTEGER NOT NULL DEFAULT 0  -- 0 it waits, 1 its example said 0, 2 an example said 1
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS impressions_waiting ON impressions (shown_us) WHERE settled = 0;
CREATE INDEX IF NOT EXISTS impressions_settled ON impressions (shown_us) WHERE settled > 0;
CREATE TABLE IF NOT EXISTS clicks (id TEXT PRIMARY KEY, clicked_us INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS journal (
    position INTEGER PRIMARY KEY AUTOINCREMENT,  -- never given twice, not even after the rows were dropped
    id TEXT NOT NULL, label INTEGER NOT NULL, codes BLOB NOT NULL, offset REAL NOT NULL, weight REAL NOT NULL
);
CREATE TABLE IF NOT EXISTS marks (name TEXT PRIMARY KEY, us INTEGER NOT NULL) WITHOUT ROWID;
"""
# What falls due until :until, both kinds in one order. CROSS JOIN makes SQLite go through the few waiting clicks, not through
# all impressions that are remembered. A click made before its impression was shown is a clock that is off.
SETTLE = """
INSERT INTO journal (id, label, codes, offset, weight)
SELECT id, label, codes, offset, weight FROM (
    SELECT i.shown_us + :wait AS at, 0 AS kind, i.id, coalesce(c.clicked_us <= i.shown_us + :wait, 0) AS label,
        i.codes, i.offset, i.weight
    FROM impressions i LEFT JOIN clicks c ON c.id = i.id WHERE i.settled = 0 AND i.shown_us <= :until - :wait
    UNION ALL
    SELECT max(c.clicked_us, i.shown_us + :wait), 1, i.id, 1, i.codes, i.offset, i.weight
    FROM clicks c CROSS JOIN impressions i ON i.id = c.id
    WHERE c.clicked_us <= :until AND (
        i.settled = 1 OR (i.settled = 0 AND i.shown_us <= :until - :wait AND c.clicked_us > i.shown_us + :wait))
) ORDER BY at, kind, id
"""
WAITED = "SELECT count(*) FROM impressions WHERE settled = 0 AND shown_us <= :until - :wait"
MARK = (
    "UPDATE impressions SET settled = 1 WHERE settled = 0 AND shown_us <= :until - :wait",
    "UPDATE impressions SET settled = 2 WHERE settled = 1 AND id IN (SELECT id FROM clicks WHERE clicked_us <= :until)",
    "DELETE FROM clicks WHERE EXISTS (SELECT 1 FROM impressions i WHERE i.id = clicks.id AND i.settled = 2)",
    "INSERT OR REPLACE INTO marks VALUES ('settled', :until)",
)
ORPHANS = "DELETE FROM clicks WHERE clicked_us <= ? AND NOT EXISTS (SELECT 1 FROM impressions i WHERE i.id = clicks.id)"
# Two halves, because each has an index.
NEWEST = """
SELECT max(
    coalesce((SELECT max(shown_us) FROM impressions WHERE settled = 0), ?),
    coalesce((SELECT max(shown_us) FROM impressions WHERE settled > 0), ?))
"""
READ = "SELECT position, label, codes, offset, weight FROM journal WHERE position > ? ORDER BY position LIMIT ?"
KNOWN = "SELECT id, shown_us, codes, offset, weight FROM impressions WHERE id IN (SELECT value FROM json_each(?))"


@dataclass(frozen=True)
class Impressions:
    """N impressions: their ids, when each was shown (N,) in microseconds since 1970, and what `OnlineEvents` asks."""

    ids: Sequence[str]
    shown_us: Ints
    codes: Ints
    offset: Floats
    weight: Floats


@dataclass(frozen=True)
class Accepted:
    """What became of a delivery: `new` is on the disk, `known` had come before, `too_old` cannot be told from known."""

    new: int
    known: int
    too_old: int


@dataclass(frozen=True)
class Settled:
    """Examples that were appended, those of late clicks among them, and the journal's newest position."""

    examples: int
    corrections: int
    position: int


class FeedbackLog:
    """The journal in one file; safe against a kill at any moment. Deliver again whatever was not confirmed."""

    def __init__(self, path: Path, cfg: FeedbackConfig) -> None:
        """Open or make the file. DataError where it is no journal."""
        if cfg.remember_s < cfg.label_wait_s:
            raise InputError(
                f"remember_s {cfg.remember_s:g}: expected at least label_wait_s {cfg.label_wait_s:g}; raise it"
            )
        self.path, self._wait_us = path, round(cfg.label_wait_s * SECOND_US)
        self._remember_us = round(cfg.remember_s * SECOND_US)
        path.parent.mkdir(parents=True, exist_ok=True)
        self._db = sqlite3.connect(path, isolation_level=None, timeout=60.0)
        try:
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = FULL")
            self._db.executescript(TABLES)
        except sqlite3.DatabaseError as error:
            self._db.close()
            raise DataError(
                f"{path}: {error}: expected a journal of feedback; restore the file or move it away"
            ) from error

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()

    def accept_impressions(self, batch: Impressions) -> Accepted:
        """Take in what was shown; once this returns it is on the disk. DataError where an id comes with other content."""
        count = len(batch.ids)
        _check_ids(batch.ids)
        # Refuses here what could not be learned later.
        OnlineEvents(batch.codes, batch.offset, np.zeros(count, dtype=np.bool_), batch.weight)
        shown = np.asarray(batch.shown_us, dtype=np.int64).tolist()
        codes = [row.tobytes() for row in np.ascontiguousarray(batch.codes, dtype="<i8")]
        rows = list(zip(batch.ids, shown, codes, batch.offset.tolist(), batch.weight.tolist(), strict=True))
        with self._transaction():
            forgotten = self._mark("forgotten")
            fresh = [row for row in rows if row[1] > forgotten]
            known = {row[0]: row for row in self._db.execute(KNOWN, (json.dumps([row[0] for row in fresh]),))}
            for row in fresh:
                if known.setdefault(row[0], row) != row:
                    raise DataError(f"impression {row[0]!r} came before with other content; an id is given once, ever")
            before = self._db.total_changes
            self._db.executemany("INSERT OR IGNORE INTO impressions VALUES (?, ?, ?, ?, ?, 0)", fresh)
            new = self._db.total_changes - before
        return Accepted(new, len(fresh) - new, count - len(fresh))

    def accept_clicks(self, ids: Sequence[str], clicked_us: Ints) -> Accepted:
        """Take in clicks (N,) by impression id, with or before their impressions; of several the earliest counts."""
        _check_ids(ids)
        rows = list(zip(ids, np.asarray(clicked_us, dtype=np.int64).tolist(), strict=True))
        with self._transaction():
            forgotten = self._mark("forgotten")
            fresh = [row for row in rows if row[1] > forgotten]
            before = self._count("clicks")
            self._db.executemany(
                "INSERT INTO clicks SELECT ?1, ?2 WHERE NOT EXISTS (SELECT 1 FROM impressions WHERE id = ?1 AND settled = 2) "
                "ON CONFLICT (id) DO UPDATE SET clicked_us = min(clicked_us, excluded.clicked_us)",
                fresh,
            )
            new = self._count("clicks") - before
        return Accepted(new, len(fresh) - new, len(rows) - len(fresh))

    def settle(self, until_us: int) -> Settled:
        """Append the examples that fell due until `until_us`, in event time. An earlier time than before appends nothing new."""
        with self._transaction():
            first = self.position
            until = {"until": max(until_us, self._mark("settled")), "wait": self._wait_us}
            (waited,) = self._db.execute(WAITED, until).fetchone()
            self._db.execute(SETTLE, until)
            examples = self.position - first
            for statement in MARK:
                self._db.execute(statement, until)
        return Settled(examples, examples - waited, first + examples)

    def read(self, after: int, limit: int, width: int) -> OnlineEvents:
        """Up to `limit` examples behind position `after`, in order; codes (N, width). DataError where some are gone."""
        newest = self.position  # before the rows: another process may append
        rows = self._db.execute(READ, (after, limit)).fetchall()
        there = (rows[0][0], rows[-1][0]) == (after + 1, after + len(rows)) if rows else after == newest
        if not there:
            found = f"none before {rows[0][0]}" if rows else f"an end at {newest}"
            raise DataError(
                f"{self.path}: expected examples behind position {after}, found {found}: journal and snapshots do not "
                "belong together; restore both from one copy"
            )
        codes = np.frombuffer(b"".join(row[2] for row in rows), dtype="<i8")
        if codes.size != len(rows) * width:
            raise DataError(
                f"{self.path}: {codes.size} codes in {len(rows)} examples, expected {width} each: other columns"
            )
        return OnlineEvents(
            codes.reshape(len(rows), width),
            np.array([row[3] for row in rows], dtype=np.float64),
            np.array([row[1] for row in rows], dtype=np.bool_),
            np.array([row[4] for row in rows], dtype=np.float64),
        )

    def compact(self, position: int) -> None:
        """Drop examples up to `position`, which a snapshot holds, and whatever is older than is remembered."""
        with self._transaction():
            until = max(self._mark("forgotten"), self._mark("settled") - self._remember_us)
            self._db.execute("DELETE FROM journal WHERE position <= ?", (position,))
            self._db.execute("DELETE FROM impressions WHERE settled > 0 AND shown_us <= ?", (until,))
            self._db.execute(ORPHANS, (until,))
            self._db.execute("INSERT OR REPLACE INTO marks VALUES ('forgotten', ?)", (until,))

    @property
    def position(self) -> int:
        """Position of the newest example; 0 before the first."""
        row = self._db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'journal'").fetchone()
        return 0 if row is None else int(row[0])

    @property
    def newest_us(self) -> int:
        """When the newest impression was shown: how far event time has come. Long ago where there is none."""
        return int(self._db.execute(NEWEST, (BEGINNING_US, BEGINNING_US)).fetchone()[0])

    def _mark(self, name: str) -> int:
        """Event time up to which labels are decided (`settled`) or ids are no longer remembered (`forgotten`)."""
        row = self._db.execute("SELECT us FROM marks WHERE name = ?", (name,)).fetchone()
        return BEGINNING_US if row is None else int(row[0])

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """All or nothing; on the disk when it ends."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:  # a full disk makes SQLite roll back by itself
                self._db.execute("ROLLBACK")
            raise

    def _count(self, table: str) -> int:
        return int(self._db.execute(f"SELECT count(*) FROM {table}").fetchone()[0])  # noqa: S608 (our own names)


def _check_ids(ids: Sequence[str]) -> None:
    for name in ids:
        if not isinstance(name, str) or not 1 <= len(name) <= MAX_ID:
            raise InputError(f"impression id {name!r:.60}: expected text of 1 to {MAX_ID} characters")


def erase_feedback(path: Path, customer_ids: Collection[str], impression_ids: Collection[str]) -> int:
    """Forget what came of these impressions, and of those whose id names one of the customers; how many rows were theirs.

    Examples keep their positions, which snapshots count by, with an empty id; the file is written anew, log included.
    """
    named = re.compile(rf"(?<![A-Za-z0-9])(?:{'|'.join(map(re.escape, sorted(customer_ids)))})(?![A-Za-z0-9])")
    with closing(sqlite3.connect(path, isolation_level=None, timeout=60.0)) as database:
        ids = frozenset(impression_ids)
        database.create_function("theirs", 1, lambda name: name in ids or named.search(name) is not None)
        database.execute("BEGIN IMMEDIATE")
        rows = sum(
            database.execute(statement).rowcount
            for statement in (
                "DELETE FROM impressions WHERE theirs(id)",
                "DELETE FROM clicks WHERE theirs(id)",
                "UPDATE journal SET id = '' WHERE theirs(id)",
            )
        )
        database.execute("COMMIT")
        database.execute("VACUUM")
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return rows
