"""DuckDB and Spark clean the same dirty rows alike."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data_checks.contracts import load_contract
from features.cleaning_sales import densify, tag_sales
from features.cleaning_text import repair_column
from features.cleaning_transactions import TransactionRules, tag_transactions
from features.engine import connect

LINES = [
    ("a", "1", "S", "p ", "C", "2024-01-01 10:00:00", "sale", "5", "2.5", "CafÃ©", None, None),
    ("a", "1", "S", "p ", "C", "2024-01-01 10:00:00", "sale", "5", "2.5", "CafÃ©", None, None),
    ("b", "1", "S", "P", "C", "2024-01-03 10:00:00", "sale", "5", "2.4", "tea", None, None),
    ("c", "1", "S", "POST", "C", "2024-01-03 10:00:00", "sale", "1", "9", None, None, None),
    ("d", "1", "S", "P", "C", "2024-01-04 10:00:00", "return", "4", "2.5", None, None, None),
    ("e", "1", "S", "P", "C", "2024-01-05 10:00:00", "return", "2", "2.4", None, "b", "1"),
    ("f", "1", "S", "P", "C", "2024-01-06 10:00:00", "return", "4", "2.4", None, None, None),
    ("g", "x", None, "", "C", "yesterday", "sale", "2.5", "cheap", None, None, "1.5"),
]
SALES = [
    ("s", "2024-01-01", "1", "Units", None),
    ("s", "2024-01-04", "NaN", "units", "1"),
    ("s", "2024-01-06", "?", "units", "x"),
]


def tables() -> dict[str, pa.Table]:
    names = [column.name for column in load_contract("transactions_raw").columns if column.name != "recorded_at"]
    lines = [dict(zip(names, cells, strict=True)) for cells in LINES]
    columns = {name: pa.array([line[name] for line in lines], pa.string()) for name in names}
    sales = dict(zip(("series_id", "period_start", "value", "unit", "open"), zip(*SALES, strict=True), strict=True))
    return {
        "lines": pa.table(columns | {"recorded_at": columns["sold_at"]}),
        "sales": pa.table({name: pa.array(list(cells), pa.string()) for name, cells in sales.items()}),
        "series": pa.table({"series_id": ["s"], "store_id": pa.array(["S"])}),
    }


def cleaned(folder: Path, url: str) -> dict[str, list[dict[str, Any]]]:
    con = connect(url)
    loaded = {name: con.read_parquet(str(folder / f"{name}.parquet")) for name in ("lines", "sales", "series")}
    rules = TransactionRules(frozenset({"POST", "GIFT*"}), upper_case_product_ids=True, returns_by="customer_product")
    tagged = tag_sales(loaded["sales"], load_contract("sales"), frequency="daily")
    good = tagged.filter(tagged["_type_errors"].isnull())
    results = {
        "lines": repair_column(
            tag_transactions(loaded["lines"], load_contract("transactions"), rules=rules),
            "receipt_text",
            {"CafÃ©": "Café"},
        ),
        "sales": tagged,
        "weekly": tag_sales(loaded["sales"], load_contract("sales"), frequency="weekly"),
        "dense": densify(good, loaded["series"], frequency="daily", absent=None),
    }
    out = {}
    for name, expression in results.items():
        rows = con.to_pyarrow(expression).to_pylist()
        out[name] = sorted(rows, key=lambda row: str(row.get("_row_key", row.get("period_start"))))
    return out


@pytest.mark.spark
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_engines_clean_alike(tmp_path: Path) -> None:
    for name, table in tables().items():
        pq.write_table(table, tmp_path / f"{name}.parquet")
    here, there = cleaned(tmp_path, "duckdb://"), cleaned(tmp_path, "spark://local[1]")
    assert [row["_class"] for row in here["lines"]].count("matched_cancellation") == 2
    for name in here:
        assert there[name] == here[name], name
