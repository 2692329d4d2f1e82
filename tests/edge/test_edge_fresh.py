"""Fresh goods on a box: the cloud's prices to the cent, and none outside the rules, with the model or without."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge import pricing as pricing_bot
from edge.bots import SelfTestError
from edge.bundle import BundledFile, BundleManifest
from edge.export import ExportError, rewrite
from edge.fresh_checks import FreshTrial
from edge.pricing import GraphNetwork, PricingBot, convert, open_bot
from edge.pricing_checks import RELATIVE_TOLERANCE, moved_rows, relative
from edge.pricing_requests import FreshShelf
from edge.runtime import EdgeRuntime, RuntimeConfig, open_bundle
from models.common.artifact import ArtifactError, read_artifact, read_file
from models.common.keys import read_public_key
from models.common.protocols import InputError
from models.pricing.fresh_predict import FreshPredictor
from models.pricing.fresh_rules import FreshNetwork
from models.pricing.ladder import NAME, Ladders
from models.pricing.predict import Predictor, load


@pytest.fixture(scope="module")
def cloud(shop: Any) -> Predictor:
    return load(shop.folder / "artifact")


@pytest.fixture(scope="module")
def bot(unpacked: Path) -> PricingBot:
    return open_bot(unpacked)


@pytest.fixture(scope="module")
def runtime(shop: Any, unpacked: Path) -> EdgeRuntime:
    opened = open_bundle(unpacked, read_public_key(shop.public))
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def alone(bot: PricingBot) -> EdgeRuntime:
    """The rules, and no network."""
    files = {"a.json": BundledFile(sha256="0" * 64, size=0)}
    manifest = BundleManifest(bot="pricing", revision=4, artifact_id="f" * 64, files=files)
    config = RuntimeConfig(failures=1, reset_s=60)
    resting = EdgeRuntime(PricingBot(bot.ladders, None), manifest, config)
    yield resting
    resting.close()


def test_prices_are_the_clouds_to_the_cent(cloud: Predictor, bot: PricingBot) -> None:
    """20,000 situations; the network is random, so that any price may be the best."""
    trial = FreshTrial(cloud.fresh)
    asked = trial.situations(20_000, seed=7)
    for told in (asked, replace(asked, expected=None, up_to=None, coming=None, wait=None)):
        here, there = bot.quote(told), cloud.predict(told)
        np.testing.assert_array_equal(here.price, there.price)
        np.testing.assert_array_equal(here.wanted, there.wanted)
        np.testing.assert_array_equal(here.rule, there.rule)
        np.testing.assert_array_equal(here.yielded, there.yielded)
        worst = relative(trial.ladder(told), here.values, there.values).max()
        assert 0 < worst <= RELATIVE_TOLERANCE, "0 would mean that one arithmetic was compared with itself"
    times = np.round(there.wanted / asked.list_price, 1)
    assert len(np.unique(times)) == len(bot.known.predictor.fresh.prices), (
        "with few prices chosen this would say little"
    )
    assert set(here.rule.tolist()) == {"", "essential", "floor", "margin_floor", "largest_change"}


def test_made_up_situations_are_of_all_kinds(cloud: Predictor) -> None:
    asked = FreshTrial(cloud.fresh).situations(2_000)
    total = np.asarray(asked.stock).sum(axis=1)
    assert len(set(asked.good)) == len(cloud.fresh.goods) and set(asked.weekday.tolist()) == set(range(7))
    assert 100 < (total == 0).sum() < 1_000 and total.max() > 100
    assert (asked.coming > 0).any() and (asked.wait > 0).any() and (np.asarray(asked.up_to) == 0).any()


def shelf(**changed: Any) -> dict[str, Any]:
    return {"good": "good-0", "list_price": 2.0, "stock": [3], "before": 2.0, "weekday": 4} | changed


money = st.one_of(st.floats(0.01, 1e8), st.floats(0.01, 5.0), st.sampled_from([0.01, 0.02, 0.29, 1.0, 2.99, 1e8]))
shelves = st.fixed_dictionaries(
    {
        "number": st.integers(0, 39),
        "list_price": money,
        "before": money,
        "weekday": st.integers(0, 6),
        "stock": st.lists(st.one_of(st.integers(0, 20), st.integers(0, 1_000_000)), min_size=1, max_size=21),
        "coming": st.one_of(st.just(0), st.integers(0, 1_000_000)),
        "wait": st.integers(0, 7),
        "last_good": st.one_of(st.none(), money),
        "lowest": st.one_of(st.none(), money),
    },
    optional={
        "expected": st.lists(st.one_of(st.just(0.0), st.floats(0, 5_000)), min_size=14, max_size=14),
        "up_to": st.one_of(st.just(0), st.integers(0, 1_000_000)),
    },
)


@settings(max_examples=1_000, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(drawn=shelves)
def test_no_label_breaks_a_rule_with_the_model_or_without(
    pricing: ModuleType,
    cloud: Predictor,
    bot: PricingBot,
    runtime: EdgeRuntime,
    alone: EdgeRuntime,
    drawn: dict[str, Any],
) -> None:
    """Rules by their own words: whole cents; essential goods never above list; no cheaper than 0.15; a loss of at most 40 % of
    the price; 0.32 of list price a day, but where one before it says otherwise."""
    number = drawn["number"]
    goods = cloud.fresh.goods
    life = int(goods.life[number])
    asked = {name: value for name, value in drawn.items() if name != "number"}
    asked |= {"good": f"good-{number}", "stock": drawn["stock"][:life]}
    request = {"market": "fresh", "shelves": [asked]}
    listed, essential = asked["list_price"], number % 3 == 0
    for answering in (runtime, alone):
        reply = answering.answer(request)
        assert reply["served_by"].startswith("edge:" if answering is runtime else "fallback")
        (row,) = reply["shelves"]
        price, yielded = row["price"], set(row["yielded"])
        assert price >= 0.01 and price == round(price, 2)
        if essential:
            assert price <= max(listed, 0.01) + 1e-6
            assert "essential" not in yielded
        if "floor" not in yielded:
            assert price >= 0.15
        if "margin_floor" not in yielded:
            assert price - goods.cost[number] * listed >= -0.4 * price - 1e-6 * price
        if "largest_change" not in yielded:
            assert abs(price - asked["before"]) <= 0.32 * listed + 1e-6 * max(price, 1)
        assert not yielded & {"floor", "margin_floor"} or essential, (
            "they give way to the list price of essentials alone"
        )
        assert "floor" not in yielded or listed < 0.15
        json.dumps(reply, allow_nan=False)
    question = bot.check(request).asked.request(bot.known, np.array([True]))
    here, there = bot.quote(question), cloud.predict(question)
    assert relative(FreshTrial(cloud.fresh).ladder(question), here.values, there.values).max() <= RELATIVE_TOLERANCE
    assert not moved_rows(FreshTrial(cloud.fresh).ladder(question), here, there.price, there.values).size


def test_a_reply_says_what_the_service_says(
    pricing: ModuleType, wild: ModuleType, shop: Any, cloud: Predictor, runtime: EdgeRuntime
) -> None:
    rows = pricing.fresh_shelves_of(FreshTrial(cloud.fresh).situations(200, seed=3))
    for row in rows[::2]:
        row["lowest"] = 2.5
    reply = runtime.answer({"market": "fresh", "shelves": rows})
    there = wild.Cloud(shop.folder).rows("fresh", rows)
    assert reply["market"] == "fresh"
    for name in ("price", "rule", "reference", "outside"):
        assert [row[name] for row in reply["shelves"]] == [row[name] for row in there]
    shown = [row["reference"] for row in there]
    assert shown == [2.5 if not n % 2 and row["price"] < 2.5 else None for n, row in enumerate(there)]
    assert any(shown)


def test_without_a_model_the_last_price_then_list_price_within_the_rules(alone: EdgeRuntime, bot: PricingBot) -> None:
    """List price 2.00 and a step of 0.64: good-0 is essential, good-1 is not; a loss of 40 % of the price at most."""
    least = np.ceil(100 * 2.0 * bot.known.predictor.goods.cost[1] / 1.4) / 100
    rows = [
        shelf(last_good=1.5, before=1.8),
        shelf(),
        shelf(last_good=2.4),  # essential: never above list
        shelf(good="good-1", last_good=2.4),
        shelf(before=1.0),  # list price is more than 0.64 away
        shelf(good="good-1", last_good=0.2, before=0.3),  # below the margin floor
    ]
    reply = alone.answer({"market": "fresh", "shelves": rows})
    assert reply["served_by"] == "fallback" and "the rules alone are known" in reply["problem"]
    assert [(row["price"], row["rule"], row["source"]) for row in reply["shelves"]] == [
        (1.5, "", "last_price"),
        (2.0, "", "list_price"),
        (2.0, "essential", "last_price"),
        (2.4, "", "last_price"),
        (1.64, "largest_change", "list_price"),
        (least, "margin_floor", "last_price"),
    ]
    assert 0.3 < least < 0.94


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"good": "milk"}, "unknown good 'milk'"),
        ({"good": ""}, "good"),
        ({"list_price": 0.001}, "list_price.*greater than or equal to 0.01"),
        ({"list_price": "2"}, "list_price.*valid number"),
        ({"stock": []}, "stock"),
        ({"stock": [-1]}, "stock"),
        ({"stock": [1.5]}, "stock"),
        ({"stock": [0] * 31}, "stock.*at most 30"),
        ({"before": float("inf")}, "before"),
        ({"weekday": 7}, "weekday.*less than 7"),
        ({"wait": 8}, "wait"),
        ({"coming": 2_000_000}, "coming"),
        ({"expected": [1.0] * 13}, "expected.*at least 14"),
        ({"expected": [5_001.0] + [1.0] * 13}, "expected"),
        ({"up_to": -1}, "up_to"),
        ({"period": 3}, "period: Extra"),
        ({"customer_id": "c1"}, "customer_id"),
    ],
)
def test_a_wrong_shelf_says_field_and_bound(runtime: EdgeRuntime, changed: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        runtime.answer({"market": "fresh", "shelves": [shelf(**changed)]})
    assert runtime.status()["breaker"] == "closed"


def test_a_unit_that_keeps_longer_than_its_good_is_priced_by_the_ladder(runtime: EdgeRuntime, bot: PricingBot) -> None:
    goods = bot.known.predictor.goods
    asked = shelf(good=f"good-{int((goods.life == 2).argmax())}", stock=[1, 1, 1])
    (row,) = runtime.answer({"market": "fresh", "shelves": [asked]})["shelves"]
    assert (row["served_by"], row["outside"][0]["variable"], row["outside"][0]["by"]) == (NAME, "days_left", 1.0)


def test_goods_that_no_artifact_tells_are_refused(bot: PricingBot) -> None:
    with pytest.raises(InputError, match="market: fresh is unknown; name one of salad"):
        PricingBot(Ladders(bot.ladders.markets, None), None).check({"market": "fresh", "shelves": [shelf()]})


def test_a_shelf_asks_what_the_model_takes() -> None:
    from dataclasses import fields

    from models.pricing.predict import FreshInput

    assert set(FreshShelf.model_fields) == {each.name for each in fields(FreshInput)} | {"last_good"}


def test_the_self_test_notices_another_value_and_another_price(
    bot: PricingBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected, values, predict = bot.expected(), FreshNetwork.values, FreshPredictor.predict
    with monkeypatch.context() as patch:
        patch.setattr(FreshNetwork, "values", lambda self, at: values(self, at) * 1.001)
        with pytest.raises(
            SelfTestError, match=r"fresh, shelf \d+: the price .* should be worth .*keep the old bundle"
        ):
            bot.self_test(expected)

    def dearer(self: FreshPredictor, request: Any) -> Any:
        return replace(reply := predict(self, request), price=reply.price * 2)

    monkeypatch.setattr(FreshPredictor, "predict", dearer)
    with pytest.raises(SelfTestError, match=r"fresh, shelf \d+: expected the price"):
        bot.self_test(expected)


def test_an_export_that_answers_otherwise_is_refused(
    shop: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Dearer(GraphNetwork):
        def __init__(self, graph: bytes, name: str) -> None:
            super().__init__(graph, name)
            self.times = np.float32(1.001 if name == "fresh.onnx" else 1.0)

        def values(self, states: Any, /) -> Any:
            return super().values(states) * self.times

    monkeypatch.setattr(pricing_bot, "GraphNetwork", Dearer)
    with pytest.raises(ExportError, match=r"fresh\.onnx: a value is 1\.0e-03 off"):
        convert(shop.folder / "artifact", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_artifact_of_another_state_or_with_torn_goods_is_refused(unpacked: Path, tmp_path: Path) -> None:
    shutil.copytree(unpacked, tmp_path / "torn")
    goods = tmp_path / "torn" / "artifact" / "fresh_goods.safetensors"
    goods.write_bytes(goods.read_bytes()[:-1])
    with pytest.raises(ArtifactError, match="fresh_goods"):
        open_bot(tmp_path / "torn")
    manifest = read_artifact(unpacked / "artifact")
    files = {name: read_file(unpacked / "artifact", manifest, name) for name in manifest.files}
    content = json.loads(files["model.json"])
    content["fresh"]["variables"][0] = "month_sin"
    rewrite(manifest, tmp_path / "other" / "artifact", files | {"model.json": json.dumps(content).encode()})
    for opened in (lambda folder: open_bot(folder.parent), load, lambda folder: convert(folder, tmp_path / "out")):
        with pytest.raises(ArtifactError, match="made for another state of fresh goods than this code's: retrain"):
            opened(tmp_path / "other" / "artifact")
