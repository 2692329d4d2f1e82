"""At least 1,000 malformed requests to the running service: every one is refused with a 4xx, none is an error of ours."""

import http.client
import json
from collections import Counter

import pytest
from fuzzing import NO_REQUESTS, broken, off_schema, post

PATHS = ("/forecast", "/reasons", "/series", "/model")
EACH = 175  # generated from the schema, for each of the four endpoints


@pytest.mark.parametrize("path", PATHS)
def test_requests_off_the_schema_never_break_the_service(served, path: str) -> None:
    port, _ = served
    statuses = off_schema(port, path, EACH)
    assert sum(statuses.values()) >= 0.9 * EACH, statuses
    assert sum(count for status, count in statuses.items() if status >= 400) >= 0.8 * EACH, statuses


def hostile_bodies(seed: int, count: int) -> list[bytes]:
    """Valid requests broken in ways that a schema does not describe, and bytes that are no request at all."""
    good = json.dumps({"series_ids": ["s0001"], "horizon": 7, "quantiles": [0.1]}).encode()
    fixed = [
        *NO_REQUESTS,
        b'{"series_ids":' + b"[" * 5_000 + b"]" * 5_000 + b"}",
        b'{"series_ids":["s0001"],"horizon":1e400}',
        b'{"series_ids":["s0001"],"horizon":' + b"9" * 10_000 + b"}",
        b'{"series_ids":["s0001"],"horizon":NaN}',
        b'{"series_ids":["s0001"],"horizon":Infinity}',
        b'{"series_ids":["s0001"],"horizon":7.5}',
        b'{"series_ids":["s0001"],"horizon":true}',
        b'{"series_ids":["s0001"],"horizon":"7"}',
        b'{"series_ids":["s0001"],"horizon":-1}',
        b'{"series_ids":["s0001"],"horizon":43}',
        b'{"series_ids":[],"horizon":7}',
        b'{"series_ids":["s0001","s0001"]}',
        b'{"series_ids":["\\ud800"]}',
        b'{"series_ids":["' + b"x" * 201 + b'"]}',
        b'{"series_ids":["s0001\\u0000"]}',
        b'{"series_ids":' + json.dumps([f"x{n}" for n in range(1_001)]).encode() + b"}",
        b'{"series_ids":["s0001"],"horizon":2,"overrides":[{"name":"promo_depth","values":[1,NaN]}]}',
        b'{"series_ids":["s0001"],"horizon":2,"overrides":[{"name":"promo_depth","values":[1,1e308]}]}',
        b'{"series_ids":["s0001"],"horizon":2,"quantiles":[0.25]}',
        b'{"series_ids":["s0001"],"__proto__":{}}',
        b'{"series_ids":["s0001"],"horizon":7,"horizon":99}',
    ]
    return fixed + broken(good, seed, count - len(fixed))


def test_raw_bytes_never_break_the_service(served) -> None:
    port, _ = served
    bodies = hostile_bodies(seed=2, count=400)
    statuses = Counter(post(port, "/forecast", body)[0] for body in bodies)
    assert set(statuses) <= {200, 400, 404, 413}, statuses
    assert statuses[400] + statuses[404] >= 0.8 * len(bodies), statuses
    for body in hostile_bodies(seed=3, count=31):
        assert post(port, "/reasons", body)[0] < 500


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Content-Type": "application/vnd.bentoml+pickle"}, 415),
        ({"Content-Type": "multipart/form-data; boundary=x"}, 415),
        ({"Content-Type": "text/plain"}, 415),
        ({"Content-Type": "application/json; charset=utf-16"}, 200),
        ({"Content-Type": "application/json", "Content-Encoding": "gzip"}, 200),
        ({"Content-Type": "application/json", "Accept": "\xff"}, 200),
    ],
)
def test_headers_never_break_the_service(served, headers: dict[str, str], status: int) -> None:
    port, _ = served
    assert post(port, "/forecast", b'{"series_ids":["s0001"],"horizon":1}', headers)[0] == status


def test_too_large_is_413_with_and_without_a_length(served) -> None:
    port, _ = served
    body = b'{"series_ids":["' + b"x" * (2 << 20) + b'"]}'
    assert post(port, "/forecast", body)[0] == 413
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    chunks = (b"x" * 65_536 for _ in range(32))
    connection.request("POST", "/forecast", chunks, {"Content-Type": "application/json"}, encode_chunked=True)
    assert connection.getresponse().status == 413
    connection.close()


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW"])
def test_other_methods_and_paths_are_refused(served, method: str) -> None:
    port, _ = served
    for path in ("/forecast", "/no/such/page", "/%ff%fe", "/..%2f..%2fetc/passwd"):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        connection.request(method, path, headers={"Content-Type": "application/json"})
        assert connection.getresponse().status in (400, 404, 405), (method, path)
        connection.close()


def test_service_is_unharmed_and_its_metrics_did_not_grow(served) -> None:
    port, releases = served
    status, body = post(port, "/forecast", b'{"series_ids":["s0001"]}')
    reply = json.loads(body)
    assert (status, reply["served_by"]) == (200, f"champion {releases.ids['first']}")
    assert reply["breaker"] == "closed", "requests of strangers must not open the breaker"
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("GET", "/metrics")
    text = connection.getresponse().read().decode()
    connection.close()
    assert 'served_by="champion"' in text
    assert "no/such/page" not in text
    assert len(text) < 20_000
