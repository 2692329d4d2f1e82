"""The logs in a SQLite file: what a shop runs on that needs no broker."""

import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from models.common.protocols import InputError
from serving.settlement.transport import LARGEST_MESSAGE, Fenced, Message, Record, TransportError
from serving.sqlite_file import SqliteFile

_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS messages (topic TEXT NOT NULL, offset INTEGER NOT NULL, key TEXT NOT NULL, value BLOB NOT NULL, "
    "PRIMARY KEY (topic, offset)) STRICT, WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS consumers (name TEXT NOT NULL, topic TEXT NOT NULL, next INTEGER NOT NULL, epoch INTEGER NOT NULL, "
    "PRIMARY KEY (name, topic)) STRICT, WITHOUT ROWID",
)
_LOOK_S = 0.01  # between looks at a log that has nothing new


def _prepare(connection: sqlite3.Connection) -> None:
    for statement in _SCHEMA:
        connection.execute(statement)


class SqliteQueue(SqliteFile):
    """Logs by topic, of one partition each. Threads and processes share it; see `Producer`."""

    def __init__(self, file: Path) -> None:
        self._place = file
        with self._told():
            super().__init__(file, _prepare)

    def send(self, messages: Sequence[Message]) -> None:
        """All of them or none."""
        check(messages)
        with self._told(), self._writing() as connection:
            _append(connection, messages)

    def consumer(self, name: str, topic: str) -> "SqliteConsumer":
        """The one reader of a topic under this name: one that was there before is fenced off."""
        return SqliteConsumer(self, name, topic)

    def read(self, topic: str, first: int, most: int) -> list[Record]:
        """Records of a topic from an offset on."""
        with self._told():
            rows = self._connection().execute(
                "SELECT offset, key, value FROM messages WHERE topic = ? AND offset >= ? ORDER BY offset LIMIT ?",
                (topic, first, most),
            )
            return [Record(0, *row) for row in rows]

    def following(self, topic: str) -> int:
        """The offset that the next record of a topic gets."""
        with self._told():
            found = self._connection().execute("SELECT max(offset) FROM messages WHERE topic = ?", (topic,)).fetchone()
            return 0 if found[0] is None else int(found[0]) + 1

    def begin(self, name: str, topic: str) -> int:
        """A new epoch of a consumer, which ends all before it."""
        with self._told(), self._writing() as connection:
            (epoch,) = connection.execute(
                "INSERT INTO consumers VALUES (?, ?, 0, 1) ON CONFLICT DO UPDATE SET epoch = epoch + 1 RETURNING epoch",
                (name, topic),
            ).fetchone()
            return int(epoch)

    def next_of(self, name: str, topic: str) -> int:
        """The first offset that a consumer has not consumed."""
        with self._told():
            row = self._connection().execute("SELECT next FROM consumers WHERE (name, topic) = (?, ?)", (name, topic))
            return int(row.fetchone()[0])

    def consumed(self, name: str, topic: str, epoch: int, following: int, messages: Sequence[Message]) -> None:
        """What was consumed and what was sent for it, in one. Fenced where another has begun since."""
        check(messages)
        with self._told(), self._writing() as connection:
            done = connection.execute(
                "UPDATE consumers SET next = ? WHERE (name, topic, epoch) = (?, ?, ?)", (following, name, topic, epoch)
            )
            if not done.rowcount:
                raise Fenced(f"another consumer {name!r} of {topic!r} has begun on {self._place}: this one ends")
            _append(connection, messages)

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise TransportError(f"{self._place}: {error}; nothing of this was kept, try it again") from error


class SqliteConsumer:
    """See `Consumer`."""

    def __init__(self, queue: SqliteQueue, name: str, topic: str) -> None:
        self._queue, self._name, self._topic = queue, name, topic
        self._epoch = queue.begin(name, topic)
        self._next = queue.next_of(name, topic)

    def committed(self) -> Mapping[int, int]:
        """Of its one partition."""
        return {0: self._queue.next_of(self._name, self._topic)}

    def ends(self) -> Mapping[int, int]:
        """Of its one partition."""
        return {0: self._queue.following(self._topic)}

    def poll(self, most: int, wait_s: float) -> Sequence[Record]:
        """What comes next."""
        until = time.monotonic() + wait_s
        while not (records := self._queue.read(self._topic, self._next, most)) and time.monotonic() < until:
            time.sleep(_LOOK_S)
        if records:
            self._next = records[-1].offset + 1
        return records

    def commit(self, consumed: Mapping[int, int], messages: Sequence[Message]) -> None:
        """Both in one change of the file."""
        self._queue.consumed(self._name, self._topic, self._epoch, consumed[0], messages)

    def rewind(self) -> None:
        """Back to what was committed."""
        self._next = self._queue.next_of(self._name, self._topic)


def check(messages: Sequence[Message]) -> None:
    """InputError for a message that no log takes."""
    for each in messages:
        if len(each.value) > LARGEST_MESSAGE:
            raise InputError(
                f"a message of {len(each.value):,} bytes to {each.topic}: {LARGEST_MESSAGE:,} is the bound, split it"
            )


def _append(connection: sqlite3.Connection, messages: Sequence[Message]) -> None:
    following: dict[str, int] = {}
    rows = []
    for each in messages:
        if each.topic not in following:
            found = connection.execute("SELECT max(offset) FROM messages WHERE topic = ?", (each.topic,)).fetchone()[0]
            following[each.topic] = 0 if found is None else int(found) + 1
        rows.append((each.topic, following[each.topic], each.key, each.value))
        following[each.topic] += 1
    connection.executemany("INSERT INTO messages VALUES (?, ?, ?, ?)", rows)
