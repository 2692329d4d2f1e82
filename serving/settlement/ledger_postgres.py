"""The ledger in PostgreSQL, which refuses by itself to change or remove a row; for shops that share one."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from serving.settlement.ledger_store import LedgerStoreError, Row

if TYPE_CHECKING:
    from psycopg import Connection

_SCHEMA = """
SELECT pg_advisory_xact_lock(7041962);
CREATE TABLE IF NOT EXISTS ledger_entries (
    number bigint PRIMARY KEY, entry_id text NOT NULL UNIQUE, content bytea NOT NULL, hash bytea NOT NULL);
CREATE TABLE IF NOT EXISTS ledger_heads (size bigint PRIMARY KEY, note text NOT NULL);
CREATE OR REPLACE FUNCTION ledger_only_grows() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE EXCEPTION 'the ledger only grows'; END $$;
CREATE OR REPLACE TRIGGER ledger_entries_stay BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_entries
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_only_grows();
CREATE OR REPLACE TRIGGER ledger_heads_stay BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_heads
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_only_grows();
"""
_COLUMNS = "number, entry_id, content, hash"
_PAGE = 10_000  # rows read at a time
_WAIT_MS = 5_000  # for another writer


class _Change:
    """See `Writing`."""

    def __init__(self, connection: "Connection") -> None:
        self._connected = connection

    def add(self, rows: Sequence[Row]) -> None:
        """Append rows."""
        with self._connected.cursor() as cursor, cursor.copy(f"COPY ledger_entries ({_COLUMNS}) FROM STDIN") as copy:
            for row in rows:
                copy.write_row((row.number, row.entry_id, row.content, row.hash))

    def add_head(self, size: int, note: str) -> None:
        """Append a signed head."""
        self._connected.execute("INSERT INTO ledger_heads VALUES (%s, %s)", (size, note))


class PostgresLedger:
    """See `LedgerStore`. `url`: a libpq connection string, a secret; one connection a thread. read_only: makes no tables."""

    def __init__(self, url: str, *, read_only: bool = False) -> None:
        self._url, self._threads, self._read_only = url, threading.local(), read_only
        if read_only:
            return
        with self._told(), self._connection().transaction():
            self._connection().execute(_SCHEMA)

    def _connection(self) -> "Connection":
        import psycopg

        made: Connection | None = getattr(self._threads, "connection", None)
        if made is None or made.closed:
            made = psycopg.connect(self._url, autocommit=True, connect_timeout=5)
            # What was answered is on the disk, whatever the server's own default.
            made.execute(
                f"SET synchronous_commit = on; SET lock_timeout = {_WAIT_MS}; "
                f"SET default_transaction_read_only = {'on' if self._read_only else 'off'}".encode()
            )
            self._threads.connection = made
        return made

    def size(self) -> int:
        """How many entries there are."""
        return int(self._read("SELECT coalesce(max(number), 0) FROM ledger_entries")[0][0])

    def hashes(self, first: int, count: int) -> list[bytes]:
        """Leaf hashes by number."""
        asked = (first, first + count - 1)
        rows = self._read("SELECT hash FROM ledger_entries WHERE number BETWEEN %s AND %s ORDER BY number", asked)
        return [bytes(digest) for (digest,) in rows]

    @contextmanager
    def writing(self) -> Iterator[_Change]:
        """One change, alone among all processes."""
        with self._told(), self._connection().transaction():
            # Readers go on; a second writer waits, and then sees what the first has added.
            self._connection().execute("LOCK TABLE ledger_heads IN EXCLUSIVE MODE")
            yield _Change(self._connection())

    @contextmanager
    def reading(self) -> Iterator[None]:
        """What is read in here is of one moment."""
        with self._told(), self._connection().transaction():
            self._connection().execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            yield

    def known(self, entry_ids: Sequence[str]) -> dict[str, Row]:
        """The rows of those of some entries that are there."""
        return {row.entry_id: row for row in self._rows("entry_id = ANY(%s)", (list(entry_ids),))}

    def rows(self, first: int | None = None, count: int | None = None) -> Iterator[Row]:
        """Rows by number, a page at a time so that a reader holds up nobody."""
        first = -(1 << 63) if first is None else first  # whoever forges rows may number them below 1
        last = (1 << 63) - 1 if count is None else first + count - 1
        while first <= last:
            page = self._rows(f"number BETWEEN %s AND %s ORDER BY number LIMIT {_PAGE}", (first, last))
            yield from page
            if len(page) < _PAGE:
                return
            first = page[-1].number + 1

    def notes(self) -> Iterator[tuple[int, str]]:
        """All signed heads, oldest first."""
        yield from self._read("SELECT size, note FROM ledger_heads ORDER BY size")

    def note(self, size: int) -> str | None:
        """The head stored under a size."""
        return next((note for (note,) in self._read("SELECT note FROM ledger_heads WHERE size = %s", (size,))), None)

    def last_note(self) -> str | None:
        """The newest head."""
        return next((note for (note,) in self._read("SELECT note FROM ledger_heads ORDER BY size DESC LIMIT 1")), None)

    def _rows(self, which: str, asked: Sequence[object]) -> list[Row]:
        rows = self._read(f"SELECT {_COLUMNS} FROM ledger_entries WHERE {which}", asked)  # noqa: S608
        return [Row(int(number), str(name), bytes(content), bytes(digest)) for number, name, content, digest in rows]

    def _read(self, question: str, asked: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        with self._told():
            return self._connection().execute(question.encode(), asked).fetchall()

    @contextmanager
    def _told(self) -> Iterator[None]:
        import psycopg

        try:
            yield
        except psycopg.Error as error:
            made: Connection | None = getattr(self._threads, "connection", None)
            kept = (
                "nothing of a change under way was kept"
                if made is not None and not made.closed
                else "a change under way may have been kept"  # who hangs up while it commits does not say
            )
            raise LedgerStoreError(f"PostgreSQL: {str(error).strip()}; {kept}, send it again") from error
