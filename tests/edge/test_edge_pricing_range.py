"""Outside the range of training a box answers as the service does: price, rule and who gave it, of markets and fresh goods."""

import json
import shutil
from collections import Counter
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from edge.bundle import BundleError
from edge.export import build_bundle
from edge.labels import open_prices
from edge.pricing import open_bot
from edge.pricing_checks import situations
from edge.runtime import EdgeRuntime, open_bundle
from models.common.artifact import ArtifactError
from models.common.keys import read_private_key, read_public_key
from models.pricing.instances import SHIPPED, read_instances
from models.pricing.ladder import NAME, read_ladders, write_ladders
from models.pricing.market import build_market

MARKETS = tuple(each.name for each in read_instances(SHIPPED))
SHELVES = 300  # a market


@pytest.fixture(scope="module")
def cloud(wild: ModuleType, shop: Any) -> Any:
    return wild.Cloud(shop.folder)


@pytest.fixture(scope="module")
def box(shop: Any, unpacked: Path) -> EdgeRuntime:
    opened = open_bundle(unpacked, read_public_key(shop.public))
    yield opened
    opened.close()


def as_the_service(box: EdgeRuntime, reply: dict[str, Any]) -> list[dict[str, Any]]:
    """The box's rows in the service's words."""
    assert reply["served_by"] == f"edge:{box.manifest.artifact_id[:12]}" and reply["breaker"] == "closed"
    champion = f"champion {box.manifest.artifact_id}"
    return [{"served_by": champion, **row} for row in reply["shelves"]]


def told(row: dict[str, Any]) -> dict[str, Any]:
    return {name: row[name] for name in ("price", "wanted", "rule", "yielded", "reference", "served_by", "outside")}


@pytest.mark.parametrize("market", [*MARKETS, "fresh"])
def test_any_situation_is_answered_as_by_the_service(
    pricing: ModuleType, wild: ModuleType, cloud: Any, box: EdgeRuntime, market: str
) -> None:
    if market == "fresh":
        fresh = cloud.champion.model.predictor.fresh
        made = pricing.fresh_shelves_of(pricing.FreshTrial(fresh).situations(3 * SHELVES, seed=31))
    else:
        instance = next(each for each in read_instances(SHIPPED) if each.name == market)
        made = pricing.shelves_of(situations(build_market(instance), SHELVES, seed=31))
    shelves = wild.bend(made, seed=32)
    there = cloud.rows(market, shelves)
    here = as_the_service(box, box.answer({"market": market, "shelves": shelves}))
    assert [told(row) for row in here] == [told(row) for row in there]
    served = Counter(row["served_by"] == NAME for row in there)
    assert min(served[True], served[False]) > len(shelves) / 5, "of one kind alone this would say little"
    variables = {each["variable"] for row in there for each in row["outside"]}
    known = {"stock", "days_left", "before", "expected", "coming", "wait"} if market == "fresh" else {"period", "stock"}
    assert variables >= known
    assert {row["rule"] for row in there} != {""} or market not in pricing.RULES


def test_a_shelf_too_old_to_know_gets_the_ladders_price_and_says_why(box: EdgeRuntime, shop: Any) -> None:
    """Salad lists 3.00 and moves by 0.75 at most; period 28 is the first that no network has seen."""
    levels = {"weather": 0.5, "competitor_price": 1.0}
    shelf = {"period": 28, "stock": [0, 0, 0, 6], "before": 3.0, "factors": levels}
    inside = shelf | {"period": 27}
    unread = inside | {"factors": {"weather": 0.5}}
    reply = box.answer({"market": "salad", "shelves": [shelf, inside, unread, inside | {"before": 0.75}]})
    late, known, blind, cheap = reply["shelves"]
    step = read_ladders(shop.folder / "fallback").markets["salad"].steps[3]  # the oldest units have four periods left
    assert late["wanted"] == step and late["price"] == max(step, 2.25)
    assert late["served_by"] == NAME and (late["worth"], late["gain"]) == (None, None)
    assert late["outside"] == [{"variable": "period", "low": 0.0, "high": 27.0, "value": 28.0, "by": 1.0}]
    assert known["outside"] == [] and "served_by" not in known and known["worth"] is not None
    assert [(each["variable"], each["value"]) for each in blind["outside"]] == [("competitor_price", None)]
    cheapest = float(build_market(next(each for each in read_instances(SHIPPED) if each.name == "salad")).prices[0])
    assert cheapest > 0.755 and [each["variable"] for each in cheap["outside"]] == ["before"]
    json.dumps(reply, allow_nan=False)


def test_a_label_outside_the_range_says_so_to_the_centre(pricing: ModuleType, shop: Any, tmp_path: Path) -> None:
    box = pricing.Box(shop, tmp_path / "box")
    box.install(1)
    rows = pricing.situations_of("salad", 2, seed=3)
    rows[0]["period"] = 500
    report = box.price(rows)
    assert report.served_by == Counter([NAME, f"edge:{shop.built[0].artifact_id[:12]}"])
    heard = {each["event_id"]: each for each in box.told()}
    late, known = (heard[row["id"]] for row in rows)
    assert (late["served_by"], late["outside"]) == (NAME, ["period"])
    assert known["served_by"].startswith("edge:") and known["outside"] == []
    box.damage()
    again = rows[0] | {"id": "again", "before": 3.0}
    assert dict(box.price([again]).served_by) == {"fallback:list_price": 1}, "the ladder's price is not the model's"


def test_a_bundle_without_ladders_or_with_others_is_refused(
    pricing: ModuleType, shop: Any, unpacked: Path, tmp_path: Path
) -> None:
    old = tmp_path / "old"
    shutil.copytree(unpacked, old)
    shutil.rmtree(old / "fallback")
    with pytest.raises(
        ArtifactError, match=r"holds no approved ladders \(fallback/ladders.json\).*build the release, and"
    ):
        open_bot(old)
    shutil.copytree(shop.folder / "artifact", tmp_path / "release" / "artifact")
    with pytest.raises(ArtifactError, match="holds no approved ladders"):
        build_bundle(tmp_path / "release", tmp_path / "b", read_private_key(shop.private), revision=2)
    ladders = read_ladders(shop.folder / "fallback")
    dearer = ladders.markets["salad"].model_copy(update={"unit_cost": 1.0})
    write_ladders(tmp_path / "release" / "fallback", type(ladders)({**ladders.markets, "salad": dearer}, ladders.fresh))
    with pytest.raises(ArtifactError, match="the ladder of salad lacks or has other rules: build the release again"):
        build_bundle(tmp_path / "release", tmp_path / "b", read_private_key(shop.private), revision=2)
    box = pricing.Box(shop, tmp_path / "box")
    with pytest.raises(BundleError, match="holds no bundle"):
        open_prices(box.home, box.key)
