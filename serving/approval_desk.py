"""The pages of pricing for people: proposed prices to approve or reject, the audit trail, the what-if curve. An ASGI middleware."""

import sqlite3
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from serving.approval_pages import (
    View,
    audit_page,
    curve_page,
    login_page,
    message_page,
    proposals_page,
    style_sheet,
)
from serving.approval_roles import MAY_LOOK, SESSION_S, Person, Roles
from serving.approvals import ApprovalError, Approvals
from serving.curve_forms import FORMS, CurveForm
from serving.front_door import App, Receive, Scope, Send, read_body
from serving.pricing_curve import picture_of
from serving.replies import Refusal

if TYPE_CHECKING:
    from serving.pricing_answering import Answerer

Handler = Callable[[Request], Awaitable[Response]]
PREFIX, COOKIE = "/approvals", "storeloop_session"
MAX_BODY_BYTES, MAX_FIELDS = 1_000_000, 1_000
OFF = "Approval mode is off, so prices are live and there is nothing to approve: set STORELOOP_SERVE_APPROVAL=true"
NOBODY = (
    "No token is set, so nobody may look or decide: give STORELOOP_SERVE_APPROVERS (and STORELOOP_SERVE_VIEWERS) as "
    "name:token pairs and start the service again"
)
HEADERS = {
    "content-security-policy": "default-src 'self'; img-src 'self' data:; script-src 'none'; object-src 'none'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",  # "no-referrer" would make browsers send `Origin: null` with our own forms
    "cache-control": "no-store",
}


class NotAnswered(Exception):
    """A request that is not answered: HTTP status and a sentence for the person in front of it."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass
class Desk:
    """What the pages stand on; the service fills it in when it starts."""

    approvals: Approvals | None = None
    roles: Roles | None = None
    answerer: "Answerer | None" = None
    markets: tuple[str, ...] = ()
    usual: dict[str, Mapping[str, str]] = field(default_factory=dict)  # by path of a curve's form: texts to begin with

    def opened(self) -> tuple[Approvals, Roles]:
        """What a decision needs; NotAnswered says why there is none."""
        if self.approvals is None:
            raise NotAnswered(403, OFF)
        if not self.roles:
            raise NotAnswered(403, NOBODY)
        return self.approvals, self.roles


class DeskDoor:
    """ASGI middleware: answers the desk's addresses itself and hands everything else on."""

    def __init__(self, app: App, *, desk: Desk) -> None:
        self._app, self._desk = app, desk

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        if scope["type"] != "http" or not (path == PREFIX or path in FORMS or path.startswith(f"{PREFIX}/")):
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive)
        try:
            response = await self._answer(request, path)
        except NotAnswered as error:
            response = _html(message_page("Refused", str(error)), error.status)
        except ApprovalError as error:
            response = _html(message_page("Refused", str(error)), 400)
        except sqlite3.Error as error:
            response = _html(message_page("Not now", f"Proposals cannot be read or written: {error}"), 503)
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        await response(scope, receive, send)

    async def _answer(self, request: Request, path: str) -> Response:
        reads: Mapping[str, Handler] = {
            f"{PREFIX}/style.css": self._style,
            **{form.path: partial(self._curve, form) for form in FORMS.values()},
            PREFIX: self._proposals,
            f"{PREFIX}/audit": self._audit,
        }
        writes: Mapping[str, Handler] = {
            f"{PREFIX}/login": self._login,
            f"{PREFIX}/logout": self._logout,
            f"{PREFIX}/decide": self._decide,
        }
        handlers = {"GET": reads, "HEAD": reads, "POST": writes}.get(request.method, {})
        handler = handlers.get(path)
        if handler is None:
            known = path in reads or path in writes
            raise NotAnswered(405 if known else 404, f"There is nothing to {request.method[:10]} at {path[:200]!r}.")
        return await handler(request)

    async def _style(self, _request: Request) -> Response:
        return Response(style_sheet(), media_type="text/css")

    async def _proposals(self, request: Request) -> Response:
        return await self._shown(
            request,
            lambda approvals, person, seal: proposals_page(approvals, View.of(request.query_params), person, seal),
        )

    async def _audit(self, request: Request) -> Response:
        view = View.of({"page": request.query_params.get("page", "")})
        return await self._shown(
            request, lambda approvals, person, seal: audit_page(approvals, view.page, person, seal)
        )

    async def _shown(self, request: Request, page: Callable[[Approvals, Person, str], str]) -> Response:
        """A page for whoever is signed in, else the form that asks for a token."""
        approvals, roles = self._desk.opened()
        session = request.cookies.get(COOKIE, "")
        person = roles.person(session)
        if person is None:
            return _html(login_page())
        return _html(await run_in_threadpool(page, approvals, person, roles.form_seal(session)))

    async def _login(self, request: Request) -> Response:
        _, roles = self._desk.opened()
        _check_same_origin(request)
        person = roles.who((await _read_form(request)).get("token", [""])[0])
        if person is None or person.role not in MAY_LOOK:
            return _html(login_page("This token is nobody's: ask whoever runs this service for yours."), 403)
        response = RedirectResponse(PREFIX, 303)
        response.set_cookie(
            COOKIE, roles.session(person), max_age=int(SESSION_S), path=PREFIX, httponly=True, samesite="strict",
            secure=request.url.scheme == "https",
        )  # fmt: skip
        return response

    async def _logout(self, request: Request) -> Response:
        await self._form(request)
        response = RedirectResponse(PREFIX, 303)
        response.delete_cookie(COOKIE, path=PREFIX)
        return response

    async def _form(self, request: Request) -> tuple[Person, str, Mapping[str, list[str]]]:
        """Who sends a form, the session and the fields; NotAnswered unless it comes from a page of ours."""
        _, roles = self._desk.opened()
        _check_same_origin(request)
        session = request.cookies.get(COOKIE, "")
        person = roles.person(session)
        if person is None:
            raise NotAnswered(403, "You are not signed in, or your session has ended: sign in and repeat.")
        fields = await _read_form(request)
        if not roles.check_form(session, fields.get("seal", [""])[0]):
            raise NotAnswered(403, "The form is not from a page of this session: open it again and repeat.")
        return person, session, fields

    async def _decide(self, request: Request) -> Response:
        return await run_in_threadpool(self._decided, *await self._form(request))

    def _decided(self, person: Person, session: str, fields: Mapping[str, list[str]]) -> Response:
        approvals, roles = self._desk.opened()
        if person.role != "approver":
            raise NotAnswered(403, f"{person.name} may look, but not decide: that takes an approver's token.")
        first = {name: values[0] for name, values in fields.items()}
        view = View.of({name.removeprefix("view_"): first[name] for name in first if name.startswith("view_")})
        ids, verdict, reason = fields.get("proposal", []), first.get("verdict", ""), first.get("reason", "").strip()
        seal = roles.form_seal(session)
        try:
            if first.get("scope") == "all":
                ids = approvals.every(view.chosen, until_s=_moment(first.get("until", "")))
            if not ids:
                raise ApprovalError("no proposal is chosen: tick those that you decide on")
            if verdict == "approved":
                decided = approvals.approve(ids, who=person.name, reason=reason)
            elif verdict == "rejected":
                decided = approvals.reject(ids, who=person.name, reason=reason)
            else:
                raise ApprovalError(f"verdict {verdict[:20]!r}: approve or reject")
        except ApprovalError as error:
            return _html(proposals_page(approvals, view, person, seal, error=str(error), reason=reason), 400)
        page = proposals_page(approvals, view, person, seal, decided=decided, verdict=verdict)
        return _html(page, 409 if decided.conflicts else 200)

    async def _curve(self, form: CurveForm, request: Request) -> Response:
        answerer, query = self._desk.answerer, request.query_params
        asked = {box.name: query.get(box.name, "")[:500] for box in form.boxes}

        def page(**more: Any) -> str:
            return curve_page(form, self._desk.markets, asked, **more)

        if answerer is None or not query.get("stock"):
            asked |= self._desk.usual.get(form.path, {})
            return _html(page())
        try:
            found = await answerer.curve(form.request(asked))
        except Refusal as refusal:
            return _html(page(error=refusal.error), refusal.status)
        except (ValidationError, ValueError) as error:
            told = error.errors(include_url=False)[0] if isinstance(error, ValidationError) else None
            said = str(error) if told is None else f"{'.'.join(map(str, told['loc']))}: {told['msg']}"
            return _html(page(error=said), 400)
        return _html(page(found=picture_of(found.curve)))


def _moment(told: str) -> float:
    """Seconds since 1970 that a page was made at."""
    try:
        return float(told[:40])
    except ValueError as error:
        raise ApprovalError(f"until {told[:20]!r} is no moment: open the page again and repeat") from error


def _check_same_origin(request: Request) -> None:
    """NotAnswered unless the browser says that the request comes from a page of ours."""
    origin = request.headers.get("origin")
    own = f"{request.url.scheme}://{request.headers.get('host', '')}"
    if origin is None and request.headers.get("sec-fetch-site") == "same-origin":
        return
    if origin != own:
        raise NotAnswered(
            403, f"The request comes from {origin or 'nowhere'}, not from {own}: use the form of this page."
        )


async def _read_form(request: Request) -> Mapping[str, list[str]]:
    """Fields of an urlencoded form, bounded."""
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/x-www-form-urlencoded":
        raise NotAnswered(415, "Send the form of this page (application/x-www-form-urlencoded).")
    body = await read_body(request.receive, MAX_BODY_BYTES)
    if body is None:
        raise NotAnswered(413, f"The form is larger than {MAX_BODY_BYTES:,} bytes: decide on fewer at once.")
    try:
        return parse_qs(body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=MAX_FIELDS)
    except ValueError as error:
        raise NotAnswered(400, f"The form cannot be read: {error}.") from error


def _html(text: str, status: int = 200) -> Response:
    return HTMLResponse(text, status_code=status)
