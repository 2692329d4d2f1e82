"""Prices on a box: the cloud's to the cent in any situation, within the rules, and never moved by an export."""

import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge.bots import SelfTestError
from edge.pricing import GraphNetwork, PricingBot, open_bot
from edge.pricing_checks import RELATIVE_TOLERANCE, moved_rows, relative, situations
from edge.runtime import EdgeRuntime, RuntimeConfig, open_bundle
from models.common.keys import read_public_key
from models.common.protocols import InputError
from models.pricing.market import FACTORS, build_market
from models.pricing.predict import Predictor, PriceInput, load

ROOT = Path(__file__).parents[2]
SHIPPED = ("salad", "berries", "fish", "oysters", "resin", "flowers", "flight", "parking", "delivery-slots")


@pytest.fixture(scope="module")
def cloud(shop: Any) -> Predictor:
    return load(shop.folder / "artifact")


@pytest.fixture(scope="module")
def bot(unpacked: Path) -> PricingBot:
    return open_bot(unpacked)


@pytest.fixture(scope="module")
def box(shop: Any, unpacked: Path) -> EdgeRuntime:
    opened = open_bundle(unpacked, read_public_key(shop.public))
    opened.self_test(unpacked)
    yield opened
    opened.close()


def market_of(bot: PricingBot, name: str) -> Any:
    return build_market(next(each.instance for each in bot.known.predictor.spec.markets if each.instance.name == name))


@pytest.mark.parametrize("name", SHIPPED)
def test_prices_are_the_clouds_to_the_cent(cloud: Predictor, bot: PricingBot, name: str) -> None:
    """4,000 situations a problem; the networks are random, so that any price may be the best."""
    market = market_of(bot, name)
    asked = situations(market, 4_000, seed=7)
    here, there = bot.quote(asked), cloud.predict(asked)
    np.testing.assert_array_equal(here.price, there.price)
    np.testing.assert_array_equal(here.wanted, there.wanted)
    np.testing.assert_array_equal(here.rule, there.rule)
    np.testing.assert_array_equal(here.yielded, there.yielded)
    worst = relative(market, here.values, there.values).max()
    assert 0 < worst <= RELATIVE_TOLERANCE, "0 would mean that one arithmetic was compared with itself"
    assert len(np.unique(there.price)) >= 3, "with one price alone this would say little"


def drawn(market: Any, data: st.DataObject) -> PriceInput:
    """One situation as bad as it may come: empty and full shelves, all units about to expire, prices off the ladder, readings
    beyond every level."""
    ages, stock = market.ages, [0] * market.ages
    for _ in range(data.draw(st.integers(0, 3))):
        stock[data.draw(st.integers(0, ages - 1))] = data.draw(st.integers(0, market.room - sum(stock)))
    before = data.draw(st.one_of(st.sampled_from(market.prices.tolist()), st.floats(0.01, 100 * market.list_price)))
    known = [name for number, name in enumerate(FACTORS) if not np.isnan(market.chain.shown[0, number])]
    factors = {name: [data.draw(st.floats(-100, 100))] for name in known}
    period, people = [data.draw(st.integers(0, market.periods - 1))], [data.draw(st.integers(20, 1_000_000))]
    return PriceInput(market.name, period, [stock], [before], factors, willingness_people=people)


@settings(max_examples=600, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(data=st.data(), name=st.sampled_from(SHIPPED))
def test_adversarial_situations_get_the_clouds_price(
    cloud: Predictor, bot: PricingBot, data: st.DataObject, name: str
) -> None:
    market = market_of(bot, name)
    asked = drawn(market, data)
    here, there = bot.quote(asked), cloud.predict(asked)
    assert relative(market, here.values, there.values).max() <= RELATIVE_TOLERANCE
    assert not moved_rows(market, here, there.price, there.values).size
    rules = next(each.limits() for each in bot.known.predictor.spec.markets if each.instance.name == name)
    assert here.price[0] >= 0.01 and here.price[0] == round(here.price[0], 2)
    if rules.essential:
        assert here.price[0] <= market.list_price
    if rules.ceiling is not None:
        assert here.price[0] <= rules.ceiling


def test_a_reply_says_what_the_cloud_says(
    pricing: ModuleType, cloud: Predictor, bot: PricingBot, box: EdgeRuntime
) -> None:
    asked = situations(market_of(bot, "salad"), 200, seed=3)
    shelves = pricing.shelves_of(asked)
    for shelf in shelves[::2]:
        shelf["lowest"] = 2.5
    reply = box.answer({"market": "salad", "shelves": shelves})
    assert reply["served_by"] == f"edge:{box.manifest.artifact_id[:12]}"
    there = cloud.predict(asked)
    rows = reply["shelves"]
    assert [row["price"] for row in rows] == there.price.tolist()
    assert [row["rule"] for row in rows] == there.rule.tolist()
    assert {row["rule"] for row in rows} >= {"", "largest_change"}
    np.testing.assert_allclose([row["worth"] for row in rows], there.worth, rtol=1e-3, atol=1e-3)
    shown = [row["reference"] for row in rows]
    assert shown == [2.5 if not n % 2 and price < 2.5 else None for n, price in enumerate(there.price)]
    json.dumps(reply, allow_nan=False)


def test_without_a_model_the_last_price_then_list_price_within_the_rules(bot: PricingBot) -> None:
    """Salad: list 3.00, essential, largest change 0.25 x 3.00 = 0.75, unit cost 1.20, margin floor -20 %: at least 1.00."""
    resting = EdgeRuntime(PricingBot(bot.ladders, None), manifest_of(), RuntimeConfig(failures=1, reset_s=60))
    levels = {"weather": 0.5, "competitor_price": 1.0}
    shelf = {"period": 0, "stock": [0, 0, 0, 6], "before": 3.0, "factors": levels}
    reply = resting.answer(
        {
            "market": "salad",
            "shelves": [
                {**shelf, "last_good": 2.4},
                {**shelf, "before": 1.5},  # list price is more than 0.75 away
                {**shelf, "last_good": 0.9, "before": 1.2},  # below the margin floor
                shelf,
            ],
        }
    )
    resting.close()
    assert reply["served_by"] == "fallback" and "the rules alone are known" in reply["problem"]
    assert [(row["price"], row["rule"], row["source"]) for row in reply["shelves"]] == [
        (2.4, "", "last_price"),
        (2.25, "largest_change", "list_price"),
        (1.0, "margin_floor", "last_price"),
        (3.0, "", "list_price"),
    ]


def manifest_of() -> Any:
    from edge.bundle import BundledFile, BundleManifest

    files = {"a.json": BundledFile(sha256="0" * 64, size=0)}
    return BundleManifest(bot="pricing", revision=4, artifact_id="f" * 64, files=files)


SOUND = {"period": 0, "stock": [0, 0, 0, 6], "before": 3.0, "factors": {"weather": 0.5, "competitor_price": 1.0}}


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"period": 10_001}, "period.*less than or equal to 10000"),
        ({"period": "soon"}, "period"),
        ({"stock": [0, 0, 0, 1_000_001]}, "stock.*less than or equal to 1000000"),
        ({"stock": []}, "stock"),
        ({"before": float("nan")}, "before"),
        ({"before": 1e11}, "before"),
        ({"factors": {"weather": 101.0}}, "factors.weather"),
        ({"factors": {"weather": 0.5, "income": 1.0}}, "factors.income.*'competitor_price'"),
        ({"lowest": -1.0}, "lowest"),
        ({"customer": "c1"}, "customer"),
        ({"factors": {**SOUND["factors"], "willingness": 1.1}}, "willingness_people.*: not told"),
        (
            {"factors": {**SOUND["factors"], "willingness": 1.1}, "willingness_people": 19},
            "shelves.0: .*: 19: .* 20 people",
        ),
    ],
)
def test_a_wrong_request_says_field_and_bound(box: EdgeRuntime, changed: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        box.answer({"market": "salad", "shelves": [{**SOUND, **changed}]})
    assert box.status()["breaker"] == "closed"


def test_a_market_that_is_unknown_is_refused(box: EdgeRuntime) -> None:
    with pytest.raises(InputError, match="market: milk is unknown; name one of salad"):
        box.answer({"market": "milk", "shelves": [SOUND]})


def test_the_self_test_notices_another_price_and_another_value(
    bot: PricingBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = bot.expected()
    report = bot.self_test(expected)
    assert report.worst_relative == 0 and report.values == 64 * (
        sum(len(market_of(bot, n).prices) for n in SHIPPED) + len(bot.known.predictor.fresh.prices)
    )
    values = GraphNetwork.values
    monkeypatch.setattr(GraphNetwork, "values", lambda self, states: values(self, states) * np.float32(1.001))
    with pytest.raises(SelfTestError, match=r"salad, shelf \d+: the price .* should be worth"):
        bot.self_test(expected)
    monkeypatch.setattr(GraphNetwork, "values", values)
    with pytest.raises(SelfTestError, match="cannot be read"):
        bot.self_test(b"nothing")
    predict = Predictor.predict

    def dearer(self: Predictor, request: PriceInput) -> Any:
        from dataclasses import replace

        reply = predict(self, request)
        return replace(reply, price=np.full_like(reply.price, float(self._markets[request.market].prices[-1])))

    monkeypatch.setattr(Predictor, "predict", dearer)
    with pytest.raises(SelfTestError, match=r"salad, shelf \d+: expected the price"):
        bot.self_test(expected)


def test_a_label_box_imports_no_training_library() -> None:
    heavy = (
        "torch",
        "pandas",
        "scipy",
        "pyarrow",
        "gymnasium",
        "stable_baselines3",
        "onnx",
        "yaml",
        "matplotlib",
        "features",
    )
    code = (
        f"import sys, edge.label_queue, edge.pricing, edge.runtime; print([m for m in {heavy!r} if m in sys.modules])"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True, cwd=ROOT).strip() == "[]"
