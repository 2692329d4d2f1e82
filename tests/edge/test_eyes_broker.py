"""A whole box against the real broker, counted by a subscriber of that broker: kills, restarts, bundles that must not run."""

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import eyes_fakes as FAKES
import eyes_graphs as GRAPHS
import mqtt_broker as BROKERS
import pytest
from box_commands import command

from edge import box_id
from edge.eyes.camera_events import camera_outbox

ROOT = Path(__file__).parents[2]
PICTURES = 240  # three times the story: one event first, then two each


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two bundles, one of a stranger, their keys, and the fakes' story in pictures."""
    root = tmp_path_factory.mktemp("shop")
    networks = GRAPHS.detector_graph(), GRAPHS.embedder_graph()
    GRAPHS.small_release(root / "release", FAKES.PRODUCTS, *networks)
    command("keygen", "--private", root / "s.pem", "--public", root / "t.pem")
    command("keygen", "--private", root / "stranger.pem", "--public", root / "stranger_t.pem")
    for number, key in ((1, "s"), (2, "s"), (3, "stranger")):
        command(
            "build", root / "release", root / f"{number}.bundle", "--key", root / f"{key}.pem", "--revision", number
        )
    FAKES.story(root / "pictures", PICTURES)
    return root


@contextmanager
def subscriber(port: int) -> Iterator[list[dict[str, Any]]]:
    """What the broker hands on to the centre, which keeps its session while the broker is away."""
    import paho.mqtt.client as paho
    from paho.mqtt.enums import CallbackAPIVersion

    got: list[dict[str, Any]] = []
    ready = threading.Event()
    client = paho.Client(CallbackAPIVersion.VERSION2, client_id="centre", clean_session=False)
    client.on_message = lambda _c, _d, message: got.append(json.loads(message.payload))
    client.on_connect = lambda each, *_: each.subscribe("storeloop/camera-events/#", qos=1)
    client.on_subscribe = lambda *_: ready.set()
    client.reconnect_delay_set(1, 1)
    client.connect("127.0.0.1", port)
    client.loop_start()
    assert ready.wait(10)
    try:
        yield got
    finally:
        client.disconnect()
        client.loop_stop()


def started(arguments: list[str], beat: Path) -> subprocess.Popen[bytes]:
    """The box, once its loop turns."""
    beat.unlink(missing_ok=True)
    where = {"cwd": ROOT, "env": {**os.environ, "PYTHONPATH": str(ROOT)}, "stdout": subprocess.PIPE}
    process = subprocess.Popen(arguments, **where)
    until = time.monotonic() + 60
    while not beat.exists() and process.poll() is None and time.monotonic() < until:
        time.sleep(0.005)
    return process


@pytest.mark.broker
def test_ten_kills_and_two_restarts_of_the_broker_lose_and_double_nothing(shop: Path, tmp_path: Path) -> None:
    """The film begins anew after each kill, so that what was told before is told again, and must be known by its id."""
    trust, camera = ("--key", str(shop / "t.pem")), ("--camera", f"shelf={shop / 'pictures'}")
    for home in ("box", "plain"):
        command("update", shop / "1.bundle", "--home", tmp_path / home, *trust)
        (tmp_path / home / box_id.FILE).write_text("0123456789ab")  # one box, or its ids would be of two
    command("run", "--home", tmp_path / "plain", *trust, *camera)
    wanted: list[str] = []
    camera_outbox(tmp_path / "plain").forward(lambda events: wanted.extend(each["event_id"] for each in events))
    assert len(wanted) == len(set(wanted)) == 2 + 2 * 4
    port, moments = BROKERS.free_port(), random.Random(11)
    (tmp_path / "broker").mkdir()
    box = [sys.executable, "-m", "edge.cli", "run", "--home", str(tmp_path / "box"), *trust, *camera]
    box += ["--to", f"mqtt://127.0.0.1:{port}", "--json"]
    with ExitStack() as broker:
        broker.enter_context(BROKERS.mosquitto(tmp_path / "broker", port))
        with subscriber(port) as got:
            for kill in range(10):
                process = started(box, tmp_path / "box" / "eyes.heartbeat")
                time.sleep(0.8 * moments.random())
                if kill in {3, 7}:
                    broker.close()
                    time.sleep(0.4 * moments.random())
                    broker.enter_context(BROKERS.mosquitto(tmp_path / "broker", port))
                while kill == 9 and not got and process.poll() is None:
                    time.sleep(0.005)  # however slow the machine, something was told before the last start
                process.send_signal(signal.SIGKILL)
                process.communicate()
            process = started(box, tmp_path / "box" / "eyes.heartbeat")
            last = json.loads(process.communicate(timeout=60)[0])
            until = time.monotonic() + 15
            while {each["event_id"] for each in got} < set(wanted) and time.monotonic() < until:
                time.sleep(0.05)
    ids = [each["event_id"] for each in got]
    assert (last["events_waiting"], set(ids)) == (0, set(wanted))
    assert len(ids) > len(wanted), "the film was told more than once, or this test says nothing"


def test_bundles_that_must_not_run_are_refused_while_the_box_looks_on(shop: Path, tmp_path: Path) -> None:
    box, camera = ("--home", tmp_path / "box", "--key", shop / "t.pem"), f"shelf={shop / 'pictures'}"
    command("update", shop / "1.bundle", *box)
    whole = (shop / "2.bundle").read_bytes()
    bad = {
        "altered": whole.replace(b"images", b"imagex", 1),
        "cut": whole[: len(whole) // 3],  # the end is padding
        "unsigned": whole.replace(b"bundle.sig", b"bundle.txt", 1),
        "of a stranger": (shop / "3.bundle").read_bytes(),
        "none": b"",
    }
    slow = [sys.executable, "-m", "edge.cli", "run", *map(str, box), "--camera", camera, "--json"]
    process = started(slow, tmp_path / "box" / "eyes.heartbeat")
    assert process.poll() is None
    process.send_signal(signal.SIGSTOP)  # it is at work, however fast it reads
    refused = {}
    for name, content in bad.items():
        (tmp_path / "bad.bundle").write_bytes(content)
        refused[name] = command("update", tmp_path / "bad.bundle", *box, code=1)["error"]
    process.send_signal(signal.SIGCONT)
    told = json.loads(process.communicate(timeout=60)[0])
    assert (told["frames"], told["failed"], told["events_stored"]) == (PICTURES, 0, 10)
    assert "not signed by the trusted key" in refused["of a stranger"]
    assert "signed bundle" in refused["unsigned"] and "fetch" in refused["cut"] and "altered" in refused["altered"]
    assert command("status", *box)["revision"] == 1 and len(list((tmp_path / "box" / "bundles").iterdir())) == 1
    assert command("update", shop / "2.bundle", *box)["outcome"] == "updated", "the good one is taken"
