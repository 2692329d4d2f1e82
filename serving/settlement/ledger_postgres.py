"""The ledger in PostgreSQL, which refuses by itself to change or remove a row; for shops that share one."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

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

    def known(self, entry_ids: Sequence[str]) -> dict[str, Row]:
        """Those of some entries that are there."""
        rows = self._connected.execute(
            f"SELECT {_COLUMNS} FROM ledger_entries WHERE entry_id = ANY(%s)",  # noqa: S608
            (list(entry_ids),),
        )
        return {row[1]: Row(row[0], row[1], bytes(row[2]), bytes(row[3])) for row in rows}

    def add(self, rows: Sequence[Row]) -> None:
        """Append rows."""
        with self._connected.cursor() as cursor, cursor.copy(f"COPY ledger_entries ({_COLUMNS}) FROM STDIN") as copy:
            for row in rows:
                copy.write_row((row.number, row.entry_id, row.content, row.hash))

    def add_head(self, size: int, note: str) -> None:
        """Append a signed head."""
        self._connected.execute("INSERT INTO ledger_heads VALUES (%s, %s)", (size, note))


class PostgresLedger:
    """See `LedgerStore`. `url`: a libpq connection string, a secret; one connection a thread."""

    def __init__(self, url: str) -> None:
        self._url, self._threads = url, threading.local()
        with _told(), self._connection().transaction():
            self._connection().execute(_SCHEMA)

    def _connection(self) -> "Connection":
        import psycopg

        made: Connection | None = getattr(self._threads, "connection", None)
        if made is None or made.closed:
            made = psycopg.connect(self._url, autocommit=True, connect_timeout=5)
            # What was answered is on the disk, whatever the server's own default.
            made.execute(f"SET synchronous_commit = on; SET lock_timeout = {_WAIT_MS}")
            self._threads.connection = made
        return made

    def size(self) -> int:
        """How many entries there are."""
        with _told():
            return int(self._connection().execute("SELECT coalesce(max(number), 0) FROM ledger_entries").fetchone()[0])  # type: ignore[index]

    def hashes(self, first: int, count: int) -> list[bytes]:
        """Leaf hashes by number."""
        with _told():
            rows = self._connection().execute(
                "SELECT hash FROM ledger_entries WHERE number BETWEEN %s AND %s ORDER BY number",
                (first, first + count - 1),
            )
            return [bytes(digest) for (digest,) in rows]

    @contextmanager
    def writing(self) -> Iterator[_Change]:
        """One change, alone among all processes."""
        with _told(), self._connection().transaction():
            # Readers go on; a second writer waits, and then sees what the first has added.
            self._connection().execute("LOCK TABLE ledger_heads IN EXCLUSIVE MODE")
            yield _Change(self._connection())

    def rows(self, first: int | None = None, count: int | None = None) -> Iterator[Row]:
        """Rows by number, a page at a time so that a reader holds up nobody."""
        first = -(1 << 63) if first is None else first  # whoever forges rows may number them below 1
        last = (1 << 63) - 1 if count is None else first + count - 1
        while first <= last:
            with _told():
                page = (
                    self._connection()
                    .execute(
                        f"SELECT {_COLUMNS} FROM ledger_entries WHERE number BETWEEN %s AND %s ORDER BY number LIMIT {_PAGE}",  # noqa: S608
                        (first, last),
                    )
                    .fetchall()
                )
            yield from (Row(row[0], row[1], bytes(row[2]), bytes(row[3])) for row in page)
            if len(page) < _PAGE:
                return
            first = page[-1][0] + 1

    def find(self, entry_id: str) -> Row | None:
        """The row of an entry."""
        with _told():
            return _Change(self._connection()).known([entry_id]).get(entry_id)

    def notes(self) -> Iterator[tuple[int, str]]:
        """All signed heads, oldest first."""
        with _told():
            yield from self._connection().execute("SELECT size, note FROM ledger_heads ORDER BY size").fetchall()

    def last_note(self) -> str | None:
        """The newest head."""
        with _told():
            row = self._connection().execute("SELECT note FROM ledger_heads ORDER BY size DESC LIMIT 1").fetchone()
        return None if row is None else str(row[0])


@contextmanager
def _told() -> Iterator[None]:
    import psycopg

    try:
        yield
    except psycopg.Error as error:
        raise LedgerStoreError(
            f"PostgreSQL: {str(error).strip()}; nothing of this change was kept, send it again"
        ) from error
