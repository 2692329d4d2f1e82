"""What keeps strangers out of the steward's page: it has no log-in, so only this machine's own browser may write."""

import secrets
from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOOPBACK = ("127.0.0.1", "localhost", "::1")
MAX_BODY_BYTES = 1_000_000
MAX_FORM_FIELDS = 1_000
HEADERS = {
    "content-security-policy": "default-src 'self'; script-src 'none'; object-src 'none'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    # "no-referrer" would make browsers send `Origin: null` with our own forms.
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}


class Refused(Exception):
    """A request that is not answered; `status` is the HTTP status, the message is for the person in front of it."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class SecurityHeaders:
    """ASGI middleware: every reply, errors included, carries `HEADERS`."""

    def __init__(self, app: "ASGIApp") -> None:
        self.app = app

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        """Passes the request on and adds the headers to what comes back."""

        async def send_with_headers(message: "Message") -> None:
            if message["type"] == "http.response.start":
                added = [(name.encode(), value.encode()) for name, value in HEADERS.items()]
                message = {**message, "headers": [*message.get("headers", ()), *added]}
            await send(message)

        await self.app(scope, receive, send_with_headers)


class FormToken:
    """A secret of this process in every form: a page of another site cannot read it and so cannot send it."""

    def __init__(self) -> None:
        self.value = secrets.token_urlsafe(32)

    def check(self, given: str) -> None:
        """Raises Refused unless it is the token of this process."""
        if not secrets.compare_digest(given.encode(), self.value.encode()):
            raise Refused(
                403, "The form is not from this page or the page was restarted since. Open it again and repeat."
            )


def check_same_origin(request: "Request") -> None:
    """Raises Refused unless the browser says that the request comes from one of our own pages.

    `Origin` decides; a browser that sends none says `Sec-Fetch-Site: same-origin` instead.
    """
    origin = request.headers.get("origin")
    own = f"{request.url.scheme}://{request.headers.get('host', '')}"
    if origin is None and request.headers.get("sec-fetch-site") == "same-origin":
        return
    if origin != own:
        raise Refused(403, f"The request comes from {origin or 'nowhere'}, not from {own}: use the form of this page.")


async def read_form(request: "Request") -> Mapping[str, list[str]]:
    """Fields of an urlencoded form. Raises Refused past 1 MB or 1,000 fields, or for anything that is no such form."""
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/x-www-form-urlencoded":
        raise Refused(415, "Send the form of this page (application/x-www-form-urlencoded).")
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            raise Refused(413, f"The form is larger than {MAX_BODY_BYTES:,} bytes: decide by rule instead of by row.")
    try:
        return parse_qs(body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=MAX_FORM_FIELDS)
    except ValueError as error:
        raise Refused(400, f"The form cannot be read: {error}.") from error
