"""The thread that forwards events of cameras: it outlives what a network does, and the health says when it cannot go on."""

import http.client
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import eyes_fakes as FAKES
import mqtt_broker as BROKERS
import pytest
from http_answers import answering

from edge.eyes.camera_events import PATH, ForwardConfig, Forwarder, camera_outbox, event_of
from edge.eyes.cameras import sender
from edge.eyes.feed import Camera, Feeds
from edge.eyes.loop import EyesRuntime
from edge.eyes.mqtt import MqttLogin, ToBroker
from edge.outbox import DeniedError, RefusedError, Send, to_service
from models.common.protocols import InputError

NOW = datetime(2026, 1, 5, 18, 30, tzinfo=UTC)
SOON = ForwardConfig(every_s=0.01, first_wait_s=0.01, longest_wait_s=0.05)


def wait_for(done: Callable[[], bool], timeout_s: float = 15.0) -> None:
    until = time.monotonic() + timeout_s
    while not done():
        assert time.monotonic() < until, "did not come about in time"
        time.sleep(0.01)


@contextmanager
def forwarding(home: Path, send: Send, count: int = 3) -> Iterator[EyesRuntime]:
    """A box, before its first frame, with `count` events for a forwarder at work."""
    box = camera_outbox(home)
    told = {"box": "b1", "confidence": 0.9}
    made = [event_of("till", "take", "tea", items=[n], time=NOW + timedelta(seconds=n), **told) for n in range(count)]
    box.store_all([each.model_dump(mode="json") for each in made])
    forwarder, feeds = Forwarder(box, send, SOON), Feeds([Camera("till", False, lambda: None)])
    eyes = EyesRuntime(*FAKES.networks(), feeds, box, home=home, forwarder=forwarder)
    assert eyes.health()["healthy"], "it has not begun: nothing has ended"
    forwarder.start()
    try:
        yield eyes
    finally:
        forwarder.close()


def test_an_error_of_http_is_told_and_tried_again(tmp_path: Path) -> None:
    """It is no OSError: what is no `to_service` may let it through."""
    back, got = threading.Event(), []

    def send(events: Sequence[Mapping[str, Any]]) -> None:
        if not back.is_set():
            raise http.client.BadStatusLine("220 printer ready")
        got.extend(events)

    with forwarding(tmp_path, send) as eyes:
        wait_for(lambda: eyes.health()["forward_failures"] >= 2)
        told = eyes.health()
        assert told["healthy"] and told["problems"] == ["220 printer ready"], "a network is borne with"
        back.set()
        wait_for(lambda: eyes.health()["events_waiting"] == 0)
        wait_for(lambda: eyes.health()["problems"] == [])
    assert len(got) == 3 and eyes.health()["healthy"], "one that was closed has not fallen"


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_forwarder_that_is_dead_is_no_healthy_box(tmp_path: Path) -> None:
    def send(_: Sequence[Mapping[str, Any]]) -> None:
        raise KeyError("camera")

    with forwarding(tmp_path, send) as eyes:
        wait_for(lambda: not eyes.health()["healthy"])
        told = eyes.health()
    assert told["problems"] == [
        "the forwarder has ended (KeyError: 'camera'), events wait on the disk: start the box again"
    ]
    assert (told["events_waiting"], eyes.health()["healthy"]) == (3, False), "nor after it was closed"


def test_a_box_that_the_service_does_not_know_is_told_until_somebody_acts(tmp_path: Path) -> None:
    """Its token is wrong for two deliveries, then the service learns of it."""
    with (
        answering((401, {}), (401, {}), (200, {})) as (url, asked),
        forwarding(tmp_path, sender(url, box="b1", token="box-token-0123456789")) as eyes,
    ):
        wait_for(lambda: eyes.health()["events_waiting"] == 0)
        wait_for(lambda: eyes.health()["healthy"])
    assert asked == [f"POST /{PATH} Bearer box-token-0123456789"] * 3
    with answering((403, {})) as (url, _), forwarding(tmp_path, to_service(url, path=PATH)) as eyes:
        wait_for(lambda: eyes.health()["forward_failures"] >= 2)
        told = eyes.health()
    assert not told["healthy"] and told["events_waiting"] == 3 and told["events_refused"] == 0
    assert "answered with 403; set STORELOOP_EDGE_TOKEN" in told["problems"][0]


def test_a_refused_event_is_a_problem_and_the_others_go(tmp_path: Path) -> None:
    got: list[Any] = []

    def send(events: Sequence[Mapping[str, Any]]) -> None:
        if any(each["time"] == "2026-01-05T18:30:01Z" for each in events):
            raise RefusedError("answered with 422")
        got.extend(events)

    with forwarding(tmp_path, send) as eyes:
        wait_for(lambda: eyes.health()["events_waiting"] == 0)
        told = eyes.health()
    assert (len(got), told["events_forwarded"], told["events_refused"], told["forward_failures"]) == (2, 2, 1, 0)
    assert told["healthy"] and told["problems"] == [
        "1 events were refused and set aside: see `storeloop edge refused`, then send them again"
    ]


def test_a_broker_is_given_the_login_and_one_that_denies_it_is_told(tmp_path: Path) -> None:
    broker = BROKERS.Broker()
    login = MqttLogin.of({"STORELOOP_EDGE_MQTT_USER": "shop-12", "STORELOOP_EDGE_MQTT_PASSWORD": "hush-0123456789"})
    broker.refuse = 4
    send = sender(broker.address, box="b1", login=login)
    with forwarding(tmp_path, send) as eyes:
        wait_for(lambda: not eyes.health()["healthy"])
        told = eyes.health()
        broker.refuse = 0
        wait_for(lambda: eyes.health()["events_waiting"] == 0)
    send.close()
    broker.close()
    assert set(broker.logins) == {("shop-12", "hush-0123456789")} and len(broker.got) == 3
    assert "Bad user name or password: set STORELOOP_EDGE_MQTT_USER" in told["problems"][0]
    assert "hush" not in f"{told} {login}"
    with pytest.raises(InputError, match="MQTT knows no password without a user"):
        MqttLogin.of({"STORELOOP_EDGE_MQTT_PASSWORD": "hush-0123456789"})


@pytest.mark.parametrize(("answer", "denied"), [(1, False), (3, False), (4, True), (5, True)])
def test_a_broker_that_is_busy_is_no_denial(answer: int, denied: bool) -> None:
    broker = BROKERS.Broker()
    broker.refuse = answer
    with pytest.raises(OSError) as told:
        ToBroker(broker.address, client_id="b1", timeout_s=5)([{"event_id": "a"}])
    broker.close()
    assert isinstance(told.value, DeniedError) == denied
