"""DuckDB and Spark give equal sales, covariates, state and known future for the same tables."""

import math
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from features.covariates import build_covariates
from features.engine import connect
from features.known_future import known_future
from features.sales import daily_sales, daily_units, dense_sales, series_spans
from features.state import StateTables, state_feature_names, state_features

START = date(2024, 1, 1)
DAYS = 400  # so that windows of a year are full
BESIDE = ("prices", "promotions", "inventory", "weather", "social_heat")


def day(number: int) -> date:
    return START + timedelta(days=number)


def dates(*values: date | None) -> pa.Array:
    return pa.array(values, pa.date32())


def make_tables() -> dict[str, pa.Table]:
    rng = np.random.default_rng(3)
    lines = 4_000
    sold = rng.integers(0, DAYS, lines)
    stock = [(s, p, i) for s in ("S1", "S2") for p in ("P1", "P2") for i in range(DAYS)]
    return {
        "transactions": pa.table(
            {
                "store_id": rng.choice(["S1", "S2"], lines),
                "product_id": rng.choice(["P1", "P2"], lines),
                "sold_on": dates(*(day(int(i)) for i in sold)),
                "units": rng.integers(1, 5, lines),
                "cancelled_same_day_units": rng.integers(0, 2, lines),
                "kind": rng.choice(["sale", "sale", "sale", "return"], lines),
            }
        ),
        "inventory": pa.table(
            {
                "store_id": [s for s, _, _ in stock],
                "product_id": [p for _, p, _ in stock],
                "date": dates(*(day(i) for _, _, i in stock)),
                "opening_units": rng.integers(0, 9, len(stock)),
                "received_units": rng.integers(0, 2, len(stock)),
                "sold_units": rng.integers(0, 5, len(stock)),
                "wasted_units": rng.integers(0, 2, len(stock)),
                "closing_units": rng.integers(0, 5, len(stock)),
                "stocked_out": rng.random(len(stock)) < 0.2,
            }
        ),
        "prices": pa.table(
            {
                "store_id": [s for s, _, _ in stock],
                "product_id": [p for _, p, _ in stock],
                "date": dates(*(day(i) for _, _, i in stock)),
                "base_price": np.round(2 + rng.random(len(stock)), 2),
                "price": np.round(1 + rng.random(len(stock)), 2),
            }
        ),
        "weather": pa.table(
            {
                "region": ["north"] * DAYS,
                "date": dates(*(day(i) for i in range(DAYS))),
                "temp_c": np.round(rng.normal(12, 6, DAYS), 1),
                "rain_mm": np.round(rng.gamma(0.5, 4, DAYS), 1),
            }
        ),
        "social_heat": pa.table(
            {
                "category": ["tea"] * DAYS,
                "date": dates(*(day(i) for i in range(DAYS))),
                "heat": np.round(rng.gamma(3, 10, DAYS), 2),
            }
        ),
        "products": pa.table(
            {
                "product_id": ["P1", "P2"],
                "category": ["tea", "milk"],
                "launched_on": dates(day(2), day(5)),
                "ended_on": dates(None, day(398)),
            }
        ),
        "stores": pa.table(
            {"store_id": ["S1", "S2"], "region": ["north", "south"], "opened_on": dates(day(0), day(10))}
        ),
        "calendar": pa.table(
            {
                "date": dates(*(day(i) for i in range(DAYS + 10))),
                "is_holiday": [i % 17 == 4 for i in range(DAYS + 10)],
                "is_school_break": [i % 20 < 5 for i in range(DAYS + 10)],
            }
        ),
        "weather_forecast": pa.table(
            {
                "region": ["north"] * 3 * DAYS,
                "issued_on": dates(*(day(i) for i in range(DAYS) for _ in range(3))),
                "date": dates(*(day(i + ahead) for i in range(DAYS) for ahead in range(3))),
                "temp_c": rng.normal(10, 3, 3 * DAYS),
                "rain_mm": rng.random(3 * DAYS),
            }
        ),
        "promotions": pa.table(
            {
                "product_id": ["P1", "P1", "P2"],
                "store_id": pa.array([None, "S1", None], pa.string()),
                "starts_on": dates(day(20), day(22), day(38)),
                "ends_on": dates(day(24), day(30), day(45)),
                "discount_fraction": [0.2, 0.1, 0.3],
                "announced_on": dates(day(18), day(15), day(30)),
                "kind": ["price_cut", "multibuy", "clearance"],
            }
        ),
        "price_plans": pa.table(
            {
                "product_id": ["P1", "P1", "P1", "P1", "P2"],
                "store_id": pa.array([None, None, "S1", None, None], pa.string()),
                "valid_from": dates(day(-9), day(35), day(36), day(35), day(20)),
                "base_price": [2.0, 2.2, 1.9, 2.1, 5.0],
                "announced_on": dates(day(-30), day(5), day(30), day(33), day(1)),
            }
        ),
    }


def results(con: Any, folder: Path) -> dict[str, list[dict[str, Any]]]:
    t = {}
    for name, table in make_tables().items():
        pq.write_table(table, folder / f"{name}.parquet")
        t[name] = con.read_parquet(str(folder / f"{name}.parquet"))
    built = daily_sales(t["transactions"], products=t["products"], stores=t["stores"], inventory=t["inventory"])
    covariates = build_covariates(
        calendar=t["calendar"],
        weather_forecast=t["weather_forecast"],
        promotions=t["promotions"],
        products=t["products"],
        price_plans=t["price_plans"],
        sales_days=(day(0), day(DAYS - 1)),
    )

    def kept(name: str, table: Any) -> Any:
        pq.write_table(con.to_pyarrow(table), folder / f"{name}.parquet")
        return con.read_parquet(str(folder / f"{name}.parquet"))

    sales, series = kept("sales", built.sales), kept("series", built.series)
    beside = {name: t[name] for name in BESIDE}
    origins = [day(33), day(395)]
    state = kept("state", state_features(StateTables(sales, series, **beside), frequency="daily", origins=origins))
    names = (
        "category_promos",
        "days_to_next_promo",
        "forecast_temp_mean_3",
        "is_bridge_day",
        "planned_price",
        "promo_depth",
    )
    ahead = known_future(
        covariates, series, state.select("series_id", "origin"), horizon=4, frequency="daily", names=names
    )
    units = daily_units(t["transactions"], t["inventory"]).units
    spans = series_spans(units, products=t["products"], top_series=3)
    some_days = t["calendar"].filter(t["calendar"].is_school_break).select(day="date")
    tables = {
        "units": units,
        "sales_of_days": dense_sales(spans, units, some_days, stores=t["stores"]),
        "sales": sales,
        "series": series,
        "covariates": covariates,
        "state": state,
        "known_future": ahead,
    }
    found = {name: con.to_pyarrow(table).to_pylist() for name, table in tables.items()}
    return {name: sorted(rows, key=keys) for name, rows in found.items()}


def keys(row: dict[str, Any]) -> list[str]:
    """What tells a row from others: everything but its numbers, which the engines may differ in by a bit."""
    return [str(value) for value in row.values() if not isinstance(value, float | list)]


def same(a: Any, b: Any) -> bool:
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    a, b = (math.nan if value is None else value for value in (a, b))  # Spark hands NaN over as null
    if isinstance(a, float) and isinstance(b, float):
        return (math.isnan(a) and math.isnan(b)) or math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-12)
    return bool(a == b)


@pytest.mark.spark
@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_duckdb_and_spark_agree(tmp_path: Path) -> None:
    duck = results(connect(memory_limit_gb=1), tmp_path)
    session = connect("spark://local[2]", memory_limit_gb=1, temp_directory=tmp_path)
    spark = results(session, tmp_path)
    assert len(duck["state"][0]) == 2 + len(state_feature_names("daily", BESIDE))
    for name, rows in duck.items():
        assert len(rows) == len(spark[name]) > 0, name
        for ours, theirs in zip(rows, spark[name], strict=True):
            different = {c: (ours[c], theirs[c]) for c in ours if not same(ours[c], theirs[c])}
            assert not different, (name, ours, different)
