"""The live page's server over a shop stepped by hand: what it shows is what the log, the till and the ledger say."""

import asyncio
import json
import sqlite3
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from live_shop import BY_TOKEN, FLOOR, HOSTILE, ORIGIN, LiveShop, at_text, camera_event
from starlette.requests import Request
from till_shop import LIST, entered, left, moved

from models.common.protocols import InputError
from serving.live.floor import read_floor
from serving.live.parts import Part
from serving.live.web import HEADERS, MOST_STREAMS
from serving.settlement.books import Overtaken
from serving.settlement.ledger import LedgerBroken
from serving.settlement.ledger_settings import FOLDER, STORE
from serving.settlement.till import ENTRIES
from serving.settlement.transport import Fenced, LogLost, Message


@pytest.fixture
def shop(tmp_path: Path) -> LiveShop:
    return LiveShop(tmp_path)


def settle(shop: LiveShop) -> None:
    processor = shop.processor()
    while processor.step(0.0):
        pass


def test_a_visit_from_the_gate_to_the_ledgers_head(shop: LiveShop) -> None:
    watch = shop.watch()
    assert watch.step() == 0 and shop.state()["visits"] == [] and shop.state()["heads"] == []
    shop.tell(
        LIST, entered("v-1"), moved("take", "milk", 10, 2, visit="v-1"), moved("take", "tea", 20, sure=0.7, visit="v-1")
    )
    watch.step()
    state = shop.state()
    assert (state["figures"]["inside"], state["figures"]["entered"], state["figures"]["latency_ms"]) == (1, 1, None)
    (visit,) = state["visits"]
    milk, tea = visit["basket"]
    assert (milk["product"], milk["name"], milk["count"]) == ("milk", "Milk, 1 l", 2) and milk["sure"] > 0.99
    assert (tea["name"], tea["count"]) == (HOSTILE, 1) and 0.6 < tea["sure"] < 0.75
    assert [(each["deed"], each["product"], each["visit"]) for each in state["deeds"]] == [
        ("take", "tea", "v-1"), ("take", "milk", "v-1"),
    ]  # fmt: skip
    shop.tell(left("v-1"))
    watch.step()
    assert shop.state()["visits"][0]["left"] is True
    settle(shop)
    shop.now_s += 0.25
    watch.step()
    shop.now_s += 1
    watch.step()
    state = shop.state()
    (bill,) = state["bills"]
    assert (bill["visit"], bill["total_cents"], bill["currency"], bill["verified"]) == ("v-1", 238, "EUR", True)
    assert [(each["name"], each["count"], each["cents"]) for each in bill["lines"]] == [("Milk, 1 l", 2, 238)]
    assert bill["tax_cents"] == {"700": 16}  # 238 * 7 / 107 = 15.57
    assert bill["asked"] == [HOSTILE] and bill["latency_ms"] == pytest.approx(250)
    assert state["visits"] == [] and state["figures"]["settled"] == 1 and state["figures"]["reviews"] == 1
    assert [(each["visit"], each["product"], each["likely"]) for each in state["reviews"]] == [("v-1", "tea", 1)]
    assert [(each["size"], each["extends"]) for each in state["heads"]] == [(1, None)]


def decide(shop: LiveShop, **changed: Any) -> Any:
    headers = changed.pop("headers", ORIGIN)
    told = {"visit": "v", "product": "tea", "count": 1, "by": "ann", "reason": "seen on film"} | changed
    return shop.client.post("/decide", json=told, headers=headers)


def test_a_decision_on_the_page_becomes_a_correction_under_a_head_that_goes_on(shop: LiveShop, tmp_path: Path) -> None:
    watch = shop.watch()
    shop.tell(LIST, entered(), moved("take", "tea", 20, sure=0.7), left())
    settle(shop)
    watch.step()
    assert decide(shop).status_code == 200
    settle(shop)
    shop.now_s += 1
    watch.step()
    state = shop.state()
    assert [(each["kind"], each["total_cents"], each["due_cents"]) for each in state["bills"]] == [
        ("correction", 250, 250), ("bill", 0, 0),
    ]  # fmt: skip
    assert [(each["size"], each["extends"]) for each in state["heads"]] == [(2, 1), (1, None)]
    assert state["reviews"] == [] and (state["figures"]["settled"], state["figures"]["corrected"]) == (1, 1)
    refused = [
        decide(shop, headers={}), decide(shop, headers={"Origin": "http://elsewhere.example"}),
        decide(LiveShop(tmp_path / "anywhere", closed=True)), decide(shop, visit="w"), decide(shop, count=-1),
        decide(shop, by="two words"), decide(shop, reason=""),
    ]  # fmt: skip
    assert [each.status_code for each in refused] == [403, 403, 403, 400, 400, 400, 400]
    assert "no visit 'w'" in refused[3].json()["error"] and "no log-in" in refused[2].json()["error"]


def test_who_looks_later_sees_the_same_but_measures_nothing(shop: LiveShop) -> None:
    shop.tell(LIST, entered(), moved("take", "milk", 10), left(), entered("w", 70))
    settle(shop)
    watch = shop.watch()
    watch.step()
    state = shop.state()
    assert [each["visit"] for each in state["visits"]] == ["w"] and [each["visit"] for each in state["bills"]] == ["v"]
    assert state["bills"][0]["latency_ms"] is None and state["figures"]["latency_ms"] is None
    shop.tell(moved("put", "milk", 11, name="late"))
    watch.step()
    assert [each["visit"] for each in shop.state()["visits"]] == ["w"], "a settled visit came back"


def test_a_forged_receipt_and_a_forged_head_are_called_by_name(shop: LiveShop) -> None:
    watch = shop.watch()
    shop.tell(LIST, entered(), moved("take", "milk", 10), left())
    settle(shop)
    watch.step()
    (genuine,) = shop.log(shop.topics.of(ENTRIES))
    forged = genuine.replace(b'"total_cents": 119', b'"total_cents": 1')
    assert forged != genuine
    shop.queue.send([Message(shop.topics.of(ENTRIES), "k", value) for value in (forged, b"{}", b"\xff")])
    watch.step()
    state = shop.state()
    assert [(each["total_cents"], each["verified"]) for each in state["bills"]] == [(1, False), (119, True)]
    assert state["figures"]["refused"] == 2 and state["problems"] == []
    with sqlite3.connect(shop.home / FOLDER / STORE) as connection:
        kept = connection.execute("SELECT type, name FROM sqlite_master").fetchall()
        for name in (name for kind, name in kept if kind == "trigger"):
            connection.execute(f"DROP TRIGGER {name}")
        heads = next(name for kind, name in kept if kind == "table" and "head" in name)
        connection.execute(f"UPDATE {heads} SET note = replace(note, 's1.example', 's2.example')")
    watch.step()
    (problem,) = shop.state()["problems"]
    assert "does not hold what it signed" in problem and "storeloop ledger audit" in problem


def test_what_goes_wrong_is_shown_and_what_is_set_aside_is_counted(shop: LiveShop) -> None:
    watch = shop.watch()
    shop.queue.send([Message(shop.topics.events, "s1", b'{"kind": "moved"}')])
    settle(shop)
    shop.problems = {"settling": "the disk is full", "attributing": ""}
    watch.step()
    state = shop.state()
    assert state["problems"] == ["the disk is full"] and shop.client.get("/livez").status_code == 200
    health = shop.client.get("/healthz")
    assert (health.status_code, health.json()["problems"]) == (503, ["the disk is full"])
    assert state["figures"]["refused"] == 1 and "event_id" in state["refusal"]


@pytest.mark.parametrize(
    ("error", "alive", "ready"),
    [
        (Fenced("another has begun"), 200, 200),
        (Overtaken("another has begun"), 200, 200),
        (LedgerBroken("forged"), 200, 503),
        (LogLost("it began anew"), 200, 503),
        (MemoryError("no room"), 503, 503),
    ],
)
def test_what_ended_for_good_is_told_to_who_looks_after_it(
    shop: LiveShop, error: BaseException, alive: int, ready: int
) -> None:
    def work(_: threading.Event) -> None:
        raise error

    part = Part("settling", work, lambda: "")
    assert [shop.client.get(path).status_code for path in ("/livez", "/readyz")] == [200, 200] and part.problem == ""
    with suppress(MemoryError):
        part._run()
    shop.fallen = [part.fallen] if part.fallen else []
    assert part.problem.startswith("settling has ended")
    told = [shop.client.get(path) for path in ("/livez", "/readyz")]
    assert [each.status_code for each in told] == [alive, ready]
    assert told[1].json()["problems"] == ([part.problem] if ready == 503 else [])


def test_deeds_of_boxes_are_shown_before_and_after_they_are_somebodys(shop: LiveShop) -> None:
    watch = shop.watch()
    events = [camera_event("a" * 120), camera_event("b", product=None, time=at_text(11))]
    shop.client.post("/camera-events", json={"events": events}, headers=BY_TOKEN)
    watch.step()
    assert [(each["shelf"], each["name"], each["visit"], each["why"]) for each in shop.state()["deeds"]] == [
        ("g1", "not told", None, ""), ("g1", "Milk, 1 l", None, ""),
    ]  # fmt: skip
    shop.client.post(
        "/positions",
        json={"positions": [{"visit_id": "ann", "time": at_text(s), "x_m": 1.7, "y_m": 3.53} for s in range(5, 20)]},
        headers=BY_TOKEN,
    )
    assert shop.attributor().step() == 2
    watch.step()
    assert [(each["visit"], each["why"]) for each in shop.state()["deeds"]] == [
        (None, "the camera cannot tell the product"), ("ann", ""),
    ]  # fmt: skip


@pytest.mark.parametrize("path", ["/", "/live.css", "/live.js", "/floor.json", "/state.json", "/healthz", "/nothing"])
def test_every_answer_is_fenced_in(shop: LiveShop, path: str) -> None:
    answer = shop.client.get(path)
    assert answer.status_code == (404 if path == "/nothing" else 200)
    assert all(answer.headers[name] == value for name, value in HEADERS.items())
    assert "unsafe" not in answer.headers["content-security-policy"]
    elsewhere = shop.client.get(path, headers={"Host": "rebound.example"})
    assert elsewhere.status_code == 400 and "milk" not in elsewhere.text
    assert "box-1" not in answer.text, "the page tells which boxes there are"


def test_the_page_has_no_script_or_style_within_and_never_writes_html(shop: LiveShop) -> None:
    page, script = shop.client.get("/").text, shop.client.get("/live.js").text
    assert "<style" not in page and " style=" not in page and " onclick" not in page
    assert page.count("<script") == 1 and '<script src="/live.js" defer></script>' in page
    for word in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("):
        assert word not in script


def test_a_stream_more_than_the_bound_is_refused(shop: LiveShop) -> None:
    shop.page._streams = MOST_STREAMS
    answer = asyncio.run(shop.page.stream(Request({"type": "http", "headers": []})))
    assert answer.status_code == 503


def test_a_floor_plan_says_what_is_wrong_with_it(tmp_path: Path) -> None:
    assert read_floor(tmp_path / "none.json") is None
    (tmp_path / "floor.json").write_text(FLOOR.model_dump_json())
    assert read_floor(tmp_path / "floor.json") == FLOOR
    told = json.loads(FLOOR.model_dump_json())
    told["gondolas"][0]["width_m"] = 0
    (tmp_path / "floor.json").write_text(json.dumps(told))
    with pytest.raises(InputError, match=r"floor.json: gondolas.0.width_m: .* greater than 0"):
        read_floor(tmp_path / "floor.json")
