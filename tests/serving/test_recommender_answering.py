"""Who recommends, and what: the champion of a real release, and what is popular whenever the champion must not or cannot."""

import asyncio
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from recommender_desk import SETTINGS, Desk
from recommender_releases import NEW_ITEM, shop
from release_factory import FIRST, SECOND, Releases

from models.recommender.online import OnlineScorer
from models.recommender.online_config import FtrlConfig
from models.recommender.online_published import Published
from models.recommender.predict import RecommendInput, load
from models.recommender.reweighting import RANKING_FEATURES
from serving.recommender_champion import degrade
from serving.recommender_schemas import (
    ItemsPage,
    ItemsRequest,
    RecommenderCard,
    SimilarReply,
    SimilarRequest,
)
from serving.release import ReleaseError, seal
from serving.replies import Refusal

PLAIN = {"explore": False}


@pytest.fixture
def desk(made_recommenders: Releases) -> Desk:
    return Desk(made_recommenders)


def history_of(number: int) -> list[str]:
    data, _ = shop()
    starts = data.histories.starts
    return data.items[data.histories.items[starts[number] : starts[number + 1]]].tolist()


def test_the_champion_answers_what_the_predictor_says(desk: Desk) -> None:
    reply = desk.ask(customer_ids=["c007", "c301"], k=7, **PLAIN)
    predictor = load(desk.folder / "artifact")
    expected = predictor.predict(RecommendInput([history_of(7), history_of(301)], k=7)).items.tolist()
    assert reply["served_by"] == f"champion {desk.pointer.artifact_id}"
    assert [[item["item_id"] for item in each["items"]] for each in reply["recommendations"]] == expected
    first = reply["recommendations"][0]
    assert (first["customer_id"], first["segment"], first["cold_start"]) == ("c007", "early", False)
    assert [item["position"] for item in first["items"]] == [1, 2, 3, 4, 5, 6, 7]
    assert all(item["category"] == item["item_id"][:2] and item["propensity"] == 1.0 for item in first["items"])
    assert desk.items(history=history_of(7), k=7, **PLAIN) == expected[0]


def test_stock_exclusions_and_taken_items(desk: Desk) -> None:
    history = history_of(7)
    shown = desk.items(customer_ids=["c007"], k=5, **PLAIN)
    assert not set(shown) & set(history)
    assert shown[0] not in desk.items(customer_ids=["c007"], k=5, exclude=[shown[0]], **PLAIN)
    assert set(desk.items(customer_ids=["c007"], k=60, already_taken="allow", **PLAIN)) > set(history)
    stock = [*shown[3:5], "k9-9"]
    reply = desk.ask(customer_ids=["c007"], k=5, in_stock=stock, **PLAIN)
    assert [item["item_id"] for item in reply["recommendations"][0]["items"]] == shown[3:5]
    assert "in_stock: unknown items 'k9-9'" in reply["notes"][0]
    assert desk.ask(customer_ids=["c007"], in_stock=[])["recommendations"][0]["items"] == []
    assert desk.ask(customer_ids=["c007"], in_stock=history)["recommendations"][0]["items"] == []


def test_unknown_customers_get_what_is_popular_in_the_segment_and_what_is_new(desk: Desk) -> None:
    reply = desk.ask(customer_ids=["nobody", "c007"], k=60, context={"segment": "late"}, reasons=True, **PLAIN)
    stranger, known = reply["recommendations"]
    assert stranger["cold_start"] and not known["cold_start"]
    assert "unknown customers 'nobody'" in reply["notes"][0]
    listed = [item["item_id"] for item in stranger["items"]]
    assert listed[:5] == desk.champion.popular.best("late", 5, lambda _: True)[0]
    assert NEW_ITEM in listed
    kinds = {item["item_id"]: item["reason"]["kind"] for item in stranger["items"]}
    assert kinds[NEW_ITEM] == "new" and kinds[listed[0]] == "segment"
    assert "late" in stranger["items"][0]["reason"]["text"]
    assert desk.ask(history=[], k=3)["recommendations"][0]["cold_start"]
    unknown = desk.ask(history=["no such item"], k=3)
    assert unknown["recommendations"][0]["cold_start"] and "unknown items 'no such item'" in unknown["notes"][0]


def test_reasons_name_the_history(desk: Desk) -> None:
    item = desk.ask(history=["k0-3", "k0-4"], k=1, reasons=True, **PLAIN)["recommendations"][0]["items"][0]
    assert item["reason"]["kind"] == "history"
    assert {each["item_id"] for each in item["reason"]["because"]} <= {"k0-3", "k0-4"}
    assert item["reason"]["text"].startswith("goes with k0-")


def test_what_was_learned_online_moves_the_order(desk: Desk) -> None:
    before = desk.items(customer_ids=["c007"], k=10, context={"device": "kiosk"}, **PLAIN)
    loved = before[-1]
    weights = np.zeros(1 << FtrlConfig().bits)
    column = np.array([desk.champion.model.item_codes[desk.champion.model.places[loved]]])
    codes = np.zeros((1, len(RANKING_FEATURES.columns)), dtype=np.int64)
    codes[:, RANKING_FEATURES.columns.index("item")] = column
    at = RANKING_FEATURES.places(codes, bits=FtrlConfig().bits, seed=0)[0, 1 + RANKING_FEATURES.columns.index("item")]
    weights[at] = 5.0
    state = {"place": np.flatnonzero(weights), "weight": weights[weights > 0], "events": np.array([9])}
    desk.online = Published(1, 9, OnlineScorer(RANKING_FEATURES, FtrlConfig(), state))
    reply = desk.ask(customer_ids=["c007"], k=10, context={"device": "kiosk"}, **PLAIN)
    assert reply["recommendations"][0]["items"][0]["item_id"] == loved
    assert reply["learned_events"] == 9


def test_variety_spreads_categories(desk: Desk) -> None:
    def categories(most: int | None) -> int:
        reply = desk.ask(customer_ids=["c007"], k=6, most_of_category=most, explore=False)
        return len({item["category"] for item in reply["recommendations"][0]["items"]})

    assert categories(1) == 6 > categories(None)


def test_exploration_is_rare_told_and_logged(made_recommenders: Releases) -> None:
    desk = Desk(made_recommenders, SETTINGS.model_copy(update={"explore": 0.3}))
    explored, chances = 0, {"history": set(), "explored": set()}
    for _ in range(150):
        reply = desk.ask(customer_ids=["c007"], k=2, reasons=True)
        items = reply["recommendations"][0]["items"]
        trials = [item for item in items if item["reason"]["kind"] == "explored"]
        assert len(trials) <= 1
        explored += len(trials)
        for item in items:
            chances["explored" if item in trials else "history"].add(round(item["propensity"], 9))
        sealed = desk.ids.read([item["impression_id"] for item in items]).propensity
        assert sealed.tolist() == [item["propensity"] for item in items]
    assert chances["history"] == {0.85}, "one of two places, in 0.3 of the slates"
    assert max(chances["explored"]) < 0.15
    assert 150 * 0.3 * 0.5 < explored < 150 * 0.3 * 1.5
    assert desk.ask(customer_ids=["c007"], explore=False)["recommendations"][0]["items"][0]["propensity"] == 1.0


def test_impression_ids_hold_what_the_learner_must_know(desk: Desk) -> None:
    items = desk.ask(customer_ids=["c007"], k=4, context={"hour": 13, "device": "phone"})["recommendations"][0]["items"]
    found = desk.ids.read([item["impression_id"] for item in items])
    assert len(set(found.names)) == 4 and found.position.tolist() == [0, 1, 2, 3]
    columns = RANKING_FEATURES.columns
    assert found.codes[:, columns.index("position")].tolist() == [0, 1, 2, 3]
    assert set(found.codes[:, columns.index("part_of_day")]) == {2}
    model = desk.champion.model
    assert found.codes[:, columns.index("item")].tolist() == [
        model.item_codes[model.places[item["item_id"]]] for item in items
    ]
    assert abs(time.time() * 1e6 - found.shown_us[0]) < 60e6


def test_a_failing_model_is_answered_for_and_its_breaker_opens_and_closes(desk: Desk) -> None:
    broken, calls, real = True, 0, desk.champion.model.predictor

    def shortlist(*asked: Any, **more: Any) -> Any:
        nonlocal calls
        calls += 1
        if broken:
            raise RuntimeError("weights are gone")
        return real.shortlist(*asked, **more)

    desk.bend_model(shortlist=shortlist)
    ask = {"customer_ids": ["c007"], "k": 3, "context": {"segment": "early"}, "reasons": True}
    replies = [desk.ask(**ask) for _ in range(4)]
    assert [reply["breaker"] for reply in replies] == ["closed", "closed", "open", "open"]
    assert calls == 3, "an open breaker must not ask the model"
    assert {reply["served_by"] for reply in replies} == {"fallback:segment_popular"}
    items = replies[0]["recommendations"][0]["items"]
    assert [item["item_id"] for item in items] == desk.champion.popular.best("early", 3, lambda _: True)[0]
    assert items[0]["impression_id"] is None and items[0]["reason"]["kind"] == "segment"
    broken = False
    time.sleep(0.15)
    assert [desk.ask(**ask)["served_by"].split()[0] for _ in range(3)] == ["champion"] * 3
    assert desk.ask(**ask)["breaker"] == "closed"


def test_late_and_implausible_answers_are_not_passed_on(desk: Desk) -> None:
    real = desk.champion.model.predictor

    def nonsense(*asked: Any, **more: Any) -> Any:
        items, scores = real.shortlist(*asked, **more)
        return items, np.full_like(scores, np.nan)

    desk.bend_model(shortlist=nonsense)
    assert desk.ask(customer_ids=["c007"])["served_by"] == "fallback:segment_popular"

    def late(*asked: Any, **more: Any) -> Any:
        time.sleep(0.3)
        return real.shortlist(*asked, **more)

    desk.bend_model(shortlist=late)
    desk.answerer._settings = SETTINGS.model_copy(update={"deadline_ms": 50.0})
    assert "took longer than 50 ms" in desk.ask(customer_ids=["c007"])["notes"][0]


def test_a_broken_store_is_answered_for(desk: Desk) -> None:
    class Gone:
        def read(self, _: Any) -> Any:
            raise ConnectionError("no redis")

    desk.champion = replace(desk.champion, customers=Gone())
    reply = desk.ask(customer_ids=["c007"])
    assert reply["served_by"] == "fallback:segment_popular" and "ConnectionError" in reply["notes"][0]


def test_a_catalogue_the_model_does_not_know_is_low_confidence_but_strangers_are_not(desk: Desk) -> None:
    class Elsewhere:
        def read(self, names: Any) -> Any:
            batch = replace_history(desk_customers.read(names))
            return batch

    def replace_history(batch: Any) -> Any:
        return replace(batch, history=tuple(("x1", "x2", "k0-1") for _ in batch.history))

    desk_customers = desk.champion.customers
    desk.champion = replace(desk.champion, customers=Elsewhere())
    assert "outside what the model was trained on" in desk.ask(customer_ids=["c007"])["notes"][0]
    assert desk.ask(history=["x1", "x2", "x3"])["served_by"].startswith("champion")


def test_refused_release_still_answers_from_its_own_fallback(desk: Desk) -> None:
    desk.champion = degrade(None, desk.folder, desk.pointer, "weights altered", desk.settings)
    reply = desk.ask(customer_ids=["c007"], k=3, exclude=["k0-0"])
    assert reply["served_by"] == "fallback:segment_popular" and "weights altered" in reply["notes"][0]
    body = asyncio.run(desk.answerer.model(swaps=0, problem=None, learner="off", learner_problem=None))
    assert RecommenderCard.model_validate_json(body).problem == "weights altered"
    with pytest.raises(Refusal, match="cannot be told now"):
        asyncio.run(desk.answerer.similar(SimilarRequest(item_id="k0-0")))


def test_without_any_champion_the_remedy_is_named(desk: Desk) -> None:
    desk.champion = None
    with pytest.raises(Refusal, match="promote one") as refused:
        desk.ask(customer_ids=["c007"])
    assert refused.value.status == 503


def test_similar_items_and_pages(desk: Desk) -> None:
    body = asyncio.run(desk.answerer.similar(SimilarRequest(item_id="k2-3", k=5)))
    found = SimilarReply.model_validate_json(body).items
    vectors = desk.champion.model.predictor._vectors
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    at = desk.champion.model.places["k2-3"]
    cosines = unit @ unit[at]
    assert [item.similarity for item in found] == pytest.approx(sorted(cosines)[-2:-7:-1], abs=1e-5)
    assert "k2-3" not in {item.item_id for item in found}
    with pytest.raises(Refusal, match="unknown item 'zz'") as refused:
        asyncio.run(desk.answerer.similar(SimilarRequest(item_id="zz")))
    assert refused.value.status == 404
    page = ItemsPage.model_validate_json(asyncio.run(desk.answerer.items(ItemsRequest(prefix="k1-", limit=4))))
    assert page.item_ids == ["k1-0", "k1-1", "k1-2", "k1-3"]
    assert (page.total, page.next_after) == (10, "k1-3")


def test_stages_and_answers_are_measured(desk: Desk) -> None:
    desk.ask(customer_ids=["c007"])
    text = desk.metrics.exposition()[1].decode()
    for stage in ("read", "rank", "reweigh", "write"):
        assert f'storeloop_stage_seconds_count{{bot="recommender",stage="{stage}"}} 1.0' in text
    assert 'storeloop_requests_total{bot="recommender",endpoint="recommend",served_by="champion"} 1.0' in text


def test_releases_that_must_not_serve(made_recommenders: Releases, tmp_path: Path) -> None:
    with pytest.raises(ReleaseError, match="train a smaller model"):
        Desk(made_recommenders, SETTINGS.model_copy(update={"deadline_ms": 0.001}))
    import shutil

    mine = made_recommenders.copy_to(tmp_path / "releases")
    shutil.rmtree(mine.bot / FIRST / "artifact")
    shutil.copytree(mine.bot / SECOND / "artifact", mine.bot / FIRST / "artifact")
    seal(mine.bot / FIRST, mine.ids[FIRST])
    with pytest.raises(ReleaseError, match="holds artifact"):
        Desk(mine)
