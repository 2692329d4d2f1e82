"""Dense daily sales and the series they belong to, on tables small enough to count by hand."""

import json
import sys
from datetime import date
from pathlib import Path

import ibis
import pyarrow as pa
import pytest

from features.engine import EngineError, connect
from features.sales import daily_sales

DAY = pa.date32()


def lines(*rows: tuple[str | None, str | None, date | None, int, int, str]) -> ibis.Table:
    return ibis.memtable(
        pa.table(
            {
                "store_id": pa.array([r[0] for r in rows], pa.string()),
                "product_id": pa.array([r[1] for r in rows], pa.string()),
                "sold_on": pa.array([r[2] for r in rows], DAY),
                "units": pa.array([r[3] for r in rows], pa.int64()),
                "cancelled_units": pa.array([r[3] for r in rows], pa.int64()),  # all comes back some day
                "cancelled_same_day_units": pa.array([r[4] for r in rows], pa.int64()),
                "kind": pa.array([r[5] for r in rows], pa.string()),
            }
        )
    )


def d(day: int) -> date:
    return date(2024, 3, day)


LINES = lines(
    ("S1", "P1", d(2), 3, 0, "sale"),
    ("S1", "P1", d(2), 2, 1, "sale"),
    ("S1", "P1", d(4), 5, 5, "sale"),
    ("S1", "P1", d(4), 5, 0, "return"),  # a released one: counts nowhere
    ("S1", 'P"2', d(3), 1, 0, "sale"),
    (None, "P1", d(3), 9, 0, "sale"),
    ("S1", "P1", None, 9, 0, "sale"),
    ("S2", "P1", d(5), 4, 0, "sale"),
)


def fetch(table: ibis.Table) -> list[dict[str, object]]:
    return connect(memory_limit_gb=1).to_pyarrow(table).to_pylist()


def values(table: ibis.Table, series: str) -> list[tuple[date, float]]:
    return sorted((r["period_start"], r["value"]) for r in fetch(table) if r["series_id"] == series)


def test_units_less_same_day_returns_zero_filled_to_the_end_of_the_table() -> None:
    tables = daily_sales(LINES)
    assert values(tables.sales, "S1/P1") == [(d(2), 4.0), (d(3), 0.0), (d(4), 0.0), (d(5), 0.0)]
    assert values(tables.sales, 'S1/P"2') == [(d(3), 1.0), (d(4), 0.0), (d(5), 0.0)]
    assert values(tables.sales, "S2/P1") == [(d(5), 4.0)]
    assert connect().execute(tables.excluded_rows) == 2
    rows = fetch(tables.sales)
    assert {r["unit"] for r in rows} == {"units"} and not any(r["censored"] for r in rows)


def test_series_carry_their_keys_as_json() -> None:
    rows = {r["series_id"]: r for r in fetch(daily_sales(LINES).series)}
    assert json.loads(rows['S1/P"2']["keys"]) == {"store_id": "S1", "product_id": 'P"2'}
    assert rows["S1/P1"]["started_on"] == d(2) and rows["S1/P1"]["ended_on"] is None
    assert rows["S1/P1"]["category"] is None


def test_life_of_a_product_stock_and_opening_of_a_store() -> None:
    products = ibis.memtable(
        pa.table(
            {
                "product_id": ["P1", "P3"],
                "category": ["tea", "milk"],
                "launched_on": pa.array([d(3), d(1)], DAY),
                "ended_on": pa.array([None, d(4)], DAY),
            }
        )
    )
    stores = ibis.memtable(
        pa.table({"store_id": ["S1", "S2"], "region": ["north", "south"], "opened_on": pa.array([d(1), d(6)], DAY)})
    )
    inventory = ibis.memtable(
        pa.table(
            {
                "store_id": ["S1", "S1", "S1", "S2"],
                "product_id": ["P3", "P3", "P1", "P1"],
                "date": pa.array([d(2), d(3), d(4), d(1)], DAY),
                "opening_units": [4, 0, 0, 0],
                "received_units": [0, 0, 1, 0],
                "stocked_out": [False, True, True, False],
            }
        )
    )
    tables = daily_sales(LINES, products=products, stores=stores, inventory=inventory)
    # P1 was launched on the 3rd: the sale of the 2nd lies before its life and begins no series day.
    assert [day for day, _ in values(tables.sales, "S1/P1")] == [d(3), d(4), d(5)]
    # P3 was never sold, but stocked from the 2nd, and ended on the 4th.
    assert values(tables.sales, "S1/P3") == [(d(2), 0.0), (d(3), 0.0), (d(4), 0.0)]
    censored = {(r["series_id"], r["period_start"]) for r in fetch(tables.sales) if r["censored"]}
    assert censored == {("S1/P3", d(3)), ("S1/P1", d(4))}
    shut = {(r["series_id"], r["period_start"]) for r in fetch(tables.sales) if not r["open"]}
    assert shut == {("S2/P1", d(5))}  # sold the day before the store opened on paper
    series = {r["series_id"]: r for r in fetch(tables.series)}
    assert (series["S1/P3"]["category"], series["S1/P3"]["region"], series["S1/P3"]["ended_on"]) == (
        "milk",
        "north",
        d(4),
    )


def test_best_sellers_and_an_end_before_the_last_day() -> None:
    tables = daily_sales(LINES, top_series=1)
    assert {r["series_id"] for r in fetch(tables.series)} == {"S1/P1"}  # 4 units each: the tie goes by name
    early = daily_sales(LINES, end=d(4))
    assert {r["series_id"] for r in fetch(early.sales)} == {"S1/P1", 'S1/P"2'}
    assert max(r["period_start"] for r in fetch(early.sales)) == d(4)


def test_every_unit_sold_within_a_life_is_in_the_grid_once() -> None:
    total = sum(r["value"] for r in fetch(daily_sales(LINES).sales))
    assert total == 4 + 0 + 1 + 4


def test_engine_addresses(tmp_path: Path) -> None:
    con = connect(f"duckdb://{tmp_path}/x.db", memory_limit_gb=0.5, threads=1, temp_directory=tmp_path / "spill")
    assert con.raw_sql("SELECT current_setting('memory_limit'), current_setting('threads')").fetchone() == (
        "512.0 MiB",
        1,
    )
    assert (tmp_path / "x.db").is_file()
    with pytest.raises(EngineError, match="postgres://x"):
        connect("postgres://x")
    with pytest.raises(EngineError, match="threads=0"):
        connect(threads=0)


def test_spark_without_its_extra_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyspark", None)
    monkeypatch.setitem(sys.modules, "pyspark.sql", None)
    monkeypatch.setitem(sys.modules, "pyspark.errors", None)
    with pytest.raises(EngineError, match="extra `scale`"):
        connect("spark://local[1]")
