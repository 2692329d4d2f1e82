"""The ledger: what it takes and refuses, that sending again changes nothing, and that it signs over no forgery."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from ledger_case import KEY, ORIGIN, PUBLIC, STRANGER, WHEN, bill, bills, opened, store_at
from postgres_server import Postgres, postgres_server

from serving.settlement.audit import audit
from serving.settlement.entries import Entry, EntryError
from serving.settlement.ledger import Ledger, LedgerBroken
from serving.settlement.ledger_reader import LedgerError
from serving.settlement.ledger_store import LedgerStore, LedgerStoreError
from serving.settlement.notes import TrustedKey, open_head
from serving.settlement.tree import check_consistency, leaf_hash


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with postgres_server() as running:
        yield running


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.services)])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where a store lies that is empty still; each test is run on both databases."""
    return (
        str(tmp_path / "ledger.sqlite") if request.param == "sqlite" else request.getfixturevalue("server").database()
    )


@pytest.fixture
def store(place: str) -> LedgerStore:
    return store_at(place)


def changed(store: LedgerStore, *statements: str, values: tuple[object, ...] = ()) -> None:
    """What somebody does who has the whole database, its own guards off. `values` are those of the last statement."""
    postgres = not hasattr(store, "_file")
    connection = store._connection()
    drop = "ALTER TABLE ledger_{0} DISABLE TRIGGER ALL" if postgres else "DROP TRIGGER IF EXISTS {0}_{1}"
    for table in ("entries", "heads"):
        for name in ("stay", "remain"):
            connection.execute(drop.format(table, name))
    *before, last = (each.replace("ledger_", "ledger_" if postgres else "") for each in statements)
    for statement in before:
        connection.execute(statement)
    connection.execute(last.replace("?", "%s") if postgres else last, values)


def test_equal_entries_have_equal_bytes_and_fractions_have_none() -> None:
    written = '{"body":{"a":"é","b":1},"id":"a","kind":"bill"}'.encode()
    assert (
        Entry("a", "bill", {"b": 1, "a": "é"}).content() == written == Entry("a", "bill", {"a": "é", "b": 1}).content()
    )
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
    bad = (
        b'[] {"id":"a","kind":"b"} {"id":1,"kind":"b","body":{}} \xff {"body":{},"body":{},"id":"a","kind":"b"}'.split()
    )
    for content in (*bad, b'{"body": {},"id":"a","kind":"b"}'):
        with pytest.raises(EntryError):
            Entry.of(content)


def test_sending_again_changes_nothing_and_another_text_is_refused(place: str) -> None:
    ledger, store = opened(store_at(place)), store_at(place)
    assert ledger.append([bill(1), bill(2)]) == [1, 2]
    head = ledger.head()
    assert ledger.append([bill(2), bill(1)]) == [2, 1] and ledger.head() == head
    assert ledger.append([bill(3), bill(2), bill(3)]) == [3, 2, 3]
    assert list(ledger.entries(2, 2)) == [(2, bill(2)), (3, bill(3))]
    with pytest.raises(LedgerError, match="'bill-2' is there as number 2 and says something else"):
        ledger.append([bill(4), bill(2, cents=1)])
    with pytest.raises(LedgerError, match="comes twice"):
        ledger.append([bill(5), bill(5, cents=1)])
    with pytest.raises(LedgerError, match="append 1 to 10,000"):
        ledger.append([])
    assert store.size() == 3
    assert opened(store).append([bill(4)]) == [4]


def test_a_correction_is_an_entry_of_its_own(store: LedgerStore) -> None:
    ledger = opened(store)
    ledger.append([bill(1)])
    correction = Entry("bill-1-correction-1", "correction", {"corrects": "bill-1", "cents": -50})
    assert ledger.append([correction]) == [2] and ledger.append([correction, bill(1)]) == [2, 1]
    assert list(ledger.entries()) == [(1, bill(1)), (2, correction)]


def test_threads_and_processes_share_it_without_gaps(place: str) -> None:
    ledgers = [opened(store_at(place)) for _ in range(3)]
    failed: list[Exception] = []

    def work(ledger: Ledger, first: int) -> None:
        try:
            for number in range(first, first + 40, 4):
                ledger.append(bills(number, number + 4))
                ledger.receipt(f"bill-{number}").check(PUBLIC, ORIGIN)
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=work, args=(ledgers[k % 3], 20 * k)) for k in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    report = audit(store_at(place), PUBLIC, origin=ORIGIN)
    assert report.clean and report.entries == 120  # the ranges overlap: each bill once


def test_each_head_begins_with_every_earlier_one(store: LedgerStore) -> None:
    ledger = opened(store)
    sizes = [1, 4, 5, 8, 20, 33, 200, 513]
    for first, last in zip([0, *sizes], sizes, strict=False):
        ledger.append(bills(first, last))
    for size in sizes[:-1]:
        told = ledger.consistency(size)
        old, new = (open_head(note, PUBLIC, ORIGIN) for note in (told.earlier, told.later))
        assert (old.size, new.size) == (size, 513)
        check_consistency(size, 513, told.path, old.root, new.root)
    with pytest.raises(LedgerError, match="no head of 2 entries"):
        ledger.consistency(2)


def test_a_head_is_told_only_of_what_is_kept_and_told_again_until_it_is(store: LedgerStore) -> None:
    told: list[str] = []

    def publish(note: str) -> None:
        if len(told) == 1:
            raise OSError("the witness is away")
        told.append(note)

    ledger = opened(store, publish)
    ledger.append([bill(1)])
    with pytest.raises(OSError, match="away"):
        ledger.append([bill(2)])
    kept = store.last_note()
    told.append("")
    assert ledger.append([bill(2)]) == [2] and told[2] == kept
    assert audit(store, PUBLIC, origin=ORIGIN, witnessed=[told[0], told[2]]).clean


def test_nothing_is_kept_of_a_change_that_fails_and_the_next_is_right(place: str) -> None:
    """Not even in memory: the next head covers what is there, not what was tried."""
    now = iter([WHEN, None, WHEN])

    def clock() -> str:
        time_of_day = next(now)
        if time_of_day is None:
            raise OSError("no clock")
        return time_of_day

    ledger = Ledger(store_at(place), KEY, origin=ORIGIN, clock=clock)
    ledger.append(bills(0, 100))
    with pytest.raises(OSError, match="no clock"):
        ledger.append(bills(1_000, 1_200))
    assert ledger.append(bills(100, 300)) == list(range(101, 301))
    report = audit(store_at(place), PUBLIC, origin=ORIGIN)
    assert report.clean and report.entries == 300


def test_the_database_itself_refuses_changes(place: str) -> None:
    store = store_at(place)
    opened(store).append([bill(1), bill(2)])
    prefix = "ledger_" if place.startswith("postgresql") else ""
    for statement in (
        "UPDATE {}entries SET content = content",
        "DELETE FROM {}entries",
        "UPDATE {}heads SET note = ''",
        "DELETE FROM {}heads",
    ):
        with pytest.raises(Exception, match="only grows"):
            store._connection().execute(statement.format(prefix))


@pytest.mark.parametrize("running", [True, False])
def test_a_forgery_is_not_signed_over(place: str, running: bool) -> None:
    """By the process that runs, and by one that starts: else the newest head would vouch for it."""
    store = store_at(place)
    ledger = opened(store)
    ledger.append(bills(0, 5))
    forged = bill(2, cents=1).content()
    changed(
        store,
        "UPDATE ledger_entries SET content = ?, hash = ? WHERE number = 3",
        values=(forged, leaf_hash(forged)),
    )
    with pytest.raises(LedgerBroken, match="not those under its last head"):
        ledger.append([bill(7)]) if running else opened(store_at(place))
    assert store.size() == 5


def test_a_ledger_that_was_set_back_is_not_gone_on_with(store: LedgerStore) -> None:
    ledger = opened(store)
    ledger.append([bill(1)])
    ledger.append([bill(2)])
    changed(store, "DELETE FROM ledger_entries WHERE number = 2", "DELETE FROM ledger_heads WHERE size = 2")
    with pytest.raises(LedgerBroken, match="holds 1 entries, it had 2"):
        ledger.append([bill(3)])


def test_a_retired_key_signs_no_more(store: LedgerStore) -> None:
    opened(store).append(bills(0, 5))
    keys = [TrustedKey(PUBLIC, 1, 5), TrustedKey(STRANGER.public_key(), 6)]
    ledger = Ledger(store, STRANGER, origin=ORIGIN, clock=lambda: WHEN, keys=keys)
    assert ledger.append([bill(5)]) == [6]
    assert ledger.receipt("bill-2").check(keys, ORIGIN).size == 6
    assert audit(store, keys, origin=ORIGIN).clean
    with pytest.raises(LedgerError, match="is not to sign one of 7"):
        Ledger(store, KEY, origin=ORIGIN, clock=lambda: WHEN, keys=keys).append([bill(6)])
    with pytest.raises(LedgerError, match="name its public half"):
        Ledger(store, STRANGER, origin=ORIGIN, clock=lambda: WHEN, keys=keys[:1])
    told = audit(store, keys[:1], origin=ORIGIN).problems
    assert any("nobody holding a trusted key has signed the head of 6" in each for each in told)
    thief = [TrustedKey(PUBLIC, 1, 5), TrustedKey(STRANGER.public_key(), 7)]
    assert any("it is not to be trusted" in each for each in audit(store, thief, origin=ORIGIN).problems)


def test_an_audit_is_of_one_moment_of_a_ledger_that_goes_on(place: str) -> None:
    ledger, seen = opened(store_at(place)), list[str]()
    ledger.append(bills(0, 2_500))

    def goes_on(told: str, share: float) -> None:
        seen.append(f"{told}, {share:.0%}")
        ledger.append(bills(2_500 + 10 * len(seen), 2_510 + 10 * len(seen)))

    report = audit(store_at(place), PUBLIC, origin=ORIGIN, on_progress=goes_on)
    assert report.clean and report.entries == 2_500
    assert seen == ["1,000 entries, 40%", "2,000 entries, 80%", "2,500 entries, 100%"]
    assert audit(store_at(place), PUBLIC, origin=ORIGIN).entries == 2_530


def test_a_database_that_is_away_is_told_in_words(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no database, but of some length")
    with pytest.raises(LedgerStoreError, match="not a database"):
        store_at(str(tmp_path / "file"))
    with pytest.raises(LedgerStoreError, match=r"PostgreSQL: .*refused"):
        store_at("postgresql://shop@127.0.0.1:1/none")


def test_two_thousand_appends_a_second_in_batches(store: LedgerStore) -> None:
    """Measured ten times as many on two cores; the best of five rounds, as the machine may have other work."""
    ledger, rates = opened(store), []
    for start in range(0, 5_000, 1_000):
        began = time.perf_counter()
        for first in range(start, start + 1_000, 100):
            ledger.append(bills(first, first + 100))
        rates.append(1_000 / (time.perf_counter() - began))
    assert max(rates) >= 2_000
