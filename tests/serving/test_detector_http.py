"""Product recognition over HTTP: files by multipart, products enrolled while it runs, malformed requests, headers of its page."""

import http.client
import json
import time
from typing import Any

import numpy as np
import pytest
from detector_releases import ENGINEERS, multipart, photos_of, png, shelf, soap
from fuzzing import NO_REQUESTS, off_schema, post
from release_factory import Releases

from models.common.pictures import read_picture
from serving.detector_pictures import example

ADA = {"Authorization": f"Bearer {ENGINEERS['Ada']}"}
EACH = 40  # malformed requests for each endpoint


def send(port: int, path: str, *parts: tuple[str, str, bytes], **more: Any) -> tuple[int, bytes]:
    body, kind = multipart(*parts, **more.get("fields", {}))
    return post(port, path, body, {"Content-Type": kind, **more.get("headers", {})})


def test_files_are_looked_at_as_they_are(served_detector: tuple[int, Releases]) -> None:
    port, releases = served_detector
    pictures = [("picture", "a.png", png(shelf(1, 3))), ("picture", "b.png", png(shelf()))]
    status, body = send(port, "/photos", *pictures)
    told = json.loads(body)
    assert status == 200 and told["served_by"] == f"champion {releases.ids['first']}"
    assert [len(each["items"]) for each in told["pictures"]] == [2, 0]
    assert {each["product"] for each in told["pictures"][0]["items"]} == {"rice", "T1"}
    status, drawn = send(port, "/photos/annotated", pictures[0])
    assert status == 200 and drawn.startswith(b"\xff\xd8") and read_picture(drawn).shape == (96, 96, 3)


@pytest.mark.parametrize(
    ("parts", "status", "said"),
    [
        ([("picture", "x.png", b"text")], 415, "picture.0: 4 bytes that are no JPEG"),
        ([("picture", "x.png", png(shelf(1))[:150])], 400, "cut off or damaged"),
        ([("picture", "x.png", b"")], 400, "0 bytes"),
        ([], 400, "picture: no file"),
        ([("file", "x.png", png(shelf(1)))], 400, "'file': send files as 'picture'"),
        ([("picture", f"{number}.png", png(shelf(1))) for number in range(9)], 400, "at most 8 files"),
    ],
)
def test_forms_that_hold_no_pictures_are_refused(
    served_detector: tuple[int, Releases], parts: list[tuple[str, str, bytes]], status: int, said: str
) -> None:
    found, body = send(served_detector[0], "/photos", *parts)
    assert found == status and said in json.loads(body)["error"]


def test_what_is_no_form_or_too_large_is_refused(served_detector: tuple[int, Releases]) -> None:
    port, _ = served_detector
    for path in ("/photos", "/photos/annotated", "/enrol_photos", "/look"):
        assert post(port, path, b"{}")[0] == 415
        assert post(port, path, b"no form", {"Content-Type": "multipart/form-data"})[0] == 400
        assert post(port, path, b"x", {"Content-Type": "multipart/form-data; boundary=" + "y" * 300})[0] == 400
        assert post(port, path, b"x" * ((32 << 20) + 1), {"Content-Type": "multipart/form-data; boundary=y"})[0] == 413
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    chunks = (b"x" * (1 << 20) for _ in range(34))
    kind = {"Content-Type": "multipart/form-data; boundary=y"}
    connection.request("POST", "/photos", chunks, kind, encode_chunked=True)
    assert connection.getresponse().status == 413
    connection.close()
    connection.request("GET", "/photos")
    assert connection.getresponse().status == 405


def test_a_product_is_enrolled_while_it_runs(served_detector: tuple[int, Releases]) -> None:
    port, _ = served_detector
    checks = shelf(0)
    checks[8:24, 40:56] = soap()
    photos = [("photo", f"{number}.png", each) for number, each in enumerate(photos_of(soap()))]
    assert send(port, "/enrol_photos", *photos, fields={"product": "soap"})[0] == 401
    assert send(port, "/enrol_photos", *photos, headers=ADA)[0] == 400
    status, body = send(port, "/enrol_photos", *photos, fields={"product": "soap"}, headers=ADA)
    assert status == 200 and json.loads(body)["photos"] == 5, body
    names: set[str] = set()
    until = time.monotonic() + 20
    while "soap" not in names and time.monotonic() < until:
        told = json.loads(send(port, "/photos", ("picture", "a.png", png(checks)))[1])
        names = {each["product"] for each in told["pictures"][0]["items"]}
        time.sleep(0.1)
    assert names == {"milk", "soap"}
    metrics = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    metrics.request("GET", "/metrics")
    text = metrics.getresponse().read().decode()
    assert 'storeloop_requests_total{bot="detector",endpoint="photos",served_by="champion"}' in text
    body = json.dumps({"product": "soap"}).encode()
    assert post(port, "/remove", body, {"Content-Type": "application/json", **ADA})[0] == 200
    assert post(port, "/remove", body)[0] == 401


@pytest.mark.parametrize("path", ["/recognise", "/annotate", "/enrol", "/remove", "/products", "/model"])
def test_requests_off_the_schema_never_break_the_service(served_detector: tuple[int, Releases], path: str) -> None:
    statuses = off_schema(served_detector[0], path, EACH)
    assert sum(count for status, count in statuses.items() if status >= 400) >= 0.8 * EACH, statuses


def test_bytes_that_are_no_request_never_break_the_service(served_detector: tuple[int, Releases]) -> None:
    port, _ = served_detector
    many = json.dumps({"pictures": [example()] * 9}).encode()
    deep = b'{"pictures":' + b"[" * 5_000 + b"]" * 5_000 + b"}"
    for body in (*NO_REQUESTS, many, deep, b'{"pictures":["\\ud800"]}', b'{"pictures":["' + b"A" * 16_000_001 + b'"]}'):
        assert 400 <= post(port, "/recognise", body)[0] < 500, body[:60]
    bomb = json.dumps({"pictures": [example()], "strange": 1}).encode()
    assert post(port, "/recognise", bomb)[0] == 400


def test_the_page_loads_nothing_from_elsewhere_and_runs_no_inline_script(served_detector: tuple[int, Releases]) -> None:
    port, _ = served_detector
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    for path, kind in (("/look", "text/html"), ("/look/style.css", "text/css"), ("/look/look.js", "text/javascript")):
        connection.request("GET", path)
        reply = connection.getresponse()
        text = reply.read().decode()
        policy = reply.headers["content-security-policy"]
        assert reply.status == 200 and reply.headers["content-type"].startswith(kind)
        assert "default-src 'none'" in policy and "unsafe" not in policy and reply.headers["x-frame-options"] == "DENY"
        assert "http://" not in text and "https://" not in text and "style=" not in text and "onclick" not in text
    body, kind = multipart(("picture", "a.png", b"text"))
    status, page = post(port, "/look", body, {"Content-Type": kind})
    assert status == 415 and b'role="alert">4 bytes that are no JPEG' in page
    strange = np.zeros((96, 96, 3), np.uint8)
    body, kind = multipart(("picture", "<script>.png", png(strange)))
    status, page = post(port, "/look", body, {"Content-Type": kind})
    assert status == 200 and b"0 items found" in page and b"<script>.png" not in page
