"""Malformed requests to the running recommender: every one is refused with a 4xx or answered, none is an error of ours."""

import json
from collections import Counter

import pytest
from fuzzing import NO_REQUESTS, broken, off_schema, post

EACH = {"/recommend": 150, "/feedback": 150, "/similar": 50, "/items": 50, "/model": 20}
NOW = "2026-01-05T12:00:00Z"


@pytest.mark.parametrize("path", EACH)
def test_requests_off_the_schema_never_break_the_service(served_recommender, path: str) -> None:
    port, _ = served_recommender
    statuses = off_schema(port, path, EACH[path])
    assert sum(statuses.values()) >= 0.9 * EACH[path], statuses
    assert sum(count for status, count in statuses.items() if status >= 400) >= 0.8 * EACH[path], statuses


@pytest.mark.parametrize(
    "body",
    [
        b'{"customer_ids":["c001"],"k":1000000}',
        b'{"customer_ids":["c001"],"k":0}',
        b'{"customer_ids":["c001"],"k":NaN}',
        b'{"customer_ids":["c001"],"k":true}',
        b'{"customer_ids":["c001"],"k":"7"}',
        b'{"customer_ids":["c001"],"context":{"hour":NaN}}',
        b'{"customer_ids":["c001"],"context":{"hour":24}}',
        b'{"customer_ids":["c001"],"context":{"hour":Infinity}}',
        b'{"customer_ids":["c001"],"context":{"device":7}}',
        b'{"customer_ids":["c001"],"context":{"weather":"rain"}}',
        b'{"customer_ids":["c001"],"context":null}',
        b'{"customer_ids":["c001"],"most_of_category":NaN}',
        b'{"customer_ids":["c001"],"most_of_category":0}',
        b'{"customer_ids":["c001","c001"]}',
        b'{"customer_ids":[],"k":3}',
        b'{"customer_ids":["c001"],"history":["k0-1"]}',
        b'{"k":3}',
        b'{"history":[null]}',
        b'{"history":["\\ud800"]}',
        b'{"history":' + json.dumps([f"i{n}" for n in range(201)]).encode() + b"}",
        b'{"customer_ids":' + json.dumps([f"c{n}" for n in range(101)]).encode() + b"}",
    ],
)
def test_requests_beyond_the_bounds_are_refused(served_recommender, body: bytes) -> None:
    port, _ = served_recommender
    status, said = post(port, "/recommend", body)
    assert status == 400 and len(said) < 20_000, said


def test_a_million_items_are_refused_before_they_are_read(served_recommender) -> None:
    port, _ = served_recommender
    body = json.dumps({"history": [f"i{number}" for number in range(1_000_000)]}).encode()
    assert post(port, "/recommend", body)[0] == 413
    assert post(port, "/recommend", b'{"history":[' + b"1," * 400_000 + b"1]}")[0] == 400


@pytest.mark.parametrize(
    "event",
    [
        {"kind": "click", "item_id": "k0-1", "event_time": "2026-01-05T12:00:00", "event_id": "a", "customer_id": "c"},
        {"kind": "click", "item_id": "k0-1", "event_time": "9999-12-31T23:59:59Z", "event_id": "a", "customer_id": "c"},
        {"kind": "click", "item_id": "k0-1", "event_time": "0001-01-01T00:00:00Z", "event_id": "a", "customer_id": "c"},
        {"kind": "click", "item_id": "k0-1", "event_time": float("nan"), "event_id": "a", "customer_id": "c"},
        {"kind": "click", "item_id": "k0-1", "event_time": "soon", "event_id": "a", "customer_id": "c"},
        {"kind": "steal", "item_id": "k0-1", "event_time": NOW, "event_id": "a", "customer_id": "c"},
        {"kind": "click", "item_id": "k0-1", "event_time": NOW, "customer_id": "c"},
        {"kind": "click", "item_id": "k0-1", "event_time": NOW, "event_id": "a"},
        {"kind": "click", "item_id": "k0-1", "event_time": NOW, "impression_id": "A" * 163, "customer_id": "c"},
        {"kind": "click", "item_id": "k0-1", "event_time": NOW, "impression_id": "\u00e9", "customer_id": "c"},
        {"kind": "click", "item_id": "", "event_time": NOW, "event_id": "a", "customer_id": "c"},
    ],
)
def test_bad_feedback_is_refused(served_recommender, event: dict) -> None:
    port, _ = served_recommender
    status, said = post(port, "/feedback", json.dumps({"events": [event]}).encode())
    assert status == 400, said


def test_raw_bytes_never_break_the_service(served_recommender) -> None:
    port, _ = served_recommender
    good = json.dumps({"customer_ids": ["c001"], "k": 7, "context": {"hour": 3}, "exclude": ["k0-1"]}).encode()
    bodies = [*NO_REQUESTS, *broken(good, 2, 190)]
    statuses = Counter(post(port, "/recommend", body)[0] for body in bodies)
    assert set(statuses) <= {200, 400, 413}, statuses
    assert statuses[400] >= 0.7 * len(bodies), statuses
    for body in NO_REQUESTS:
        assert post(port, "/feedback", body)[0] < 500


def test_service_is_unharmed_and_its_metrics_did_not_grow(served_recommender) -> None:
    port, releases = served_recommender
    status, body = post(port, "/recommend", b'{"customer_ids":["c007"],"k":3}')
    reply = json.loads(body)
    assert (status, reply["served_by"], reply["breaker"]) == (200, f"champion {releases.ids['first']}", "closed")
    import urllib.request

    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as page:
        text = page.read().decode()
    assert 'served_by="champion"' in text and len(text) < 20_000
