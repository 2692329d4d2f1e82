"""What boxes tell: taken once, on the disk of the log before it is answered, refused with value, bound and remedy; then given to
whoever stood there."""

import json
import threading
from pathlib import Path
from typing import Any

import pytest
from live_shop import BY_TOKEN, LiveShop, at_text, camera_event
from till_shop import LIST, NOON, entered, left

from edge.eyes.camera_events import event_of
from edge.outbox import BATCH
from serving.live.attributor import SOURCE, AttributorConfig
from serving.live.camera_events import MOST_EVENTS, SHELF, UNATTRIBUTED
from serving.live.feed import KEPT_S, MOST_PEOPLE, SHOWN_S, Position, PositionFeed
from serving.settlement.till import ENTRIES
from serving.settlement.transport import TransportError


def stood(visit: str, x: float, y: float, seconds: range = range(5, 16), person: int = 0) -> dict[str, Any]:
    places = [{"visit_id": visit, "person": person, "time": at_text(second), "x_m": x, "y_m": y} for second in seconds]
    return {"positions": places}


def at_z(second: float) -> str:
    return at_text(second).replace("+00:00", "Z")


@pytest.fixture
def shop(tmp_path: Path) -> LiveShop:
    return LiveShop(tmp_path)


def test_what_a_box_sends_lies_in_the_log_once(shop: LiveShop) -> None:
    seen = event_of("left", "take", "milk", box="box-1", items=[4, 5], time=NOON, confidence=0.9)
    sent = {"events": [seen.model_dump(mode="json"), camera_event("other")]}
    for new in (2, 0):
        answer = shop.client.post("/camera-events", json=sent, headers=BY_TOKEN)
        assert (answer.status_code, answer.json()) == (200, {"kept": 2, "new": new, "conflicts": []})
    told = [json.loads(each) for each in shop.log(shop.topics.of(SHELF))]
    assert [(each["shop"], each["teller"], each["event"]["event_id"]) for each in told] == [
        ("s1", "box-1", seen.event_id), ("s1", "box-1", "other"),
    ]  # fmt: skip
    answer = shop.client.post("/camera-events", json={"events": [camera_event("other", count=3)]}, headers=BY_TOKEN)
    assert answer.json() == {"kept": 0, "new": 0, "conflicts": ["other"]} and len(shop.log(shop.topics.of(SHELF))) == 2
    assert BATCH <= MOST_EVENTS, "a box would be refused its own batches"


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"count": 0}, "events.0.count"),
        ({"confidence": 1.01}, "events.0.confidence"),
        ({"kind": "eat"}, "events.0.kind"),
        ({"time": "2026-11-30T12:00:00"}, "events.0.time"),
        ({"time": at_text(301)}, "set the box's clock"),
        ({"event_id": "a b"}, "events.0.event_id"),
        ({"price": 1}, "events.0.price"),
    ],
)
def test_a_wrong_event_is_named_and_none_of_its_delivery_is_kept(shop: LiveShop, changed: Any, says: str) -> None:
    sent = {"events": [camera_event("x", **changed), camera_event("y")]}
    answer = shop.client.post("/camera-events", json=sent, headers=BY_TOKEN)
    assert answer.status_code == 400 and says in answer.json()["error"]
    assert shop.log(shop.topics.of(SHELF)) == []


def test_strangers_and_bodies_that_are_none(shop: LiveShop, tmp_path: Path) -> None:
    sent = {"events": [camera_event()]}
    for headers in ({}, {"Authorization": "Bearer nobody-knows-this-token"}, {"Authorization": "Basic x"}):
        answer = shop.client.post("/camera-events", json=sent, headers=headers)
        assert answer.status_code == 401 and "STORELOOP_EDGE_TOKEN" in answer.json()["error"]
    plain = shop.client.post("/camera-events", content=b"{}", headers=BY_TOKEN | {"Content-Type": "text/plain"})
    broken = shop.client.post("/camera-events", content=b"{", headers=BY_TOKEN | {"Content-Type": "application/json"})
    many = shop.client.post("/camera-events", json={"events": [camera_event()] * (MOST_EVENTS + 1)}, headers=BY_TOKEN)
    large = shop.client.post("/positions", json={"positions": [{"visit_id": "v" * 3_000_000}]}, headers=BY_TOKEN)
    assert [each.status_code for each in (plain, broken, many, large)] == [415, 400, 400, 413]
    closed = LiveShop(tmp_path / "closed", boxes="").client.post("/camera-events", json=sent, headers=BY_TOKEN)
    assert closed.status_code == 503 and "STORELOOP_SERVE_BOXES" in closed.json()["error"]
    with pytest.raises(ValueError, match="STORELOOP_SERVE_BOXES"):
        LiveShop(tmp_path / "short", boxes="box-1:short")


def test_a_log_that_refuses_is_told_to_the_box_which_sends_again(shop: LiveShop, monkeypatch: Any) -> None:
    whole = shop.producer.send

    def full(messages: Any) -> None:
        raise TransportError("the disk is full")

    monkeypatch.setattr(shop.producer, "send", full)
    answer = shop.client.post("/camera-events", json={"events": [camera_event()]}, headers=BY_TOKEN)
    assert answer.status_code == 503 and "disk is full" in answer.json()["error"]
    monkeypatch.setattr(shop.producer, "send", whole)
    answer = shop.client.post("/camera-events", json={"events": [camera_event()]}, headers=BY_TOKEN)
    assert answer.json()["new"] == 1 and len(shop.log(shop.topics.of(SHELF))) == 1


def test_an_event_goes_to_who_stood_before_the_lane(shop: LiveShop) -> None:
    # Who faces g1, which looks along -y, has x growing to the left: milk's lane, 0.2 m left of its middle, is at x = 1.7.
    for visit, x in (("ann", 1.7), ("bob", 4.5)):
        assert shop.client.post("/positions", json=stood(visit, x, 4 - 0.47), headers=BY_TOKEN).status_code == 200
    told = [camera_event("a"), camera_event("b", camera="right", product="tea", kind="put")]
    shop.client.post("/camera-events", json={"events": told}, headers=BY_TOKEN)
    attributor = shop.attributor()
    assert attributor.step() == 2 and attributor.done.nobodys == 0
    first, second = shop.told()
    assert (first["visit_id"], first["deed"], first["product"], first["shelf"]) == ("ann", "take", "milk", "g1")
    assert (second["visit_id"], second["deed"], second["product"], second["shelf"]) == ("bob", "put", "tea", "g2")
    assert 0.98 < first["confidence"] <= 0.99 and first["event_id"] == "camera-a"
    assert attributor.step(0.0) == 0 and shop.attributor().step(0.0) == 0, "told twice"


def test_an_event_waits_for_places_beyond_its_moment_and_no_longer_than_it_may(shop: LiveShop) -> None:
    shop.feed.take([Position(**each) for each in stood("ann", 1.7, 3.53, range(5, 11))["positions"]])
    shop.client.post("/camera-events", json={"events": [camera_event("a", 10)]}, headers=BY_TOKEN)
    attributor = shop.attributor(config=AttributorConfig(patience_s=4))
    assert attributor.step(0.0) == 0
    shop.feed.take([Position(visit_id="ann", time=at_text(11), x_m=1.7, y_m=3.53)])
    assert attributor.step(0.0) == 1 and attributor.done.nobodys == 0
    shop.client.post("/camera-events", json={"events": [camera_event("b", 60)]}, headers=BY_TOKEN)
    assert attributor.step(0.0) == 0
    shop.now_s += 4
    assert attributor.step(0.0) == 1 and attributor.done.nobodys == 1
    assert "nobody's place" in json.loads(shop.log(shop.topics.of(UNATTRIBUTED))[0])["why"]


def test_the_till_hears_up_to_when_all_is_told(shop: LiveShop, monkeypatch: Any) -> None:
    config = AttributorConfig(late_s=2)  # the page's clock says 100 s, so boxes have told what was before 98
    shop.client.post("/camera-events", json={"events": [camera_event("a", 10)]}, headers=BY_TOKEN)
    shop.feed.take([Position(**each) for each in stood("ann", 1.7, 3.53, range(5, 11))["positions"]])
    attributor = shop.attributor(config=config)
    assert attributor.step(0.0) == 0 and shop.heard() == [at_z(10)], "what waits was passed over"
    shop.feed.take([Position(visit_id="ann", time=at_text(11), x_m=1.7, y_m=3.53)])
    assert attributor.step(0.0) == 1 and shop.heard()[1:] == [at_z(98)]
    assert [json.loads(each)["kind"] for each in shop.log(shop.topics.events)] == ["heard", "moved", "heard"]
    shop.now_s += 0.9
    attributor.step(0.0)
    assert len(shop.heard()) == 2, "told too often"
    shop.now_s += 0.1
    attributor.step(0.0)
    assert shop.heard()[2:] == [at_z(99)] and shop.attributor().step(0.0) == 0, "told again what was taken"
    monkeypatch.setattr("serving.live.attributor.MOST", 1)
    told = [camera_event("b", 90), camera_event("c", 20)]
    shop.client.post("/camera-events", json={"events": told}, headers=BY_TOKEN)
    shop.now_s, before = shop.now_s + 10, len(shop.heard())
    attributor = shop.attributor(config=config)
    assert attributor.step(0.0) == 0 and len(shop.heard()) == before, "more lies in the log than was read"


def test_a_bill_waits_for_what_boxes_saw(shop: LiveShop) -> None:
    processor = shop.processor(sources=(SOURCE,))
    shop.tell(LIST, entered("ann"), left("ann", 20))
    shop.client.post("/camera-events", json={"events": [camera_event("a")]}, headers=BY_TOKEN)
    shop.feed.take([Position(**each) for each in stood("ann", 1.7, 3.53, range(5, 11))["positions"]])
    attributor = shop.attributor()
    attributor.step(0.0)  # its place is not known yet, and it is told at the latest
    processor.step(0.0)
    assert processor.done.entries == 0, "billed before all was told"
    shop.now_s += 5
    attributor.step(0.0)
    while processor.step(0.0):
        pass
    (receipt,) = (json.loads(each) for each in shop.log(shop.topics.of(ENTRIES)))
    body = receipt["entry"]["body"]
    assert (body["bill"]["total_cents"], body["silent"], body["due_cents"]) == (119, [], 119)


def test_long_ids_stay_apart(shop: LiveShop) -> None:
    names = ["e" * 119 + end for end in "ab"]
    shop.feed.take([Position(**each) for each in stood("ann", 1.7, 3.53)["positions"]])
    shop.client.post("/camera-events", json={"events": list(map(camera_event, names))}, headers=BY_TOKEN)
    assert shop.attributor().step() == 2
    first, second = (each["event_id"] for each in shop.told())
    assert first != second and max(len(first), len(second)) <= 120


def test_a_place_from_the_future_hides_nobody(shop: LiveShop) -> None:
    told = stood("ann", 1.7, 3.53, range(1)) | {}
    wrong = {"positions": [*told["positions"], stood("bob", 1, 1, range(301, 302))["positions"][0]]}
    answer = shop.client.post("/positions", json=wrong, headers=BY_TOKEN)
    assert answer.status_code == 400 and "visit 'bob'" in answer.json()["error"] and "clock" in answer.json()["error"]
    assert shop.feed.newest is None and not shop.feed.anybody
    assert shop.client.post("/positions", json=told, headers=BY_TOKEN).status_code == 200
    assert [each.visit_id for each in shop.feed.seen()] == ["ann"]


def test_what_nobody_can_place_is_told_with_why(shop: LiveShop) -> None:
    shop.feed.take([Position(**each) for each in stood("ann", 1.5, 3.53)["positions"]])  # before g1, far from g2
    told = [camera_event("a", camera="right"), camera_event("b", product=None), camera_event("c", camera="ceiling"),
            camera_event("d", product="crème", camera="left")]  # fmt: skip
    shop.client.post("/camera-events", json={"events": told}, headers=BY_TOKEN)
    attributor = shop.attributor()
    assert (attributor.step(), attributor.done.nobodys) == (4, 4) and shop.told() == []
    found = [json.loads(each) for each in shop.log(shop.topics.of(UNATTRIBUTED))]
    assert [each["told"]["event"]["event_id"] for each in found] == ["a", "b", "c", "d"]
    assert "30% is the least" in found[0]["why"] and "cannot tell" in found[1]["why"]
    assert "`cameras`" in found[2]["why"] and found[3]["why"].startswith("product: ")


def test_killed_before_it_counts_it_is_told_once_all_the_same(shop: LiveShop, monkeypatch: Any) -> None:
    shop.tell(entered("ann"))
    shop.feed.take([Position(**each) for each in stood("ann", 1.7, 3.53)["positions"]])
    shop.client.post("/camera-events", json={"events": [camera_event("a")]}, headers=BY_TOKEN)
    attributor, stop = shop.attributor(), threading.Event()
    commit, tries = attributor._consumer.commit, []

    def fails_once(*told: Any) -> None:
        tries.append(told)
        if len(tries) == 1:
            raise TransportError("away")
        commit(*told)
        stop.set()

    monkeypatch.setattr(attributor._consumer, "commit", fails_once)
    monkeypatch.setattr("serving.live.attributor._AGAIN_S", 0.01)
    attributor.run(stop)
    assert len(tries) == 2 and [each["kind"] for each in shop.told()] == ["entered", "moved"]
    shop.tell(left("ann"))
    processor = shop.processor()
    while processor.step(0.0):
        pass
    assert (processor.done.entries, processor.done.refused) == (1, 0)


def test_places_are_forgotten_by_the_shops_clock_and_by_ours() -> None:
    now = [0.0]
    feed = PositionFeed(lambda: now[0])

    def at(second: float, visit: str = "ann") -> Position:
        return Position(visit_id=visit, time=at_text(second), x_m=second, y_m=1)

    assert feed.take([at(0), at(10), at(10), at(5)]) == 2, "an older place, or the same again, tells nothing"
    assert [(each.visit_id, each.x_m) for each in feed.seen()] == [("ann", 10)]
    feed.take([at(10 + KEPT_S)])
    (track,) = feed.tracks()[1]
    assert track.xy[:, 0].tolist() == [10, 10 + KEPT_S]
    feed.take([at(11 + KEPT_S + SHOWN_S, "bob")])
    assert [each.visit_id for each in feed.seen()] == ["bob"], "ann went out of sight by the shop's clock"
    now[0] = SHOWN_S
    assert feed.seen() == []
    now[0] = KEPT_S
    assert feed.tracks() == ([], []), "a place outlived its time"
    crowd = [at(100, f"v{k}") for k in range(MOST_PEOPLE + 5)]
    assert feed.take(crowd) == MOST_PEOPLE
