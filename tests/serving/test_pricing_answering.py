"""Who prices, and what: the networks of a real release, and the approved ladder whenever they must not or cannot."""

import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pricing_releases import RULES, SETTINGS, PricingDesk, columns, item, make_pricing_releases, random_network, seat
from release_factory import FIRST, SECOND, Releases

from models.pricing.predict import Predictor, PriceInput
from serving.pricing_batches import LADDER
from serving.pricing_champion import degrade, open_champion
from serving.pricing_clips import ClipLog
from serving.pricing_schemas import QuoteRequest
from serving.release import ReleaseError, read_pointer
from serving.replies import Refusal


@pytest.fixture
def desk(pricing_releases: Releases) -> PricingDesk:
    return PricingDesk(pricing_releases)


def test_a_quote_is_the_networks_price_within_the_rules(desk: PricingDesk) -> None:
    told = [item(item_id=f"I{number}", stock=[number % 3, 3], period=number) for number in range(6)]
    reply = desk.quote(*told)
    assert desk.champion is not None and desk.champion.model is not None
    asked = QuoteRequest.model_validate({"market": "salad", "items": told}).items
    found = desk.champion.model.predictor.predict(
        PriceInput("salad", [e.period for e in asked], [e.stock for e in asked], [3.0] * 6, {"weather": [0.5] * 6})
    )
    assert [each["price"] for each in reply["prices"]] == found.price.tolist()
    assert [each["wanted"] for each in reply["prices"]] == found.wanted.tolist()
    assert [each["worth"] for each in reply["prices"]] == pytest.approx(found.worth.tolist())
    assert [each["item_id"] for each in reply["prices"]] == [f"I{number}" for number in range(6)]
    assert reply["served_by"] == f"champion {desk.champion.artifact_id}" and reply["notes"] == []


def test_a_store_is_priced_as_its_shelves_are(desk: PricingDesk) -> None:
    salads = [item(item_id=f"I{number}", period=number % 6, before=1.5 + number % 3 / 2) for number in range(30)]
    seats = [
        item(item_id=f"S{number}", period=number, stock=[number % 5], before=10.0, factors={}) for number in range(8)
    ]
    reply = desk.reprice(columns(salads), columns(seats, "seats"))
    quoted = [desk.quote(*salads), desk.quote(*seats, market="seats")]
    for part, one in zip(reply["markets"], quoted, strict=True):
        for name in ("item_ids", "price", "wanted", "rule", "reference", "worth", "gain"):
            expected = [each["item_id" if name == "item_ids" else name] for each in one["prices"]]
            assert part[name] == (pytest.approx(expected) if name in ("worth", "gain") else expected), name
        assert set(part["served_by"]) == {"champion"} and part["proposal_ids"] == [None] * len(part["price"])
    assert reply["mode"] == "live"


def test_a_discount_is_shown_against_the_lowest_price_of_thirty_days(desk: PricingDesk) -> None:
    desk.bend_model(predict=lambda request: fixed(desk, request, 2.0))
    prices = desk.quote(item(lowest=2.5), item(item_id="b", lowest=2.0), item(item_id="c"))["prices"]
    assert [each["reference"] for each in prices] == [2.5, None, None]


def fixed(desk: PricingDesk, request: PriceInput, price: float) -> Any:
    """A reply of a real predictor with another price in it."""
    assert desk.champion is not None and desk.champion.model is not None
    spec = desk.champion.model.predictor.spec.model_copy(update={"fresh": None})
    networks = {each.instance.name: random_network(each.instance, 0) for each in spec.markets}
    found = Predictor(spec, networks).predict(request)
    return replace(found, price=np.full(len(found.price), price), wanted=np.full(len(found.price), price))


@pytest.mark.parametrize(
    ("changed", "variable", "value", "by"),
    [
        ({"stock": [5, 4]}, "stock", 9, 3),
        ({"stock": [1, 1, 1]}, "periods_left", 3, 1),
        ({"period": 6}, "period", 6, 1),
        ({"before": 3.5}, "before", 3.5, 0.5),
        ({"before": 0.5}, "before", 0.5, 0.5),
        ({"factors": {"weather": 0.75}}, "weather", 0.75, 0.25),
        ({"factors": {"weather": None}}, "weather", None, None),
        ({"factors": {}}, "weather", None, None),
    ],
)
def test_what_lies_outside_gets_the_ladder_and_its_neighbour_the_network(
    desk: PricingDesk, changed: dict[str, Any], variable: str, value: float | None, by: float | None
) -> None:
    reply = desk.quote(item(), item(item_id="strange", **changed))
    sound, strange = reply["prices"]
    assert sound["served_by"].startswith("champion ") and sound["outside"] == []
    assert strange["served_by"] == reply["served_by"] == LADDER == "fallback:approved_ladder"
    assert strange["worth"] is None and strange["gain"] is None
    (told,) = strange["outside"]
    assert (told["variable"], told["value"], told["by"]) == (variable, value, by if by is None else pytest.approx(by))
    assert desk.champion is not None
    ladder = desk.champion.ladders["salad"]
    assert strange["wanted"] in ladder.steps
    if "factors" not in changed:
        store = desk.reprice(columns([item(), item(item_id="strange", **changed)]))["markets"][0]
        assert store["outside"] == {"strange": [told]} and store["served_by"] == ["champion", LADDER]
    assert desk.champion.breaker_state == "closed", "what strangers send must not open the breaker"


def test_an_unknown_market_is_404_and_names_the_known(desk: PricingDesk) -> None:
    with pytest.raises(Refusal, match="unknown market 'milk': name one of 'salad', 'seats'") as caught:
        desk.quote(item(), market="milk")
    assert caught.value.status == 404


def test_a_factor_that_a_market_does_not_watch_changes_nothing_and_is_told(desk: PricingDesk) -> None:
    plain, more = desk.quote(item()), desk.quote(item(factors={"weather": 0.5, "attention": 9.0}))
    assert more["prices"] == plain["prices"]
    assert (plain["notes"], more["notes"]) == ([], ["attention: not watched by salad, passed over"])


def test_two_customers_get_one_price(desk: PricingDesk) -> None:
    """The answerer is told the request alone: there is no way for a caller to be known. Headers: see the malformed tests."""
    first, second = (desk.quote(item())["prices"] for _ in range(2))
    assert first == second


def fails(_request: Any) -> Any:
    raise RuntimeError("no such shelf")


def test_a_network_that_fails_opens_the_breaker_and_closes_it_again(desk: PricingDesk) -> None:
    sound = desk.champion
    assert sound is not None
    desk.bend_model(predict=fails)
    for _ in range(SETTINGS.breaker_failures):
        reply = desk.quote(item())
        assert reply["served_by"] == LADDER and "the model failed (RuntimeError)" in reply["notes"][0]
    assert desk.quote(item())["breaker"] == "open"
    assert "the breaker is open" in desk.quote(item())["notes"][0]
    desk.champion = replace(sound, breaker=sound.breaker)
    time.sleep(SETTINGS.breaker_reset_s + 0.05)
    replies = [desk.quote(item()) for _ in range(3)]
    assert [each["served_by"].split(" ")[0] for each in replies] == ["champion"] * 3
    assert replies[-1]["breaker"] == "closed"


def test_a_network_that_is_late_is_not_waited_for(pricing_releases: Releases) -> None:
    desk = PricingDesk(pricing_releases, SETTINGS.model_copy(update={"deadline_ms": 50}))
    desk.bend_model(predict=lambda _: time.sleep(0.5))
    start = time.perf_counter()
    reply = desk.quote(item())
    assert time.perf_counter() - start < 0.4
    assert reply["served_by"] == LADDER and "took longer than 50 ms" in reply["notes"][0]


@pytest.mark.parametrize("price", [float("nan"), 0.5, 9.0])
def test_a_price_outside_the_rules_is_never_passed_on(desk: PricingDesk, price: float) -> None:
    """Floor 1.50 and list price 3.00 bind the salad, whatever a predictor says."""
    desk.bend_model(predict=lambda request: fixed(desk, request, price))
    reply = desk.quote(item())
    assert reply["served_by"] == LADDER and 1.5 <= reply["prices"][0]["price"] <= 3.0


def test_the_model_that_must_not_answer_leaves_the_ladder(desk: PricingDesk, pricing_releases: Releases) -> None:
    pointer = read_pointer(pricing_releases.bot / "champion.json")
    desk.champion = degrade(desk.champion, desk.folder, pointer, "altered", SETTINGS)
    reply = desk.quote(item())
    assert reply["served_by"] == LADDER and reply["notes"] == ["fallback: altered"]
    with pytest.raises(Refusal, match="no network can be asked now: altered"):
        desk.explain(item())
    alone = degrade(None, desk.folder, pointer, "altered", SETTINGS)
    assert alone is not None and alone.ladders["salad"].rules.floor == 1.5


def test_each_clipped_decision_is_written_down(pricing_releases: Releases, tmp_path: Path) -> None:
    desk = PricingDesk(pricing_releases, clips=ClipLog(tmp_path / "log", most_bytes=2_000))
    asked = [
        seat(),
        seat(item_id="S2", before=10.0),
        *(seat(item_id=f"N{number}", period=number) for number in range(8)),
    ]
    found = {each["item_id"]: each for each in desk.quote(*asked, market="seats")["prices"]}
    assert (found["S1"]["price"], found["S1"]["rule"], found["S2"]["rule"]) == (11.0, "largest_change", "")
    desk.settle()
    lines = [json.loads(line) for line in (tmp_path / "log" / "clips.jsonl").read_text().splitlines()]
    assert [line["item_id"] for line in lines] == [name for name, each in found.items() if each["rule"]]
    for line in lines:
        told = found[line["item_id"]]
        assert (line["rule"], line["wanted"], line["price"]) == (told["rule"], told["wanted"], told["price"])
        assert (line["market"], line["endpoint"], line["before"]) == ("seats", "quote", 14.0)
        assert line["artifact_id"] == pricing_releases.ids[FIRST] and line["when"].endswith("+00:00")
    for _ in range(30):
        desk.quote(seat(), market="seats")
    desk.settle()
    kept = {file.name: file.stat().st_size for file in (tmp_path / "log").glob("*.jsonl")}
    assert kept.keys() == {"clips.jsonl", "clips.1.jsonl"} and max(kept.values()) <= 2_000, "the log is bounded"


def test_a_disk_that_refuses_is_told_and_the_price_is_given(pricing_releases: Releases, tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    desk = PricingDesk(pricing_releases, clips=ClipLog(blocked / "folder"))
    for _ in range(2):  # no price waits for a disk, so the next one tells
        reply = desk.quote(seat(), market="seats")
        desk.settle()
    assert reply["prices"][0]["price"] == 11.0 and "cannot be written down" in reply["notes"][-1]


def test_reasons_add_up_and_strangers_have_a_note(desk: PricingDesk) -> None:
    reply = desk.explain(item(), item(item_id="b", stock=[6, 0], before=1.0), item(item_id="far", period=77))
    assert [each["item_id"] for each in reply["reasons"]] == ["I1", "b"]
    for each in reply["reasons"]:
        assert each["base"] + sum(each["moved_by"].values()) + each["limits"] == pytest.approx(each["price"])
    assert reply["notes"] == ["far: period is 77, trained on 0 to 5, so the approved ladder prices it"]
    assert reply["reference"]["stock"] == [0, 4]


def test_what_if_agrees_with_the_quote_and_draws_it(desk: PricingDesk) -> None:
    found, quoted = desk.what_if(item()), desk.quote(item())["prices"][0]
    assert (found["price"], found["rule"]) == (quoted["price"], quoted["rule"])
    assert [(each["price"], each["allowed"], each["rule"]) for each in found["points"]] == [
        (1.0, False, "floor"), (2.0, True, ""), (3.0, True, ""),
    ]  # fmt: skip
    assert found["svg"].count("<circle") == 6 and "not allowed: floor" in found["svg"]
    with pytest.raises(Refusal, match="stock is 9, trained on 0 to 6: the network knows nothing there"):
        desk.what_if(item(stock=[9]))


def test_a_release_that_does_not_fit_is_refused(pricing_releases: Releases, tmp_path: Path) -> None:
    pointer = read_pointer(pricing_releases.bot / "champion.json")
    with pytest.raises(ReleaseError, match="promote again"):
        open_champion(pricing_releases.bot / SECOND, pointer, SETTINGS)
    with pytest.raises(ReleaseError, match=r"takes \d+ ms for salad, the bound is 0 ms"):
        open_champion(pricing_releases.bot / FIRST, pointer, SETTINGS.model_copy(update={"deadline_ms": 1e-6}))
    other = make_pricing_releases(tmp_path / "other")
    assert other.ids == pricing_releases.ids, "one seed gives one artifact"
    assert RULES["salad"].essential
