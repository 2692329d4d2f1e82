"""An open load over HTTP: what is to be sent when, whether the service keeps up or not."""

import heapq
import http.client
import queue
import threading
import time

JSON = {"Content-Type": "application/json"}


class Agenda:
    """What is to be sent when; one thread waits for the next time, so that the senders sleep until there is work."""

    def __init__(self) -> None:
        self.ready: queue.SimpleQueue[tuple[float, str, bytes] | None] = queue.SimpleQueue()
        self._heap: list[tuple[float, str, bytes]] = []
        self._changed = threading.Condition()
        self._over = False

    def put(self, at: float, path: str, body: bytes) -> None:
        with self._changed:
            heapq.heappush(self._heap, (at, path, body))
            if self._heap[0][0] == at:
                self._changed.notify()

    def run(self) -> None:
        with self._changed:
            while not self._over:
                left = self._heap[0][0] - time.perf_counter() if self._heap else 1.0
                if left > 0:
                    self._changed.wait(left)
                else:
                    self.ready.put(heapq.heappop(self._heap))

    def end(self, senders: int) -> None:
        with self._changed:
            self._over = True
            self._changed.notify()
        for _ in range(senders):
            self.ready.put(None)


def post(connection: http.client.HTTPConnection, path: str, body: bytes) -> tuple[int, bytes]:
    """Once more where the server closed a connection that had been idle."""
    for last in (False, True):
        try:
            connection.request("POST", f"/{path}", body, JSON)
            reply = connection.getresponse()
            return reply.status, reply.read()
        except (OSError, http.client.HTTPException):
            connection.close()
            if last:
                raise
    raise RuntimeError("not reached")
