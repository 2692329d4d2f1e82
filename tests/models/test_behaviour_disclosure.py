"""Reports about groups alone, also when subtracted; pseudonyms that end with their salt; positions that expire."""

from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.behaviour.config import Config
from models.behaviour.disclosure import Released, release
from models.behaviour.expiry import delete_expired
from models.behaviour.pseudonyms import PseudonymError, Salts, pseudonyms
from models.common.protocols import DataError

FIRST = np.datetime64("2026-03-01")
TODAY = date(2026, 3, 1)
CFG = Config(positions_days=14)
SECRET = b"a secret of the shop"


def told(rows: Sequence[tuple[int, int, int, float]], group_min: int = 3) -> Released:
    """Rows of visit, day, cell and seconds."""
    visit, day, cell, seconds = (
        (np.array(each) for each in zip(*rows, strict=True)) if rows else (np.zeros(0, int),) * 4
    )
    return release(visit, FIRST + day, cell, seconds.astype(float), group_min=group_min)


def test_atoms_of_few_visits_and_of_one_that_dominates_are_withheld() -> None:
    rows = [(v, 0, 0, 4.0) for v in range(3)] + [(0, 0, 1, 9.0), (1, 0, 1, 9.0)]  # cell 1: two visits
    rows += [(v, 0, 2, 1.0) for v in range(4)] + [(9, 0, 2, 5.0)]  # cell 2: visit 9 makes 5 of 9 s
    found = told(rows)
    assert (found.cell.tolist(), found.visits.tolist(), found.seconds.tolist(), found.withheld) == ([0], [3], [12.0], 2)
    np.testing.assert_array_equal(found.by_cell(3), [12.0, np.nan, np.nan])


def test_rows_of_one_visit_are_one_visit() -> None:
    assert told([(7, 0, 0, 1.0)] * 50).withheld == 1


def test_totals_hold_told_atoms_alone() -> None:
    """Day 1 has two visits in the cell: with or without that day the report says the same, so that nothing is left to subtract."""
    rows = [(v, 0, 0, 4.0) for v in range(3)] + [(v, 1, 0, 4.0) for v in (7, 8)]
    both, one = told(rows).by_cell(1), told(rows).by_cell(1, days=[FIRST])
    np.testing.assert_array_equal(both, one)


def test_a_report_of_one_visit_and_seconds_that_are_none_are_refused() -> None:
    with pytest.raises(DataError, match="group_min 1: expected at least 2"):
        told([(0, 0, 0, 1.0)], group_min=1)
    with pytest.raises(DataError, match="seconds: -1"):
        told([(0, 0, 0, -1.0)])


ROWS = st.lists(st.tuples(st.integers(0, 7), st.integers(0, 2), st.integers(0, 2), st.integers(1, 60)), max_size=60)


@given(ROWS, st.sets(st.integers(0, 2)), st.sets(st.integers(0, 2)))
def test_the_difference_of_two_reports_is_a_sum_over_groups(
    rows: list[tuple[int, int, int, int]], first: set[int], second: set[int]
) -> None:
    found = told(rows)
    one, other = (np.nan_to_num(found.by_cell(3, days=[FIRST + d for d in days])) for days in (first, second))
    for cell in range(3):
        groups = 0.0
        for day in first ^ second:
            own = [sum(s for v, d, c, s in rows if (v, d, c) == (visit, day, cell)) for visit in range(8)]
            if sum(each > 0 for each in own) >= 3 and max(own) <= sum(own) / 2:
                groups += round(sum(own)) * (1 if day in first else -1)
        assert one[cell] - other[cell] == pytest.approx(groups, abs=1e-9)


def test_a_pseudonym_is_stable_within_a_day_and_new_on_the_next(tmp_path: Path) -> None:
    salts = Salts(tmp_path / "salts.json", keep_days=1)
    morning, evening, tomorrow = (
        pseudonyms(["aa:bb", "cc:dd"], secret=SECRET, salt=salts.of(on, today=on))
        for on in (TODAY, TODAY, TODAY + timedelta(1))
    )
    assert morning == evening
    assert len({*morning, *tomorrow}) == 4
    assert (tmp_path / "salts.json").stat().st_mode & 0o777 == 0o600


def test_pseudonyms_are_the_standard_s_and_hang_on_secret_and_salt() -> None:
    """HMAC-SHA256 twice, computed by hand from its definition."""
    import hashlib

    def mac(key: bytes, text: bytes) -> bytes:
        inner, outer = (bytes(byte ^ pad for byte in key.ljust(64, b"\0")) for pad in (0x36, 0x5C))
        return hashlib.sha256(outer + hashlib.sha256(inner + text).digest()).digest()

    salt = bytes(range(32))
    assert pseudonyms(["aa:bb"], secret=SECRET, salt=salt) == [mac(mac(SECRET, salt), b"aa:bb").hex()[:32]]
    with pytest.raises(PseudonymError, match="secret of 3 bytes"):
        pseudonyms(["aa:bb"], secret=b"abc", salt=salt)


def test_a_destroyed_salt_is_gone_from_the_disk_and_never_drawn_again(tmp_path: Path) -> None:
    file = tmp_path / "salts.json"
    salts = Salts(file, keep_days=2)
    old = salts.of(TODAY, today=TODAY)
    assert salts.of(TODAY, today=TODAY + timedelta(2)) == old
    with pytest.raises(PseudonymError, match="2026-03-01: no salt on 2026-03-04"):
        salts.of(TODAY, today=TODAY + timedelta(3))
    assert old.hex() not in "".join(path.read_text() for path in tmp_path.iterdir())
    with pytest.raises(PseudonymError, match="2026-03-09: no salt"):
        salts.of(TODAY + timedelta(8), today=TODAY + timedelta(4))


def test_positions_older_than_promised_are_deleted_and_others_stay(tmp_path: Path) -> None:
    for age in (0, 14, 15):
        (tmp_path / f"{TODAY - timedelta(age)}.parquet").write_bytes(b"x")
    folder = tmp_path / f"day={TODAY - timedelta(30)}"
    folder.mkdir()
    (folder / "part-0.parquet").write_bytes(b"x")
    gone = delete_expired(tmp_path, CFG, today=TODAY)
    assert gone == [TODAY - timedelta(30), TODAY - timedelta(15)]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["2026-02-15.parquet", "2026-03-01.parquet"]
    assert delete_expired(tmp_path / "none", CFG, today=TODAY) == []


def test_what_cannot_be_dated_stops_the_deletion_before_it_begins(tmp_path: Path) -> None:
    (tmp_path / "2020-01-01.parquet").write_bytes(b"x")
    (tmp_path / "all.parquet").write_bytes(b"x")
    with pytest.raises(DataError, match=r"all\.parquet: expected a partition that names its day"):
        delete_expired(tmp_path, CFG, today=TODAY)
    assert (tmp_path / "2020-01-01.parquet").exists()
