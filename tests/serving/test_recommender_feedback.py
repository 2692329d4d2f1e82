"""Feedback: taken in once however often and in whatever order it comes, seen by the next request, learned of."""

import asyncio
import json
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fuzzing import post
from recommender_releases import customers, shop
from release_factory import FIRST, SECOND
from test_service_promotion import wait_for

from features.online_customers import SnapshotCustomers, write_customers_snapshot
from models.recommender.online_config import FeedbackConfig
from models.recommender.online_features import text_codes
from models.recommender.online_log import FeedbackLog
from models.recommender.reweighting import RANKING_FEATURES
from serving.impressions import ImpressionIds
from serving.recommender_feedback import FeedbackDesk
from serving.recommender_schemas import FeedbackReply, FeedbackRequest
from serving.replies import Refusal

WAIT = FeedbackConfig(label_wait_s=60)
NOW = "2026-01-05T12:00:00Z"
NOW_US = round(datetime(2026, 1, 5, 12, tzinfo=UTC).timestamp()) * 1_000_000


class Till:
    """A feedback desk over a folder, and slates whose ids it knows."""

    def __init__(self, folder: Path) -> None:
        write_customers_snapshot(folder / "customers", customers(shop()[0]))
        self.customers, self.folder = SnapshotCustomers(folder / "customers"), folder / "online"
        self.ids = ImpressionIds(b"k" * 32, len(RANKING_FEATURES.columns))
        self.desk = FeedbackDesk(self.folder, self.ids, RANKING_FEATURES, WAIT)

    def slate(self, customer: str, *items: str) -> list[str]:
        codes = np.zeros((len(items), len(RANKING_FEATURES.columns)), dtype=np.int64)
        codes[:, RANKING_FEATURES.columns.index("item")] = text_codes(np.asarray(items))
        codes[:, RANKING_FEATURES.columns.index("customer")] = text_codes(np.asarray([customer]))[0]
        return self.ids.give(NOW_US - 1_000_000, codes, np.full(len(items), -1.0), np.ones(len(items)))

    def send(self, shown: list[str], *events: dict[str, Any]) -> dict:
        request = FeedbackRequest(shown=shown, events=[{"event_time": NOW, **event} for event in events])
        reply = asyncio.run(self.desk.accept(request, self.customers))
        return FeedbackReply.model_validate(reply).model_dump()

    def examples(self) -> list[int]:
        """Labels, once everything is settled."""
        journal = FeedbackLog(self.folder / "feedback.sqlite", WAIT)
        journal.settle(NOW_US + 10**9)
        labels = journal.read(0, 1_000, len(RANKING_FEATURES.columns)).clicked.tolist()
        journal.close()
        return labels


@pytest.fixture
def till(tmp_path: Path):
    made = Till(tmp_path)
    yield made
    made.desk.close()


def test_what_comes_twice_or_in_another_order_counts_once(till: Till) -> None:
    first, second = till.slate("c007", "k0-1", "k0-2")
    bought = {"kind": "purchase", "item_id": "k0-2", "customer_id": "c007", "impression_id": second}
    early = till.send([], bought)  # before anybody told that it was shown
    assert (early["shown"]["new"], early["clicks"]["new"], early["customer_events"]) == (1, 1, 1)
    late = till.send([first, second, first], bought)
    assert late["shown"] == {"new": 1, "known": 1, "too_old": 0}
    assert (late["clicks"]["new"], late["customer_events"]) == (0, 0)
    assert sorted(till.examples()) == [False, True]
    assert till.customers.read(["c007"]).history[0][-1] == "k0-2"


def test_looks_are_no_clicks_and_carts_are(till: Till) -> None:
    names = till.slate("", "k0-1", "k0-2")
    looked, carted = (
        {"kind": kind, "item_id": item, "impression_id": name}
        for kind, item, name in zip(("view", "cart"), ("k0-1", "k0-2"), names, strict=True)
    )
    assert till.send([], looked, carted)["customer_events"] == 0, "of nobody who has an id"
    assert sorted(till.examples()) == [False, True]


def test_events_without_impressions_reach_the_customer(till: Till) -> None:
    event = {"kind": "purchase", "item_id": "k9-9", "customer_id": "new one", "event_id": "order 1"}
    assert [till.send([], event)["customer_events"] for _ in range(2)] == [1, 0]
    assert till.customers.read(["new one"]).history == (("k9-9",),)
    assert not (till.folder / "feedback.sqlite").exists()


@pytest.mark.parametrize(
    ("event", "says"),
    [
        ({"item_id": "k0-9", "customer_id": "c007"}, "item 'k0-9' is not that of the impression"),
        ({"item_id": "k0-1", "customer_id": "c008"}, "customer 'c008' is not that"),
        ({"item_id": "k0-1", "customer_id": "c007", "event_time": "2999-01-01T00:00:00Z"}, "not between 1970 and now"),
    ],
)
def test_events_that_do_not_fit_are_refused(till: Till, event: dict, says: str) -> None:
    (name,) = till.slate("c007", "k0-1")
    with pytest.raises(Refusal, match=says) as refused:
        till.send([], {"kind": "click", "impression_id": name, **event})
    assert refused.value.status == 400


def test_without_a_folder_nothing_is_learned_and_that_is_said(till: Till) -> None:
    desk = FeedbackDesk(None, till.ids, RANKING_FEATURES, WAIT)
    with pytest.raises(Refusal, match="STORELOOP_SERVE_ONLINE") as refused:
        asyncio.run(desk.accept(FeedbackRequest(shown=till.slate("c007", "k0-1")), till.customers))
    assert refused.value.status == 503
    event = {"kind": "view", "item_id": "k0-1", "customer_id": "c1", "event_id": "e", "event_time": NOW}
    reply = asyncio.run(desk.accept(FeedbackRequest(events=[event]), None))
    assert "learning alone" in reply["notes"][0]
    desk.close()


def ask(port: int, path: str, body: dict) -> dict:
    status, said = post(port, path, json.dumps(body).encode())
    assert status == 200, said
    return json.loads(said)


def test_the_next_request_knows_what_was_bought_and_the_learner_learns(served_recommender) -> None:
    port, _ = served_recommender
    request = {"customer_ids": ["c011"], "k": 5, "explore": False}
    items = ask(port, "/recommend", request)["recommendations"][0]["items"]
    bought = items[2]
    event = {
        "kind": "purchase",
        "customer_id": "c011",
        "item_id": bought["item_id"],
        "impression_id": bought["impression_id"],
        "event_time": datetime.now(UTC).isoformat(),
    }
    delivery = {"shown": [item["impression_id"] for item in items], "events": [event]}
    assert ask(port, "/feedback", delivery)["shown"]["new"] == 5
    assert ask(port, "/feedback", delivery)["shown"]["known"] == 5
    after = ask(port, "/recommend", request)["recommendations"][0]["items"]
    assert bought["item_id"] not in [item["item_id"] for item in after]
    assert ask(port, "/model", {})["learned_events"] == 0, "clicks are waited for"
    time.sleep(2.1)
    later = ask(port, "/recommend", {"customer_ids": ["c012"], "k": 1})["recommendations"][0]["items"]
    ask(port, "/feedback", {"shown": [later[0]["impression_id"]]})  # time has moved
    card = wait_for(port, lambda card: card["learned_events"] >= 5)
    assert (card["learner"], card["learner_problem"], card["customers"]) == ("process", None, "snapshot")
    assert ask(port, "/recommend", request)["learned_events"] == card["learned_events"] == 5


def test_promotion_and_rollback_are_followed(served_recommender) -> None:
    port, releases = served_recommender
    for name in (SECOND, FIRST):
        releases.promote(name)
        wait_for(port, lambda card, name=name: card["artifact_id"] == releases.ids[name])
        reply = ask(port, "/recommend", {"customer_ids": ["c012"], "k": 3})
        assert reply["served_by"] == f"champion {releases.ids[name]}"


def test_a_corrupted_champion_is_answered_for(served_recommender) -> None:
    port, releases = served_recommender
    model = releases.bot / FIRST / "artifact" / "encoder.onnx"
    sound = model.read_bytes()
    model.write_bytes(b"")
    try:
        wait_for(port, lambda card: card["problem"] is not None)
        reply = ask(port, "/recommend", {"customer_ids": ["c012"], "k": 3, "context": {"segment": "late"}})
        assert reply["served_by"] == "fallback:segment_popular" and "altered" in reply["notes"][0]
        assert len(reply["recommendations"][0]["items"]) == 3
    finally:
        model.write_bytes(sound)
    wait_for(port, lambda card: card["problem"] is None)
    time.sleep(0.1)
    assert ask(port, "/recommend", {"customer_ids": ["c012"]})["served_by"].startswith("champion")
