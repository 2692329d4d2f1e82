"""Erasing a customer: nothing below the workspace names them any more, others stay as they were, nothing comes back."""

import json
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from data_checks.lake import LAYERS, MANIFEST
from features.online_customers import (
    CustomerBatch,
    CustomerEvent,
    FeastCustomers,
    SnapshotCustomers,
    write_customers_snapshot,
)
from models.recommender.online_config import FeedbackConfig
from models.recommender.online_log import FeedbackLog, Impressions
from orchestration.customers import customer_360
from orchestration.erasure import erase_customers
from orchestration.runner import run
from orchestration.settings import Settings
from orchestration.workspace import Workspace
from serving.release import Pointer, build_release, read_pointer, verify, write_pointer

ERIN, OTHER = "C0000003", "C0000002"
DAYS = 25
TARGET = "+features/customers_online,+features/customer_360,+features/interactions"


def texts(column: pa.ChunkedArray) -> pa.ChunkedArray | None:
    if pa.types.is_list(column.type):
        return texts(pc.list_flatten(column))
    return column.cast(pa.string()) if pa.types.is_string(column.type) or pa.types.is_dictionary(column.type) else None


def naming(folder: Path, name: str) -> list[str]:
    """Files below `folder` that hold `name`: in their bytes, in Parquet's texts, in SQLite's cells."""
    found = []
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        content = path.read_bytes()
        hit = name.encode() in content
        if path.suffix == ".parquet":
            table = pq.read_table(path, partitioning=None)
            columns = [texts(table[column]) for column in table.column_names]
            hit |= any(c is not None and bool(pc.any(pc.match_substring(c, name)).as_py()) for c in columns)
        if content.startswith(b"SQLite format 3"):
            with sqlite3.connect(path) as database:
                hit |= any(name in line for line in database.iterdump())
        if hit:
            found.append(str(path.relative_to(folder)))
    return found


def others(workspace: Workspace) -> dict[str, pa.Table]:
    """Every lake table without the rows that name ERIN, in the order in which it lies."""
    tables = {}
    for layer in LAYERS:
        for manifest in sorted((workspace.lake.root / layer).glob(f"*/{MANIFEST}")):
            rows = workspace.lake.arrow(layer, manifest.parent.name)
            for column in {"customer_id", "friend_id"} & set(rows.column_names):
                if pa.types.is_string(rows.schema.field(column).type):
                    rows = rows.filter(pc.fill_null(pc.not_equal(pc.utf8_trim_whitespace(rows[column]), ERIN), True))
            if manifest.parent.name == "transactions":  # a sale of nobody's stays; which it was cannot be told
                rows = rows.filter(pc.is_valid(rows["customer_id"]))
            tables[f"{layer}/{manifest.parent.name}"] = rows
    return tables


@pytest.fixture(scope="module")
def settings(make_settings: Callable[..., Settings]) -> Settings:
    return make_settings(twin_days=DAYS)


@pytest.fixture(scope="module")
def shop(settings: Settings) -> Iterator[Workspace]:
    """A workspace with customers, some of them online, a journal of feedback and releases that name them."""
    outcome = run(settings, TARGET)
    assert outcome.success, outcome.failures
    workspace = Workspace(settings)
    customers = FeastCustomers.open(workspace.feast_customers)
    customers.push([CustomerEvent(name, "P00001", "click", 2**51, f"e-{name}") for name in (ERIN, OTHER)])
    log = FeedbackLog(workspace.root / "feedback" / "journal.sqlite", FeedbackConfig())
    ids = [f"W1-{ERIN}-0-00", f"W1-{OTHER}-0-00", f"W1-{ERIN}-0-01"]
    nothing = np.zeros(3)
    log.accept_impressions(Impressions(ids, np.arange(3), np.zeros((3, 2), dtype=np.int64), nothing, nothing + 1))
    log.accept_clicks([f"W1-{ERIN}-0-01"], np.array([5]))
    log.settle(10**10)
    log.accept_impressions(
        Impressions(
            [f"W2-{ERIN}-0-00"], np.array([10**10]), np.zeros((1, 2), dtype=np.int64), nothing[:1], nothing[:1] + 1
        )
    )
    log.close()
    batch = CustomerBatch((ERIN, OTHER), np.ones(2, dtype=np.bool_), (("P00001",), ("P00002",)), {}, {})
    folder = workspace.releases / "recommender"
    for name in ("old", "now"):
        build_release(folder / name, "a1", lambda draft: write_customers_snapshot(draft / "customers", batch))
    write_pointer(folder / "champion.json", Pointer(release="now", artifact_id="a1", registry_version="1"))
    yield workspace


def test_a_customer_is_erased_from_everything_and_stays_away(
    shop: Workspace, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    kinds = {"lake", "spool", "feast_customers", "feedback", "releases"}
    assert {path.split("/")[0] for path in naming(shop.root, ERIN)} >= kinds
    assert customer_360(shop, ERIN) and naming(shop.root, OTHER)
    before, sold = others(shop), shop.lake.version("clean", "transactions")
    customers = FeastCustomers.open(shop.feast_customers)
    read_before = customers.read([OTHER])

    # Killed in the middle of the lake, and then run to its end.
    from data_checks import erasure

    done, erase_table = [], erasure._erase_from_table

    def dies(*arguments: Any) -> int:
        done.append(arguments)
        if len(done) > 8:
            raise KeyboardInterrupt
        return erase_table(*arguments)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(erasure, "_erase_from_table", dies)
        erase_customers(shop, [ERIN], who="dora", reason="asked by letter")
    assert naming(shop.root, ERIN)
    gone = erase_customers(shop, [f" {ERIN}"], who="dora", reason="asked by letter")
    assert gone["lake"] > 0

    assert naming(shop.root, ERIN) == []
    with pytest.raises(ValueError, match="not known"):
        customer_360(shop, ERIN)
    assert customers.read([ERIN, OTHER]).found.tolist() == [False, True]
    read_after = customers.read([OTHER])
    assert read_after.history == read_before.history
    for name, values in read_before.values.items():
        np.testing.assert_array_equal(read_after.values[name], values)
    after = others(shop)
    assert before.keys() == after.keys()
    assert [name for name, rows in before.items() if not rows.equals(after[name])] == []
    now = shop.lake.version("clean", "transactions")
    assert sold is not None and now is not None and now.rows == sold.rows  # sales stay sales

    folder = shop.releases / "recommender"
    pointer = read_pointer(folder / "champion.json")
    verify(folder / pointer.release, "a1")
    assert SnapshotCustomers(folder / pointer.release / "customers").customer_ids == (OTHER,)
    assert not (folder / "old").exists()
    log = FeedbackLog(shop.root / "feedback" / "journal.sqlite", FeedbackConfig())
    assert log.position == 3 and len(log.read(0, 10, 2)) == 3  # positions stay, names do not
    log.close()

    again = erase_customers(shop, [ERIN], who="dora", reason="asked by letter")
    assert not any(again.values()), again
    entries = shop.tombstones.log()
    assert [(entry.who, entry.reason, entry.done) for entry in entries] == [
        ("dora", "asked by letter", False),
        ("dora", "asked by letter", True),
    ]
    assert ERIN not in json.dumps([vars(entry) for entry in entries])

    # The twin lives on: its customer goes on shopping, and stays unknown.
    outcome = run(settings.model_copy(update={"twin_days": DAYS + 1}), TARGET)
    assert outcome.success, outcome.failures
    assert naming(shop.root, ERIN) == []
    newest = shop.lake.version("clean", "events")
    assert newest is not None and len(newest.partitions) >= DAYS
    assert FeastCustomers.open(shop.feast_customers).read([ERIN, OTHER]).found.tolist() == [False, True]


@pytest.mark.parametrize(("who", "reason", "name"), [("", "asked", "x"), ("dora", " ", "x"), ("dora", "asked", " ")])
def test_nobody_is_erased_without_who_why_and_whom(
    make_settings: Callable[..., Settings], who: str, reason: str, name: str
) -> None:
    workspace = Workspace(make_settings())
    with pytest.raises(ValueError, match=r"say who|is empty"):
        erase_customers(workspace, [name], who=who, reason=reason)
    assert workspace.tombstones.log() == ()


def test_the_360_row_tells_where_each_field_is_from(shop: Workspace) -> None:
    fields = {each["field"]: each for each in customer_360(shop, OTHER)}
    rows = shop.lake.arrow("features", "customer_360")
    assert set(fields) == set(rows.column_names)
    assert all(each["meaning"] and each["unit"] and each["tables"] and each["as_of"] for each in fields.values())
    clean = shop.lake.arrow("clean", "customers")
    mine = clean.filter(pc.equal(clean["customer_id"], OTHER)).to_pylist()[0]
    assert fields["birth_year"]["value"] == mine["birth_year"] and fields["birth_year"]["tables"] == ["customers"]
    lines = shop.lake.arrow("clean", "transactions")
    events = shop.lake.arrow("clean", "events")
    bought = pc.sum(pc.and_(pc.equal(lines["customer_id"], OTHER), pc.equal(lines["kind"], "sale"))).as_py()
    online = pc.sum(pc.and_(pc.equal(events["customer_id"], OTHER), pc.equal(events["kind"], "purchase"))).as_py()
    assert fields["purchases_90d"]["value"] == (bought or 0) + (online or 0) > 0
