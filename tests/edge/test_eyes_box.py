"""The whole way by the command, with small graphs in place of trained ones: release, bundle, box, cameras, events."""

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import eyes_fakes as FAKES
import eyes_graphs as GRAPHS
import mqtt_broker as BROKERS
import numpy as np
import pytest
from box_commands import command
from typer.testing import CliRunner

from edge import box_id
from edge.cli import app
from edge.eyes.camera_events import FILE, camera_outbox

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A signed bundle, its keys, and a folder of pictures: milk and tea stand there, tea is taken, rice is put."""
    root = tmp_path_factory.mktemp("eyes")
    networks = GRAPHS.detector_graph(), GRAPHS.embedder_graph()
    GRAPHS.small_release(root / "release", FAKES.PRODUCTS, *networks)
    command("keygen", "--private", root / "s.pem", "--public", root / "t.pem")
    command("build", root / "release", root / "1.bundle", "--key", root / "s.pem", "--revision", 1)
    FAKES.story(root / "pictures", 80)
    return root


def test_a_box_looks_at_a_camera_and_tells_the_broker(
    shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    box = ("--home", tmp_path, "--key", shop / "t.pem")
    assert command("verify", shop / "1.bundle", "--key", shop / "t.pem")["bot"] == "detector"
    assert command("update", shop / "1.bundle", *box)["outcome"] == "updated"
    assert command("status", *box)["unconfirmed_starts"] == 0
    monkeypatch.setenv("STORELOOP_EDGE_MQTT_USER", "shop-12")
    monkeypatch.setenv("STORELOOP_EDGE_MQTT_PASSWORD", "hush-0123456789")
    broker, began = BROKERS.Broker(), time.time()
    told = command("run", *box, "--camera", f"shelf={shop / 'pictures'}", "--to", broker.address, "--health-port", 0)
    broker.close()
    assert (told["frames"], told["failed"], told["events_stored"], told["events_forwarded"]) == (80, 0, 2, 2)
    assert [(each["kind"], each["product"]) for each in broker.got] == [("take", "tea"), ("put", "rice")]
    status = command("status", *box)
    assert (status["events_waiting"], status["products"], status["bot"]) == (0, 4, "detector")
    assert {each["box_id"] for each in broker.got} == {status["box_id"]} == {told["box_id"]}
    assert broker.sessions == [(f"storeloop-{status['box_id']}", False)], "whatever the host is called"
    assert broker.logins == [("shop-12", "hush-0123456789")] and "hush" not in json.dumps([told, status])
    assert (status["events_refused"], status["problems"]) == (0, [])
    with closing(sqlite3.connect(tmp_path / FILE)) as file, file:
        file.execute("INSERT INTO refused (id, body, answer) VALUES ('e1', '{}', 'answered with 422')")
    status = command("status", *box)
    assert status["events_refused"] == 1 and "1 events were refused and set aside" in status["problems"][0]
    assert status["unconfirmed_starts"] is None, "80 frames were looked at"
    assert -1 < status["heartbeat_age_s"] < time.time() - began + 1


def test_one_picture_is_answered_and_what_is_none_refused(shop: Path, tmp_path: Path) -> None:
    import base64

    box = ("--home", str(tmp_path), "--key", str(shop / "t.pem"))
    command("update", shop / "1.bundle", *box)
    told = base64.b64encode((shop / "pictures" / "000.png").read_bytes()).decode()
    lines = [json.dumps({"picture": told}), json.dumps({"picture": "aGVsbG8="}), json.dumps({"file": "/etc/passwd"})]
    result = CliRunner().invoke(app, ["run", *box, "--stdin"], input="\n".join(lines))
    good, *bad = (json.loads(line) for line in result.stdout.splitlines())
    assert [(each["product"], each["box"]) for each in good["items"]] == [
        ("milk", [5, 2, 17, 14]),
        ("tea", [5, 17, 17, 29]),
    ]
    assert "no JPEG, PNG or WebP" in bad[0]["error"] and "in Base64" in bad[1]["error"]
    assert "give NAME=ADDRESS" in command("run", *box, "--camera", "here", code=1)["error"]
    assert "no address of a service" in command("run", *box, "--camera", f"a={shop}", "--to", "here", code=1)["error"]


def test_cameras_of_a_shelf_are_fused_by_the_command(shop: Path, tmp_path: Path) -> None:
    """One camera a metre in front of a board: what it is fused to is told elsewhere, here that it is asked to."""
    from edge.eyes.shelf_spec import ShelfSpec
    from models.detector.pose import Pose

    pose = Pose(
        pixels=((60, 0, 32), (0, 60, 32), (0, 0, 1)), turned=((1, 0, 0), (0, -1, 0), (0, 0, -1)), at_cm=(50, 20, 100)
    )
    lanes = [{"board": 0, "product": "tea", "left_cm": 0, "right_cm": 50}]
    spec = ShelfSpec(name="gondola", boards_cm=(0.0,), lanes=lanes, weight_g={"tea": 100.0}, cameras={"shelf": pose})
    file, box = tmp_path / "shelf.json", ("--home", tmp_path / "box", "--key", shop / "t.pem")
    file.write_text(spec.model_dump_json())
    command("update", shop / "1.bundle", *box)
    seen = ("--camera", f"shelf={shop / 'pictures'}", "--camera", f"door={shop / 'pictures'}")
    told = command("run", *box, *seen, "--shelf", file)
    assert (told["frames"], told["failed"], told["problems"]) == (160, 0, [])
    kept: list[Any] = []
    camera_outbox(tmp_path / "box").forward(lambda events: kept.extend(each["camera"] for each in events))
    assert kept.count("door") == 2 and set(kept) <= {"door", "gondola"}, "the door looks alone, the shelf does not"
    wrong = command("run", *box, "--camera", f"door={shop / 'pictures'}", "--shelf", file, code=1)
    assert "names cameras ['shelf']: give each with --camera NAME=ADDRESS" in wrong["error"]


def test_a_bundle_that_sees_otherwise_is_not_taken_over(shop: Path, tmp_path: Path) -> None:
    from safetensors.numpy import load, save

    from edge.bundle import build, unpack
    from edge.runtime import SELF_TEST_FILE
    from models.common.keys import read_private_key, read_public_key

    box = ("--home", tmp_path / "box", "--key", shop / "t.pem")
    command("update", shop / "1.bundle", *box)
    unpack(shop / "1.bundle", read_public_key(shop / "t.pem"), tmp_path / "other")
    for name in ("bundle.json", "bundle.sig"):
        (tmp_path / "other" / name).unlink()
    told = load((tmp_path / "other" / SELF_TEST_FILE).read_bytes())
    told["embedder.onnx"] = told["embedder.onnx"] * np.float32(1.2)
    (tmp_path / "other" / SELF_TEST_FILE).write_bytes(save(told))
    build(
        tmp_path / "other",
        tmp_path / "2.bundle",
        read_private_key(shop / "s.pem"),
        bot="detector",
        revision=2,
        artifact_id="a",
    )
    report = command("update", tmp_path / "2.bundle", *box, code=1)
    assert report["outcome"] == "kept" and "embedder.onnx: an output is" in report["reason"]
    assert command("status", *box)["revision"] == 1


def test_sigkill_at_ten_random_moments_loses_and_doubles_no_event(shop: Path, tmp_path: Path) -> None:
    """The video is read from its start after each kill; what was told before is known by its id."""
    box = ("--home", str(tmp_path / "box"), "--key", str(shop / "t.pem"))
    command("update", shop / "1.bundle", *box)
    for home in ("box", "plain"):  # one box, or its ids would be of two
        (tmp_path / home).mkdir(exist_ok=True)
        (tmp_path / home / box_id.FILE).write_text("0123456789ab")
    camera = ("--camera", f"shelf={FAKES.story(tmp_path / 'pictures', 240)}")
    command("update", shop / "1.bundle", "--home", tmp_path / "plain", "--key", shop / "t.pem")
    command("run", "--home", tmp_path / "plain", "--key", shop / "t.pem", *camera)
    wanted: list[str] = []
    camera_outbox(tmp_path / "plain").forward(lambda events: wanted.extend(each["event_id"] for each in events))
    broker, moments = BROKERS.Broker(), random.Random(3)
    arguments = [sys.executable, "-m", "edge.cli", "run", *box, *camera, "--to", broker.address, "--json"]
    where = {"cwd": ROOT, "env": {**os.environ, "PYTHONPATH": str(ROOT)}, "stdout": subprocess.PIPE}
    for kill in range(10):
        broker.unanswered = 1 if kill == 9 else moments.randrange(2)
        process = subprocess.Popen(arguments, **where)
        beat, began = tmp_path / "box" / "eyes.heartbeat", time.monotonic()
        beat.unlink(missing_ok=True)
        while not beat.exists() and time.monotonic() - began < 20:
            time.sleep(0.005)
        time.sleep(moments.random() * 0.6)
        if kill == 9:  # so that one is sure to fall between a message and its answer, however slow the machine
            while broker.unanswered and time.monotonic() - began < 60:
                time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        process.communicate()
    broker.unanswered = 0
    last = json.loads(subprocess.run(arguments, check=True, timeout=60, **where).stdout)
    broker.close()
    got = [each["event_id"] for each in broker.got]
    assert set(got) == set(wanted) and len(set(wanted)) == len(wanted) == 2 + 4 * 2 and last["events_waiting"] == 0
    assert len(got) > len(wanted), "something came twice, or this test says nothing"
    assert (tmp_path / "box" / FILE).exists()
