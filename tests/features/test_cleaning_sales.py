"""Sales series: tags, and what a period without a row means."""

from datetime import date, timedelta
from typing import Any

import ibis
import pyarrow as pa
import pytest

from data_checks.contracts import load_contract
from features.cleaning_sales import densify, tag_sales
from features.engine import connect

MONDAY = date(2024, 1, 1)


@pytest.fixture(scope="module")
def con() -> Any:
    return connect()


def tag(con: Any, rows: list[tuple[Any, ...]], frequency: Any = "daily") -> list[dict[str, Any]]:
    names = ("series_id", "keys", "period_start", "value", "unit", "open")
    raw = pa.Table.from_pylist(
        [dict(zip(names, row, strict=True)) for row in rows], schema=pa.schema([(name, pa.string()) for name in names])
    )
    tagged = tag_sales(ibis.memtable(raw), load_contract("sales"), frequency=frequency)
    return con.to_pyarrow(tagged.order_by("series_id", "period_start")).to_pylist()


def grid(con: Any, cells: dict[str, dict[int, float | None]], *, unit: str = "units",
         stores: dict[str, str] | None = None, **other: Any) -> dict[str, list[Any]]:  # fmt: skip
    """Series -> values along its grid; "-" stands for a closed period, "?" for a missing one."""
    step = 7 if other.get("frequency") == "weekly" else 1
    rows = [
        {"series_id": name, "period_start": MONDAY + timedelta(days=step * offset), "value": value, "unit": unit,
         "open": True, "censored": False}
        for name, values in cells.items() for offset, value in values.items()
    ]  # fmt: skip
    clean = ibis.memtable(pa.Table.from_pylist(rows, schema=load_contract("sales").arrow_schema()))
    series = ibis.memtable(
        pa.table({"series_id": list(cells), "store_id": pa.array([(stores or {}).get(n) for n in cells], pa.string())})
    )
    settings = {"frequency": "daily"} | other
    dense = con.to_pyarrow(densify(clean, series, **settings).order_by("series_id", "period_start"))
    assert dense.schema.names == load_contract("sales").arrow_schema().names
    out: dict[str, list[Any]] = {name: [] for name in cells}
    for row in dense.to_pylist():
        out[row["series_id"]].append(row["value"] if row["value"] is not None else "?" if row["open"] else "-")
    return out


def test_units_currencies_and_defaults(con: Any) -> None:
    rows = tag(con, [("a", "{}", "2024-01-01", "3", "Unit", None), ("a", "{}", "2024-01-02", "1", "eur", "0")])
    assert [(r["unit"], r["open"], r["censored"], r["value"]) for r in rows] == [
        ("units", True, False, 3.0),
        ("EUR", False, False, 1.0),
    ]


def test_spelt_out_missing_values_are_null_and_nonsense_is_an_error(con: Any) -> None:
    rows = tag(
        con, [("a", "{}", f"2024-01-0{n}", value, "units", None) for n, value in enumerate(["NaN", "N/A", "abc"], 1)]
    )
    assert [(r["value"], r["_type_errors"]) for r in rows] == [(None, None), (None, None), (None, "value=abc")]


def test_unreadable_open_is_not_taken_for_open(con: Any) -> None:
    (row,) = tag(con, [("a", "{}", "2024-01-01", "3", "units", "perhaps")])
    assert (row["open"], row["_type_errors"]) == (None, "open=perhaps")


def test_weekly_rows_off_the_series_weekday_lose_their_period(con: Any) -> None:
    days = [str(MONDAY + timedelta(days=7 * week)) for week in range(4)] + ["2024-01-31"]
    rows = tag(con, [("a", "{}", day, "3", "units", None) for day in days], "weekly")
    assert sum(r["period_start"] is None for r in rows) == 1
    assert next(r["_type_errors"] for r in rows if r["period_start"] is None) == "period_start=2024-01-31"


@pytest.mark.parametrize(("absent", "filled"), [("zero", 0.0), ("closed", "-"), ("missing", "?")])
def test_stated_meaning_of_absence_wins(con: Any, absent: Any, filled: Any) -> None:
    assert grid(con, {"a": {0: 1.0, 1: 0.0, 3: 2.0}}, absent=absent)["a"] == [1.0, 0.0, filled, 2.0]


def test_units_without_any_zero_are_filled_with_zero_up_to_the_end_of_the_table(con: Any) -> None:
    assert grid(con, {"a": {0: 1.0, 2: 2.0}, "b": {1: 1.0, 4: 1.0}}) == {
        "a": [1.0, 0.0, 2.0, 0.0, 0.0],
        "b": [1.0, 0.0, 0.0, 1.0],
    }


def test_units_with_explicit_zeros_and_revenue_are_missing(con: Any) -> None:
    assert grid(con, {"a": {0: 1.0, 2: 2.0}, "b": {0: 0.0, 1: 1.0}})["a"] == [1.0, "?", 2.0]
    assert grid(con, {"a": {0: 1.0, 2: 2.0}}, unit="EUR")["a"] == [1.0, "?", 2.0]


def test_a_weekday_that_never_has_rows_is_a_closed_one(con: Any) -> None:
    values = {offset: 5.0 for offset in range(56) if offset % 7 != 6 and offset != 10}
    week = grid(con, {"a": values}, unit="EUR")["a"]
    assert week[6::7] == ["-"] * 7
    assert week[10] == "?"
    assert len(week) == 55


def test_a_slow_mover_is_not_closed_on_every_weekday(con: Any) -> None:
    slow = {0: 1.0, 41: 1.0, 80: 2.0}
    assert "-" not in grid(con, {"slow": slow})["slow"]


def test_a_slow_mover_shares_the_closed_day_of_its_store(con: Any) -> None:
    busy = {offset: 5.0 for offset in range(70) if offset % 7 != 6}
    cells = {"s|busy": busy, "s|slow": {0: 1.0, 40: 1.0}, "t|slow": {0: 1.0, 40: 1.0}}
    found = grid(con, cells, stores={"s|busy": "s", "s|slow": "s", "t|slow": "t"})
    assert found["s|slow"][:8] == [1.0, 0.0, 0.0, 0.0, 0.0, 0.0, "-", 0.0]
    assert "-" not in found["t|slow"]


def test_a_period_whose_row_was_bad_is_missing_and_never_filled(con: Any) -> None:
    delivered = ibis.memtable(pa.table({"series_id": ["a", "a"], "period_start": [MONDAY, MONDAY + timedelta(days=1)]}))
    assert grid(con, {"a": {0: 1.0, 3: 2.0}}, delivered=delivered)["a"] == [1.0, "?", 0.0, 2.0]
    assert grid(con, {"a": {0: 1.0, 3: 2.0}}, delivered=delivered, absent="closed")["a"] == [1.0, "?", "-", 2.0]


def test_weekly_grid_keeps_each_series_weekday(con: Any) -> None:
    assert grid(con, {"a": {0: 1.0, 3: 2.0}}, frequency="weekly", absent="zero")["a"] == [1.0, 0.0, 0.0, 2.0]


def test_a_closed_row_of_zero_has_no_value(con: Any) -> None:
    rows = [{"series_id": "a", "period_start": MONDAY, "value": 0.0, "unit": "EUR", "open": False, "censored": False}]
    clean = ibis.memtable(pa.Table.from_pylist(rows, schema=load_contract("sales").arrow_schema()))
    series = ibis.memtable(pa.table({"series_id": ["a"], "store_id": pa.array([None], pa.string())}))
    (row,) = con.to_pyarrow(densify(clean, series, frequency="daily")).to_pylist()
    assert (row["value"], row["open"]) == (None, False)
