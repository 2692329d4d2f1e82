"""Forms as the JSON that a service reads: fields typed by the request's model, files as base64, everything else refused."""

import asyncio
import json
from collections.abc import Mapping

import pytest
from fuzzing import broken
from pydantic import BaseModel, ConfigDict, Field

from serving.forms import Form, FormError
from serving.front_door import FrontDoor

BOUNDARY = "xyz"
TYPE = f"multipart/form-data; boundary={BOUNDARY}"


class Asked(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: str
    photo: str = Field(description="A photo.")
    grams: float | None = Field(default=None, ge=0, le=9)
    loud: bool = False


FORM = Form(Asked, files=("photo",))


def part(name: str, value: bytes, filename: str | None = None) -> bytes:
    file = "" if filename is None else f'; filename="{filename}"\r\nContent-Type: image/png'
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{file}\r\n\r\n'
    return head.encode() + value + b"\r\n"


def body(*parts: bytes) -> bytes:
    return b"".join(parts) + f"--{BOUNDARY}--\r\n".encode()


GOOD = body(part("name", "Käse".encode()), part("photo", b"\x00\xff\r\n--x", "a.png"), part("grams", b"1.5"))


def read(content: bytes, content_type: str = TYPE) -> Mapping[str, object]:
    return json.loads(asyncio.run(FORM.to_json(content_type, content)))


def test_fields_become_what_the_model_has_and_files_base64() -> None:
    assert read(GOOD) == {"name": "Käse", "photo": "AP8NCi0teA==", "grams": 1.5}  # 00 ff 0d 0a 2d 2d 78
    assert read(body(part("name", b"12"), part("loud", b"true"))) == {"name": "12", "loud": True}
    left_out = (part("grams", b""), part("loud", b""), part("photo", b"\x01", "a"), part("name", b""))
    assert read(body(*left_out)) == {"photo": "AQ==", "name": ""}  # the model says that a name is needed
    assert read(body()) == {}  # what lacks is the model's to say


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        (body(part("other", b"1")), r"unknown field 'other': there are name, photo, grams, loud"),
        (body(part("name", b"a"), part("name", b"b")), "name: given twice"),
        (body(part("photo", b"http://10.0.0.1/secret")), "photo: send it as a file"),
        (body(part("name", b"a", "a.txt")), "name: send it as text"),
        (body(part("grams", b"heavy")), "grams: 'heavy' is no number"),
        (body(part("loud", b"yes")), "loud: 'yes': send true or false"),
        (body(part("photo", b"1", "1"), part("photo", b"2", "2")), "Too many files"),
        (b"nonsense", "no form can be read"),
        (GOOD[:-20], "the form is cut off after"),
    ],
)
def test_what_is_no_such_form_is_told(sent: bytes, said: str) -> None:
    with pytest.raises(FormError, match=said):
        read(sent)


def test_a_form_without_a_boundary_is_told() -> None:
    with pytest.raises(FormError, match="boundary"):
        read(GOOD, "multipart/form-data")


def test_broken_forms_raise_nothing_else() -> None:
    refused = 0
    for number, sent in enumerate(broken(GOOD, 5, 500)):
        try:
            read(sent, TYPE if number % 7 else "multipart/form-data; boundary=\xff; charset=utf-99")
        except FormError:
            refused += 1
    assert 100 < refused < 500


def test_the_schema_shows_files_as_files_and_bounds_of_what_is_optional() -> None:
    told = FORM.schema()
    assert told["properties"]["photo"] == {"type": "string", "format": "binary", "description": "A photo."}
    assert told["properties"]["grams"] == {"type": "number", "minimum": 0, "maximum": 9}
    assert told["required"] == ["name", "photo"] and told["properties"]["loud"] == {"type": "boolean", "default": False}


def ask(path: str, content: bytes, content_type: bytes) -> tuple[int, bytes, dict[bytes, bytes]]:
    """Status, body and the headers that the service saw, of a request through a door with a form at /form."""
    seen: dict[bytes, bytes] = {}

    async def echo(scope, receive, send) -> None:
        seen.update(scope["headers"])
        message = await receive()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": message["body"]})

    sent: list[dict] = []

    async def receive() -> dict:
        return {"type": "http.request", "body": content, "more_body": False}

    async def send(message) -> None:
        sent.append(message)

    headers = [(b"content-type", content_type), (b"content-length", str(len(content)).encode()), (b"accept", b"*/*")]
    scope = {"type": "http", "method": "POST", "path": path, "headers": headers}
    asyncio.run(FrontDoor(echo, pages={}, max_body_bytes=1_000, forms={"/form": FORM})(scope, receive, send))
    return sent[0]["status"], sent[1]["body"], seen


def test_the_door_hands_a_form_on_as_json() -> None:
    status, got, seen = ask("/form", GOOD, TYPE.encode())
    assert (status, json.loads(got)) == (200, read(GOOD))
    assert seen == {b"accept": b"*/*", b"content-type": b"application/json", b"content-length": str(len(got)).encode()}


@pytest.mark.parametrize(
    ("path", "content", "content_type", "status", "said"),
    [
        ("/form", b"{}", b"application/json", 415, b"multipart/form-data only: send a form with name, photo"),
        ("/other", GOOD, TYPE.encode(), 415, b"application/json only"),
        ("/form", b"x" * 1_001, TYPE.encode(), 413, b"larger than 1000"),
        ("/form", body(part("other", b"1")), TYPE.encode(), 400, b"unknown field"),
    ],
)
def test_the_door_refuses_what_a_path_does_not_read(
    path: str, content: bytes, content_type: bytes, status: int, said: bytes
) -> None:
    got, told, seen = ask(path, content, content_type)
    assert got == status and said in told and seen == {}
