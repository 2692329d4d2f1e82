"""Good, hostile and malformed requests to the running service of inspection, as JSON and as forms with files."""

import http.client
import json
from base64 import b64encode
from collections import Counter

import pytest
from fuzzing import NO_REQUESTS, broken, off_schema, post
from inspection_releases import hostile, package, package_file
from release_factory import FIRST

from models.inspection.data import READINGS

EACH = {"/inspect": 80, "/inspect_form": 80, "/batches": 40, "/model": 20}
FORM = {"Content-Type": "multipart/form-data; boundary=xyz"}


def form(**fields: object) -> bytes:
    """Files where a value is bytes, text otherwise."""
    parts = []
    for name, value in fields.items():
        file = '; filename="photo.png"' if isinstance(value, bytes) else ""
        content = value if isinstance(value, bytes) else str(value).encode()
        head = f'--xyz\r\nContent-Disposition: form-data; name="{name}"{file}\r\n\r\n'
        parts.append(head.encode() + content + b"\r\n")
    return b"".join(parts) + b"--xyz--\r\n"


def as_form(row: int, **more: object) -> bytes:
    return form(**{**package(row), "picture": package_file(row), **more})


def as_json(*packages: dict) -> bytes:
    return json.dumps({"packages": packages}).encode()


def test_json_and_form_are_answered_alike(served_inspection) -> None:
    port, releases = served_inspection
    status, body = post(port, "/inspect", as_json(*(package(row) for row in (230, 3))))
    told = json.loads(body)
    assert status == 200, body
    assert told["served_by"] == f"champion {releases.ids[FIRST]}" and len(told["packages"]) == 2
    status, body = post(port, "/inspect_form", as_form(230), FORM)
    assert status == 200 and json.loads(body)["packages"] == told["packages"][:1], body
    status, body = post(port, "/inspect_form", as_form(230, weight_g=350.0, reasons="true"), FORM)
    assert json.loads(body)["packages"][0]["reasons"]["foremost"] == "weight_g"


@pytest.mark.parametrize("name", hostile())
def test_hostile_files_are_refused_with_what_to_do(served_inspection, name: str) -> None:
    port, _ = served_inspection
    file, status, said = hostile()[name]
    for got, body in (
        post(port, "/inspect", as_json(package(1), package(2, picture=b64encode(file).decode()))),
        post(port, "/inspect_form", as_form(2, picture=file), FORM),
    ):
        assert got == status and said in json.loads(body)["error"], body
    assert json.loads(body)["error"].startswith("picture: ")


@pytest.mark.parametrize(
    ("sent", "status", "said"),
    [
        (as_form(1, picture="http://127.0.0.1/secret.png"), 400, "picture: send it as a file"),
        (as_form(1, weight_g="heavy"), 400, "weight_g: 'heavy' is no number"),
        (as_form(1, weight_g="nan"), 400, "weight_g"),
        (as_form(1, weight_g="-1"), 400, "weight_g"),
        (as_form(1, batch_id="B9"), 404, "unknown batch 'B9'"),
        (as_form(1, colour="red"), 400, "unknown field 'colour'"),
        (as_form(1)[:-30], 400, "the form is cut off"),
        (as_form(1, picture=b"x" * (2 << 20)), 413, "larger than 1048576 bytes"),
        (b"", 400, "the form is cut off"),
    ],
)
def test_forms_beyond_the_bounds_are_refused(served_inspection, sent: bytes, status: int, said: str) -> None:
    got, body = post(served_inspection[0], "/inspect_form", sent, FORM)
    assert got == status and said in body.decode() and len(body) < 5_000, body


@pytest.mark.parametrize("path", EACH)
def test_requests_off_the_schema_never_break_the_service(served_inspection, path: str) -> None:
    port, _ = served_inspection
    statuses = off_schema(port, path, EACH[path])
    assert sum(statuses.values()) >= 0.9 * EACH[path], statuses
    assert sum(count for status, count in statuses.items() if status >= 400) >= 0.8 * EACH[path], statuses


def test_raw_bytes_never_break_the_service(served_inspection) -> None:
    port, _ = served_inspection
    bodies = [*NO_REQUESTS, *broken(as_json(package(1)), 2, 150)]
    statuses = Counter(post(port, "/inspect", body)[0] for body in bodies)
    assert set(statuses) <= {200, 400, 404, 413, 415}, statuses
    forms = Counter(post(port, "/inspect_form", body, FORM)[0] for body in [*NO_REQUESTS, *broken(as_form(1), 3, 150)])
    assert set(forms) <= {200, 400, 404, 413, 415} and sum(forms.values()) - forms[200] > 20, forms


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/inspect", FORM),
        ("/inspect_form", {"Content-Type": "application/json"}),
        ("/inspect_form", {"Content-Type": "application/x-www-form-urlencoded"}),
        ("/inspect", {"Content-Type": "application/vnd.bentoml+pickle"}),
        ("/inspect_form", {"Content-Type": "application/vnd.bentoml+pickle"}),
    ],
)
def test_other_content_types_are_refused(served_inspection, path: str, headers: dict[str, str]) -> None:
    status, body = post(served_inspection[0], path, as_form(1), headers)
    assert status == 415 and b"only" in body


def test_service_is_unharmed_and_counts_what_it_decided(served_inspection) -> None:
    port, _ = served_inspection
    status, body = post(port, "/inspect", as_json(package(1)))
    assert (status, json.loads(body)["breaker"]) == (200, "closed"), "strangers must not open the breaker"
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("GET", "/metrics")
    text = connection.getresponse().read().decode()
    connection.close()
    decided = [line for line in text.splitlines() if "decision=" in line]
    assert decided and len(text) < 20_000
    assert {name for name in READINGS if name in text} == set()
