"""A folder of till lines and little else: no calendar, promotions or weather, and a wrongly read product name."""

import csv
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

from data_checks.contracts import load_contract
from data_checks.samples import valid_rows
from features.known_ahead import PRICE_AHEAD_DAYS
from orchestration.runner import run
from orchestration.settings import Settings
from orchestration.workspace import Workspace

PRODUCTS = 30
DAYS = 20
FIRST = date(2025, 6, 2)


def write(folder: Path, table: str, rows: list[dict[str, object]]) -> None:
    with (folder / f"{table}.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(load_contract(f"{table}_raw").column_names))
        writer.writeheader()
        writer.writerows(rows)


def shop(folder: Path) -> None:
    """30 products, one of each sold every day for 20 days; each line a sale of 2 units."""
    folder.mkdir()
    products = valid_rows(load_contract("products"), PRODUCTS).to_pylist()
    for product in products:
        product |= {"launched_on": FIRST, "list_price": 2.0, "unit_cost": 1.0}
    products[4]["product_name"] = "Café crème".encode().decode("cp1252")
    write(folder, "products", products)
    write(folder, "stores", valid_rows(load_contract("stores"), 1).to_pylist())
    lines: list[dict[str, object]] = []
    for day in range(DAYS):
        at = f"{FIRST + timedelta(days=day)} 10:00:00"
        common = {"store_id": "store_id-0", "sold_at": at, "recorded_at": at, "units": 2, "unit_price": 2.0}
        lines += [
            {"transaction_id": f"T{day}", "line_no": n, "product_id": f"product_id-{n}", "kind": "sale", **common}
            for n in range(PRODUCTS)
        ]
    soon, later = (f"{FIRST + timedelta(days=day)} 18:00:00" for day in (3, 9))
    back = {"store_id": "store_id-0", "product_id": "product_id-0", "kind": "return", "units": 1, "unit_price": 2.0}
    named = {"original_transaction_id": "T3", "original_line_no": 0, "line_no": 0}
    lines.append({"transaction_id": "R1", "sold_at": soon, "recorded_at": soon, **back, **named})
    lines.append({"transaction_id": "R2", "sold_at": later, "recorded_at": later, **back, **named})
    write(folder, "transactions", lines)


def test_till_lines_become_demand_without_covariates(make_settings: Callable[..., Settings], tmp_path: Path) -> None:
    shop(tmp_path / "shop")
    settings = make_settings(source=f"folder:{tmp_path / 'shop'}")
    outcome = run(settings, "group:sources,group:gate,group:demand")
    assert outcome.success, outcome.failures
    workspace = Workspace(settings)
    covariates = workspace.lake.arrow("gold", "covariates")
    assert covariates.num_rows == 0
    assert covariates.column_names == list(load_contract("covariates").column_names)

    sales = workspace.lake.arrow("gold", "sales").to_pylist()
    assert len(sales) == PRODUCTS * DAYS
    below = {(row["series_id"], row["period_start"], row["value"]) for row in sales if row["value"] != 2.0}
    # The unit that came back six days later leaves the day of sale as it was.
    assert below == {("store_id-0/product_id-0", FIRST + timedelta(days=3), 1.0)}

    names = workspace.lake.arrow("clean", "products")["product_name"].to_pylist()
    assert names.count("Café crème") == 1 and len(names) == PRODUCTS
    facts = {fact.rule_id: fact for fact in workspace.history.runs("products")[-1].facts}
    assert facts["repaired:product_name"].failing == 1
    assert facts["pattern:product_name"].failing == 0


def test_a_price_list_becomes_covariates_and_what_is_announced_later_stands_beside_them(
    make_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    shop(tmp_path / "shop")
    last = FIRST + timedelta(days=DAYS - 1)
    listed = {"plan_id": "A", "product_id": "product_id-1", "valid_from": date(2024, 1, 1), "base_price": 2.0,
              "announced_on": date(2023, 12, 1)}  # fmt: skip
    raised = {
        **listed,
        "plan_id": "B",
        "valid_from": last + timedelta(days=10),
        "base_price": 2.2,
        "announced_on": last,
    }
    settings = make_settings(source=f"folder:{tmp_path / 'shop'}")
    found = []
    for plans in ([listed], [listed, raised]):
        write(tmp_path / "shop", "price_plans", plans)
        outcome = run(settings, "group:sources,group:gate,group:demand")
        assert outcome.success, outcome.failures
        rows = Workspace(settings).lake.arrow("gold", "covariates").to_pylist()
        assert {(row["scope"], row["scope_value"], row["name"]) for row in rows} == {
            ("product", "product_id-1", "planned_price")
        }
        found.append({(row["period_start"], row["known_from"], row["value"]) for row in rows})
    before, after = found
    ahead = [FIRST + timedelta(days=n) for n in range(DAYS + PRICE_AHEAD_DAYS)]
    assert before == {(day, listed["announced_on"], 2.0) for day in ahead}
    assert after - before == {(day, last, 2.2) for day in ahead if day >= raised["valid_from"]}
    # Nobody but those who plan on the last day asks for the days after the rise, and they know of it.
    assert before - after == {(day, listed["announced_on"], 2.0) for day in ahead[-1:]}
