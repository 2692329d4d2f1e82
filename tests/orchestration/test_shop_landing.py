"""From the tills' logs into the lake by day: every row once, only days with news, whenever it is killed."""

import random
import shutil
from collections.abc import Callable
from typing import Any

import pytest
from told_shop import DAY_ONE, DAY_TWO, DECIDED, FIRST, SECOND, tell

from data_checks.contracts import SHOP_TABLES
from data_checks.lake_days import DayUpdate
from orchestration.cleaning import clean_table
from orchestration.settings import Settings
from orchestration.shop_landing import REMEDY, land
from orchestration.workspace import Workspace
from serving.settlement.ledger_settings import LedgerSettings, open_store
from serving.settlement.queue_sqlite import SqliteConsumer, SqliteQueue
from serving.settlement.shop_settings import open_queue
from serving.settlement.transport import Message
from serving.settlement.tree import leaf_hash


def cleaned(workspace: Workspace) -> dict[str, Any]:
    return {table: clean_table(workspace, table, run_id="run") for table in SHOP_TABLES}


def test_logs_land_by_day_and_only_days_with_news_are_judged(make_settings: Callable[..., Settings]) -> None:
    workspace = Workspace(make_settings())
    tell(workspace, DAY_ONE)
    landed = land(workspace)
    assert landed.passed and landed.made == {FIRST: 3}
    assert (landed.metadata["entries read"], landed.metadata["movements read"], landed.metadata["reviews read"]) == (
        3, 2, 1,
    )  # fmt: skip
    assert all(outcome.passed for outcome in cleaned(workspace).values())
    bills = workspace.lake.arrow("clean", "shop_bills").sort_by("visit_id").to_pylist()
    assert [(b["visit_id"], b["kind"], b["account"], b["due_cents"], b["tax_cents"], b["asked"]) for b in bills] == [
        ("v1", "bill", "a-v1", 488, 32, 0), ("v2", "bill", "a-v2", 0, 0, 1), ("v3", "bill", "a-v3", 119, 8, 0),
    ]  # fmt: skip
    stored = {row.entry_id: row for row in open_store(LedgerSettings(), workspace.root, read_only=True).rows()}
    assert all(bytes.fromhex(b["entry_hash"]) == leaf_hash(stored[b["entry_id"]].content) for b in bills)
    assert {b["leaf_index"] for b in bills} == {0, 1, 2} and {b["left_on"].isoformat() for b in bills} == {FIRST}
    tell(workspace, DAY_TWO)
    landed = land(workspace)
    assert landed.made == {FIRST: 4, SECOND: 2}, "what corrects a bill lies on the day of its visit"
    outcomes = cleaned(workspace)
    moved = workspace.lake.arrow("clean", "stock_movements").to_pylist()
    assert {(m["visit_id"], m["version"], m["product_id"], m["packages"], m["value_cents"]) for m in moved} == {
        ("v1", 0, "milk", -2, 238), ("v1", 0, "tea", -1, 250), ("v1", 1, "tea", 1, -250), ("v3", 0, "milk", -1, 119),
        ("v4", 0, "tea", -3, 750),
    }  # fmt: skip
    assert outcomes["shop_reviews"].metadata["days_made"] == 1, "nobody was asked anything new about the first day"
    assert land(workspace).made == {} and cleaned(workspace)["shop_bills"].metadata["unchanged"] is True


class Killed(BaseException):
    """As a SIGKILL between two calls."""


@pytest.mark.parametrize("seed", range(2))
def test_killed_anywhere_each_row_lands_once(
    make_settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """Also while it tells again what was lost."""
    workspace, rng, kills = Workspace(make_settings()), random.Random(seed), 0
    tell(workspace, DAY_ONE)
    land(workspace)
    shutil.rmtree(workspace.lake.root / "raw" / "stock_movements")
    tell(workspace, [*DAY_TWO, *DECIDED])
    for owner, name in ((DayUpdate, "commit"), (SqliteConsumer, "commit"), (SqliteConsumer, "poll")):
        whole = getattr(owner, name)

        def called(self: Any, *given: Any, whole: Any = whole, **named: Any) -> Any:
            if rng.random() < 0.2:
                raise Killed
            answer = whole(self, *given, **named)
            if rng.random() < 0.2:
                raise Killed
            return answer

        monkeypatch.setattr(owner, name, called)
    monkeypatch.setattr("orchestration.shop_landing.MOST", 2)
    while True:
        try:
            land(workspace)
            break
        except Killed:
            kills += 1
    monkeypatch.undo()
    assert kills > 3
    other = Workspace(make_settings())
    tell(other, DAY_ONE)
    tell(other, [*DAY_TWO, *DECIDED])
    land(other)
    for table in SHOP_TABLES:
        here, there = (each.lake.arrow("raw", table) for each in (workspace, other))
        assert here.equals(there) and here.num_rows, table


@pytest.mark.parametrize("lost", SHOP_TABLES)
def test_a_lost_table_is_told_again(make_settings: Callable[..., Settings], lost: str) -> None:
    workspace = Workspace(make_settings())
    tell(workspace, [*DAY_ONE, *DAY_TWO, *DECIDED])
    land(workspace)
    before = {table: workspace.lake.arrow("raw", table) for table in SHOP_TABLES}
    shutil.rmtree(workspace.lake.root / "raw" / lost)
    assert workspace.lake.version("raw", lost) is None
    assert land(workspace).passed
    for table, rows in before.items():
        assert workspace.lake.arrow("raw", table).equals(rows) and rows.num_rows, table
    assert land(workspace).metadata["unchanged"] is True


def test_a_log_that_was_away_is_told_again(make_settings: Callable[..., Settings]) -> None:
    """The lake was lost and landed while the log was not there: its tables are there then, and empty."""
    workspace = Workspace(make_settings())
    tell(workspace, DAY_ONE)
    land(workspace)
    bills = workspace.lake.arrow("raw", "shop_bills")
    shutil.rmtree(workspace.lake.root / "raw")
    away = (workspace.root / "shop").rename(workspace.root / "away")
    assert land(workspace).metadata["provided"] is False
    away.rename(workspace.root / "shop")
    assert land(workspace).passed and workspace.lake.arrow("raw", "shop_bills").equals(bills) and bills.num_rows == 3


def test_a_record_that_is_none_stops_the_landing_and_says_which(make_settings: Callable[..., Settings]) -> None:
    workspace = Workspace(make_settings())
    tell(workspace, DAY_ONE)
    queue: SqliteQueue = open_queue(workspace.root)
    queue.send([Message("shop-movements", "bill:s1:v9", b"{}")])
    outcome = land(workspace)
    assert not outcome.passed and "shop-movements: record 0:2 cannot be read" in outcome.check_metadata["reason"]
    assert workspace.lake.version("raw", "stock_movements").rows == 0  # type: ignore[union-attr]


def test_without_a_shop_its_tables_are_empty(make_settings: Callable[..., Settings]) -> None:
    workspace = Workspace(make_settings())
    outcome = land(workspace)
    assert outcome.passed and outcome.metadata == {"provided": False, "remedy": REMEDY}
    assert not (workspace.root / "shop").exists()
    assert all(each.metadata == {"provided": False, "rows": 0} for each in cleaned(workspace).values())
