"""What may reach a service: bounded JSON bodies, forms read into such; and pages of ours where BentoML's would load third-party
scripts."""

import json
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

from serving.forms import MEDIA_TYPE, Form, FormError

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
Page = tuple[str, bytes]  # content type, body
JSON = "application/json"
PAGE_HEADERS = (
    (b"content-security-policy", b"default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
)


class FrontDoor:
    """ASGI middleware: answers `pages` itself, refuses other content types (415) and oversize bodies (413).

    The body is read here, up to `max_body_bytes`, and handed on whole; on a path of `forms` it is one, and goes on as JSON.
    """

    def __init__(
        self,
        app: App,
        *,
        pages: Mapping[str, Callable[[], Page]],
        max_body_bytes: int,
        forms: Mapping[str, Form] | None = None,
    ) -> None:
        self._app, self._pages, self._limit, self._forms = app, pages, max_body_bytes, forms or {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1003})
            return
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if scope["method"] in ("GET", "HEAD"):
            page = self._pages.get(scope["path"])
            if page is None:
                await self._app(scope, receive, send)
            else:
                await _send_page(send, page(), head=scope["method"] == "HEAD")
            return
        form = self._forms.get(scope["path"])
        if problem := self._refusal(scope, form):
            await _send_error(send, *problem)
            return
        body = await read_body(receive, self._limit)
        if body is None:
            await _send_error(send, 413, f"the body is larger than {self._limit} bytes: ask for less a request")
            return
        if form is not None:
            try:
                body = await form.to_json(_content_type(scope).decode("latin-1"), body)
            except FormError as error:
                await _send_error(send, 400, str(error))
                return
            scope = {**scope, "headers": _as_json(scope["headers"], body)}
        await self._app(scope, replayed(body, receive), send)

    def _refusal(self, scope: Scope, form: Form | None) -> tuple[int, str] | None:
        length = next((value for name, value in reversed(scope["headers"]) if name == b"content-length"), b"0")
        wanted = JSON if form is None else MEDIA_TYPE
        if _content_type(scope).split(b";", 1)[0].strip().lower() != wanted.encode():
            if form is not None:
                return 415, f"this path reads {MEDIA_TYPE} only: send a form with {', '.join(form.kinds)}"
            return 415, "this service reads application/json only: set the content type and send a JSON object"
        if not length.isdigit() or int(length[:20]) > self._limit:
            return 413, f"the body is larger than {self._limit} bytes: ask for less a request"
        return None


def _content_type(scope: Scope) -> bytes:
    """As the caller says, the last one counting; JSON where nothing is said."""
    return next((bytes(value) for name, value in reversed(scope["headers"]) if name == b"content-type"), JSON.encode())


def _as_json(headers: list[tuple[bytes, bytes]], body: bytes) -> list[tuple[bytes, bytes]]:
    about_body = (b"content-type", b"content-length", b"transfer-encoding")
    kept = [(name, value) for name, value in headers if name not in about_body]
    return [*kept, (b"content-type", JSON.encode()), (b"content-length", str(len(body)).encode())]


async def read_body(receive: Receive, limit: int) -> bytes | None:
    """The whole body, or None as soon as it grows over `limit` bytes."""
    pieces: list[bytes] = []  # joined once: adding each to the ones before would copy a large body hundreds of times
    size, more = 0, True
    while more:
        message = await receive()
        pieces.append(message.get("body", b""))
        size, more = size + len(pieces[-1]), message.get("more_body", False)
        if size > limit:
            return None
    return b"".join(pieces)


def replayed(body: bytes, receive: Receive) -> Receive:
    """A channel that gives a body that was read already."""
    sent = False

    async def replay() -> Message:
        nonlocal sent
        if sent:
            return await receive()
        sent = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay


async def _send_page(send: Send, page: Page, *, head: bool) -> None:
    content_type, body = page
    await _send(send, 200, content_type.encode(), body, PAGE_HEADERS, head=head)


async def _send_error(send: Send, status: int, error: str) -> None:
    await _send(send, status, b"application/json", json.dumps({"error": error}).encode(), ())


async def _send(
    send: Send,
    status: int,
    content_type: bytes,
    body: bytes,
    extra: tuple[tuple[bytes, bytes], ...],
    *,
    head: bool = False,
) -> None:
    headers = [(b"content-type", content_type), (b"content-length", str(len(body)).encode()), *extra]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if head else body})
