"""Rows of the table code: speed beside pandas, growth with the number of lines, and 100 million lines out of core.

Raw lines of the twin at `large`, one Parquet file a day, go through cleaning (copies, fees, returns booked) to 20
features per series and day, which are written. Every measurement is a process of its own; imports are not counted.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from bench_row import BenchContext, BenchResult, BenchRow

ROOT = Path(__file__).parents[2]
ROOMS = ("sources", "data_checks", "features")
TEN_MILLION_DAYS = 80
MEMORY_GB, LARGE_MEMORY_GB = 2.5, 4.5  # what DuckDB may hold; the process needs some beside it
TENTH_OF_STORES = 16
RELATIVE, ABSOLUTE = 1e-9, 1e-12


def twin_days(folder: Path, days: int) -> tuple[Path, int]:
    """Folder of raw transactions, a file a day, and their number."""
    from sources.twin.params import TwinParams
    from sources.twin.source import TwinSource, write_days

    rows = write_days(TwinSource(TwinParams.size("large"), 0), ["transactions"], folder, days)
    return folder / "transactions", rows["transactions"]


def some_stores(raw: Path, folder: Path, count: int) -> tuple[Path, int]:
    """The lines of the first `count` stores, day by day (those without a store, a few in a thousand, left out)."""
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    folder.mkdir()
    rows = 0
    for file in sorted(raw.glob("*.parquet")):
        table = pq.read_table(file)
        table = table.filter(pc.less_equal(table["store_id"], f"S{count:04d}"))
        pq.write_table(table, folder / file.name, compression="zstd")
        rows += table.num_rows
    return folder, rows


def measured(script: str, raw: Path, out: Path, *arguments: str) -> dict[str, float]:
    """Seconds of the steps and peak memory of one process."""
    shutil.rmtree(out, ignore_errors=True)
    command = [sys.executable, str(Path(__file__).with_name(script)), str(raw), str(out), *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, env=environment, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout)


def ours(raw: Path, out: Path, *arguments: str, memory_gb: float = MEMORY_GB) -> dict[str, float]:
    return measured("table_speed_ours.py", raw, out, str(memory_gb), *arguments)


def beside_pandas(context: BenchContext) -> BenchResult:
    raw, rows = twin_days(context.scratch, TEN_MILLION_DAYS)
    here, there = context.scratch / "ours", context.scratch / "pandas"
    own = ours(raw, here, "lines")
    peer = measured("table_speed_pandas.py", raw, there, "lines")
    cells = equal_values(here, there)
    speed, peer_speed = rows / own["seconds"], rows / peer["seconds"]
    met = speed >= 5 * peer_speed and own["peak_gb"] <= 4
    note = (
        f"{rows:,} lines, {cells:,} series and days; class, bookings and features equal; peak {own['peak_gb']:.1f} GB, "
        f"pandas {peer['peak_gb']:.1f} GB; raw Parquet to features Parquet, gate not included"
    )
    return BenchResult(speed, "lines/s", "pandas", peer_speed, ">= 5x pandas, <= 4 GB", met, note)


def equal_values(here: Path, there: Path) -> int:
    """Number of (series, day) cells; AssertionError unless lines are equal and features to RELATIVE."""
    import duckdb

    con = duckdb.connect(config={"memory_limit": "4GB", "temp_directory": str(here / "spill")})
    typed = ", ".join(f"CAST({name} AS {kind}) AS {name}" for name, kind in _columns(con, here / "lines").items())
    names = ", ".join(_columns(con, here / "lines"))
    days: list[dict[Any, Any]] = []
    for side in (here, there):
        # The sum of hashes over rows stands for the bag of rows; by day, so that a difference has a place.
        hashed = con.sql(
            f"SELECT sold_on, count(*), sum(hash({names})) FROM (SELECT {typed} FROM '{side}/lines/*.parquet') GROUP BY 1"
        )
        days.append({day: digest for day, *digest in hashed.fetchall()})
    assert days[0] == days[1], f"lines differ on {[day for day in days[0] if days[0][day] != days[1].get(day)][:5]}"
    features = [name for name in _columns(con, here / "features") if name not in {"series_id", "day"}]
    con.sql(
        f"CREATE VIEW pairs AS SELECT o, p FROM '{here}/features/*.parquet' o FULL JOIN '{there}/features/*.parquet' p "
        "ON o.series_id = p.series_id AND o.day = CAST(p.day AS DATE)"
    )
    unlike = [
        f"count(*) FILTER (WHERE (o.{f} IS NULL) <> (p.{f} IS NULL) "
        f"OR abs(o.{f} - p.{f}) > {ABSOLUTE} + {RELATIVE} * abs(p.{f}))"
        for f in features
    ]
    cells, ours_alone, *different = con.sql(
        f"SELECT count(*), count(*) FILTER (WHERE o IS NULL OR p IS NULL), {', '.join(unlike)} FROM pairs"
    ).fetchall()[0]
    wrong = {name: count for name, count in zip(features, different, strict=True) if count}
    assert not ours_alone and not wrong, f"{ours_alone} cells on one side alone; cells that differ: {wrong}"
    return cells


def _columns(con: Any, folder: Path) -> dict[str, str]:
    return {row[0]: row[1] for row in con.sql(f"DESCRIBE FROM '{folder}/*.parquet'").fetchall()}


def growth(context: BenchContext) -> BenchResult:
    whole, many = twin_days(context.scratch, TEN_MILLION_DAYS)
    part, few = some_stores(whole, context.scratch / "part", TENTH_OF_STORES)
    small = sorted(ours(part, context.scratch / "ours")["seconds"] for _ in range(3))[1]
    large = ours(whole, context.scratch / "ours")["seconds"]
    factor = (large / many) / (small / few)
    note = f"{few:,} lines of {TENTH_OF_STORES} stores {small:.1f} s (median of 3), {many:,} lines {large:.1f} s"
    return BenchResult(factor, "x linear", bound="<= 1.2x linear", met=factor <= 1.2, note=note)


def out_of_core(context: BenchContext) -> BenchResult:
    from sources.twin.params import TwinParams

    raw, rows = twin_days(context.scratch, TwinParams.size("large").days)
    own = ours(raw, context.scratch / "ours", memory_gb=LARGE_MEMORY_GB)
    met = rows >= 100_000_000 and own["peak_gb"] <= 8
    written = sum(file.stat().st_size for file in context.scratch.rglob("*.parquet")) / 1e9
    note = f"{rows:,} lines in {own['seconds']:.0f} s, peak {own['peak_gb']:.1f} GB, {written:.1f} GB of files"
    return BenchResult(rows / own["seconds"], "lines/s", bound=">= 100 million lines, <= 8 GB", met=met, note=note)


ROWS = [
    BenchRow(
        "tables-beside-pandas", "tables", "cleaning and 20 features, 10 million lines", beside_pandas, rooms=ROOMS
    ),
    BenchRow("tables-growth", "tables", "time a line at 10 million lines / at 1 million", growth, rooms=ROOMS),
    BenchRow(
        "tables-out-of-core", "tables", "cleaning and 20 features, over 100 million lines", out_of_core, rooms=ROOMS
    ),
]
