"""Decisions as a chain: each carries the hash of the one before it, and the file refuses to change or remove one."""

import json
import sqlite3
from collections.abc import Callable
from dataclasses import asdict, dataclass
from hashlib import sha256

START = "0" * 64
SCHEMA = (
    "CREATE TABLE IF NOT EXISTS decisions (number INTEGER PRIMARY KEY, content TEXT NOT NULL, "
    "previous TEXT NOT NULL UNIQUE, hash TEXT NOT NULL UNIQUE) STRICT",
    "CREATE TRIGGER IF NOT EXISTS decisions_stay BEFORE UPDATE ON decisions "
    "BEGIN SELECT RAISE(ABORT, 'decisions are never changed'); END",
    "CREATE TRIGGER IF NOT EXISTS decisions_remain BEFORE DELETE ON decisions "
    "BEGIN SELECT RAISE(ABORT, 'decisions are never removed'); END",
)


@dataclass(frozen=True)
class Decision:
    """Who decided what, when (seconds since 1970, UTC), on which price of which item, and why."""

    when_s: float
    who: str
    what: str
    proposal_id: str
    market: str
    item_id: str
    old_price: float
    new_price: float
    reason: str


@dataclass(frozen=True)
class Link:
    """A decision in its place of the chain."""

    number: int
    decision: Decision
    hash: str


class AuditChain:
    """Adds to the chain and reads it."""

    def __init__(self, connection: Callable[[], sqlite3.Connection]) -> None:
        self._connection = connection

    def add(self, connection: sqlite3.Connection, decision: Decision) -> None:
        """Add a decision within the caller's transaction, which holds the write lock."""
        number, previous = self._head(connection)
        content = json.dumps(asdict(decision), sort_keys=True, ensure_ascii=False)
        connection.execute(
            "INSERT INTO decisions VALUES (?, ?, ?, ?)", (number + 1, content, previous, _link(previous, content))
        )

    def listed(self, *, first: int, count: int) -> tuple[list[Link], int]:
        """Up to `count` decisions, newest first, from number `first` of them on; and how many there are."""
        connection = self._connection()
        (total,) = connection.execute("SELECT count(*) FROM decisions").fetchone()
        rows = connection.execute(
            "SELECT number, content, hash FROM decisions ORDER BY number DESC LIMIT ? OFFSET ?", (count, first)
        )
        return [Link(number, Decision(**json.loads(content)), digest) for number, content, digest in rows], total

    def problem(self) -> str | None:
        """What is wrong with the chain, in a sentence; None where every link holds."""
        previous, expected = START, 1
        for number, content, before, digest in self._connection().execute(
            "SELECT number, content, previous, hash FROM decisions ORDER BY number"
        ):
            if number != expected or before != previous or _link(before, content) != digest:
                return f"decision {expected} was changed or removed: restore the file from its last copy"
            previous, expected = digest, expected + 1
        return None

    def head(self) -> str:
        """Hash of the last decision: whoever notes it elsewhere sees a chain that was cut short."""
        return self._head(self._connection())[1]

    def _head(self, connection: sqlite3.Connection) -> tuple[int, str]:
        row = connection.execute("SELECT number, hash FROM decisions ORDER BY number DESC LIMIT 1").fetchone()
        return (0, START) if row is None else (row[0], row[1])


def _link(previous: str, content: str) -> str:
    return sha256(f"{previous}\n{content}".encode()).hexdigest()
