"""Requests that no service should break on: off its schema, and bytes that are no request. Loaded by the tests."""

import http.client
import random
from collections import Counter

import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode

NO_REQUESTS = [
    b"",
    b"{",
    b"null",
    b"[]",
    b'"text"',
    b"0",
    b"\xff\xfe{\x00}\x00",
    b"\x00" * 50,
    b"[" * 100_000,
    b'{"a":' * 100_000,
]


def post(port: int, path: str, body: bytes, headers: dict[str, str] | None = None) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("POST", path, body, {"Content-Type": "application/json"} if headers is None else headers)
        reply = connection.getresponse()
        return reply.status, reply.read()
    finally:
        connection.close()


def off_schema(port: int, path: str, count: int) -> Counter[int]:
    """Status of `count` requests that break the service's own schema; an error of ours fails at once."""
    schema = schemathesis.openapi.from_url(f"http://127.0.0.1:{port}/docs.json")
    operation = schema[path]["POST"]
    statuses: Counter[int] = Counter()

    @settings(
        max_examples=count,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=GenerationMode.NEGATIVE))
    def ask(case) -> None:
        reply = case.call()
        statuses[reply.status_code] += 1
        assert reply.status_code < 500, (case.body, reply.content)

    ask()
    return statuses


def broken(good: bytes, seed: int, count: int) -> list[bytes]:
    """A request with bytes altered, cut out and put in."""
    rng = random.Random(seed)
    made = []
    while len(made) < count:
        body = bytearray(good)
        for _ in range(rng.randint(1, 6)):
            at = rng.randrange(len(body))
            match rng.randrange(3):
                case 0:
                    body[at] = rng.randrange(256)
                case 1:
                    del body[at : at + rng.randint(1, 5)]
                case _:
                    body[at:at] = rng.randbytes(rng.randint(1, 5))
        made.append(bytes(body))
    return made
