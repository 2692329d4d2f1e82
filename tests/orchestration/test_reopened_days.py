"""Late, corrected and vanished rows, returns, references and verdicts re-open the days that see them, and no others.

After every change the tables must be those that a workspace makes that never saw the state before.
"""

import csv
from collections.abc import Callable, Iterable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from data_checks.contracts import load_contract
from data_checks.samples import valid_rows
from orchestration.cleaning import clean_table
from orchestration.demand import build_demand
from orchestration.ingest import TableOutcome, ingest_raw
from orchestration.settings import Settings
from orchestration.workspace import Workspace

TABLES = ("stores", "products", "transactions")
FIRST, DAYS, PRODUCTS = date(2025, 6, 2), 24, 12
Line = dict[str, object]


def day(number: int) -> str:
    return str(FIRST + timedelta(days=number))


def write(folder: Path, table: str, rows: Iterable[Line]) -> None:
    with (folder / f"{table}.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(load_contract(f"{table}_raw").column_names))
        writer.writeheader()
        writer.writerows(rows)


def sale(number: int, product: int, *, units: int = 2, name: str = "") -> Line:
    at = f"{day(number)} 10:00:00"
    return {
        "transaction_id": name or f"T{number}", "line_no": product, "store_id": "store_id-0",
        "product_id": f"product_id-{product}", "sold_at": at, "recorded_at": at, "kind": "sale", "units": units,
        "unit_price": 2.0,
    }  # fmt: skip


def returned(number: int, of: int, product: int) -> Line:
    line = sale(number, product, units=1, name=f"R{number}")
    return line | {"kind": "return", "original_transaction_id": f"T{of}", "original_line_no": product}


class Shop:
    """One shop whose twelve products each sell two units a day; its books are a folder, rewritten with every change."""

    def __init__(self, folder: Path, make_settings: Callable[..., Settings]) -> None:
        self.folder, self._make_settings = folder, make_settings
        self.settings = make_settings(source=f"folder:{folder}")
        self.lines = [sale(number, product) for number in range(DAYS) for product in range(PRODUCTS)]
        self.products = valid_rows(load_contract("products"), PRODUCTS).to_pylist()
        for product in self.products:
            product |= {"launched_on": FIRST, "ended_on": None, "list_price": 2.0, "unit_cost": 1.0}
        folder.mkdir()
        self.write()

    def write(self) -> None:
        write(self.folder, "products", self.products)
        write(self.folder, "stores", valid_rows(load_contract("stores"), 1).to_pylist())
        write(self.folder, "transactions", self.lines)

    def run(self, run_id: str) -> tuple[Workspace, dict[str, TableOutcome]]:
        self.write()
        return build(self.settings, run_id)

    def afresh(self) -> Workspace:
        """The tables as a workspace makes them that never saw anything else."""
        return build(self._make_settings(source=f"folder:{self.folder}"), "afresh")[0]


def build(settings: Settings, run_id: str) -> tuple[Workspace, dict[str, TableOutcome]]:
    workspace, outcomes = Workspace(settings), {}
    for table in TABLES:
        assert ingest_raw(workspace, table).passed
    for table in ("stores", "products"):
        assert clean_table(workspace, table, run_id=run_id).passed
    outcomes["transactions"] = clean_table(workspace, "transactions", run_id=run_id)
    if outcomes["transactions"].passed:
        outcomes |= build_demand(workspace)
    return workspace, outcomes


def made(workspace: Workspace, layer: Any, table: str) -> dict[str, str]:
    """Day -> what it was made from."""
    version = workspace.lake.version(layer, table)
    return {file.day: file.made_from for file in version.files if file.day} if version else {}


def contents(workspace: Workspace) -> dict[str, str]:
    return {
        f"{layer}/{table}": workspace.lake.content_hash(layer, table)
        for layer, table in (("clean", "transactions"), ("gold", "units"), ("gold", "sales"), ("gold", "series"))
    }


def changed(before: dict[str, str], after: dict[str, str]) -> set[str]:
    return {each for each in before.keys() | after.keys() if before.get(each) != after.get(each)}


@pytest.fixture
def shop(tmp_path: Path, make_settings: Callable[..., Settings]) -> Shop:
    return Shop(tmp_path / "shop", make_settings)


def test_a_new_day_a_late_row_a_correction_and_a_row_that_is_gone(shop: Shop) -> None:
    def step(name: str, *, beside_afresh: bool = False) -> dict[str, set[str]]:
        tables = (("clean", "transactions"), ("gold", "units"), ("gold", "sales"))
        before = {table: made(Workspace(shop.settings), layer, table) for layer, table in tables}  # type: ignore[arg-type]
        workspace, outcomes = shop.run(name)
        assert all(outcome.passed for outcome in outcomes.values()), outcomes
        if beside_afresh:
            assert contents(workspace) == contents(shop.afresh())
        return {table: changed(before[table], made(workspace, layer, table)) for layer, table in tables}  # type: ignore[arg-type]

    assert step("first")["sales"] == {day(number) for number in range(DAYS)}
    assert step("again") == {"transactions": set(), "units": set(), "sales": set()}

    shop.lines += [sale(DAYS, product) for product in range(PRODUCTS)]
    assert step("new-day") == {table: {day(DAYS)} for table in ("transactions", "units", "sales")}

    shop.lines.append(sale(5, 3, name="late"))
    assert step("late-row") == {table: {day(5)} for table in ("transactions", "units", "sales")}

    shop.lines[7 * PRODUCTS]["units"] = 9
    assert step("correction") == {table: {day(7)} for table in ("transactions", "units", "sales")}

    shop.lines.pop()
    assert step("gone", beside_afresh=True) == {table: {day(5)} for table in ("transactions", "units", "sales")}

    # A return on a later day re-opens the day of sale for the books, and no day of demand: what is over stays over.
    shop.lines.append(returned(20, 9, 0))
    assert step("return") == {"transactions": {day(9), day(20)}, "units": {day(9)}, "sales": set()}

    # On the day of sale itself it moves that day.
    shop.lines.append(returned(11, 11, 0))
    assert step("same-day-return")["sales"] == {day(11)}

    # A key that another day has too sets both lines aside.
    shop.lines.append(sale(15, 0) | {"transaction_id": "T3"})
    assert step("key-of-two-days", beside_afresh=True)["transactions"] == {day(3), day(15)}


def test_a_changed_product_re_opens_the_days_that_sold_it(shop: Shop) -> None:
    shop.lines = [line for line in shop.lines if line["product_id"] != "product_id-4" or line["transaction_id"] == "T6"]
    shop.run("first")
    before = made(Workspace(shop.settings), "clean", "transactions")
    shop.products[4]["list_price"] = 500.0  # its price is then below a twentieth of the list price
    workspace, _ = shop.run("dearer")
    assert changed(before, made(workspace, "clean", "transactions")) == {day(6)}
    held = workspace.quarantine.rows("transactions").to_pylist()
    assert [(row["sold_on"], row["rules"]) for row in held] == [(day(6), ["price_near_list"])]
    assert contents(workspace) == contents(shop.afresh())


def test_a_verdict_re_opens_the_day_of_its_row(shop: Shop) -> None:
    shop.lines[4 * PRODUCTS]["unit_price"] = 0.01
    shop.lines[8 * PRODUCTS]["unit_price"] = 0.01
    workspace, _ = shop.run("first")
    before = made(workspace, "clean", "transactions")
    key = next(
        row["_row_key"] for row in workspace.quarantine.rows("transactions").to_pylist() if row["sold_on"] == day(8)
    )
    workspace.quarantine.decide("transactions", verdict="release", reason="a sample", who="ada", row_keys=[key])
    workspace, outcomes = shop.run("released")
    assert outcomes["transactions"].passed
    assert changed(before, made(workspace, "clean", "transactions")) == {day(8)}
    assert outcomes["sales"].metadata["days_made"] == 1


def test_a_bad_delivery_does_not_hide_behind_good_years(shop: Shop) -> None:
    """Two percent are tolerated: four bad lines of 240 new ones are within it, eight are not, however many were good."""
    many = [
        sale(number, product) | {"line_no": 100 * n + product}
        for number in range(DAYS)
        for product in range(12)
        for n in range(20)
    ]
    shop.lines = list(many)
    assert shop.run("first")[1]["transactions"].passed

    def deliver(number: int, bad: int) -> list[Line]:
        fresh = [sale(number, product) | {"line_no": 100 * n + product} for product in range(12) for n in range(20)]
        return [line | ({"unit_price": -1.0} if place < bad else {}) for place, line in enumerate(fresh)]

    shop.lines += deliver(DAYS, 4)
    assert shop.run("tolerable")[1]["transactions"].passed
    good = list(shop.lines)
    before = made(Workspace(shop.settings), "clean", "transactions")
    shop.lines += deliver(DAYS + 1, 8)
    workspace, outcomes = shop.run("bad")
    assert not outcomes["transactions"].passed
    assert any("3.33%" in said for said in outcomes["transactions"].check_metadata["broken"])
    assert made(workspace, "clean", "transactions") == before  # nothing of it is in the books
    assert workspace.history.runs("transactions")[-1].counts["in"] == 240  # the report speaks of the delivery

    shop.lines = good + deliver(DAYS + 1, 4)
    workspace, outcomes = shop.run("mended")
    assert outcomes["transactions"].passed
    assert day(DAYS + 1) in made(workspace, "clean", "transactions")
    assert contents(workspace) == contents(shop.afresh())
