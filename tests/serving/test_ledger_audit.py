"""An auditor finds every forgery among 100,000 entries, whatever the forger does to hashes, numbers and ids that are stored."""

import shutil
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from ledger_case import KEY, ORIGIN, PUBLIC, STRANGER, WHEN, bill, bills, opened

from serving.settlement import audit as audit_module
from serving.settlement.audit import AuditReport, audit
from serving.settlement.ledger_sqlite import SqliteLedger
from serving.settlement.ledger_store import LedgerStoreError, Row
from serving.settlement.notes import Head, open_head, sign_head
from serving.settlement.tree import Frontier, leaf_hash

COUNT, BATCH = 100_000, 5_000
SMALL, SMALL_BATCH = 1_000, 50


@dataclass(repr=False)
class Listed:
    """A store of the rows and heads that a forger wants to be seen."""

    all_rows: Sequence[Row]
    all_notes: Sequence[tuple[int, str]]
    by_id: dict[str, Row] = field(init=False)

    def __post_init__(self) -> None:
        self.by_id = {row.entry_id: row for row in self.all_rows}

    def size(self) -> int:
        return len(self.all_rows)

    def rows(self) -> Iterator[Row]:
        return iter(self.all_rows)

    def reading(self) -> AbstractContextManager[None]:
        return nullcontext()

    def known(self, entry_ids: Sequence[str]) -> dict[str, Row]:
        return {name: self.by_id[name] for name in entry_ids if name in self.by_id}

    def notes(self) -> Iterator[tuple[int, str]]:
        return iter(self.all_notes)


def filled(file: Path, count: int, batch: int) -> Path:
    ledger = opened(file)
    for first in range(0, count, batch):
        ledger.append(bills(first, first + batch))
    return file


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ledger of 100,000 entries."""
    return filled(tmp_path_factory.mktemp("ledger") / "ledger.sqlite", COUNT, BATCH)


@pytest.fixture(scope="module")
def honest(file: Path) -> Iterator[Listed]:
    """All of it in memory. What a row says by itself is judged once for each: it depends on nothing else."""
    store = SqliteLedger(file, read_only=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(audit_module, "flaws", cache(audit_module.flaws))
        yield Listed(list(store.rows()), list(store.notes()))


class Forgery:
    """Rows as forged, and the first number at which they differ from the honest ones."""

    def __init__(self, what: str, first: int, rows: list[Row]) -> None:
        self.what, self.first, self.rows = what, first, rows

    def __repr__(self) -> str:
        return f"{self.what} from number {self.first}"


def renumbered(rows: list[Row], first: int) -> list[Row]:
    """The forger closes gaps and hides insertions."""
    moved = enumerate(rows[first - 1 :], start=first)
    return rows[: first - 1] + [
        row if row.number == number else Row(number, row.entry_id, row.content, row.hash) for number, row in moved
    ]


@st.composite
def forgeries(draw: st.DrawFn, store: Listed, batch: int) -> Forgery:
    honest = store.all_rows
    numbers = st.integers(1, len(honest)) | st.sampled_from([1, 2, batch, batch + 1, len(honest) - 1, len(honest)])
    what = draw(st.sampled_from(["change", "remove", "insert", "repeat", "swap", "move"]))
    number, other = draw(numbers), draw(numbers)
    rows, row = list(honest), honest[number - 1]
    first = number
    if what == "change":
        content = bytearray(row.content)
        content[draw(st.integers(0, len(content) - 1))] ^= draw(st.integers(1, 255))
        digest = leaf_hash(bytes(content)) if draw(st.booleans()) else row.hash
        rows[number - 1] = replace(row, content=bytes(content), hash=digest)
        return Forgery(what, number, rows)
    if what == "remove":
        del rows[number - 1 : number - 1 + draw(st.sampled_from([1, 2, batch]))]
    elif what == "insert":
        content = bill(COUNT + 1).content()
        rows.insert(number - 1, Row(number, f"bill-{COUNT + 1}", content, leaf_hash(content)))
    elif what == "repeat":
        first = other + (other == number)  # the copy of a row before or behind it is the same
        rows.insert(other - 1, replace(row, number=other))
    elif what == "swap":
        other = other if other != number else number % len(honest) + 1
        rows[number - 1], rows[other - 1] = rows[other - 1], rows[number - 1]
        first = min(number, other)
    else:
        other = other if other != number else number % len(honest) + 1
        rows.insert(other - 1, rows.pop(number - 1))
        first = min(number, other)
    return Forgery(what, first, renumbered(rows, first) if draw(st.booleans()) else rows)


def test_an_honest_ledger_is_clean(file: Path) -> None:
    report = audit(SqliteLedger(file, read_only=True), PUBLIC, origin=ORIGIN)
    assert report.clean and (report.entries, report.heads) == (COUNT, COUNT // BATCH)
    assert report.head is not None and report.head.size == COUNT


def find(forgery: Forgery, notes: Sequence[tuple[int, str]], batch: int) -> None:
    """By the head over it, whose root nobody but the owner of the key can write anew, whatever else was covered up."""
    report = audit(Listed(forgery.rows, notes), PUBLIC, origin=ORIGIN)
    head = -(-forgery.first // batch) * batch  # the first one over the entry
    told = (f"the first {head} entries are not those of the head signed", f"a head of {head} entries, signed on {WHEN}")
    if forgery.first > notes[-1][0]:
        assert report.problems[-1].endswith("the rest nobody has signed")
    else:
        assert any(problem.startswith(told) for problem in report.problems), report.problems[:5]


@pytest.mark.timeout(900)  # for a machine that has other work
@settings(max_examples=25, deadline=None, derandomize=True, phases=[Phase.generate])
@given(data=st.data())
def test_any_forged_entry_among_100_000_is_found(honest: Listed, data: st.DataObject) -> None:
    find(data.draw(forgeries(honest, BATCH)), honest.all_notes, BATCH)


@settings(max_examples=200, deadline=None, derandomize=True, phases=[Phase.generate])
@given(data=st.data())
def test_any_forged_entry_of_a_small_ledger_is_found(small: Path, data: st.DataObject) -> None:
    """The same eight times as often."""
    store = SqliteLedger(small, read_only=True)
    honest = Listed(list(store.rows()), list(store.notes()))
    find(data.draw(forgeries(honest, SMALL_BATCH)), honest.all_notes, SMALL_BATCH)


def test_each_problem_names_its_entry(honest: Listed) -> None:
    rows = list(honest.all_rows)
    rows[6] = replace(rows[6], content=rows[6].content.replace(b"199", b"198"))
    rows[7] = replace(rows[7], content=rows[7].content + b" ", hash=leaf_hash(rows[7].content + b" "))
    rows[8] = replace(rows[8], entry_id="bill-x")
    rows[10] = replace(rows[10], number=99)
    rows[12] = replace(rows[11], number=13)
    told = audit(Listed(rows, honest.all_notes), PUBLIC, origin=ORIGIN).problems
    for problem in (
        "entry 7 has another hash than is stored with it",
        "entry 8: entry 'bill-7' is not written canonically",
        "entry 9 is filed as 'bill-x' and says that it is 'bill-8'",
        "after number 10 comes 99",
        "entry 12: the store finds 'bill-11' as number 13",
    ):
        assert any(each.startswith(problem) for each in told), problem


@settings(max_examples=60, deadline=None, derandomize=True)
@given(which=st.integers(0, COUNT // BATCH - 1), place=st.floats(0, 1, exclude_max=True), letter=st.characters())
def test_any_changed_letter_of_a_head_is_found(honest: Listed, which: int, place: float, letter: str) -> None:
    """Without entries: a head that is believed misses them by name."""
    size, note = honest.all_notes[which]
    at = int(place * len(note))
    for read in (note, note[:at] + letter + note[at + 1 :]):
        told = audit(Listed([], [(size, read)]), PUBLIC, origin=ORIGIN).problems
        assert any(problem.startswith(f"a head of {size} entries, signed") for problem in told) is (read == note)


def test_a_ledger_cut_short_with_its_heads_is_found_by_a_kept_one(honest: Listed) -> None:
    """Sound in itself: a day-old copy looks the same."""
    kept = honest.all_notes[-1][1]
    short = Listed(honest.all_rows[: COUNT - BATCH], honest.all_notes[:-1])
    assert audit(short, PUBLIC, origin=ORIGIN).clean
    told = audit(short, PUBLIC, origin=ORIGIN, witnessed=[kept]).problems
    assert told == [
        f"a head of {COUNT} entries, kept elsewhere on {WHEN}: {COUNT - BATCH} are there, the rest was removed"
    ]


def test_the_thief_of_the_key_is_found_by_a_kept_head(honest: Listed) -> None:
    """Who rewrites an entry, all stored hashes and all heads has a ledger that is sound in itself, and another one."""
    forged = bill(41_999, cents=1).content()
    rows = list(honest.all_rows)
    rows[41_999] = replace(rows[41_999], content=forged, hash=leaf_hash(forged))
    tree, notes = Frontier(), []
    for row in rows:
        tree.push(row.hash)
        if tree.size % BATCH == 0:
            notes.append((tree.size, sign_head(Head(ORIGIN, tree.size, tree.root(), WHEN), KEY)))
    stolen = Listed(rows, notes)
    assert audit(stolen, PUBLIC, origin=ORIGIN).clean
    before, after = honest.all_notes[7][1], honest.all_notes[8][1]  # of 40,000 and 45,000 entries
    assert audit(stolen, PUBLIC, origin=ORIGIN, witnessed=[before]).clean
    told = audit(stolen, PUBLIC, origin=ORIGIN, witnessed=[after]).problems
    assert told == [f"the first 45000 entries are not those of the head kept elsewhere on {WHEN}: they were changed"]


def test_entries_that_nobody_signed_are_told(honest: Listed) -> None:
    signed = [(size, sign_head(open_head(note, PUBLIC), STRANGER)) for size, note in honest.all_notes[-1:]]
    report = audit(Listed(honest.all_rows, [*honest.all_notes[:-1], *signed]), PUBLIC, origin=ORIGIN)
    assert report.problems == [
        f"the head filed under {COUNT} entries: nobody holding a trusted key has signed the head of {COUNT} entries: take the "
        "ledger's own public key",
        f"{COUNT} entries, {COUNT - BATCH} of them under a head that holds: the rest nobody has signed",
    ]


# What can be done to the file itself, its own guards off.
ATTACKS: dict[str, Callable[[sqlite3.Connection], object]] = {
    "an amount, and its hash": lambda db: db.execute(
        "UPDATE entries SET content = ?, hash = ? WHERE number = 500",
        ((forged := bill(499, cents=1).content()), leaf_hash(forged)),
    ),
    "an entry gone, the others moved up": lambda db: db.executescript(
        "DELETE FROM entries WHERE number = 500; UPDATE entries SET number = number - 1 WHERE number > 500"
    ),
    "two entries the other way round": lambda db: db.executescript(
        "UPDATE entries SET number = -1 WHERE number = 7; UPDATE entries SET number = 7 WHERE number = 8; "
        "UPDATE entries SET number = 8 WHERE number = -1"
    ),
    "an entry before the first": lambda db: db.execute(
        "INSERT INTO entries VALUES (0, 'bill-x', ?, ?)", ((forged := bill(0).content()), leaf_hash(forged))
    ),
    "an entry that no head covers": lambda db: db.execute(
        "INSERT INTO entries VALUES (1001, 'bill-1000', ?, ?)", ((forged := bill(1_000).content()), leaf_hash(forged))
    ),
    "all heads gone": lambda db: db.execute("DELETE FROM heads"),
    "texts in place of bytes": lambda db: db.executescript(
        "CREATE TABLE other AS SELECT number, entry_id, CAST(content AS TEXT) content, hash FROM entries; "
        "DROP TABLE entries; ALTER TABLE other RENAME TO entries"
    ),
    "no table": lambda db: db.execute("DROP TABLE entries"),
}


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ledger of 1,000 entries in one file."""
    made = filled(tmp_path_factory.mktemp("small") / "ledger.sqlite", SMALL, SMALL_BATCH)
    file = made.with_name("whole.sqlite")
    sqlite3.connect(made).execute("VACUUM INTO ?", [str(file)])
    return file


def audited(file: Path) -> AuditReport:
    return audit(SqliteLedger(file, read_only=True), PUBLIC, origin=ORIGIN)


@pytest.mark.parametrize("attack", ATTACKS)
def test_an_attack_on_the_file_is_found(small: Path, tmp_path: Path, attack: str) -> None:
    copy = Path(shutil.copy(small, tmp_path / "copy.sqlite"))
    assert audited(copy).clean
    connection = sqlite3.connect(copy)
    for guard in ("entries_stay", "entries_remain", "heads_stay", "heads_remain"):
        connection.execute(f"DROP TRIGGER {guard}")
    ATTACKS[attack](connection)
    connection.commit()
    connection.close()
    assert not audited(copy).clean


@settings(max_examples=150, deadline=None, derandomize=True)
@given(place=st.floats(0, 1, exclude_max=True), flip=st.integers(1, 255))
def test_any_byte_of_the_file_is_harmless_or_found(small: Path, place: float, flip: int) -> None:
    """Where the audit is clean, the file says the same as before: the byte was of empty room, or of a guard."""
    content = bytearray(small.read_bytes())
    content[int(place * len(content))] ^= flip
    copy = small.with_name("flipped.sqlite")
    copy.write_bytes(content)
    true, store = SqliteLedger(small, read_only=True), SqliteLedger(copy, read_only=True)
    if audit(store, PUBLIC, origin=ORIGIN).clean:
        rows = list(true.rows())
        assert (list(store.rows()), list(store.notes())) == (rows, list(true.notes()))
        assert store.known([row.entry_id for row in rows]) == {row.entry_id: row for row in rows}


def test_a_reader_makes_no_file(tmp_path: Path) -> None:
    with pytest.raises(LedgerStoreError, match="is no ledger"):
        SqliteLedger(tmp_path / "none.sqlite", read_only=True)
    assert not list(tmp_path.iterdir())


def test_a_schema_that_is_no_text_is_told_in_words(small: Path, tmp_path: Path) -> None:
    """SQLite quotes it in its message, which Python then cannot read."""
    content = small.read_bytes()
    place = content.index(b"triggerheads_") + len("trigger")
    copy = tmp_path / "copy.sqlite"
    copy.write_bytes(content[:place] + b"\xd4" + content[place + 1 :])
    assert not audited(copy).clean
