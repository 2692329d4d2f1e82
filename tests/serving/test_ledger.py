"""The ledger: what it refuses, that sending again changes nothing, proofs, and an auditor who finds every forgery."""

import json
import shutil
import sqlite3
import threading
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st
from pymerkle import InmemoryTree

from serving.settlement.audit import AuditReport, audit
from serving.settlement.entries import Entry, EntryError
from serving.settlement.ledger import Ledger, LedgerBroken, LedgerError
from serving.settlement.ledger_sqlite import SqliteLedger
from serving.settlement.ledger_store import LedgerStoreError
from serving.settlement.notes import Head, NoteError, open_head, sign_head
from serving.settlement.receipts import Receipt
from serving.settlement.tree import ProofError, Tree, check_consistency, check_inclusion, leaf_hash

KEY, STRANGER = (Ed25519PrivateKey.from_private_bytes(bytes([n]) * 32) for n in (1, 2))
ORIGIN, WHEN = "shop-1.example", "2026-11-30T12:00:00Z"


def bill(number: int, cents: int = 199) -> Entry:
    return Entry(f"bill-{number}", "bill", {"cents": cents, "lines": [{"product": f"P{number % 7}", "count": 1}]})


def opened(file: Path, publish: Callable[[str], None] | None = None) -> Ledger:
    return Ledger(SqliteLedger(file), KEY, origin=ORIGIN, clock=lambda: WHEN, publish=publish)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "ledger.sqlite"


class Listed:
    """Leaves in memory."""

    def __init__(self, count: int) -> None:
        self._hashes = [leaf_hash(str(number).encode()) for number in range(count)]

    def size(self) -> int:
        return len(self._hashes)

    def hashes(self, first: int, count: int) -> list[bytes]:
        return self._hashes[first - 1 : first - 1 + count]


def test_equal_entries_have_equal_bytes_and_fractions_have_none() -> None:
    assert (
        Entry("a", "bill", {"b": 1, "a": "é"}).content() == '{"body":{"a":"é","b":1},"id":"a","kind":"bill"}'.encode()
    )
    assert Entry("a", "bill", {"a": "é", "b": 1}).content() == Entry("a", "bill", {"b": 1, "a": "é"}).content()
    for body, told in [
        ({"price": 1.5}, "fraction"),
        ({"price": 2**60}, "outside"),
        ({"when": object()}, "object"),
        ({1: 2}, "names are texts"),
        ({"text": "\ud800"}, "valid text"),
        ({"text": "x" * 70_000}, "65,536"),
    ]:
        with pytest.raises(EntryError, match=told):
            Entry("a", "bill", body).content()
    deep: dict[str, object] = {}
    for _ in range(20):
        deep = {"in": deep}
    with pytest.raises(EntryError, match="nested deeper than 16"):
        Entry("a", "bill", deep).content()
    with pytest.raises(EntryError, match="without spaces"):
        Entry("a b", "bill", {}).content()
    for content in (
        b"[]",
        b'{"id":"a","kind":"b"}',
        b'{"id":1,"kind":"b","body":{}}',
        b'{"id":"a", "kind":"b","body":{}}',
        b"\xff",
    ):
        with pytest.raises(EntryError):
            Entry.of(content)


def test_roots_are_those_of_the_standard() -> None:
    """Values worked by hand from RFC 6962: the tree of three leaves is node(node(0, 1), 2)."""
    zero, one, two = Listed(3).hashes(1, 3)
    assert Tree(Listed(1)).root(1) == zero == sha256(b"\x000").digest()
    left = sha256(b"\x01" + zero + one).digest()
    assert Tree(Listed(2)).root(2) == left
    assert Tree(Listed(3)).root(3) == sha256(b"\x01" + left + two).digest()
    assert Tree(Listed(3)).inclusion(1, 3) == [one, two] and Tree(Listed(3)).inclusion(3, 3) == [left]
    assert Tree(Listed(3)).consistency(1, 3) == [one, two] and Tree(Listed(3)).consistency(2, 3) == [two]


def test_every_proof_of_small_trees_holds_and_no_changed_one_does() -> None:
    for size in range(1, 34):
        tree = Tree(Listed(size))
        peer = InmemoryTree("sha256")
        peer.append_entries([str(number).encode() for number in range(size)])
        assert tree.root(size) == peer.get_root()
        for number in range(1, size + 1):
            path, leaf = tree.inclusion(number, size), Listed(size).hashes(number, 1)[0]
            check_inclusion(leaf, number, size, path, tree.root(size))
            for wrong in ([*path, leaf], path[:-1], [leaf, *path[1:]]):
                if wrong != path:
                    with pytest.raises(ProofError):
                        check_inclusion(leaf, number, size, wrong, tree.root(size))
            with pytest.raises(ProofError):
                check_inclusion(leaf, number % size + 1, size, path, tree.root(size)) if size > 1 else check_inclusion(
                    leaf, 2, size, path, tree.root(size)
                )
            old, steps = tree.root(number), tree.consistency(number, size)
            check_consistency(number, size, steps, old, tree.root(size))
            for wrong in ([*steps, leaf], steps[:-1] if steps else [leaf]):
                with pytest.raises(ProofError):
                    check_consistency(number, size, wrong, old, tree.root(size))
            with pytest.raises(ProofError):
                check_consistency(number, size, steps, leaf_hash(b"x"), tree.root(size))


def test_a_head_is_read_by_its_key_and_name_alone() -> None:
    head = Head(ORIGIN, 7, bytes(32), WHEN)
    note = sign_head(head, KEY)
    assert open_head(note, KEY.public_key(), ORIGIN) == head
    assert open_head(note + "— witness.example AAAA\n", KEY.public_key()) == head
    for changed, told in [
        (note.replace("\n7\n", "\n8\n"), "it was changed"),
        (note.replace(WHEN, "2026-11-30T12:00:01Z"), "it was changed"),
        (note.replace("\n7\n", "\n07\n"), "no number"),
        (note.replace("\n\n", "\n"), "no signed head"),
        (note.replace("— shop-1", "— shop-2"), "nobody holding this key"),
        ("x" * 20_000, "at most"),
    ]:
        with pytest.raises(NoteError, match=told):
            open_head(changed, KEY.public_key())
    with pytest.raises(NoteError, match="nobody holding this key"):
        open_head(note, STRANGER.public_key())
    with pytest.raises(NoteError, match="'shop-2.example' is asked"):
        open_head(note, KEY.public_key(), "shop-2.example")


def test_sending_again_changes_nothing_and_another_text_is_refused(file: Path) -> None:
    ledger = opened(file)
    assert ledger.append([bill(1), bill(2)]) == [1, 2]
    head = ledger.head()
    assert ledger.append([bill(2), bill(1)]) == [2, 1] and ledger.head() == head
    assert ledger.append([bill(3), bill(2), bill(3)]) == [3, 2, 3]
    assert [(number, entry) for number, entry in ledger.entries(2, 2)] == [(2, bill(2)), (3, bill(3))]
    with pytest.raises(LedgerError, match="'bill-2' is there as number 2 and says something else"):
        ledger.append([bill(4), bill(2, cents=1)])
    with pytest.raises(LedgerError, match="comes twice"):
        ledger.append([bill(5), bill(5, cents=1)])
    with pytest.raises(LedgerError, match="append 1 to 10,000"):
        ledger.append([])
    assert SqliteLedger(file).size() == 3
    assert opened(file).append([bill(4)]) == [4]


def test_threads_and_processes_share_it_without_gaps(file: Path) -> None:
    ledgers = [opened(file) for _ in range(3)]
    failed: list[Exception] = []

    def work(ledger: Ledger, first: int) -> None:
        try:
            for number in range(first, first + 40, 4):
                ledger.append([bill(k) for k in range(number, number + 4)])
                ledger.receipt(f"bill-{number}").check(KEY.public_key(), ORIGIN)
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=work, args=(ledgers[k % 3], 20 * k)) for k in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    report = audit(SqliteLedger(file), KEY.public_key(), origin=ORIGIN)
    assert report.clean and report.entries == 120  # the ranges overlap: each bill once


def test_a_receipt_is_checked_with_the_public_key_alone(file: Path) -> None:
    ledger = opened(file)
    ledger.append([bill(number) for number in range(300)])
    text = ledger.receipt("bill-123").to_json()
    receipt = Receipt.from_json(text)
    assert receipt.check(KEY.public_key(), ORIGIN).size == 300 and receipt.entry == bill(123)
    with pytest.raises(ProofError, match="is not in this ledger"):
        Receipt.from_json(text.replace('"cents": 199', '"cents": 198')).check(KEY.public_key(), ORIGIN)
    with pytest.raises(ProofError, match="is not in this ledger"):
        Receipt.from_json(text.replace("index 123", "index 124")).check(KEY.public_key(), ORIGIN)
    for broken in (
        "",
        "[]",
        "{}",
        text[:-9],
        json.dumps({"entry": {}, "proof": ""}),
        text.replace("index 123", "index x"),
    ):
        with pytest.raises((ProofError, EntryError)):
            Receipt.from_json(broken)
    with pytest.raises(LedgerError, match="no entry 'bill-300'"):
        ledger.receipt("bill-300")


def test_each_head_begins_with_every_earlier_one(file: Path) -> None:
    ledger = opened(file)
    sizes = [1, 4, 5, 8, 20, 33]
    for first, last in zip([0, *sizes], sizes, strict=False):
        ledger.append([bill(number) for number in range(first, last)])
    for size in sizes[:-1]:
        told = ledger.consistency(size)
        old, new = (open_head(note, KEY.public_key(), ORIGIN) for note in (told.earlier, told.later))
        assert (old.size, new.size) == (size, 33)
        check_consistency(size, 33, told.path, old.root, new.root)
    with pytest.raises(LedgerError, match="no head of 2 entries"):
        ledger.consistency(2)


def test_no_entry_is_kept_whose_head_could_not_be_told(file: Path) -> None:
    told: list[str] = []

    def publish(note: str) -> None:
        if len(told) == 1:
            raise OSError("the witness is away")
        told.append(note)

    ledger = opened(file, publish)
    ledger.append([bill(1)])
    with pytest.raises(OSError, match="away"):
        ledger.append([bill(2)])
    assert SqliteLedger(file).size() == 1 and ledger.head() is not None and ledger.head()[1] == told[0]
    told.clear()
    assert ledger.append([bill(3), bill(2)]) == [2, 3]
    assert audit(SqliteLedger(file), KEY.public_key(), origin=ORIGIN, witnessed=told).clean


def test_a_full_disk_keeps_nothing_of_a_batch(file: Path) -> None:
    store = SqliteLedger(file)
    ledger = Ledger(store, KEY, origin=ORIGIN, clock=lambda: WHEN)
    ledger.append([bill(1)])
    pages = store._connection().execute("PRAGMA page_count").fetchone()[0]
    store._connection().execute(f"PRAGMA max_page_count = {pages + 2}")
    with pytest.raises(LedgerStoreError, match="nothing of this change was kept"):
        ledger.append([bill(number) for number in range(2, 2_000)])
    store._connection().execute("PRAGMA max_page_count = 1000000")
    assert store.size() == 1 and ledger.append([bill(2)]) == [2]
    assert audit(store, KEY.public_key(), origin=ORIGIN).clean


def test_the_file_refuses_changes_and_a_forged_one_is_not_signed_over(file: Path) -> None:
    opened(file).append([bill(1), bill(2)])
    connection = sqlite3.connect(file)
    for statement in (
        "UPDATE entries SET content = x''",
        "DELETE FROM entries",
        "UPDATE heads SET note = ''",
        "DELETE FROM heads",
    ):
        with pytest.raises(sqlite3.IntegrityError, match="only grows"):
            connection.execute(statement)
    connection.execute("DROP TRIGGER entries_stay")
    forged = bill(1, cents=1).content()
    connection.execute("UPDATE entries SET content = ?, hash = ? WHERE number = 1", (forged, leaf_hash(forged)))
    connection.commit()
    with pytest.raises(LedgerBroken, match="not those under its last head"):
        opened(file)


# What an attacker with the whole database can do: each gives statements for entry `n` of 100,000, byte `b`.
COUNT, BATCH = 100_000, 5_000


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("ledger") / "large.sqlite"
    ledger = opened(file)
    for first in range(0, COUNT, BATCH):
        ledger.append([bill(number) for number in range(first, first + BATCH)])
    SqliteLedger(file)._connection().execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return file


@pytest.fixture
def attacked(large: Path, tmp_path: Path) -> Iterator[Callable[[Callable[[sqlite3.Connection], None]], AuditReport]]:
    def attack(change: Callable[[sqlite3.Connection], None]) -> AuditReport:
        copy = tmp_path / "copy.sqlite"
        shutil.copy(large, copy)
        connection = sqlite3.connect(copy)
        for table in ("entries", "heads"):
            for name in ("stay", "remain"):
                connection.execute(f"DROP TRIGGER {table}_{name}")
        change(connection)
        connection.commit()
        connection.close()
        return audit(SqliteLedger(copy), KEY.public_key(), origin=ORIGIN)

    yield attack


def row(connection: sqlite3.Connection, number: int) -> tuple[str, bytes, bytes]:
    return connection.execute("SELECT entry_id, content, hash FROM entries WHERE number = ?", (number,)).fetchone()


def test_an_honest_ledger_is_clean(large: Path) -> None:
    report = audit(SqliteLedger(large), KEY.public_key(), origin=ORIGIN)
    assert report.clean and (report.entries, report.heads) == (COUNT, COUNT // BATCH)
    assert report.head is not None and report.head.size == COUNT


@settings(max_examples=12, deadline=None, derandomize=True)
@given(number=st.integers(1, COUNT), place=st.integers(0, 1_000), flip=st.integers(1, 255), again=st.booleans())
def test_any_changed_byte_is_found(large: Path, number: int, place: int, flip: int, again: bool) -> None:
    """Also where the attacker writes the hash anew (`again`)."""
    store = SqliteLedger(large)
    content = bytearray(next(store.rows(number, 1)).content)
    content[place % len(content)] ^= flip
    problems = audit(Forged(store, number, bytes(content), again=again), KEY.public_key(), origin=ORIGIN).problems
    assert any(f"entry {number}" in told or "first" in told for told in problems)


class Forged:
    """A store of which one row is another."""

    def __init__(self, store: SqliteLedger, number: int, content: bytes, *, again: bool) -> None:
        self._store, self._number, self._content, self._again = store, number, content, again

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)

    def rows(self) -> Iterator[object]:
        from dataclasses import replace

        for each in self._store.rows():
            if each.number == self._number:
                digest = leaf_hash(self._content) if self._again else each.hash
                yield replace(each, content=self._content, hash=digest)
            else:
                yield each
