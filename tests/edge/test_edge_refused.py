"""Events that a service will never take are set aside with its answer: the rest goes on, and nothing is lost."""

import json
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from http_answers import answering
from typer.testing import CliRunner

from edge import outbox as outboxes
from edge.cli import app
from edge.eyes.camera_events import FILE as CAMERA_FILE
from edge.outbox import DeniedError, Outbox, OutboxError, RefusedError, to_service


def event(number: int) -> dict[str, Any]:
    return {
        "kind": "click",
        "item_id": f"i{number}",
        "customer_id": "c1",
        "event_time": "2026-01-05T18:30:00Z",
        "event_id": f"e{number}",
    }


def ids(events: Sequence[Mapping[str, Any]]) -> list[str]:
    return [each["event_id"] for each in events]


class Service:
    """Refuses a delivery with one of `bad` in it; `asked` is every delivery, `got` what was taken; `down_after` deliveries the
    network is gone."""

    def __init__(self, *bad: str, down_after: int = 1_000) -> None:
        self.bad, self.down_after = set(bad), down_after
        self.asked: list[list[str]] = []
        self.got: list[str] = []

    def __call__(self, events: Sequence[Mapping[str, Any]]) -> None:
        if len(self.asked) >= self.down_after:
            raise OSError("no route to host")
        self.asked.append(ids(events))
        if found := self.bad & set(ids(events)):
            raise RefusedError(f"answered with 422: {sorted(found)[0]} is odd")
        self.got += ids(events)


def filled(home: Path, count: int) -> Outbox:
    box = Outbox(home)
    box.store_all([event(number) for number in range(count)])
    return box


def test_an_event_that_is_refused_alone_holds_up_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outboxes, "BATCH", 3)
    box, service = filled(tmp_path, 8), Service("e1", "e2")
    assert box.forward(service) == 6
    assert service.got == ["e0", "e3", "e4", "e5", "e6", "e7"]
    assert service.asked == [["e0", "e1", "e2"], ["e0"], ["e1"], ["e2"], ["e3", "e4", "e5"], ["e6", "e7"]]
    assert (box.waiting(), box.refused()) == (0, 2)
    found = Outbox(tmp_path).refusals(10)
    assert [(each.event["item_id"], each.answer) for each in found] == [
        ("i2", "answered with 422: e2 is odd"),
        ("i1", "answered with 422: e1 is odd"),
    ]
    assert len(box.refusals(1)) == 1


def test_what_was_refused_is_sent_again_once_somebody_says_so(tmp_path: Path) -> None:
    box = filled(tmp_path, 3)
    box.forward(Service("e1"))
    service = Service()
    assert box.forward(service) == 0 and service.asked == [], "not by itself"
    assert box.retry_refused() == 1 and (box.waiting(), box.refused()) == (1, 0)
    assert box.forward(Service("e1")) == 0 and box.refused() == 1, "still odd"
    assert box.retry_refused() == 1
    assert box.forward(service) == 1 and service.got == ["e1"] and box.refused() == 0
    box.store(event(1))
    box.forward(Service("e1"))
    box.store(event(1))  # told anew, such as by a film that is read again
    assert box.forward(service) == 1 and box.refused() == 0, "taken after all"


def test_a_network_that_goes_while_events_are_sent_alone_loses_and_doubles_none(tmp_path: Path) -> None:
    box, service = filled(tmp_path, 4), Service("e1", down_after=4)  # the batch, e0, e1 and e2
    with pytest.raises(OutboxError, match="2 events sent, 1 wait: no route to host"):
        box.forward(service)
    assert (service.got, box.waiting(), box.refused()) == (["e0", "e2"], 1, 1)
    service = Service("e1")
    assert box.forward(service) == 1 and service.got == ["e3"]


def test_what_another_forwarder_sent_meanwhile_is_not_set_aside(tmp_path: Path) -> None:
    box, other = filled(tmp_path, 1), Outbox(tmp_path)

    def late(events: Sequence[Mapping[str, Any]]) -> None:
        other.forward(Service())
        raise RefusedError("answered with 409")

    assert box.forward(late) == 0 and (box.waiting(), box.refused()) == (0, 0)


def test_refused_events_take_room_and_the_error_says_so(tmp_path: Path) -> None:
    box = Outbox(tmp_path, capacity=2)
    box.store(event(1))
    box.forward(Service("e1"))
    box.store(event(2))
    with pytest.raises(OutboxError, match=r"1 events wait and 1 were refused, no more than 2 are kept: .*edge refused"):
        box.store(event(3))


def test_an_outbox_of_a_former_version_opens_and_its_events_go(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / outboxes.FILE)) as file, file:
        file.execute("CREATE TABLE events (place INTEGER PRIMARY KEY, id TEXT UNIQUE, body TEXT)")
        file.executemany(
            "INSERT INTO events (id, body) VALUES (?, ?)", [(f"e{n}", json.dumps(event(n))) for n in range(3)]
        )
    box, service = Outbox(tmp_path), Service("e1")
    assert box.waiting() == 3 and box.forward(service) == 2 and service.got == ["e0", "e2"]
    assert (box.waiting(), box.refused()) == (0, 1)


@pytest.mark.parametrize("status", [400, 409, 413, 418, 422])
def test_answers_that_speak_against_events(tmp_path: Path, status: int) -> None:
    box = filled(tmp_path, 2)
    with answering((status, {}), (status, {}), (200, {})) as (url, asked):
        assert box.forward(to_service(url)) == 1
    assert len(asked) == 3 and (box.waiting(), box.refused()) == (0, 1)
    assert f"/feedback answered with {status}" in box.refusals(1)[0].answer


@pytest.mark.parametrize(
    ("status", "remedy"),
    [
        (401, "set STORELOOP_EDGE_TOKEN"),
        (403, "set STORELOOP_EDGE_TOKEN"),
        (404, "give the address of a service that takes these events"),
        (405, "give the address of a service that takes these events"),
    ],
)
def test_answers_that_speak_against_the_box_or_its_address(tmp_path: Path, status: int, remedy: str) -> None:
    box = filled(tmp_path, 2)
    with answering((status, {})) as (url, asked), pytest.raises(OutboxError, match=remedy) as told:
        box.forward(to_service(url))
    assert isinstance(told.value.__cause__, DeniedError)
    assert len(asked) == 1 and (box.waiting(), box.refused()) == (2, 0)


@pytest.mark.parametrize("status", [408, 425, 429, 500, 503])
def test_answers_that_pass(tmp_path: Path, status: int) -> None:
    box = filled(tmp_path, 2)
    with answering((status, {})) as (url, asked), pytest.raises(OutboxError, match=f"answered with {status}") as told:
        box.forward(to_service(url))
    assert not isinstance(told.value.__cause__, DeniedError | RefusedError)
    assert len(asked) == 1 and (box.waiting(), box.refused()) == (2, 0)


def test_the_commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def command(*arguments: str, code: int = 0) -> dict[str, Any]:
        result = CliRunner().invoke(app, [*arguments, "--home", str(tmp_path), "--json"])
        assert result.exit_code == code, result.output
        return json.loads(result.stdout)

    filled(tmp_path, 2)
    with answering((422, {}), (422, {}), (200, {})) as (url, _):
        assert command("forward", "--to", url, code=1) == {"sent": 1, "waiting": 0, "refused": 1}
        assert command("forward", "--to", url) == {"sent": 0, "waiting": 0, "refused": 1}, "refused before, not now"
    camera = Outbox(tmp_path, file=CAMERA_FILE)
    camera.store(event(7))
    camera.forward(Service("e7"))
    kiosk, seen = command("refused")["refused"]
    assert (kiosk["of"], kiosk["event"]["event_id"]) == ("kiosk", "e0") and "answered with 422" in kiosk["answer"]
    assert (seen["of"], seen["event"]["event_id"]) == ("camera events", "e7")
    assert command("refused", "--retry")["retried"] == 2
    assert command("refused") == {"refused": []} and camera.waiting() == 1
    monkeypatch.setenv("STORELOOP_EDGE_TOKEN", "box-token-0123456789")
    with answering((200, {})) as (url, asked):
        assert command("forward", "--to", url) == {"sent": 1, "waiting": 0, "refused": 0}
    assert asked == ["POST /feedback Bearer box-token-0123456789"]
