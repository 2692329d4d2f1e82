"""What the middleware lets through: driven as ASGI, without a server."""

import asyncio

import pytest

from serving.front_door import FrontDoor, read_body

LIMIT = 100
JSON = (b"content-type", b"application/json")


async def echo(scope, receive, send) -> None:
    message = await receive()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": message["body"]})


def ask(chunks: list[bytes], headers=(JSON,), method: str = "POST", path: str = "/forecast") -> tuple[int, bytes]:
    door = FrontDoor(echo, pages={"/": lambda: ("text/html", b"page")}, max_body_bytes=LIMIT)
    pending = [
        {"type": "http.request", "body": chunk, "more_body": number < len(chunks) - 1}
        for number, chunk in enumerate(chunks)
    ]
    sent = []

    async def receive():
        return pending.pop(0)

    async def send(message) -> None:
        sent.append(message)

    scope = {"type": "http", "method": method, "path": path, "headers": list(headers)}
    asyncio.run(door(scope, receive, send))
    return sent[0]["status"], sent[1]["body"]


def test_json_goes_through_whole_even_in_pieces() -> None:
    assert ask([b'{"a":', b"1", b"}"]) == (200, b'{"a":1}')


@pytest.mark.parametrize("size", [LIMIT, LIMIT + 1])
def test_limit_is_exact_and_does_not_trust_the_length_header(size: int) -> None:
    status, _ = ask([b"x" * (size - 1), b"x"], (JSON, (b"content-length", b"1")))
    assert status == (200 if size <= LIMIT else 413)


class Piece(bytes):
    """A piece of a body that tells when it is added to others."""

    def __radd__(self, before: bytes) -> bytes:
        raise AssertionError(f"{len(before)} bytes are copied again for one more")

    __add__ = __radd__


def test_a_body_in_many_pieces_is_copied_once() -> None:
    assert ask([Piece(b"x")] * LIMIT) == (200, b"x" * LIMIT)


def test_no_more_is_read_once_the_limit_is_passed() -> None:
    given: list[int] = []

    async def receive():
        given.append(LIMIT // 2)
        return {"type": "http.request", "body": b"x" * given[-1], "more_body": True}

    assert asyncio.run(read_body(receive, LIMIT)) is None and sum(given) == 3 * LIMIT // 2


@pytest.mark.parametrize("length", [b"101", b"9" * 400, b"-1", b"abc", b""])
def test_bad_lengths_are_refused_before_reading(length: bytes) -> None:
    assert ask([b"{}"], (JSON, (b"content-length", length)))[0] == 413


@pytest.mark.parametrize(
    "content_type",
    [b"text/plain", b"application/vnd.bentoml+pickle", b"multipart/form-data", b"", b"application/jsonx"],
)
def test_other_content_types_are_refused(content_type: bytes) -> None:
    assert ask([b"{}"], ((b"content-type", content_type),))[0] == 415


def test_charset_and_case_do_not_matter_and_the_type_may_be_left_out() -> None:
    assert ask([b"{}"], ((b"content-type", b"Application/JSON; charset=utf-8"),))[0] == 200
    assert ask([b"{}"], ())[0] == 200


def test_pages_are_answered_here() -> None:
    assert ask([b""], (), "GET", "/") == (200, b"page")
    assert ask([b""], (), "HEAD", "/") == (200, b"")
    assert ask([b"other"], (), "GET", "/livez") == (200, b"other")
