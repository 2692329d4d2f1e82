"""The lake: equal content is equal bytes, versions are whole or absent, and only what changed is written."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from datetime import date, timedelta
from pathlib import Path

import ibis
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data_checks.lake import Lake, LakeError
from data_checks.lake_files import ROW_GROUP_ROWS

ROOT = Path(__file__).parents[2]


def table(days: int = 5, per_day: int = 20, seed: int = 0) -> pa.Table:
    rng = np.random.default_rng(seed)
    rows = days * per_day
    return pa.table(
        {
            "id": [f"T{i}" for i in range(rows)],
            "units": pa.array(rng.integers(0, 9, rows), mask=rng.random(rows) < 0.1),
            "price": rng.random(rows).round(3),
            "day": pa.array([date(2025, 1, 1) + timedelta(days=i % days) for i in range(rows)]),
        }
    )


def files(root: Path) -> dict[str, int]:
    return {str(path.relative_to(root)): path.stat().st_mtime_ns for path in root.rglob("*.parquet")}


def shuffled(data: pa.Table, seed: int = 1) -> pa.Table:
    return data.take(pa.array(np.random.default_rng(seed).permutation(data.num_rows)))


def test_what_is_written_is_read_by_each_road(tmp_path: Path) -> None:
    lake, data = Lake(tmp_path), table()
    version = lake.write("clean", "lines", shuffled(data), fingerprint="f1", partition_by="day", sort_by=["id"])
    assert version == lake.version("clean", "lines")
    assert (version.rows, version.fingerprint) == (100, "f1")
    assert version.partitions == {f"2025-01-0{i}": 20 for i in range(1, 6)}
    assert version.columns == (("id", "string"), ("units", "int64"), ("price", "double"), ("day", "date32[day]"))
    wanted = data.sort_by([("day", "ascending"), ("id", "ascending")])
    assert lake.arrow("clean", "lines").equals(wanted)
    assert lake.arrow("clean", "lines", ["id"]).equals(wanted.select(["id"]))
    con = ibis.duckdb.connect()
    read = lake.read("clean", "lines", con)
    assert read.columns == ("id", "units", "price", "day")  # the folder's `day=` adds nothing
    assert read.order_by("day", "id").to_pyarrow().equals(wanted)
    again = lake.write("gold", "lines", read.filter(read.units > 4), fingerprint="f2")
    assert again.rows == sum(units is not None and units > 4 for units in data["units"].to_pylist())


@pytest.mark.parametrize("partition_by", [None, "day"])
def test_content_hash_depends_on_content_alone(tmp_path: Path, partition_by: str | None) -> None:
    data = table(3, 50)
    written = [
        Lake(tmp_path / str(i)).write("clean", "lines", given, fingerprint=str(i), partition_by=partition_by)
        for i, given in enumerate(
            [
                data,
                shuffled(data),
                shuffled(data, 2).to_reader(max_chunksize=7),
                data.replace_schema_metadata({"a": "b"}),
            ]
        )
    ]
    assert len({version.content_hash for version in written}) == 1
    assert len({version.files for version in written}) == 1
    other = data.set_column(1, "units", pa.array([1] * 150))
    assert Lake(tmp_path / "x").write(
        "clean", "lines", other, fingerprint="0", partition_by=partition_by
    ).content_hash not in {version.content_hash for version in written}
    renamed = data.rename_columns(["id", "units", "cost", "day"])
    assert (
        Lake(tmp_path / "y").write("clean", "lines", renamed, fingerprint="0").content_hash != written[0].content_hash
    )


def test_large_tables_are_the_same_bytes_however_they_arrive(tmp_path: Path) -> None:
    """More than two row groups, more than one thread, batches of other sizes; equal rows among them."""
    rows = 2 * ROW_GROUP_ROWS + 1234
    data = pa.table({"key": np.arange(rows) % 1000, "value": np.arange(rows) % 7})
    first = Lake(tmp_path / "a").write("raw", "big", data, fingerprint="1")
    second = Lake(tmp_path / "b").write("raw", "big", shuffled(data).to_reader(max_chunksize=10_007), fingerprint="1")
    assert first == second
    path = tmp_path / "a" / "raw" / "big" / first.files[0].path
    metadata = pq.ParquetFile(path).metadata
    assert [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)] == [
        ROW_GROUP_ROWS, ROW_GROUP_ROWS, 1234,
    ]  # fmt: skip


def test_a_new_day_touches_only_its_own_partition(tmp_path: Path) -> None:
    lake, data = Lake(tmp_path), table(4)
    lake.write("clean", "lines", data, fingerprint="1", partition_by="day")
    before = files(tmp_path)
    day_three = data["day"].to_pylist()
    units = [
        9 if day == date(2025, 1, 3) else value for day, value in zip(day_three, data["units"].to_pylist(), strict=True)
    ]
    lake.write("clean", "lines", data.set_column(1, "units", pa.array(units)), fingerprint="2", partition_by="day")
    after = files(tmp_path)
    new = {path for path in after if path not in before}
    assert {path.split("/")[2] for path in new} == {"day=2025-01-03"}
    assert all(after[path] == changed for path, changed in before.items())  # the old day still serves its readers
    lake.write("clean", "lines", data.set_column(1, "units", pa.array(units)), fingerprint="2", partition_by="day")
    assert len(files(tmp_path)) == 4  # and is swept by the write after


def test_a_reader_of_the_old_version_keeps_its_rows_through_one_write(tmp_path: Path) -> None:
    lake, con = Lake(tmp_path), ibis.duckdb.connect()
    lake.write("clean", "lines", table(2), fingerprint="1")
    old = lake.read("clean", "lines", con)
    lake.write("clean", "lines", old.filter(old.units > 4), fingerprint="2")  # reads what it replaces
    assert old.count().execute() == 40
    assert lake.arrow("clean", "lines").num_rows < 40


def test_empty_tables_keep_their_columns(tmp_path: Path) -> None:
    lake, empty = Lake(tmp_path), table().schema.empty_table()
    for name, partition_by in (("whole", None), ("daily", "day")):
        version = lake.write("clean", name, empty, fingerprint="1", partition_by=partition_by)
        assert (version.rows, version.partitions) == (0, {})
        assert lake.arrow("clean", name).schema.equals(empty.schema)
        assert lake.read("clean", name, ibis.duckdb.connect()).columns == tuple(empty.column_names)
    full = lake.write("clean", "daily", table(2), fingerprint="2", partition_by="day")
    assert full.partitions == {"2025-01-01": 20, "2025-01-02": 20}
    assert lake.arrow("clean", "daily").num_rows == 40


def test_a_column_of_nothing_but_nulls_is_text(tmp_path: Path) -> None:
    version = Lake(tmp_path).write("raw", "lines", pa.table({"a": [1], "b": pa.nulls(1)}), fingerprint="1")
    assert version.columns == (("a", "int64"), ("b", "string"))


@pytest.mark.parametrize(
    ("layer", "name", "options", "words"),
    [
        ("bronze", "lines", {}, "layer 'bronze': use one of raw"),
        ("raw", "../lines", {}, "'../lines': use letters"),
        ("raw", "lines", {"sort_by": ["when"]}, "no column when; its columns are id, units, price, day"),
        ("raw", "lines", {"partition_by": "units"}, "units is int64; partition by a column of type date"),
    ],
)
def test_what_cannot_be_written_is_refused_with_the_remedy(
    tmp_path: Path, layer: str, name: str, options: dict[str, object], words: str
) -> None:
    with pytest.raises(LakeError) as refused:
        Lake(tmp_path).write(layer, name, table(), fingerprint="1", **options)  # type: ignore[arg-type]
    assert words in str(refused.value)
    assert not files(tmp_path)


def test_a_failed_write_leaves_the_old_version(tmp_path: Path) -> None:
    lake, data = Lake(tmp_path), table(3)
    before = lake.write("clean", "lines", data, fingerprint="1", partition_by="day")

    def breaking() -> object:
        yield data.to_batches()[0]
        raise RuntimeError("the source broke off")

    with pytest.raises(Exception, match="broke off"):
        lake.write("clean", "lines", pa.RecordBatchReader.from_batches(data.schema, breaking()), fingerprint="3")
    assert lake.version("clean", "lines") == before
    assert lake.arrow("clean", "lines").num_rows == 60


def test_unknown_and_broken_tables_say_what_to_do(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    assert lake.version("clean", "lines") is None
    with pytest.raises(LakeError, match="clean/lines was never written; clean has no tables"):
        lake.arrow("clean", "lines")
    lake.write("clean", "other", table(), fingerprint="1")
    with pytest.raises(LakeError, match="clean has other"):
        lake.read("clean", "lines", ibis.duckdb.connect())
    manifest = tmp_path / "clean" / "other" / "manifest.json"
    manifest.write_text(manifest.read_text()[:50])
    with pytest.raises(LakeError, match="remove the folder and run again"):
        lake.version("clean", "other")
    manifest.write_text(json.dumps({"format": 99}))
    with pytest.raises(LakeError, match="format is not 1"):
        lake.version("clean", "other")


_WRITER = """
import sys
from pathlib import Path
import pyarrow as pa, pyarrow.parquet as pq
from data_checks.lake import Lake
lake, data = Lake(Path(sys.argv[1])), pq.read_table(sys.argv[2])
lake.write("clean", "warm", data.slice(0, 10), fingerprint="0")
print("ready", flush=True)
sys.stdin.readline()
lake.write("clean", "lines", data, fingerprint="new", partition_by="day")
print("done", flush=True)
"""


def test_a_kill_at_any_moment_leaves_the_old_version_and_the_next_write_is_as_if_nothing_had_been(
    tmp_path: Path,
) -> None:
    old, new = table(40, 30, seed=1), table(60, 60, seed=2)
    pq.write_table(new, tmp_path / "new.parquet")
    lake = Lake(tmp_path / "lake")
    start = lake.write("clean", "lines", old, fingerprint="old", partition_by="day")
    undisturbed = Lake(tmp_path / "calm").write("clean", "lines", new, fingerprint="new", partition_by="day")
    moments = random.Random(3)
    started = time.perf_counter()
    Lake(tmp_path / "timed").write("clean", "lines", new, fingerprint="new", partition_by="day")
    usual = time.perf_counter() - started
    killed_inside = 0
    for _ in range(20):
        if killed_inside == 3:
            break
        process = subprocess.Popen(
            [sys.executable, "-c", _WRITER, str(tmp_path / "lake"), str(tmp_path / "new.parquet")],
            cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert process.stdin is not None and process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.stdin.write("\n")
        process.stdin.flush()
        time.sleep(moments.uniform(0.05, 1.0) * usual)
        os.kill(process.pid, signal.SIGKILL)
        finished = "done" in process.stdout.read()
        process.wait()
        version = lake.version("clean", "lines")
        assert version is not None
        if version.fingerprint == "old":
            assert not finished
            assert version == start
            assert lake.arrow("clean", "lines").num_rows == old.num_rows
            left = {str(path.relative_to(tmp_path / "lake" / "clean" / "lines")) for path in _data(tmp_path)}
            killed_inside += left != {file.path for file in start.files}
        else:
            assert version == undisturbed
            shutil.rmtree(tmp_path / "lake" / "clean" / "lines")
            start = lake.write("clean", "lines", old, fingerprint="old", partition_by="day")
    assert killed_inside == 3  # else the test has proved nothing
    assert lake.write("clean", "lines", new, fingerprint="new", partition_by="day") == undisturbed
    lake.write("clean", "lines", new, fingerprint="new", partition_by="day")
    left = {str(path.relative_to(tmp_path / "lake" / "clean" / "lines")) for path in _data(tmp_path)}
    assert left == {file.path for file in undisturbed.files}


def _data(tmp_path: Path) -> list[Path]:
    folder = tmp_path / "lake" / "clean" / "lines"
    return [*folder.rglob("*.parquet"), *folder.rglob("*.draft")]
