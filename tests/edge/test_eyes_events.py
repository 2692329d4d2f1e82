"""Events of cameras: none lost, none twice for who looks at their ids, whatever the network, the broker and the disk do."""

import importlib.util
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from pydantic import ValidationError

from edge.eyes.camera_events import (
    PATH,
    CameraEvent,
    ForwardConfig,
    Forwarder,
    Keeper,
    camera_outbox,
    event_of,
)
from edge.eyes.mqtt import ToBroker
from edge.outbox import OutboxError, to_service
from models.common.protocols import InputError

ROOT = Path(__file__).parents[2]
NOW = datetime(2026, 1, 5, 18, 30, tzinfo=UTC)
SOON = ForwardConfig(every_s=0.01, first_wait_s=0.01, longest_wait_s=0.1)


def event(number: int, **changed: Any) -> CameraEvent:
    told = {"box": "b1", "items": [number], "time": NOW + timedelta(seconds=number), "confidence": 0.9} | changed
    return event_of("till-1", "take", f"product-{number % 7}", **told)


def stored(home: Path, numbers: range) -> set[str]:
    """Ids of events that lie in the outbox of `home`."""
    events = [event(number) for number in numbers]
    camera_outbox(home).store_all([each.model_dump(mode="json") for each in events])
    return {each.event_id for each in events}


def ids(got: list[dict[str, Any]]) -> list[str]:
    return [each["event_id"] for each in got]


def wait_for(done: Callable[[], bool], timeout_s: float = 15.0) -> None:
    until = time.monotonic() + timeout_s
    while not done():
        assert time.monotonic() < until, "did not come about in time"
        time.sleep(0.01)


@pytest.fixture(scope="module")
def brokers() -> ModuleType:
    spec = importlib.util.spec_from_file_location("mqtt_broker", Path(__file__).with_name("mqtt_broker.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def broker(brokers: ModuleType) -> Iterator[Any]:
    made = brokers.Broker()
    yield made
    made.close()


def test_an_event_is_known_by_what_happened_where_and_when() -> None:
    one = event(1, items=[4, 2])
    assert (one.count, one.product, one.kind, one.camera, one.confidence) == (2, "product-1", "take", "till-1", 0.9)
    assert one.event_id == event(1, items=[2, 4]).event_id, "the same frames read again"
    assert one.event_id == event(1, items=[2, 4], time=one.time.astimezone(timezone(timedelta(hours=2)))).event_id
    others = [event(1, items=[4, 3]), event(1, items=[4, 2], time=NOW)]
    others.append(event_of("till-2", "take", "product-1", box="b1", items=[4, 2], time=one.time, confidence=0.9))
    others.append(event(1, items=[4, 2], box="b2"))
    assert len({one.event_id, *(each.event_id for each in others)}) == 5, "two shops' till-1 are told apart"
    assert [each.box_id for each in (one, others[-1])] == ["b1", "b2"]
    for changed in ({"confidence": 1.1}, {"items": []}, {"time": datetime(2026, 1, 5)}, {"confidence": float("nan")}):
        with pytest.raises((ValidationError, ValueError)):
            CameraEvent.model_validate(one.model_dump() | {"count": len(changed.get("items", [1]))} | changed)


def test_a_thousand_events_wait_for_the_network_and_arrive_once(tmp_path: Path, broker: Any) -> None:
    port, wanted = broker.port, stored(tmp_path, range(1_000))
    broker.close()
    outbox, send = camera_outbox(tmp_path), ToBroker(f"mqtt://127.0.0.1:{port}", client_id="box-1", timeout_s=5)
    with pytest.raises(OutboxError, match=r"0 events sent, 1000 wait: broker 127\.0\.0\.1"):
        outbox.forward(send)
    assert outbox.waiting() == 1_000
    back = type(broker)(port)
    try:
        assert outbox.forward(send) == 1_000
    finally:
        send.close()
        back.close()
    assert set(ids(back.got)) == wanted and len(back.got) == 1_000
    assert outbox.waiting() == 0
    assert back.topics == {"storeloop/camera-events/till-1"} and back.sessions == [("box-1", False)]
    assert CameraEvent.model_validate(back.got[0]) == event(0)


def test_what_the_broker_did_not_acknowledge_comes_again_and_is_known_by_its_id(tmp_path: Path, broker: Any) -> None:
    wanted = stored(tmp_path, range(20))
    broker.unanswered = 3
    outbox, send = camera_outbox(tmp_path), ToBroker(broker.address, client_id="box-1", timeout_s=0.4)
    with pytest.raises(OutboxError, match=r"0 of 20 events acknowledged within 0\.4 s; they are sent next time"):
        outbox.forward(send)
    assert outbox.waiting() == 20 and set(ids(broker.got)) == wanted
    assert outbox.forward(send) == 20
    send.close()
    assert len(broker.got) == 40 and set(ids(broker.got)) == wanted


def test_a_broker_that_refuses_or_stays_silent_is_an_os_error(brokers: ModuleType, broker: Any) -> None:
    broker.refuse = 5
    with pytest.raises(OSError, match="Not authorized"):
        ToBroker(broker.address, client_id="box-1", timeout_s=2)([{"event_id": "a"}])
    with pytest.raises(OSError, match=f"127.0.0.1:{(port := brokers.free_port())}"):
        ToBroker(f"mqtt://127.0.0.1:{port}", client_id="box-1")([{"event_id": "a"}])
    for address in ("http://x", "mqtt://", "mqtt://user:secret@x", "mqtt://x/path"):
        with pytest.raises(InputError, match="give mqtt://HOST:PORT") as refused:
            ToBroker(address, client_id="box-1")
        assert "secret" not in str(refused.value)
    with pytest.raises(InputError, match="without"):
        ToBroker("mqtt://x", client_id="box-1", topic="a/#")


def test_a_broker_that_falls_again_and_again_loses_and_doubles_nothing(tmp_path: Path, brokers: ModuleType) -> None:
    """Events are made, forwarded, and the broker killed five times, all at once."""
    port, got, wanted = brokers.free_port(), [], set()
    send = ToBroker(f"mqtt://127.0.0.1:{port}", client_id="box-1", timeout_s=1)
    forwarder = Forwarder(camera_outbox(tmp_path), send, SOON)
    forwarder.start()
    for fall in range(5):
        broker = brokers.Broker(port)
        wanted |= stored(tmp_path, range(100 * fall, 100 * fall + 50))
        broker.unanswered = fall
        wait_for(lambda broker=broker: len(broker.got) >= 10)
        wanted |= stored(tmp_path, range(100 * fall + 50, 100 * fall + 100))
        broker.close()
        got += broker.got
    assert forwarder.done.failures >= 1
    broker = brokers.Broker(port)
    forwarder.close(flush_s=15)
    send.close()
    broker.close()
    got += broker.got
    assert set(ids(got)) == wanted and len(wanted) == 500
    assert len(got) > 500, "a broker that dies without a word must be told twice, or this test says nothing"
    assert camera_outbox(tmp_path).waiting() == 0 and forwarder.done.events == 500


@pytest.mark.broker
def test_a_real_broker_that_is_restarted_loses_and_doubles_nothing(tmp_path: Path, brokers: ModuleType) -> None:
    import paho.mqtt.client as paho
    from paho.mqtt.enums import CallbackAPIVersion

    port, got, ready = brokers.free_port(), [], threading.Event()
    receiver = paho.Client(CallbackAPIVersion.VERSION2, client_id="centre", clean_session=False)
    receiver.on_message = lambda _c, _d, message: got.append(json.loads(message.payload))
    receiver.on_connect = lambda client, *_: client.subscribe("storeloop/camera-events/#", qos=1)
    receiver.on_subscribe = lambda *_: ready.set()
    receiver.reconnect_delay_set(1, 1)
    (tmp_path / "broker").mkdir()
    send = ToBroker(f"mqtt://127.0.0.1:{port}", client_id="box-1", timeout_s=2)
    forwarder = Forwarder(camera_outbox(tmp_path), send, SOON)
    with brokers.mosquitto(tmp_path / "broker", port):
        receiver.connect("127.0.0.1", port)
        receiver.loop_start()
        assert ready.wait(10)
        forwarder.start()
        wanted = stored(tmp_path, range(500))
        wait_for(lambda: len(got) >= 100)
    wanted |= stored(tmp_path, range(500, 1_500))  # the network is cut
    ready.clear()
    with brokers.mosquitto(tmp_path / "broker", port):
        assert ready.wait(10)
        wait_for(lambda: set(ids(got)) >= wanted, 30)
        forwarder.close(flush_s=10)
        send.close()
        receiver.disconnect()
        receiver.loop_stop()
    assert set(ids(got)) == wanted and len(wanted) == 1_500
    assert camera_outbox(tmp_path).waiting() == 0


def test_a_service_that_answers_late_or_wrongly_gets_every_event(tmp_path: Path) -> None:
    """Every second batch is taken in and answered with an error: it comes again, and its ids are known already."""
    got: list[dict[str, Any]] = []
    calls: list[int] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert self.path == "/camera-events"
            got.extend(json.loads(self.rfile.read(int(self.headers["Content-Length"])))["events"])
            calls.append(1)
            self.send_response(503 if len(calls) % 2 else 200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing on the terminal."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    wanted = stored(tmp_path, range(1_200))
    forwarder = Forwarder(
        camera_outbox(tmp_path), to_service(f"http://127.0.0.1:{server.server_port}", path=PATH), SOON
    )
    forwarder.start()
    forwarder.close(flush_s=10)
    server.shutdown()
    assert set(ids(got)) == wanted and len(got) == 2 * 1_200 and len(calls) == 6
    assert (forwarder.done.events, forwarder.done.failures, camera_outbox(tmp_path).waiting()) == (1_200, 3, 0)


def test_a_full_outbox_takes_no_more_and_goes_on_once_there_is_room(tmp_path: Path) -> None:
    outbox, stop = camera_outbox(tmp_path, capacity=3), threading.Event()
    keeper = Keeper(outbox, retry_s=0.01)
    assert keeper.keep([event(1), event(2)], stop) and keeper.stored == 2
    waiting = threading.Thread(target=keeper.keep, args=([event(3), event(4)], stop))
    waiting.start()
    wait_for(lambda: bool(keeper.problem))
    assert "2 events wait for room, no new frame is taken" in keeper.problem and outbox.waiting() == 2
    forwarded: list[object] = []
    outbox.forward(forwarded.extend)
    waiting.join(5)
    assert not waiting.is_alive() and (keeper.stored, keeper.problem) == (4, "")
    # The two that had waited may have come in while the first two were sent, or after it.
    outbox.forward(forwarded.extend)
    assert (len(forwarded), outbox.waiting()) == (4, 0)
    assert keeper.keep([event(5), event(6)], stop)
    threading.Timer(0.05, stop.set).start()
    assert not keeper.keep([event(7), event(8)], stop), "asked to stop, it says that these are not stored"


DISK = """
import json, resource, sys, threading, time
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from edge.eyes.camera_events import Keeper, camera_outbox, event_of
from datetime import UTC, datetime
home, stop = Path(sys.argv[1]), threading.Event()
outbox = camera_outbox(home)
keeper = Keeper(outbox, retry_s=0.02)
soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (80_000, hard))  # the disk is full once a file has 80 kB
told = {"box": "b", "time": datetime(2026, 1, 1, tzinfo=UTC), "confidence": 1.0}
made = [event_of("a", "take", "p", items=[n], **told) for n in range(600)]
def room():
    while not keeper.problem: time.sleep(0.01)
    print(json.dumps([keeper.stored, outbox.waiting(), keeper.problem]), flush=True)
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
threading.Thread(target=room, daemon=True).start()
for first in range(0, 600, 20):
    assert keeper.keep(made[first:first + 20], stop)
print(json.dumps([keeper.stored, outbox.waiting(), keeper.problem]))
"""


def test_a_full_disk_keeps_what_is_stored_and_says_so(tmp_path: Path) -> None:
    """SQLite's own writes fail, by a bound on the size of files."""
    done = subprocess.run(
        [sys.executable, "-c", DISK, str(tmp_path), str(ROOT)], capture_output=True, text=True, check=True, timeout=60
    )
    full, after = (json.loads(line) for line in done.stdout.splitlines())
    assert 100 < full[0] < 500 and full[0] == full[1] and full[0] % 20 == 0, "whole batches or nothing"
    assert "20 events wait for room, no new frame is taken" in full[2] and "free some space" in full[2]
    assert after == [600, 600, ""]
