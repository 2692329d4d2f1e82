"""Queues of situations and the command: what a kill leaves, what the centre hears once the network is back."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from typer.testing import CliRunner

from edge import label_queue, labels
from edge.cli import app
from edge.label_queue import price_path
from edge.label_store import LabelStore
from edge.labels import LABELS_FILE, open_prices
from models.common.keys import read_public_key
from models.common.protocols import InputError

ROOT = Path(__file__).parents[2]


@pytest.fixture
def box(pricing: ModuleType, shop: Any, tmp_path: Path) -> Any:
    box = pricing.Box(shop, tmp_path / "box")
    box.install(1)
    return box


@pytest.fixture
def centre() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """The address of a pricing service, and the decisions that it got, as often as it got them."""
    got: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            assert self.path == "/decisions"
            got.extend(body["decisions"])
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing on the terminal."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", got
    server.shutdown()


def command(box: Any, *arguments: Any, code: int = 0, key: bool = True) -> dict[str, Any]:
    trust = ("--key", box.shop.public) if key else ()
    result = CliRunner().invoke(app, ["labels", *map(str, (*arguments, "--home", box.home, *trust)), "--json"])
    assert result.exit_code == code, result.output
    return json.loads(result.stdout.splitlines()[-1])


def test_a_queue_is_emptied_in_order_and_what_is_wrong_stays_beside(
    box: Any, pricing: ModuleType, tmp_path: Path
) -> None:
    queue, rows = tmp_path / "queue", pricing.situations_of("salad", 3, seed=1)
    queue.mkdir()
    later = [row | {"id": f"{row['id']}-later"} for row in rows]
    (queue / "2.json").write_text(json.dumps([*later, {"id": "odd"}]))
    (queue / "1.json").write_text(json.dumps(rows))
    (queue / "3.json").write_text("no json")
    (queue / "4.json.tmp").write_text("half a fi")
    runtime = open_prices(box.home, box.key)
    report = price_path(box.home, runtime, queue, now=pricing.NOW)
    again = price_path(box.home, runtime, queue, now=pricing.NOW)
    runtime.close()
    assert (report.decided, [name for name, _ in report.refused]) == (6, ["odd", "3.json"])
    assert {row["situation"] for row in box.labels().values()} == {row["id"] for row in later}
    assert sorted(file.name for file in queue.iterdir()) == ["2.json.refused", "3.json.refused", "4.json.tmp"]
    (refused,) = json.loads((queue / "2.json.refused").read_bytes())
    assert refused["id"] == "odd" and "Field required" in refused["reason"]
    assert (again.decided, again.known, again.refused) == (0, 0, [])
    with pytest.raises(InputError, match="is no file"):
        price_path(box.home, runtime, tmp_path / "nowhere", now=pricing.NOW)


def test_a_file_that_comes_under_the_name_of_one_being_decided_waits_for_the_next_pass(
    box: Any, pricing: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue, first, second = tmp_path / "queue", *(pricing.situations_of("salad", 3, seed=seed) for seed in (1, 2))
    queue.mkdir()
    (queue / "now.json").write_text(json.dumps(first))
    whole = label_queue.reprice

    def meanwhile(*given: Any, **named: Any) -> Any:
        report = whole(*given, **named)
        if report.decided:
            (queue / "now.json").write_text(json.dumps(second))
        return report

    runtime = open_prices(box.home, box.key)
    with monkeypatch.context() as patch:
        patch.setattr(label_queue, "reprice", meanwhile)
        assert price_path(box.home, runtime, queue, now=pricing.NOW).decided == 3
    (queue / "now.json").replace(queue / "now.json.taken")  # as a kill would leave it
    assert price_path(box.home, runtime, queue, now=pricing.NOW).decided == 3
    runtime.close()
    assert not list(queue.iterdir())
    assert {row["situation"] for row in box.labels().values()} == {row["id"] for row in second}


class Killed(BaseException):
    """Like a kill: no handler of ours runs."""


@pytest.mark.parametrize("at", ["record", "hand_over", "_write_labels", "store_all"])
def test_a_kill_at_any_step_loses_nothing_and_tells_once(
    box: Any, pricing: ModuleType, at: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = (pricing.situations_of("salad", 8, seed=seed) for seed in (1, 2))
    box.price(first)
    shown = box.labels()
    owner = next(
        each for each in (LabelStore, labels, labels.LabelStore(box.home).outbox.__class__) if hasattr(each, at)
    )
    whole = getattr(owner, at)

    def killed(*given: Any, **named: Any) -> Any:
        if at in {"record", "store_all"}:
            whole(*given, **named)  # done, and nothing after it
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(owner, at, killed)
        with pytest.raises(Killed):
            box.price(second)
    assert box.labels() == shown, "the labels are whole, and those of before"
    after = box.price(second)
    assert (after.decided, after.known) == (0, 8), "what was decided before the kill stays"
    assert {row["situation"] for row in box.labels().values()} == {row["id"] for row in second}
    assert sorted(each["event_id"] for each in box.told()) == sorted(row["id"] for row in first + second)


PASS = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from models.common.keys import read_public_key
from edge.label_queue import price_path
from edge.labels import open_prices
home, key, queue = map(Path, sys.argv[1:])
runtime = open_prices(home, read_public_key(key))
print("ready", flush=True)
price_path(home, runtime, queue, now=datetime.now(UTC))
print("done", flush=True)
"""


def test_sigkill_at_any_moment_leaves_whole_labels_and_every_decision_is_told_once(
    box: Any, pricing: ModuleType, tmp_path: Path
) -> None:
    queue = tmp_path / "queue"
    queue.mkdir()
    rows = [row for seed in range(10) for row in pricing.situations_of("salad", 100, seed=seed)]
    for number in range(10):
        (queue / f"{number}.json").write_text(json.dumps(rows[100 * number : 100 * (number + 1)]))
    arguments = [sys.executable, "-c", PASS, str(box.home), str(box.shop.public), str(queue)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    left = []
    for attempt in range(8):
        process = subprocess.Popen(arguments, stdout=subprocess.PIPE, env=environment)
        process.stdout.readline()
        while process.poll() is None and len(list(queue.glob("*.json"))) > 9 - attempt:
            time.sleep(0.001)
        time.sleep(0.004 * (attempt % 4))
        process.send_signal(signal.SIGKILL)
        process.wait()
        left.append(len(list(queue.iterdir())))
        if (box.home / LABELS_FILE).exists():
            shown = box.labels()
            assert {row["situation"].split("-")[1] for row in shown.values()} <= {str(seed) for seed in range(10)}
            assert all(row["price"] > 0 for row in shown.values())
    assert any(0 < count < 10 for count in left), f"no kill came between two files: {left}"
    runtime = open_prices(box.home, box.key)
    price_path(box.home, runtime, queue, now=pricing.NOW)
    runtime.close()
    assert not list(queue.iterdir())
    assert not list(box.home.glob(f".{LABELS_FILE}.*"))
    assert {row["situation"] for row in box.labels().values()} == {row["id"] for row in rows[-100:]}
    assert sorted(each["event_id"] for each in box.told()) == sorted(row["id"] for row in rows)


def test_without_a_network_decisions_wait_and_then_each_clipped_one_arrives_with_its_rule(
    box: Any, pricing: ModuleType, tmp_path: Path, centre: tuple[str, list[dict[str, Any]]]
) -> None:
    url, got = centre
    file, rows = tmp_path / "now.json", pricing.situations_of("parking", 40, seed=3)
    file.write_text(json.dumps(rows))
    offline = command(box, "price", file, "--to", "http://127.0.0.1:9")
    assert (offline["decided"], offline["sent"], offline["waiting"]) == (40, 0, 40)
    assert "0 events sent, 40 wait" in offline["problem"]
    assert "0 events sent, 40 wait" in command(box, "forward", "--to", "http://127.0.0.1:9", code=1, key=False)["error"]
    online = command(box, "price", file, "--to", url)
    assert (online["decided"], online["known"], online["sent"], online["waiting"]) == (0, 40, 40, 0)
    clipped = [each["rule"] for each in got if each["rule"]]
    assert len(clipped) == sum(offline["clipped"].values()) > 0
    assert {each["event_id"] for each in got} == {row["id"] for row in rows}
    assert command(box, "forward", "--to", url, key=False) == {"sent": 0, "waiting": 0, "refused": 0}
    assert len(got) == 40


def test_the_command_says_what_was_refused_and_what_is_shown(box: Any, pricing: ModuleType, tmp_path: Path) -> None:
    file = tmp_path / "now.json"
    file.write_text(json.dumps([*pricing.situations_of("salad", 5, seed=3), {"id": "odd"}]))
    told = command(box, "price", file, code=1)
    assert (told["decided"], [row["id"] for row in told["refused"]]) == (5, ["odd"])
    shown = command(box, "show", key=False)
    assert (shown["labels"], shown["waiting"], shown["served_by"]) == (5, 5, told["served_by"])
    assert oct((box.home / LABELS_FILE).stat().st_mode)[-3:] == "644", "another user's controller reads it"
    file.write_text("{}")
    assert "expected a list" in command(box, "price", file, code=1)["error"]
    box.damage()
    file.write_text(json.dumps(pricing.situations_of("salad", 5, seed=4)))
    assert command(box, "price", file)["served_by"] == {"fallback:last_price": 5}


def test_the_loop_goes_on_after_an_error_and_takes_what_comes(box: Any, pricing: ModuleType, tmp_path: Path) -> None:
    file = tmp_path / "now.json"
    arguments = ["labels", "price", file, "--home", box.home, "--key", box.shop.public, "--every", 0.1, "--json"]
    loop = subprocess.Popen(
        [sys.executable, "-m", "edge.cli", *map(str, arguments)],
        stdout=subprocess.PIPE, text=True, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    try:
        assert "is no file" in json.loads(loop.stdout.readline())["error"]
        fresh = tmp_path / "fresh"
        fresh.write_text(json.dumps(pricing.situations_of("fish", 7, seed=1)))
        fresh.replace(file)
        reports = (json.loads(line) for line in loop.stdout)
        assert next(each for each in reports if "error" not in each)["decided"] == 7
        assert next(reports)["known"] == 7
    finally:
        loop.kill()
        loop.wait()
    assert len(box.labels()) == 7


def test_two_passes_at_once_decide_each_situation_once(box: Any, pricing: ModuleType) -> None:
    rows = pricing.situations_of("flowers", 300, seed=5)
    open_prices(box.home, read_public_key(box.shop.public)).close()
    reports: list[Any] = []
    passes = [threading.Thread(target=lambda: reports.append(box.price(rows))) for _ in range(4)]
    for each in passes:
        each.start()
    for each in passes:
        each.join()
    assert sorted((each.decided, each.known) for each in reports) == [(0, 300)] * 3 + [(300, 0)]
    assert len(box.told()) == len({row["id"] for row in rows}) == 300


def test_the_token_comes_from_the_environment_and_goes_to_the_service_alone(
    box: Any, pricing: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The address points elsewhere, where nothing is asked, so that nobody there sees the token."""
    seen: list[tuple[str, str | None]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self._answer(302)

        def do_GET(self) -> None:
            self._answer(200)

        def _answer(self, status: int) -> None:
            seen.append((self.path, self.headers["Authorization"]))
            self.send_response(status)
            self.send_header("Location", "/elsewhere")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing on the terminal."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("STORELOOP_EDGE_TOKEN", "box-token-0123456789")
    file = tmp_path / "now.json"
    file.write_text(json.dumps(pricing.situations_of("salad", 2, seed=1)))
    told = command(box, "price", file, "--to", f"http://127.0.0.1:{server.server_port}")
    server.shutdown()
    assert seen == [("/decisions", "Bearer box-token-0123456789")]
    assert (told["sent"], told["waiting"]) == (0, 2) and "points to '/elsewhere'" in told["problem"]
