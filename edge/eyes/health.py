"""The health page of a box: JSON on a loopback address, 200 while it is well and 503 while it is not."""

import json
import threading
from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

HOST, PATH = "127.0.0.1", "/healthz"
TIMEOUT_S = 5.0


class HealthPage:
    """Answers GET /healthz with `health()`; `port` 0 takes a free one. Nobody off the box is answered."""

    def __init__(self, health: Callable[[], Mapping[str, Any]], port: int = 0) -> None:
        class Handler(BaseHTTPRequestHandler):
            timeout = TIMEOUT_S

            def do_GET(self) -> None:
                if self.path != PATH:
                    self.send_error(HTTPStatus.NOT_FOUND, f"only {PATH} is here")
                    return
                try:
                    told = dict(health())
                except Exception as error:  # a page that says why is worth more than one that is gone
                    told = {"healthy": False, "problems": [f"{type(error).__name__}: {error}"[:300]]}
                body = json.dumps(told).encode()
                self.send_response(HTTPStatus.OK if told["healthy"] else HTTPStatus.SERVICE_UNAVAILABLE)
                self.send_header("Content-Type", "application/json")
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

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def close(self) -> None:
        """End."""
        if self._thread.is_alive():
            self._server.shutdown()
        self._server.server_close()
