"""A small load generator: plain connections in threads, so that it needs nothing that a service does not have."""

import http.client
import json
import statistics
import threading
import time
from collections import Counter
from urllib.parse import urlsplit

HEADERS = {"Content-Type": "application/json"}


class LoadError(RuntimeError):
    """The service could not be asked; the message says what it answered."""


def run_load(url: str, *, requests: int, connections: int, horizon: int) -> dict[str, object]:
    """Send `requests` forecasts over `connections`; rate per second, p50/p99 in ms, replies by status and by server."""
    parts = urlsplit(url)
    if parts.scheme != "http" or parts.hostname is None:
        raise LoadError(f"{url!r} is no http:// address")
    address = (parts.hostname, parts.port or 80)
    bodies = [json.dumps({"series_ids": [name], "horizon": horizon}).encode() for name in _known(address)]
    taken: list[float] = []
    by_status: Counter[int] = Counter()
    by_server: Counter[str] = Counter()
    lock = threading.Lock()

    def work(first: int) -> None:
        connection = http.client.HTTPConnection(*address, timeout=30)
        for number in range(first, requests, connections):
            start = time.perf_counter()
            try:
                connection.request("POST", "/forecast", bodies[number % len(bodies)], HEADERS)
                reply = connection.getresponse()
                status, content = reply.status, reply.read()
            except (OSError, http.client.HTTPException):
                connection.close()
                status, content = 0, b""
            elapsed_ms = (time.perf_counter() - start) * 1000
            server = json.loads(content)["served_by"] if status == 200 else "nobody"
            with lock:
                taken.append(elapsed_ms)
                by_status[status] += 1
                by_server[server] += 1
        connection.close()

    threads = [threading.Thread(target=work, args=(first,)) for first in range(connections)]
    start = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds = time.perf_counter() - start
    cuts = statistics.quantiles(taken, n=100, method="inclusive") if len(taken) > 1 else taken * 99
    return {
        "requests": len(taken),
        "requests_per_s": round(len(taken) / seconds, 1),
        "p50_ms": round(cuts[49], 2),
        "p99_ms": round(cuts[98], 2),
        "status": dict(by_status),
        "served_by": dict(by_server),
    }


def _known(address: tuple[str, int]) -> list[str]:
    connection = http.client.HTTPConnection(*address, timeout=30)
    try:
        connection.request("POST", "/series", b'{"limit": 100}', HEADERS)
        reply = connection.getresponse()
        content = reply.read()
    except OSError as error:
        raise LoadError(f"nothing answers at {address[0]}:{address[1]} ({error}): start it with `serve`") from error
    finally:
        connection.close()
    if reply.status != 200:
        raise LoadError(f"/series answered {reply.status}: {content[:300].decode(errors='replace')}")
    series_ids: list[str] = json.loads(content)["series_ids"]
    return series_ids
