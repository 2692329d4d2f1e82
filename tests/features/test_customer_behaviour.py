"""What customers bought, and their sums, worked by hand; both engines agree."""

from datetime import date, datetime
from pathlib import Path
from typing import Any

import ibis
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from features.customer_behaviour import BEHAVIOUR, PURCHASES, build_customer_behaviour, build_customer_purchases
from features.engine import connect

US = pa.timestamp("us")


def at(day: int, hour: int = 0) -> datetime:
    return datetime(2026, 1, day, hour)


EVENTS = pa.table(
    {
        "customer_id": ["a", "a", "a", "a", "a", "b", "b", None],
        "item_id": ["x", "x", "x", "y", "y", "x", "x", "x"],
        "event_time": pa.array([at(2), at(2), at(2), at(4), at(6), at(3), at(11), at(5)], US),
        "kind": ["click", "cart", "purchase", "click", "purchase", "click", "click", "purchase"],
        "amount": pa.array([None, None, 3.0, None, None, None, None, 9.0]),
        "price": pa.array([None, None, 8.0, None, 5.0, None, None, 1.0]),
        "session_id": ["s1", "s1", "s1", "s2", None, "s3", "s4", "s5"],
    }
)
SESSIONS = pa.table(
    {
        "customer_id": ["a", "a", "b", "b"],
        "started_at": pa.array([at(2), at(4), at(3), at(11)], US),
    }
)
CUSTOMERS = pa.table(
    {
        "customer_id": ["a", "b", "c", "later"],
        "registered_on": pa.array([date(2025, 6, 1), date(2026, 1, 3), date(2026, 1, 9), date(2026, 2, 1)]),
    }
)
PRODUCTS = pa.table({"product_id": ["x", "y"], "list_price": [10.0, 5.0]})
LINES = pa.table(
    {
        "transaction_id": ["t1", "t1", "t2", "t3", "t4"],
        "customer_id": ["a", "a", "a", "b", None],
        "product_id": ["x", "y", "x", "x", "x"],
        "sold_at": pa.array([at(1), at(1), at(5), at(11), at(12)], US),
        "kind": ["sale", "sale", "sale", "return", "sale"],
        "units": pa.array([2, 4, 1, 1, 1], pa.int64()),
        "cancelled_units": pa.array([None, 1, 1, None, None], pa.int64()),
        "unit_price": [10.0, 5.0, 10.0, 10.0, 10.0],
    }
)


def tables(**arrow: pa.Table) -> dict[str, Any]:
    return {name: ibis.memtable(table) for name, table in arrow.items()}


def behaviour(con: Any, purchases: Any, **others: Any) -> dict[str, dict[str, Any]]:
    rows = con.to_pyarrow(build_customer_behaviour(purchases, **others))
    assert set(rows.column_names) == set(BEHAVIOUR)
    return {row["customer_id"]: row for row in rows.to_pylist()}


def test_the_online_shop_by_hand() -> None:
    con = ibis.duckdb.connect()
    made = tables(events=EVENTS, sessions=SESSIONS, customers=CUSTOMERS, products=PRODUCTS)
    purchases = build_customer_purchases(events=made["events"], products=made["products"])
    assert purchases.columns == PURCHASES
    bought = sorted(con.to_pyarrow(purchases).to_pylist(), key=lambda row: row["happened_at"])
    assert [(row["order_id"], row["units"], row["list_price"]) for row in bought] == [
        ("s1", 3.0, 10.0), (bought[1]["order_id"], 1.0, 5.0),
    ]  # fmt: skip
    rows = behaviour(con, purchases, **{name: made[name] for name in ("events", "sessions", "customers")})
    assert sorted(rows) == ["a", "b", "c"]  # who registers after the newest moment is not there yet
    assert rows["a"] == {
        "customer_id": "a", "observed_days": 9.0, "seen_days": 4.0, "silent_days": 5.0, "unbought_days": 5.0,
        "visits": 2, "clicks": 2, "carts": 1, "lines": 2, "orders": 2, "units": 4.0, "spend": 29.0, "priced_lines": 2,
        "reduced_lines": 1,
    }  # fmt: skip
    assert rows["b"]["unbought_days"] is None and rows["b"]["visits"] == 2 and rows["b"]["spend"] == 0
    assert (rows["b"]["observed_days"], rows["b"]["seen_days"], rows["b"]["silent_days"]) == (8.0, 8.0, 0.0)
    assert (rows["c"]["observed_days"], rows["c"]["seen_days"], rows["c"]["silent_days"]) == (2.0, 0.0, 2.0)


def test_receipts_by_hand() -> None:
    """Cancelled units and returns are not bought; without sessions an order is a visit, days begin at the first."""
    con = ibis.duckdb.connect()
    made = tables(transactions=LINES, products=PRODUCTS)
    purchases = build_customer_purchases(transactions=made["transactions"], products=made["products"])
    rows = behaviour(con, purchases)
    assert list(rows) == ["a"]
    assert rows["a"]["units"] == 5.0 and rows["a"]["spend"] == 35.0 and rows["a"]["lines"] == 2
    assert rows["a"]["orders"] == rows["a"]["visits"] == 1 and rows["a"]["clicks"] == 0
    assert rows["a"]["observed_days"] == rows["a"]["seen_days"] == 0.0


def test_events_win_over_receipts_and_no_product_means_no_list_price() -> None:
    con = ibis.duckdb.connect()
    made = tables(events=EVENTS, transactions=LINES)
    both = con.to_pyarrow(build_customer_purchases(**made))
    assert both.num_rows == 2 and both["list_price"].null_count == 2
    rows = behaviour(con, build_customer_purchases(**made))
    assert rows["a"]["priced_lines"] == rows["a"]["reduced_lines"] == 0


def test_a_source_without_customers_has_no_rows() -> None:
    con = ibis.duckdb.connect()
    nobody = build_customer_purchases()
    assert con.to_pyarrow(nobody).num_rows == 0
    assert not behaviour(con, nobody)


# Tests of Spark plan and compile less (tests/conftest.py); one has to run what users run.
SPARK_AS_USERS_HAVE_IT = {
    "spark.sql.adaptive.enabled": "true",
    "spark.sql.codegen.wholeStage": "true",
    "spark.sql.codegen.factoryMode": "FALLBACK",
}


@pytest.mark.spark
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_duckdb_and_spark_agree(tmp_path: Path) -> None:
    arrow = {"events": EVENTS, "sessions": SESSIONS, "customers": CUSTOMERS, "products": PRODUCTS}
    for name, table in arrow.items():
        pq.write_table(table, tmp_path / f"{name}.parquet")
    found = []
    for engine in ("duckdb://", "spark://local[1]"):
        con = connect(engine, memory_limit_gb=1, temp_directory=tmp_path)
        if engine != "duckdb://":
            for option, value in SPARK_AS_USERS_HAVE_IT.items():
                con.raw_sql(f"SET {option}={value}")
        made = {name: con.read_parquet(str(tmp_path / f"{name}.parquet")) for name in arrow}
        purchases = build_customer_purchases(events=made["events"], products=made["products"])
        found.append(behaviour(con, purchases, **{name: made[name] for name in ("events", "sessions", "customers")}))
    for option in SPARK_AS_USERS_HAVE_IT:
        con.raw_sql(f"RESET {option}")  # the session is the process's: later tests are back at conftest's
    assert found[0] == found[1]
