"""Prices in the house: goods and mornings from the lake, gate, release and proposals on the tiny twin."""

import shutil
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from orchestration import price_proposals
from orchestration.fresh_lake import by_age, this_morning
from orchestration.fresh_twin import LAID_OVER, fresh_params
from orchestration.price_proposals import propose_prices
from orchestration.releases import promote_and_publish
from orchestration.settings import Settings
from orchestration.workspace import Workspace
from sources.twin.world import World

FRESH = ("bakery", "dairy", "produce")


def test_what_is_left_is_of_the_newest_deliveries() -> None:
    # Four days of one cell: nine came, then none, then two, then five tonight's eve; seven are left.
    received = np.array([9, 0, 2, 5]).reshape(4, 1, 1)
    assert by_age(received, np.array([[7]]), 5)[0, 0].tolist() == [0, 5, 2, 0, 0]
    assert by_age(received, np.array([[9]]), 5)[0, 0].tolist() == [0, 5, 2, 0, 2]
    assert by_age(received, np.array([[20]]), 5)[0, 0].tolist() == [0, 5, 2, 0, 13]  # more than is known to have come


def test_stock_by_age_told_from_the_diary_is_the_shelfs() -> None:
    world = World(fresh_params({**LAID_OVER, "products": 48, "stores": 3}), 5, tables=("inventory",), keep_truth=False)
    received = []
    for number in range(70):
        world.advance(world.params.start + timedelta(days=number))
        assert world.outcome is not None
        received.append(world.outcome.stock.received)
    life = world.catalogue.products.shelf_life_days
    fresh = np.flatnonzero(life <= 30)
    true = world.state.stock.by_age[:, fresh]
    told = by_age(np.array(received)[:, :, fresh], world.outcome.stock.closing[:, fresh], true.shape[2])  # type: ignore[union-attr]
    np.testing.assert_array_equal(told, true)


@pytest.fixture
def workspace(finished: Workspace, make_settings: Callable[..., Settings], tmp_path: Path) -> Workspace:
    """A copy of the finished workspace that a test may change."""
    home = tmp_path / "home"
    shutil.copytree(finished.settings.home, home)
    return Workspace(make_settings(home=home, params=home / "params.yaml"))


def test_goods_are_what_is_fresh_and_on_sale(finished: Workspace) -> None:
    goods = finished.lake.arrow("features", "fresh_goods").to_pylist()
    products = {row["product_id"]: row for row in finished.lake.arrow("clean", "products").to_pylist()}
    prices = finished.lake.arrow("clean", "prices").to_pylist()
    last = max(row["date"] for row in prices)
    on_sale = {
        f"{row['store_id']}|{row['product_id']}"
        for row in prices
        if row["date"] == last and products[row["product_id"]]["shelf_life_days"] <= 30
    }
    assert {row["good"] for row in goods} == on_sale and goods
    for row in goods:
        product = products[row["good"].split("|")[1]]
        assert row["life"] == product["shelf_life_days"] and row["until"] == last.isoformat()
        assert row["ceiling"] == (1.0 if product["category"] in FRESH else 100.0)
        assert 0.3 < row["cost"] < 1.0 and len(row["week"]) == 7


def test_a_morning_is_of_the_day_after(finished: Workspace) -> None:
    morning = this_morning(finished, FRESH)
    assert morning is not None
    last = max(row["date"] for row in finished.lake.arrow("clean", "inventory").to_pylist())
    assert morning.day == last + timedelta(days=1)
    at, store, place = morning.shop.morning(morning.books, morning.day)
    assert len(morning.names) == len(store) == len(at.before) and (at.weekday == morning.day.weekday()).all()
    assert this_morning(finished, FRESH).names == morning.names  # type: ignore[union-attr]
    rows = finished.lake.arrow("clean", "prices").to_pylist()
    labels = {f"{row['store_id']}|{row['product_id']}": row["price"] for row in rows if row["date"] == last}
    base = morning.books.base[store, place]
    assert any(labels[name] != listed for name, listed in zip(morning.names, base, strict=True)), "some are promoted"
    np.testing.assert_allclose(at.before * base, [labels[name] for name in morning.names])


def test_gate_evidence_release_and_proposals(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    version = workspace.registry.versions("pricing")[-1].version
    page = workspace.root / "evidence" / "pricing" / f"version-{version}.html"
    text = page.read_text(encoding="utf-8")
    assert "best simple rule" in text and "stock by age" in text and "data:image/png" in text
    if workspace.registry.champion("pricing") is None:
        assert propose_prices(workspace)["provided"] is False
        promote_and_publish(workspace, "pricing", version, who="test", reason="proposals", override=True)
    release = next((workspace.releases / "pricing").glob("*/artifact/model.json")).parent.parent
    assert (release / "fallback" / "ladders.json").is_file()
    morning = this_morning(workspace, FRESH)
    assert morning is not None
    strange = replace(morning, names=tuple(f"new {name}" for name in morning.names))
    with monkeypatch.context() as patch:
        patch.setattr(price_proposals, "this_morning", lambda *_: strange)
        patch.setattr(price_proposals, "fingerprint", lambda **_: "another")
        told = propose_prices(workspace)
    assert told["provided"] is False and "knows none" in told["remedy"]
    done = propose_prices(workspace)
    rows = workspace.lake.arrow("features", "price_proposals").to_pylist()
    assert done["rows"] == len(rows) == workspace.lake.version("features", "fresh_goods").rows  # type: ignore[union-attr]
    prices = workspace.lake.arrow("clean", "prices").to_pylist()
    for row in rows:
        check_proposal(row, prices)
    again = propose_prices(workspace)
    assert again["unchanged"] is True and (again["approval"], again["proposed"]) == ("off", 0)
    # Once approval mode is on, what was written before is handed over, and once.
    monkeypatch.setenv("STORELOOP_SERVE_APPROVAL", "true")
    moved = sum(abs(row["price"] - row["before"]) > 0.005 for row in rows)
    assert moved > 0 and propose_prices(workspace)["proposed"] == moved
    assert propose_prices(workspace)["proposed"] == 0
    queue = workspace.releases.parent / "pricing" / "approvals.sqlite"
    with sqlite3.connect(queue) as held:
        told = held.execute("SELECT item_id, old_price, new_price FROM proposals WHERE status = 'pending'").fetchall()
    by_name = {f"{row['store_id']}|{row['product_id']}": (row["before"], row["price"]) for row in rows}
    assert len(told) == moved and all(by_name[name] == (old, new) for name, old, new in told)


def check_proposal(row: dict[str, Any], prices: list[dict[str, Any]]) -> None:
    """Essential goods at list price or below; a discount is shown against the lowest price of thirty days, or not at all."""
    since = row["date"] - timedelta(days=30)
    own = [p for p in prices if (p["store_id"], p["product_id"]) == (row["store_id"], row["product_id"])]
    lowest = min(p["price"] for p in own if since <= p["date"] < row["date"])
    assert 0.01 <= row["price"] <= row["list_price"] + 1e-9
    assert row["served_by"] in {"champion", "fallback:approved_ladder"}
    assert (row["gain"] is None) == (row["served_by"] != "champion")
    assert round(row["price"], 2) == pytest.approx(row["price"])
    assert row["reference"] == (pytest.approx(lowest) if row["price"] < lowest - 0.005 else None)
