"""The unmanned shop in the loop: the twin's day in it is billed, landed and balanced; what does not balance stops what lies behind."""

import json
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from told_shop import DAY_ONE, DAY_TWO, DECIDED, FIRST, SECOND, tell
from typer.testing import CliRunner

from data_checks.contracts import SHOP_TABLES
from orchestration.cleaning import clean_table
from orchestration.commands.rooms import shop
from orchestration.runner import run
from orchestration.settings import Settings
from orchestration.shop_books import write_sales
from orchestration.shop_landing import land
from orchestration.shop_reconciling import reconcile_shop
from orchestration.shop_twin import visit_shop
from orchestration.workspace import Workspace
from serving.settlement.shop_settings import open_queue
from serving.settlement.transport import Message


def test_the_twins_day_is_billed_landed_and_balanced(finished: Workspace) -> None:
    found = reconcile_shop(finished)
    assert found is not None and found.balanced
    (day,) = found.days
    bills = finished.lake.arrow("clean", "shop_bills")
    assert day.entries == bills.num_rows == 3 and day.ledger_cents == pc.sum(bills["due_cents"]).as_py() > 0
    assert str(day.day) == max(finished.source.parts("prices"))  # type: ignore[attr-defined]
    sold = finished.lake.arrow("gold", "shop_sales")
    assert pc.sum(sold["cents"]).as_py() == day.ledger_cents and pc.sum(sold["packages"]).as_py() == day.ledger_packages
    prices = finished.lake.arrow("clean", "prices", days=[str(day.day)])
    asked = {row["product_id"]: round(100 * row["price"]) for row in prices.to_pylist() if row["store_id"] == "S0001"}
    lines = finished.lake.arrow("clean", "shop_bill_lines").to_pylist()
    assert asked and all(line["list_cents"] == asked.get(line["product_id"], line["list_cents"]) for line in lines)
    again = visit_shop(finished)
    assert (again["days"], again["days_told"], again["visits"], again["unchanged"]) == (1, 0, 3, True)
    assert again["items billed right"] > 0.5


def shop_of_its_own(make_settings: Callable[..., Settings], folder: Path) -> Workspace:
    """A source of two sales, and a shop that has told two days."""
    folder.mkdir()
    rows = [f"a,{day},{number},units" for number, day in enumerate((FIRST, SECOND))]
    (folder / "sales.csv").write_text("\n".join(["item,period_start,value,unit", *rows]) + "\n", encoding="utf-8")
    workspace = Workspace(make_settings(source=f"folder:{folder}"))
    tell(workspace, [*DAY_ONE, *DAY_TWO, *DECIDED])
    return workspace


def test_what_does_not_balance_stops_what_lies_behind_and_says_why(
    make_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    workspace = shop_of_its_own(make_settings, tmp_path / "source")
    settings, runner = workspace.settings, CliRunner()
    environment = {
        "STORELOOP_HOME": str(settings.home), "STORELOOP_SOURCE": settings.source, "STORELOOP_PARAMS": str(settings.params),
    }  # fmt: skip
    sound = run(settings, "group:shop")
    assert sound.success, sound.failures
    assert sound.metadata["shop/books"]["ledger cents"] == 1_906 and sound.metadata["shop/books"]["in review"] == 1
    assert sound.metadata["shop/sales"]["rows"] == 3
    told = runner.invoke(shop(), ["reconcile", "--day", SECOND], env=environment)
    assert told.exit_code == 0 and f"{SECOND}  s1  2 entries, 3 packages; ledger 7.50, bills 7.50" in told.stdout

    with workspace.lake.update("clean", "stock_movements", partition_by="left_on") as update:
        rows = workspace.lake.arrow("clean", "stock_movements", days=[SECOND])
        update.put(pa.concat_tables([rows, rows]), made_from={SECOND: update.made_from()[SECOND]})
        update.commit("by day", days=update.made_from().keys())
    broken = run(settings, "group:shop")
    assert not broken.success and (broken.steps["shop__books"], broken.steps["shop__sales"]) == ("failure", "not run")
    said = "bill:s1:v4: movement of 'tea': 6 packages, 1500 cents; in the ledger 3, 750"
    assert said in broken.failures["shop__books"]
    assert workspace.lake.version("gold", "shop_sales").rows == 3  # type: ignore[union-attr]
    (alert,) = (workspace.root / "alerts" / "alerts.jsonl").read_text(encoding="utf-8").splitlines()
    assert json.loads(alert)["table"] == "shop/books balanced"
    open_queue(workspace.root).send([Message("shop-movements", "bill:s1:v9", b"{}")])
    assert run(settings, "shop/log").steps["shop__log"] == "failure"
    alert = (workspace.root / "alerts" / "alerts.jsonl").read_text(encoding="utf-8").splitlines()[-1]
    assert json.loads(alert)["table"] == "shop/log readable"
    told = runner.invoke(shop(), ["reconcile", "--json"], env=environment)
    assert told.exit_code == 1 and [each["entry_id"] for each in json.loads(told.stdout)["findings"]] == ["bill:s1:v4"]
    assert runner.invoke(shop(), ["reconcile", "--day", FIRST], env=environment).exit_code == 0


def test_a_day_that_is_not_over_is_not_sold_yet(
    make_settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = Workspace(make_settings())
    tell(workspace, [*DAY_ONE, *DAY_TWO])
    land(workspace)
    assert all(clean_table(workspace, table, run_id="r").passed for table in SHOP_TABLES)
    for today, days in ((SECOND, {FIRST}), ("2025-11-29", {FIRST, SECOND})):
        monkeypatch.setattr("orchestration.shop_books._today", lambda today=today: date.fromisoformat(today))
        assert not write_sales(workspace)["unchanged"]
        sold = workspace.lake.arrow("gold", "shop_sales")["left_on"].to_pylist()
        assert {str(day) for day in sold} == days
    assert write_sales(workspace)["unchanged"]
