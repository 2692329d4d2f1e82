"""Who prices fresh goods, and what: the network of a real release, and each good's own ladder whenever it must not or cannot."""

import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pricing_releases import (
    FRESH_RULES,
    NAMED_GOODS,
    SETTINGS,
    PricingDesk,
    bread,
    fresh_columns,
    fresh_spec,
    instances,
    item,
    make_release,
    peach,
    three_goods,
)
from release_factory import Releases

from models.pricing.guardrails import Rules
from models.pricing.ladder import Ladders, read_ladders, write_ladders
from models.pricing.predict import FreshInput
from models.pricing.spec import MarketSpec
from serving.approvals import Approvals, Filter
from serving.pricing_batches import LADDER
from serving.pricing_champion import degrade, open_champion
from serving.pricing_clips import ClipLog
from serving.release import Pointer, ReleaseError, read_pointer, seal, write_pointer
from serving.replies import Refusal


@pytest.fixture
def desk(pricing_releases: Releases) -> PricingDesk:
    return PricingDesk(pricing_releases)


def ladder_price(desk: PricingDesk, told: dict[str, Any]) -> float:
    """By hand: the step of the oldest units, or the top; bread and milk no dearer than their list price."""
    assert desk.champion is not None and desk.champion.fresh is not None
    (own,) = (each for each in desk.champion.fresh.goods if each.good == told["good"])
    left = next((number for number, units in enumerate(told["stock"]) if units), len(own.steps))
    multiple = own.steps[left] if left < len(own.steps) else own.top
    low = max(0.5, told["before"] - 0.5 * told["list_price"])
    high = told["before"] + 0.5 * told["list_price"]
    return round(min(max(min(multiple, own.ceiling) * told["list_price"], low), high), 2)


def test_a_quote_is_the_networks_price_within_the_rules(desk: PricingDesk) -> None:
    reply = desk.quote_fresh(peach(lowest=4.0), bread(coming=0, expected=[2.5] * 14, up_to=6))
    assert desk.champion is not None and desk.champion.model is not None
    found = desk.champion.model.predictor.predict(
        FreshInput(
            ["S1|peaches", "S1|bread"], [4.0, 2.0], [[2, 0, 3], [4, 0, 0]], [4.0, 2.0], [2, 2], up_to=[9, 6],
            expected=[[5.0] * 14, [2.5] * 14],
        )
    )  # fmt: skip
    told = reply["prices"]
    assert [each["good"] for each in told] == ["S1|peaches", "S1|bread"]
    for name, expected in (
        ("price", found.price),
        ("wanted", found.wanted),
        ("worth", found.worth),
        ("gain", found.gain),
    ):
        assert [each[name] for each in told] == pytest.approx(expected.tolist())
    assert reply["served_by"] == f"champion {desk.champion.artifact_id}" and reply["notes"] == []
    assert told[0]["reference"] == (4.0 if told[0]["price"] < 4.0 else None) and told[1]["reference"] is None


def test_a_store_is_priced_as_its_shelves_are(desk: PricingDesk) -> None:
    told = [peach(), bread(), peach(good="S1|milk", stock=[0, 0, 0, 0, 0, 2], before=9.0)]
    part, quoted = desk.reprice_fresh(fresh_columns(told)), desk.quote_fresh(*told)
    columns = part["goods"]
    for name in ("good", "price", "wanted", "rule", "reference", "worth", "gain"):
        expected = [each[name] for each in quoted["prices"]]
        assert columns[name] == (pytest.approx(expected) if name in ("worth", "gain") else expected), name
    assert columns["served_by"] == ["champion"] * 3 and columns["proposal_ids"] == [None] * 3
    assert (part["mode"], part["proposed"]) == ("live", 0)
    assert columns["price"][2] <= 4.0, "milk is essential, however dear the label was"


@pytest.mark.parametrize(
    ("changed", "variable", "value", "by"),
    [
        ({"stock": [30, 3]}, "stock", 33, 1),  # three times nine, and five units more
        ({"stock": [0, 0, 0, 0, 1]}, "days_left", 5, 1),
        ({"before": 0.35}, "before", 0.35, 0.05),
        ({"before": 13.0}, "before", 13.0, 1.0),
        ({"expected": [100.0] * 13 + [101.0]}, "expected", 101, 1),
        ({"coming": 40}, "coming", 40, 8),
        ({"wait": 1}, "wait", 1, 1),
        ({"up_to": 33}, "up_to", 33, 1),
    ],
)
def test_what_lies_outside_gets_its_ladder_and_its_neighbour_the_network(
    desk: PricingDesk, changed: dict[str, Any], variable: str, value: float, by: float
) -> None:
    strange = peach(**changed)
    reply = desk.quote_fresh(bread(), strange)
    sound, told = reply["prices"]
    assert sound["served_by"].startswith("champion ") and sound["outside"] == []
    assert told["served_by"] == reply["served_by"] == LADDER and told["worth"] is told["gain"] is None
    (outside,) = told["outside"]
    assert (outside["variable"], outside["value"], outside["by"]) == (variable, value, pytest.approx(by))
    assert told["price"] == ladder_price(desk, strange)
    assert "1 of 2 items lie outside" in reply["notes"][0]
    store = desk.reprice_fresh({name: [value] for name, value in strange.items()})["goods"]
    assert store["outside"] == {"S1|peaches": [outside]} and store["served_by"] == [LADDER]
    assert desk.champion is not None and desk.champion.breaker_state == "closed"


def test_whatever_lies_inside_is_answered_by_the_network(desk: PricingDesk) -> None:
    """The range asks no less than the predictor does: nothing inside it fails."""
    rng, served = np.random.default_rng(0), set()
    for _ in range(300):
        told = peach(
            stock=rng.integers(0, 11, 5).tolist()[: rng.integers(1, 6)], before=float(np.round(rng.uniform(0.2, 14), 2)),
            weekday=int(rng.integers(0, 7)), coming=int(rng.integers(0, 40)), wait=int(rng.integers(0, 2)),
            up_to=int(rng.integers(0, 40)), expected=rng.uniform(0, 102, 14).tolist(),
        )  # fmt: skip
        (each,) = desk.quote_fresh(told)["prices"]
        assert (each["served_by"] == LADDER) == bool(each["outside"])
        served.add(each["served_by"].split(" ")[0])
    assert served == {"champion", LADDER}


def test_what_nobody_knows_is_404_and_says_what_is_known(desk: PricingDesk, pricing_releases: Releases) -> None:
    for ask in (
        lambda: desk.quote_fresh(peach(), bread(good="S9|milk")),
        lambda: desk.reprice_fresh(fresh_columns([bread(good="S9|milk")])),
        lambda: desk.explain_fresh(bread(good="S9|milk")),
        lambda: desk.what_if_fresh(bread(good="S9|milk")),
    ):
        with pytest.raises(
            Refusal, match=r"unknown good 'S9\|milk': name one that has a ladder, as `/goods` lists"
        ) as caught:
            ask()
        assert caught.value.status == 404
    assert desk.champion is not None
    desk.champion = replace(desk.champion, fresh=None)
    with pytest.raises(Refusal, match="prices no fresh goods: ask for one of its markets, 'salad', 'seats'"):
        desk.quote_fresh(peach())


def test_an_artifact_may_hold_fresh_goods_alone_or_markets_alone(tmp_path: Path) -> None:
    bot, fresh = tmp_path / "pricing", (fresh_spec(NAMED_GOODS, three_goods()), three_goods())
    markets = [MarketSpec(instance=each) for each in instances()]
    for name, one, both in (("fresh", [], fresh), ("markets", markets, None)):
        made = make_release(bot / name, tmp_path / "artifacts" / name, one, 0, fresh=both)
        write_pointer(bot / "champion.json", Pointer(release=name, artifact_id=made, registry_version="1"))
        desk = PricingDesk(Releases(tmp_path, {name: made}, (), "pricing"))
        if both is not None:
            assert desk.quote_fresh(peach())["served_by"] == f"champion {made}"
            with pytest.raises(Refusal, match="unknown market 'salad': this champion prices fresh goods alone"):
                desk.quote(item())
        else:
            assert desk.quote(item())["served_by"] == f"champion {made}"
            with pytest.raises(Refusal, match="prices no fresh goods"):
                desk.goods()


def fails(_request: Any) -> Any:
    raise RuntimeError("no such shelf")


def test_a_network_that_fails_is_late_or_breaks_the_rules_leaves_the_ladder(pricing_releases: Releases) -> None:
    told = [peach(), bread()]
    desk = PricingDesk(pricing_releases, SETTINGS.model_copy(update={"deadline_ms": 60}))
    assert desk.champion is not None and desk.champion.model is not None
    real = desk.champion.model.predictor.predict

    def dear(request: FreshInput) -> Any:
        found = real(request)
        return replace(found, price=found.price + 9.0)

    for predict, why in (
        (fails, "the model failed (RuntimeError)"),
        (lambda _: time.sleep(0.4), "took longer than"),
        (dear, "the model failed (Implausible)"),
    ):
        desk.bend_model(predict=predict)
        start = time.perf_counter()
        reply = desk.quote_fresh(*told)
        assert time.perf_counter() - start < 0.35, "a late network is not waited for"
        assert reply["served_by"] == LADDER and why in reply["notes"][0]
        assert [each["price"] for each in reply["prices"]] == [ladder_price(desk, each) for each in told]
    assert desk.quote_fresh(*told)["breaker"] == "open"


def test_the_model_that_must_not_answer_leaves_the_ladders(desk: PricingDesk, pricing_releases: Releases) -> None:
    pointer = read_pointer(pricing_releases.bot / "champion.json")
    desk.champion = degrade(None, desk.folder, pointer, "altered", SETTINGS)
    reply = desk.quote_fresh(peach(), bread())
    assert reply["notes"] == ["fallback: altered"]
    assert [each["price"] for each in reply["prices"]] == [ladder_price(desk, each) for each in (peach(), bread())]
    with pytest.raises(Refusal, match="no network can be asked now: altered"):
        desk.explain_fresh(peach())
    assert desk.goods()["total"] == 3, "what is priced is known without the network"


def test_ladders_of_other_goods_or_rules_are_refused(pricing_releases: Releases) -> None:
    pointer = read_pointer(pricing_releases.bot / "champion.json")
    folder = pricing_releases.bot / pointer.release
    sound = read_ladders(folder / "fallback")
    assert sound.fresh is not None and sound.fresh.rules == FRESH_RULES
    one, salad = sound.fresh.goods[0], sound.markets["salad"]
    with_one = [
        sound.fresh.model_copy(update={"goods": (one.model_copy(update=changed), *sound.fresh.goods[1:])})
        for changed in ({"essential": False}, {"unit_cost": 0.5}, {"ceiling": 2.0})
    ]
    others = sound.fresh.model_copy(update={"rules": FRESH_RULES.model_copy(update={"floor": None})})
    fewer = sound.fresh.model_copy(update={"goods": sound.fresh.goods[:2]})
    told = [(Ladders(sound.markets, each), "of other fresh goods or rules") for each in (fewer, *with_one, others)]
    told.append((Ladders(sound.markets, None), "ladders of fresh goods lack"))
    for changed in ({"unit_cost": 0.0}, {"list_price": 9.0}, {"rules": Rules()}):
        markets = {**sound.markets, "salad": salad.model_copy(update=changed)}
        told.append((Ladders(markets, sound.fresh), "the ladder of salad"))
    for ladders, why in told:
        write_ladders(folder / "fallback", ladders)
        seal(folder, pointer.artifact_id)  # whole and sealed: nothing but the check itself can refuse it
        with pytest.raises(ReleaseError, match=why):
            open_champion(folder, pointer, SETTINGS)
    write_ladders(folder / "fallback", sound)
    seal(folder, pointer.artifact_id)
    assert open_champion(folder, pointer, SETTINGS).fresh == sound.fresh


def test_the_clip_log_names_the_good(pricing_releases: Releases, tmp_path: Path) -> None:
    desk = PricingDesk(pricing_releases, clips=ClipLog(tmp_path / "log"))
    (told,) = desk.quote_fresh(bread(before=9.0))["prices"]  # 350 % off the list: the ladder, and the rules
    assert (told["price"], told["rule"]) == (2.0, "largest_change") and "largest_change" in told["yielded"]
    desk.settle()
    (line,) = map(json.loads, (tmp_path / "log" / "clips.jsonl").read_text().splitlines())
    kept = {name: line[name] for name in ("endpoint", "market", "item_id", "before", "price", "rule", "served_by")}
    assert kept == {
        "endpoint": "quote_fresh", "market": "fresh", "item_id": "S1|bread", "before": 9.0, "price": 2.0,
        "rule": "largest_change", "served_by": LADDER,
    }  # fmt: skip


def test_reasons_add_up_against_the_goods_own_morning_and_strangers_have_a_note(desk: PricingDesk) -> None:
    reply = desk.explain_fresh(peach(), bread(before=1.5), peach(good="S1|milk", wait=7))
    assert [each["good"] for each in reply["reasons"]] == ["S1|peaches", "S1|bread"]
    for each in reply["reasons"]:
        assert each["base"] + sum(each["moved_by"].values()) + each["limits"] == pytest.approx(each["price"])
    assert reply["reasons"][0]["usual"] == {"weekday": 0, "stock": [0, 0, 0, 9, 0, 0, 0, 0], "before": 4.0}
    assert reply["notes"] == ["S1|milk: wait is 7, trained on 0 to 2, so the approved ladder prices it"]
    assert list(reply["groups"]) == ["stock", "orders", "demand", "elasticity", "cost", "clock", "price before"]


def test_what_if_agrees_with_the_quote_and_draws_it(desk: PricingDesk) -> None:
    found, quoted = desk.what_if_fresh(bread()), desk.quote_fresh(bread())["prices"][0]
    assert (found["good"], found["price"], found["rule"]) == ("S1|bread", quoted["price"], quoted["rule"])
    # From 2.00 the label may fall to 1.00; above list price there is nothing for bread.
    prices = [0.6, 0.8, 1.0, 1.2, 1.4, 1.6, 1.8, 2.0]
    assert [each["price"] for each in found["points"]] == prices
    assert [each["rule"] for each in found["points"]] == ["largest_change"] * 2 + [""] * 6
    units = [each["units"] for each in found["points"]]
    assert units == sorted(units, reverse=True) and units[0] <= 4.0
    assert found["svg"].count("<circle") == 16
    with pytest.raises(Refusal, match="stock is 99, trained on 0 to 20: the network knows nothing there"):
        desk.what_if_fresh(bread(stock=[99]))


def test_proposals_name_the_good_and_the_approved_price_is_served(pricing_releases: Releases, tmp_path: Path) -> None:
    approvals = Approvals(tmp_path / "approvals.sqlite", proposal_s=3_600, approved_s=3_600, clock=time.time)
    desk = PricingDesk(pricing_releases, approvals=approvals)
    store = fresh_columns([bread(before=9.0), peach(before=99.0)])
    reply = desk.reprice_fresh(store, request_id="monday")
    assert (reply["mode"], reply["proposed"]) == ("proposals", 2)
    kept, _ = approvals.listed(Filter(market="fresh"), first=0, count=10)
    assert {each.proposal.item_id: each.proposal.new_price for each in kept} == dict(
        zip(reply["goods"]["good"], reply["goods"]["price"], strict=True)
    )
    waiting = desk.quote_fresh(peach(before=96.0))
    assert waiting["prices"][0]["served_by"] == LADDER and "approval mode" in waiting["notes"][0]
    approvals.approve([reply["goods"]["proposal_ids"][1]], who="Ada")
    live = desk.quote_fresh(peach(before=96.0), bread())["prices"]
    # 97.00 was approved; the label may move by half the list price.
    assert [(each["price"], each["served_by"]) for each in live] == [
        (97.0, "approved"),
        (ladder_price(desk, bread()), LADDER),
    ]
    assert desk.reprice_fresh(store, request_id="monday")["proposed"] == 0, "sent again, nothing is proposed twice"


def test_goods_are_listed_page_by_page(desk: PricingDesk) -> None:
    first = desk.goods(limit=2)
    assert (first["total"], [each["good"] for each in first["goods"]]) == (3, ["S1|bread", "S1|milk"])
    (rest,) = desk.goods(after=first["next_after"])["goods"]
    assert (rest["good"], rest["essential"], rest["unit_cost"], rest["ceiling"]) == ("S1|peaches", False, 0.6, 100.0)
    assert desk.goods(prefix="S2")["goods"] == []
