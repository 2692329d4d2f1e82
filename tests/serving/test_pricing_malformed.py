"""Malformed requests to the running pricing service: every one is refused with a 4xx or answered, none is an error of ours."""

import json
import urllib.error
import urllib.request
from collections import Counter

import pytest
from fuzzing import NO_REQUESTS, broken, off_schema, post
from pricing_releases import bread, columns, fresh_columns, item, peach

EACH = {"/quote": 150, "/reprice": 150, "/explain": 60, "/what_if": 60, "/model": 20}
EACH |= {"/quote_fresh": 150, "/reprice_fresh": 150, "/explain_fresh": 60, "/what_if_fresh": 60, "/goods": 20}
GOOD = json.dumps({"market": "salad", "items": [item(), item(item_id="b", lowest=2.5)]}).encode()


@pytest.mark.parametrize("path", EACH)
def test_requests_off_the_schema_never_break_the_service(served_pricing, path: str) -> None:
    port, _ = served_pricing
    statuses = off_schema(port, path, EACH[path])
    assert sum(statuses.values()) >= 0.9 * EACH[path], statuses
    assert sum(count for status, count in statuses.items() if status >= 400) >= 0.8 * EACH[path], statuses


@pytest.mark.parametrize(
    "told",
    [
        b'"period":1e400',
        b'"period":' + b"9" * 10_000,
        b'"period":NaN',
        b'"period":1.5',
        b'"period":true',
        b'"period":"2"',
        b'"stock":[-1]',
        b'"stock":[1e9]',
        b'"stock":[NaN]',
        b'"stock":[[1]]',
        b'"stock":' + json.dumps([1] * 401).encode(),
        b'"before":NaN',
        b'"before":Infinity',
        b'"before":1e308',
        b'"before":0',
        b'"factors":{"weather":NaN}',
        b'"factors":{"weather":1e300}',
        b'"factors":{"income":1}',
        b'"factors":null',
        b'"lowest":-1',
        b'"item_id":""',
        b'"item_id":"\\ud800"',
        b'"customer_id":"C1"',
        b'"__proto__":{}',
    ],
)
def test_items_beyond_the_bounds_are_refused(served_pricing, told: bytes) -> None:
    port, _ = served_pricing
    name = told.split(b":", 1)[0]
    rest = [
        part for part in (b'"item_id":"a"', b'"period":2', b'"stock":[1,3]', b'"before":3') if not part.startswith(name)
    ]
    body = b'{"market":"salad","items":[{' + b",".join([*rest, told]) + b"}]}"
    status, said = post(port, "/quote", body)
    assert status == 400 and len(said) < 20_000, said


@pytest.mark.parametrize(
    "told",
    [
        b'"list_price":1e-9',
        b'"list_price":1e308',
        b'"stock":[[1]]',
        b'"stock":' + json.dumps([1] * 31).encode(),
        b'"stock":[1e400]',
        b'"before":-Infinity',
        b'"weekday":7',
        b'"weekday":' + b"9" * 10_000,
        b'"expected":[1]',
        b'"expected":' + json.dumps([1e9] * 14).encode(),
        b'"expected":{"0":1}',
        b'"up_to":1e300',
        b'"wait":-1',
        b'"good":"\\ud800"',
        b'"good":' + json.dumps("S" * 201).encode(),
        b'"customer_id":"C1"',
    ],
)
def test_fresh_goods_beyond_the_bounds_are_refused(served_pricing, told: bytes) -> None:
    port, _ = served_pricing
    name = json.loads(b"[" + told.split(b":", 1)[0] + b"]")[0]
    rest = json.dumps({key: value for key, value in peach().items() if key != name}).encode()
    status, said = post(port, "/quote_fresh", b'{"items":[' + rest[:-1] + b"," + told + b"}]}")
    assert status == 400 and len(said) < 20_000, said


def test_every_example_of_the_api_page_works_as_it_stands(served_pricing) -> None:
    port, releases = served_pricing
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/docs.json") as page:
        document = json.loads(page.read())
    for path in EACH:
        reference = document["paths"][path]["post"]["requestBody"]["content"]["application/json"]["schema"]["$ref"]
        example = document["components"]["schemas"][reference.rsplit("/", 1)[1]]["example"]
        status, said = post(port, path, json.dumps(example).encode())
        assert status == 200, (path, said[:300])
        if path not in ("/model", "/goods"):
            assert json.loads(said)["served_by"] == f"champion {releases.ids['first']}", path


def test_an_unknown_good_is_404_and_raw_bytes_of_goods_never_break_the_service(served_pricing) -> None:
    port, _ = served_pricing
    status, said = post(port, "/quote_fresh", json.dumps({"items": [peach(good="S9|figs")]}).encode())
    assert status == 404 and "unknown good 'S9|figs'" in json.loads(said)["error"]
    for path, good in (
        ("/quote_fresh", {"items": [peach(), bread(expected=[2.0] * 14)]}),
        ("/reprice_fresh", {"goods": fresh_columns([peach(), bread()])}),
    ):
        body = json.dumps(good).encode()
        assert post(port, path, body)[0] == 200
        statuses = Counter(post(port, path, each)[0] for each in [*NO_REQUESTS, *broken(body, 4, 150)])
        assert set(statuses) <= {200, 400, 404, 413}, statuses
        assert statuses[400] + statuses[404] >= 90, statuses


def test_raw_bytes_never_break_the_service(served_pricing) -> None:
    port, _ = served_pricing
    bodies = [*NO_REQUESTS, *broken(GOOD, 2, 200)]
    statuses = Counter(post(port, "/quote", body)[0] for body in bodies)
    assert set(statuses) <= {200, 400, 404, 413}, statuses
    assert statuses[400] + statuses[404] >= 0.6 * len(bodies), statuses
    store = json.dumps({"markets": [columns([item(), item(item_id="b")])]}).encode()
    statuses = Counter(post(port, "/reprice", body)[0] for body in [*NO_REQUESTS, *broken(store, 3, 150)])
    assert set(statuses) <= {200, 400, 404, 413}, statuses


def test_a_store_of_ten_thousand_fits_and_one_more_does_not(served_pricing) -> None:
    port, _ = served_pricing
    many = [item(item_id=f"item-{number:05d}", period=number % 9) for number in range(10_000)]
    status, body = post(port, "/reprice", json.dumps({"markets": [columns(many)]}).encode())
    assert status == 200, body[:300]
    (part,) = json.loads(body)["markets"]
    assert len(part["price"]) == 10_000 and all(1.5 <= price <= 3.0 for price in part["price"])
    assert {part["served_by"][row] for row in range(0, 10_000, 9)} == {"champion"}
    assert {part["served_by"][row] for row in range(6, 10_000, 9)} == {"fallback:approved_ladder"}
    status, said = post(port, "/reprice", json.dumps({"markets": [columns([*many, item(item_id="more")])]}).encode())
    assert status == 400, said[:300]
    assert post(port, "/reprice", b'{"markets":[' + b" " * (9 << 20) + b"]}")[0] == 413


def test_two_customers_get_one_price(served_pricing) -> None:
    port, _ = served_pricing
    asked = json.dumps({"market": "salad", "items": [item()]}).encode()
    callers = (
        {"User-Agent": "iPhone", "Cookie": "customer=C1", "Accept-Language": "de-CH", "X-Forwarded-For": "203.0.113.7"},
        {"User-Agent": "old tablet", "Cookie": "customer=C2", "Authorization": "Bearer gold", "X-Customer-Id": "C2"},
    )
    first, second = (
        post(port, "/quote", asked, {"Content-Type": "application/json", **headers}) for headers in callers
    )
    assert first == second and first[0] == 200


def test_without_approval_mode_the_pages_say_so_and_the_curve_is_drawn(served_pricing) -> None:
    port, _ = served_pricing
    with pytest.raises(urllib.error.HTTPError, match="403") as caught:
        urllib.request.urlopen(f"http://127.0.0.1:{port}/approvals")
    assert "Approval mode is off" in caught.value.read().decode()
    query = "market=salad&period=2&stock=1,3&before=3&factors=weather%3D0.5"
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/curve?{query}") as page:
        text = page.read().decode()
    assert text.count("<circle") == 6 and "no, floor" in text
    query = "good=S1%7Cbread&list_price=2&stock=4&before=2&weekday=2"
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/curve_fresh?{query}") as page:
        text = page.read().decode()
    assert text.count("<circle") == 16 and "no, largest change from the label at the day&#39;s opening" in text
    for wrong in (
        "stock=x",
        query.replace("bread", "figs"),
        query.replace("weekday=2", "weekday=9"),
        query + "&expected=1",
    ):
        with pytest.raises(urllib.error.HTTPError, match=r"40[04]"):
            urllib.request.urlopen(f"http://127.0.0.1:{port}/curve_fresh?{wrong}")
    for wrong in ("stock=x", "stock=9,9&market=salad&period=2&before=3", "stock=1&market=milk&period=1&before=1"):
        with pytest.raises(urllib.error.HTTPError, match=r"40[04]"):
            urllib.request.urlopen(f"http://127.0.0.1:{port}/curve?{wrong}")


def test_service_is_unharmed_and_its_metrics_did_not_grow(served_pricing) -> None:
    port, releases = served_pricing
    status, body = post(port, "/quote", json.dumps({"market": "salad", "items": [item()]}).encode())
    reply = json.loads(body)
    assert (status, reply["served_by"], reply["breaker"]) == (200, f"champion {releases.ids['first']}", "closed")
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as page:
        text = page.read().decode()
    assert 'served_by="champion"' in text and "storeloop_clipped_prices_total" in text and len(text) < 20_000
