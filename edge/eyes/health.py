"""The health of a box on a loopback address: for programs, with 200 while it is well and 503 while it is not, and for people."""

import json
import threading
from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from edge.eyes.health_page import health_page

HOST, PATH, FOR_PEOPLE = "127.0.0.1", "/healthz", "/"
TIMEOUT_S = 5.0


class HealthPage:
    """Answers GET /healthz with `health()` as JSON, and / with a page of it for a person, which is always 200; `port` 0 takes a
    free one. Nobody off the box is answered."""

    def __init__(self, health: Callable[[], Mapping[str, Any]], port: int = 0) -> None:
        class Handler(BaseHTTPRequestHandler):
            timeout = TIMEOUT_S

            def do_GET(self) -> None:
                if self.path not in {PATH, FOR_PEOPLE}:
                    self.send_error(HTTPStatus.NOT_FOUND, f"only {PATH} and {FOR_PEOPLE} are here")
                    return
                try:
                    told = dict(health())
                except Exception as error:  # a page that says why is worth more than one that is gone
                    told = {"healthy": False, "problems": [f"{type(error).__name__}: {error}"[:300]]}
                page = self.path == FOR_PEOPLE
                body = (health_page(told) if page else json.dumps(told)).encode()
                self.send_response(HTTPStatus.OK if page or told["healthy"] else HTTPStatus.SERVICE_UNAVAILABLE)
                self.send_header("Content-Type", "text/html; charset=utf-8" if page else "application/json")
                self.send_header("Cache-Control", "no-store")
                # Nothing is fetched from anywhere, whatever a camera's name or problem says.
                self.send_header("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Nothing on the terminal."""

        self._server = ThreadingHTTPServer((HOST, port), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, name="health", daemon=True)

    @property
    def address(self) -> str:
        """Where it answers."""
        return f"http://{HOST}:{self._server.server_port}{PATH}"

    @property
    def for_people(self) -> str:
        """Where a person looks."""
        return f"http://{HOST}:{self._server.server_port}{FOR_PEOPLE}"

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def close(self) -> None:
        """End."""
        if self._thread.is_alive():
            self._server.shutdown()
        self._server.server_close()
