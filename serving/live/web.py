"""The page over HTTP: HTML, its script and style, the board as JSON and as a stream, and the doors of boxes. ASGI (Starlette)."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import astuple
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import to_json
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from models.common.protocols import InputError
from serving.front_door import App, Message, Receive, Scope, Send, read_body
from serving.live.camera_events import EventsRequest, PositionsRequest
from serving.live.decisions import DecideRequest
from serving.replies import JSON, Refusal

if TYPE_CHECKING:
    from serving.live.board import Board
    from serving.live.decisions import Decisions
    from serving.live.feed import PositionFeed
    from serving.live.intake import Intake
    from serving.live.parts import Fallen

PAGES = Path(__file__).parent / "pages"
LOOPBACK = ("127.0.0.1", "localhost", "::1")
LARGEST_BODY = 2 << 20  # bytes
MOST_STREAMS = 50
_TURN_S, _BEAT_S = 0.1, 10.0  # between looks at the board; after so long without news the stream says that it lives
HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}
Asked = TypeVar("Asked", bound=BaseModel)


class LivePage:
    """The handlers. `stop` ends all streams, so that the server can; `fallen` tells what has ended for good."""

    def __init__(
        self,
        board: "Board",
        feed: "PositionFeed",
        intake: "Intake",
        decisions: "Decisions",
        stop: threading.Event,
        fallen: "Callable[[], Sequence[Fallen]]",
    ) -> None:
        self._board, self._feed, self._intake, self._decisions, self._stop = board, feed, intake, decisions, stop
        self._fallen = fallen
        self._streams = 0

    def page(self, _request: Request) -> Response:
        """The HTML."""
        return _file("live.html", "text/html")

    def style(self, _request: Request) -> Response:
        """The CSS."""
        return _file("live.css", "text/css")

    def script(self, _request: Request) -> Response:
        """The JavaScript."""
        return _file("live.js", "text/javascript")

    def floor(self, _request: Request) -> Response:
        """The plan, 404 where there is none."""
        floor = self._board.floor
        if floor is None:
            return _told(404, "no floor plan yet: write shop/floor.json in Storeloop's home")
        return Response(floor.model_dump_json(exclude={"cameras"}), media_type=JSON)

    def state(self, _request: Request) -> Response:
        """The board, once."""
        return Response(self._board.told()[1], media_type=JSON)

    def alive(self, _request: Request) -> Response:
        """503 with why, where only a new start helps."""
        found = [each.why for each in self._fallen() if each.restart]
        return Response(to_json({"alive": not found, "problems": found}), 503 if found else 200, media_type=JSON)

    def ready(self, _request: Request) -> Response:
        """503 with why, where something has ended for good."""
        found = [each.why for each in self._fallen()]
        return Response(to_json({"ready": not found, "problems": found}), 503 if found else 200, media_type=JSON)

    def health(self, _request: Request) -> Response:
        """503 with what is wrong, where the page shows a problem."""
        found = self._board.wrong()
        return Response(to_json({"healthy": not found, "problems": found}), 503 if found else 200, media_type=JSON)

    async def decide(self, request: Request) -> Response:
        """What a person says on the page that a visit took. Refusal 403 for what no page of ours sends."""
        asked = await _read(request, DecideRequest, self._decider)
        event = await run_in_threadpool(self._decisions.take, asked)
        return Response(to_json({"event": event}), media_type=JSON)

    def _decider(self, request: Request) -> None:
        """The page has no log-in: who sits at this machine decides, and says by which name."""
        if self._decisions.closed:
            raise Refusal(
                403, "this page is reached from elsewhere and has no log-in: use `storeloop shop decide` instead"
            )
        own = f"{request.url.scheme}://{request.headers.get('host', '')}"
        if (origin := request.headers.get("origin")) != own:
            raise Refusal(
                403, f"the request comes from {(origin or 'nowhere')[:200]}, not from {own}: decide on the page itself"
            )

    async def stream(self, _request: Request) -> Response:
        """Server-sent events: `board` when it changed, `places` when somebody moved. Refused with 503 beyond `MOST_STREAMS`."""
        if self._streams >= MOST_STREAMS:
            return _told(503, f"{MOST_STREAMS} pages are open already: close one")
        return StreamingResponse(self._news(), media_type="text/event-stream")

    async def camera_events(self, request: Request) -> Response:
        """A delivery of a box: 200 once all of it is on the disk."""
        asked = await _read(request, EventsRequest, self._teller)
        found = await run_in_threadpool(self._intake.events, asked, _authorization(request))
        return Response(
            to_json({"kept": found.new + found.known, "new": found.new, "conflicts": found.conflicts}), media_type=JSON
        )

    async def positions(self, request: Request) -> Response:
        """Places, which nobody keeps."""
        asked = await _read(request, PositionsRequest, self._teller)
        return Response(to_json({"taken": self._intake.positions(asked, _authorization(request))}), media_type=JSON)

    def _teller(self, request: Request) -> None:
        self._intake.teller(_authorization(request))

    async def _news(self) -> AsyncIterator[bytes]:
        self._streams += 1
        try:
            version, places, silent_s = -1, b"", 0.0
            while not self._stop.is_set():
                news = b""
                now, board = self._board.told()
                if now != version:
                    version, news = now, _event("board", board)
                seen = to_json([self._feed.newest, [astuple(each) for each in self._feed.seen()]])
                if seen != places:
                    places, news = seen, news + _event("places", seen)
                silent_s = 0.0 if news else silent_s + _TURN_S
                if silent_s >= _BEAT_S:
                    silent_s, news = 0.0, b": still here\n\n"
                if news:
                    yield news
                await asyncio.sleep(_TURN_S)
        finally:
            self._streams -= 1


def create_app(page: LivePage, hosts: tuple[str, ...]) -> Starlette:
    """The application; it answers to the names in `hosts` alone, which keeps other sites' names off a page without a log-in."""
    return Starlette(
        routes=[
            Route("/", page.page),
            Route("/live.css", page.style),
            Route("/live.js", page.script),
            Route("/floor.json", page.floor),
            Route("/state.json", page.state),
            Route("/stream", page.stream),
            Route("/decide", page.decide, methods=["POST"]),
            Route("/camera-events", page.camera_events, methods=["POST"]),
            Route("/positions", page.positions, methods=["POST"]),
            Route("/healthz", page.health),
            Route("/livez", page.alive),
            Route("/readyz", page.ready),
        ],
        middleware=[
            Middleware(WithHeaders),
            Middleware(TrustedHostMiddleware, allowed_hosts=list(hosts), www_redirect=False),
        ],
        exception_handlers={Refusal: _refused, InputError: _wrong, 404: _nothing, 405: _nothing},
    )


class WithHeaders:
    """ASGI middleware: every reply, errors included, carries `HEADERS`."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the request on and adds the headers to what comes back."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                added = [(name.encode(), value.encode()) for name, value in HEADERS.items()]
                message = {**message, "headers": [*message.get("headers", ()), *added]}
            await send(message)

        await self._app(scope, receive, send_with_headers)


async def _read(request: Request, kind: type[Asked], admitted: Callable[[Request], None]) -> Asked:
    """A body as `kind`; Refusal 415, 413 or 400, after whoever is unknown was turned away."""
    admitted(request)
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != JSON:
        raise Refusal(415, "this path reads application/json only: set the content type and send a JSON object")
    body = await read_body(request.receive, LARGEST_BODY)
    if body is None:
        raise Refusal(413, f"the body is larger than {LARGEST_BODY:,} bytes: send fewer at once")
    try:
        return kind.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        where = ".".join(map(str, first["loc"])) or "body"
        raise Refusal(400, f"{where}: {first['msg']} (given: {str(first['input'])[:80]})") from error


def _authorization(request: Request) -> str:
    return request.headers.get("authorization", "")


def _event(name: str, data: bytes) -> bytes:
    return b"event: " + name.encode() + b"\ndata: " + data + b"\n\n"  # JSON has no line breaks of its own


def _file(name: str, media_type: str) -> Response:
    return Response((PAGES / name).read_text("utf-8"), media_type=media_type)


def _told(status: int, error: str) -> Response:
    return Response(to_json({"error": error}), status, media_type=JSON)


def _refused(_request: Request, error: Exception) -> Response:
    if not isinstance(error, Refusal):
        raise error
    return Response(error.body(), error.status, error.headers(), JSON)


def _wrong(_request: Request, error: Exception) -> Response:
    return _told(400, str(error))


def _nothing(request: Request, error: Exception) -> Response:
    status = getattr(error, "status_code", 404)
    return _told(status, f"there is nothing to {request.method[:10]} at {request.url.path[:200]!r}")
