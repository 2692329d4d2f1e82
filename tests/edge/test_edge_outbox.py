"""Events of a kiosk: on the disk before they count, gone after the service has them, once whatever happens between."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from http_answers import answering
from typer.testing import CliRunner

from edge import outbox
from edge.cli import app
from edge.outbox import Outbox, OutboxError, to_service
from models.common.protocols import InputError

ROOT = Path(__file__).parents[2]


def event(number: int, **changed: Any) -> dict[str, Any]:
    return {
        "kind": "click",
        "item_id": f"i{number}",
        "customer_id": "c1",
        "event_time": "2026-01-05T18:30:00Z",
        "event_id": f"e{number}",
        **changed,
    }


@pytest.fixture
def service() -> Iterator[tuple[str, list[list[dict[str, Any]]]]]:
    """An address that takes feedback in, and what it got."""
    got: list[list[dict[str, Any]]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            assert self.path == "/feedback"
            got.append(body["events"])
            self.send_response(200 if len(got) < 3 else 503)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing on the terminal."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", got
    server.shutdown()


def test_what_is_stored_is_sent_once_and_in_order(
    tmp_path: Path, service: tuple[str, list[list[dict[str, Any]]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    url, got = service
    monkeypatch.setattr(outbox, "BATCH", 3)
    box = Outbox(tmp_path)
    assert [box.store(event(number)) for number in (1, 2, 3, 2, 4)] == [True, True, True, False, True]
    assert Outbox(tmp_path).forward(to_service(url)) == 4
    assert [[row["event_id"] for row in batch] for batch in got] == [["e1", "e2", "e3"], ["e4"]]
    assert box.waiting() == 0
    box.store(event(5))
    with pytest.raises(OutboxError, match="0 events sent, 1 wait"):
        box.forward(to_service(url))
    assert box.waiting() == 1, "what the service refused is kept"


def test_without_network_everything_waits(tmp_path: Path) -> None:
    box = Outbox(tmp_path, capacity=2)
    for number in (1, 2):
        box.store(event(number))
    with pytest.raises(OutboxError, match="2 events wait, no more than 2 are kept"):
        box.store(event(3))
    with pytest.raises(OutboxError, match="0 events sent, 2 wait"):
        box.forward(to_service("http://127.0.0.1:9"))
    assert box.waiting() == 2


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"kind": "stole"}, "kind"),
        ({"item_id": ""}, "item_id"),
        ({"customer_id": None}, "customer_id"),
        ({"event_time": "2026-01-05T18:30:00"}, "event_time"),
        ({"event_time": float("nan")}, "event_time"),
        ({"place": 3}, "place"),
    ],
)
def test_a_wrong_event_says_its_field(tmp_path: Path, changed: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Outbox(tmp_path).store(event(1, **changed))
    with pytest.raises(InputError, match="is no address of a service"):
        to_service("file:///etc/passwd")


def test_a_kill_between_sending_and_forgetting_sends_again_and_loses_nothing(tmp_path: Path) -> None:
    """What was acknowledged as stored is there after SIGKILL; what was sent but not forgotten comes again with its id."""
    code = (
        "import sys, pathlib; from edge.outbox import Outbox; box = Outbox(pathlib.Path(sys.argv[1]))\n"
        "for n in range(10**6):\n"
        " box.store({'kind': 'click', 'item_id': 'i', 'customer_id': 'c', 'event_time': '2026-01-05T18:30:00Z',"
        " 'event_id': f'e{n}'})\n"
        " print(n, flush=True)\n"
    )
    child = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert child.stdout is not None
    first = child.stdout.readline()  # a busy machine is slow to start
    time.sleep(0.5)
    os.kill(child.pid, signal.SIGKILL)
    stored = [int(line) for line in (first + child.communicate()[0]).split()]
    box = Outbox(tmp_path)
    assert box.waiting() in {len(stored), len(stored) + 1}

    class Killed(BaseException):
        pass

    sent: list[str] = []

    def send(events: Sequence[Mapping[str, Any]]) -> None:
        sent.extend(row["event_id"] for row in events)
        raise Killed

    with pytest.raises(Killed):
        box.forward(send)
    again: list[str] = []
    box.forward(lambda events: again.extend(row["event_id"] for row in events))
    assert again[: len(sent)] == sent
    assert [f"e{n}" for n in stored] == again[: len(stored)]


def test_two_forwarders_lose_no_event_that_comes_while_both_send(tmp_path: Path) -> None:
    """While the first waits for its answer, the second sends the same and empties the outbox; the next event gets the freed place."""
    first, second = Outbox(tmp_path), Outbox(tmp_path)
    first.store(event(1))
    got: list[str] = []

    def slow(events: Sequence[Mapping[str, Any]]) -> None:
        if not got:
            second.forward(lambda same: got.extend(row["event_id"] for row in same))
            second.store(event(2))
        got.extend(row["event_id"] for row in events)

    first.forward(slow)
    assert got == ["e1", "e1", "e2"] and first.waiting() == 0


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_login_page_that_the_network_points_to_is_no_delivery(tmp_path: Path, status: int) -> None:
    box = Outbox(tmp_path)
    box.store(event(1))
    with (
        answering((status, {"Location": "/login?from=box"}), (200, {})) as (url, asked),
        pytest.raises(OutboxError, match=rf"{url}/feedback answered with {status} and points to '/login\?from=box'"),
    ):
        box.forward(to_service(url))
    assert box.waiting() == 1 and asked == ["POST /feedback"], "nothing is asked of where it points"


def test_an_answer_that_is_no_http_is_told_like_any_other_failure(tmp_path: Path) -> None:
    """http.client raises errors of its own that are no OSError: of a printer on this port, say."""
    Outbox(tmp_path).store(event(1))
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            peer, _ = listener.accept()
            with peer:
                peer.recv(65_536)
                peer.sendall(b"220 printer ready\r\n\r\n")

        threading.Thread(target=answer, daemon=True).start()
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        result = CliRunner().invoke(app, ["forward", "--home", str(tmp_path), "--to", address, "--json"])
    assert result.exit_code == 1
    told = json.loads(result.stdout)["error"]
    assert "0 events sent, 1 wait" in told and f"{address}/feedback gave no sound answer" in told
    assert Outbox(tmp_path).waiting() == 1


def test_a_password_in_an_address_is_refused_and_not_repeated() -> None:
    with pytest.raises(InputError, match="STORELOOP_EDGE_TOKEN") as refused:
        to_service("http://box:secret@127.0.0.1:3000")
    assert "secret" not in str(refused.value)


def test_the_command(tmp_path: Path, service: tuple[str, list[list[dict[str, Any]]]]) -> None:
    url, got = service

    def command(*arguments: Any, code: int = 0) -> dict[str, Any]:
        result = CliRunner().invoke(app, [*map(str, arguments), "--home", str(tmp_path), "--json"])
        assert result.exit_code == code, result.output
        return json.loads(result.stdout.splitlines()[-1])

    told = ("feedback", "--kind", "purchase", "--item", "milk", "--customer", "c1", "--event-id", "o1")
    assert command(*told) == {"stored": True, "waiting": 1}
    assert command(*told) == {"stored": False, "waiting": 1}
    assert command("forward", "--to", url) == {"sent": 1, "waiting": 0, "refused": 0}
    assert [row["item_id"] for batch in got for row in batch] == ["milk"]
    assert "no address" in command("forward", "--to", "nowhere", code=1)["error"]
