"""Brokers for tests: one of a few lines that keeps what comes, and the real one where it is installed. Not a test."""

import json
import socket
import socketserver
import struct
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Broker:
    """MQTT 3.1.1 as a publisher sees it. `got` holds every event that came, as often as it came.

    `unanswered` messages are kept without an acknowledgement, as a broker that dies in between would; `down` hangs up on everyone.
    """

    def __init__(self, port: int = 0) -> None:
        self.got: list[dict[str, Any]] = []
        self.topics: set[str] = set()
        self.sessions: list[tuple[str, bool]] = []
        self.logins: list[tuple[str, ...]] = []
        self.unanswered, self.down = 0, False
        self.refuse = 0
        self._open: set[socket.socket] = set()
        broker = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                broker._open.add(self.request)
                try:
                    broker._serve(self.request)
                except OSError:
                    pass
                finally:
                    broker._open.discard(self.request)

        socketserver.ThreadingTCPServer.allow_reuse_address = True
        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", port), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    @property
    def address(self) -> str:
        return f"mqtt://127.0.0.1:{self.port}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self.hang_up()

    def hang_up(self) -> None:
        for each in list(self._open):
            each.close() if self.down else each.shutdown(socket.SHUT_RDWR)

    def _serve(self, peer: socket.socket) -> None:
        while not self.down:
            head = _exactly(peer, 1)[0]
            body = _exactly(peer, _length(peer))
            kind = head >> 4
            if kind == 1:  # CONNECT
                clean, told = bool(body[7] & 2), _texts(body[10:])
                self.sessions.append((told[0], clean))
                if body[7] & 0x80:  # no will was given, so that these come next
                    self.logins.append(tuple(told[1:]))
                peer.sendall(bytes([0x20, 2, 0, self.refuse]))
            elif kind == 3:  # PUBLISH
                (size,) = struct.unpack(">H", body[:2])
                assert (head >> 1) & 3 == 1, "quality of service 1"
                self.topics.add(body[2 : 2 + size].decode())
                self.got.append(json.loads(body[4 + size :]))
                if self.unanswered:
                    self.unanswered -= 1
                else:
                    peer.sendall(b"\x40\x02" + body[2 + size : 4 + size])
            elif kind == 12:  # PINGREQ
                peer.sendall(b"\xd0\x00")
            elif kind == 14:  # DISCONNECT
                return


def _texts(body: bytes) -> list[str]:
    """Texts one after the other, the size of each before it."""
    found = []
    while body:
        (size,) = struct.unpack(">H", body[:2])
        found.append(body[2 : 2 + size].decode())
        body = body[2 + size :]
    return found


def _exactly(peer: socket.socket, count: int) -> bytes:
    found = b""
    while len(found) < count:
        more = peer.recv(count - len(found))
        if not more:
            raise OSError("hung up")
        found += more
    return found


def _length(peer: socket.socket) -> int:
    value, shift = 0, 0
    while True:
        byte = _exactly(peer, 1)[0]
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return value


@contextmanager
def mosquitto(folder: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """A real broker on a loopback port that keeps sessions in `folder`; FileNotFoundError where none is installed."""
    settings = folder / "mosquitto.conf"
    settings.write_text(
        f"listener {port} 127.0.0.1\nallow_anonymous true\npersistence true\npersistence_location {folder}/\n"
        "autosave_interval 1\nmax_queued_messages 0\nmax_inflight_messages 0\nuser root\n"
    )
    process = subprocess.Popen(["mosquitto", "-c", settings], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(100):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        else:
            raise RuntimeError(f"mosquitto did not open port {port} within 5 s")
        yield process
    finally:
        process.terminate()
        process.wait(timeout=10)
