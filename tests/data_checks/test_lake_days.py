"""Some days of a table made anew: the others stay as they are, and nothing shows before the commit."""

from datetime import date, timedelta
from pathlib import Path

import ibis
import pyarrow as pa
import pytest

from data_checks.lake import Lake, LakeError
from data_checks.lake_days import day_digests

START = date(2025, 1, 1)


def rows(*days: int, units: int = 1, per_day: int = 3) -> pa.Table:
    return pa.table(
        {
            "id": [f"{day}-{i}" for day in days for i in range(per_day)],
            "units": pa.array([units for _ in days for _ in range(per_day)], pa.int64()),
            "day": pa.array([START + timedelta(days=day) for day in days for _ in range(per_day)], pa.date32()),
        }
    )


def iso(*days: int) -> list[str]:
    return [str(START + timedelta(days=day)) for day in days]


def made(version: str, *days: int) -> dict[str, str]:
    return dict.fromkeys(iso(*days), version)


def fill(lake: Lake, *days: int) -> None:
    with lake.update("clean", "lines", partition_by="day", sort_by=["id"]) as update:
        update.put(rows(*days), made_from=made("v1", *days))
        update.commit("first", days=iso(*days))


def test_one_day_anew_leaves_the_others(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    fill(lake, 0, 1, 2)
    before = lake.version("clean", "lines")
    assert before is not None
    with lake.update("clean", "lines", partition_by="day", sort_by=["id"]) as update:
        assert update.made_from() == made("v1", 0, 1, 2)
        update.put(rows(1, units=5), made_from=made("v2", 1))
        assert lake.version("clean", "lines") == before  # nothing shows yet
        after = update.commit("second", days=iso(0, 1, 2))
    assert [old == new for old, new in zip(before.files, after.files, strict=True)] == [True, False, True]
    assert sum(lake.arrow("clean", "lines")["units"].to_pylist()) == 3 + 15 + 3
    whole = Lake(tmp_path / "whole").write(
        "clean", "lines", pa.concat_tables([rows(2), rows(1, units=5), rows(0)]), fingerprint="x", partition_by="day",
        sort_by=["id"],
    )  # fmt: skip
    assert whole.content_hash == after.content_hash  # content does not know in how many steps it was made


def test_days_come_go_and_may_be_empty(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    fill(lake, 0, 1)
    with lake.update("clean", "lines", partition_by="day") as update:
        update.put(rows(3), made_from=made("v2", 3) | made("v2", 2))
        version = update.commit("second", days=iso(1, 2, 3))
    assert version.partitions == dict.fromkeys(iso(1, 3), 3)
    with lake.update("clean", "lines", partition_by="day") as update:
        assert update.made_from() == made("v1", 1) | made("v2", 2, 3)  # a day without rows is remembered as made
        emptied = update.commit("third", days=iso(2))
    assert emptied.rows == 0
    assert lake.arrow("clean", "lines").column_names == ["id", "units", "day"]
    assert lake.read("clean", "lines", ibis.duckdb.connect()).count().execute() == 0


def test_an_update_that_breaks_off_changes_nothing(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    fill(lake, 0, 1)
    before = lake.version("clean", "lines")
    with pytest.raises(RuntimeError), lake.update("clean", "lines", partition_by="day") as update:
        update.put(rows(1, units=9), made_from=made("v2", 1))
        raise RuntimeError("killed")
    assert lake.version("clean", "lines") == before
    assert sum(lake.arrow("clean", "lines")["units"].to_pylist()) == 6


def test_reading_days_reads_those_alone(tmp_path: Path) -> None:
    lake, con = Lake(tmp_path), ibis.duckdb.connect()
    fill(lake, 0, 1, 2)
    assert lake.arrow("clean", "lines", ["id"], days=iso(1))["id"].to_pylist() == ["1-0", "1-1", "1-2"]
    assert lake.read("clean", "lines", con, days=iso(0, 2, 7)).count().execute() == 6
    assert lake.read("clean", "lines", con, days=iso(7)).count().execute() == 0
    assert lake.arrow("clean", "lines", days=[]).num_rows == 0


def test_rows_without_a_day_have_a_partition_of_their_own(tmp_path: Path) -> None:
    lake, data = Lake(tmp_path), rows(0)
    data = pa.concat_tables([data, data.slice(0, 1).set_column(2, "day", pa.nulls(1, pa.date32()))])
    with lake.update("raw", "lines", partition_by="day", keep_column=False) as update:
        update.put(data, made_from=made("v1", 0) | {"undated": "v1"})
        version = update.commit("first", days=[*iso(0), "undated"])
    assert version.partitions == {**dict.fromkeys(iso(0), 3), "undated": 1}
    assert lake.arrow("raw", "lines").column_names == ["id", "units"]
    assert lake.arrow("raw", "lines", days=["undated"])["id"].to_pylist() == ["0-0"]


def test_what_does_not_fit_is_refused(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    fill(lake, 0)
    with lake.update("clean", "lines", partition_by="day") as update:
        with pytest.raises(LakeError, match="rows of 2025-01-02 among the days 2025-01-01"):
            update.put(rows(0, 1), made_from=made("v2", 0))
        with pytest.raises(LakeError, match="2025-01-05 were never made"):
            update.commit("second", days=iso(0, 4))
    with lake.update("clean", "lines", partition_by="day") as update:
        update.put(rows(1).append_column("new", pa.array([1, 2, 3])), made_from=made("v2", 1))
        with pytest.raises(LakeError, match="make all days anew"):
            update.commit("second", days=iso(0, 1))


def test_digests_of_days_speak_for_their_rows_alone() -> None:
    digests = day_digests(rows(0, 1, 2), "day")
    turned = rows(2, 1, 0)
    assert day_digests(turned, "day") == digests
    changed = day_digests(pa.concat_tables([rows(0), rows(1, units=2), rows(2)]), "day")
    assert {day for day in digests if digests[day] != changed[day]} == set(iso(1))
    assert day_digests(rows(), "day") == {}
    more = day_digests(rows(0, 1, 2, 3), "day")
    assert {day: more[day] for day in digests} == digests
    with_null = rows(0, 1, 2).set_column(1, "units", pa.array([1] * 8 + [None], pa.int64()))
    assert {day for day, digest in day_digests(with_null, "day").items() if digests[day] != digest} == set(iso(2))


def test_rows_told_apart_by_their_key_are_the_same_bytes_however_they_arrive(tmp_path: Path) -> None:
    table = rows(0, 1, per_day=500)
    backwards = table.take(pa.array(range(table.num_rows - 1, -1, -1)))

    def content(name: str, data: pa.Table, *, unique: bool) -> str:
        lake = Lake(tmp_path / name)
        with lake.update("features", "state", partition_by="day", sort_by=["id"], unique=unique) as update:
            update.put(data, made_from=made("v1", 0, 1))
            return update.commit("first", days=iso(0, 1)).content_hash

    assert content("a", table, unique=True) == content("b", backwards, unique=True)
    assert content("a", table, unique=True) == content("c", backwards, unique=False)
