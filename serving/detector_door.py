"""Photos as files: the page for people at `/look`, and multipart addresses beside the JSON ones. An ASGI middleware.

POST /photos (1 to 8 files `picture`) -> JSON of `RecogniseReply`; POST /photos/annotated (one `picture`) -> JPEG; POST /enrol_photos
(fields `product` and `force`, files `photo`, an engineer's token) -> JSON of `GalleryReply`.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData, UploadFile
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from models.detector.predict import Item
from serving.detector_answering import Answerer, told
from serving.detector_page import SCRIPT, STYLE, page, shown
from serving.detector_pictures import BOUNDS, Files
from serving.detector_schemas import PHOTOS_MAX, PICTURES_MAX
from serving.forms import MEDIA_TYPE, FormError, read_form
from serving.front_door import App, Receive, Scope, Send, read_body, replayed
from serving.replies import JSON, Refusal

PAGE = "/look"
FIELDS_MAX = 8
HEADERS = {
    "content-security-policy": "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
}
Handler = Callable[[Request], Awaitable[Response]]


@dataclass
class Counter:
    """What the addresses stand on; the service fills it in when it starts."""

    answerer: Answerer | None = None

    def opened(self) -> Answerer:
        """Refusal while the service is starting."""
        if self.answerer is None:
            raise Refusal(503, "the service is starting: ask again in a few seconds")
        return self.answerer


class DetectorDoor:
    """Answers its own addresses and hands everything else on; bodies up to `max_body_bytes`."""

    def __init__(self, app: App, *, counter: Counter, max_body_bytes: int) -> None:
        self._app, self._counter, self._limit = app, counter, max_body_bytes
        self._writes: Mapping[str, Handler] = {
            PAGE: self._look,
            "/photos": self._photos,
            "/photos/annotated": self._annotated,
            "/enrol_photos": self._enrol,
        }
        self._reads: Mapping[str, Response] = {
            PAGE: HTMLResponse(_page()),
            f"{PAGE}/style.css": Response(STYLE, media_type="text/css"),
            f"{PAGE}/look.js": Response(SCRIPT, media_type="text/javascript"),
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        if scope["type"] != "http" or not (path in self._writes or path in self._reads):
            await self._app(scope, receive, send)
            return
        response = await self._answer(scope, receive, path)
        for name, value in HEADERS.items():
            response.headers[name] = value
        await response(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, path: str) -> Response:
        method = scope["method"]
        if method in ("GET", "HEAD") and path in self._reads:
            return self._reads[path]
        try:
            if method != "POST" or path not in self._writes:
                raise Refusal(405, f"{path} takes {'POST' if path in self._writes else 'GET'} alone")
            request = await self._bounded(scope, receive)
            return await self._writes[path](request)
        except Refusal as refusal:
            if path == PAGE:
                return HTMLResponse(_page(error=_sentence(refusal.error)), refusal.status, refusal.headers())
            return Response(refusal.body(), refusal.status, refusal.headers(), JSON)

    async def _bounded(self, scope: Scope, receive: Receive) -> Request:
        """The request with its body read, never more of it than the bound."""
        request = Request(scope)
        kind = request.headers.get("content-type", "").split(";", 1)[0].strip().lower()
        if kind != MEDIA_TYPE:
            raise Refusal(415, f"{kind[:60] or 'no content type'}: send {MEDIA_TYPE} with the picture as a file")
        length = request.headers.get("content-length", "0")
        body = None
        if length.isdigit() and int(length[:20]) <= self._limit:
            body = await read_body(receive, self._limit)
        if body is None:
            raise Refusal(413, f"more than {self._limit:,} bytes: send smaller pictures, or fewer at a time")
        return Request(scope, replayed(body, receive))

    async def _look(self, request: Request) -> Response:
        files = await _files(await _form(request, 1), "picture")
        async with self._counter.opened().look(files, "page") as looked:
            if looked.items is None:
                raise Refusal(503, "; ".join(looked.notes))
            items: tuple[Item, ...] = looked.items[0]
            seen = await run_in_threadpool(shown, looked.pictures[0], items, looked.served_by)
        return HTMLResponse(_page(**seen))

    async def _photos(self, request: Request) -> Response:
        files = await _files(await _form(request, PICTURES_MAX), "picture")
        async with self._counter.opened().look(files, "photos") as looked:
            return Response(told(looked), media_type=JSON)

    async def _annotated(self, request: Request) -> Response:
        files = await _files(await _form(request, 1), "picture")
        return Response(await self._counter.opened().annotate_file(files), media_type="image/jpeg")

    async def _enrol(self, request: Request) -> Response:
        form = await _form(request, PHOTOS_MAX)
        product, force = form.get("product"), form.get("force", "false")
        if not isinstance(product, str) or not 1 <= len(product) <= 200:
            raise Refusal(400, "product: expected a field of 1 to 200 characters: name the product")
        if force not in ("true", "false"):
            raise Refusal(400, "force: use true or false")
        files = await _files(form, "photo")
        authorization = request.headers.get("authorization", "")
        answer = self._counter.opened().enrol_files(product, files, authorization, force=force == "true")
        return Response(await answer, media_type=JSON)


async def _form(request: Request, files: int) -> FormData:
    try:
        return await read_form(
            request.headers["content-type"], await request.body(), max_files=files, max_fields=FIELDS_MAX
        )
    except FormError as error:
        raise Refusal(400, str(error)) from error


async def _files(form: FormData, field: str) -> Files:
    """The files of a field, in their order; Refusal where there is none, or another field has some."""
    if strange := [name for name, value in form.multi_items() if isinstance(value, UploadFile) and name != field]:
        raise Refusal(400, f"{strange[0][:60]!r}: send files as {field!r}")
    found = [value for value in form.getlist(field) if isinstance(value, UploadFile)]
    if not found:
        raise Refusal(400, f"{field}: no file: choose a JPEG, PNG or WebP picture")
    return [(f"{field}.{number}", await each.read()) for number, each in enumerate(found)]


def _page(**seen: Any) -> str:
    return page(megabytes=BOUNDS.max_bytes >> 20, megapixels=BOUNDS.max_pixels // 1_000_000, **seen)


def _sentence(error: str) -> str:
    """For a person, who sent one picture and knows of no fields."""
    said = error.removeprefix("picture.0: ").removeprefix("picture: ")
    return f"{said[0].upper()}{said[1:]}."
