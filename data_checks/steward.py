"""The steward's page: the validation site beside the quarantine, on loopback, where rows are released or rejected.

It has no log-in: whoever can open it on this machine may decide, and says by which name. So it listens on loopback
only, answers to loopback names only and takes forms only from its own pages.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

from data_checks.contracts import Contract, load_contracts
from data_checks.docs_site import ValidationSite
from data_checks.page_rendering import style_sheet
from data_checks.quarantine import Quarantine, QuarantineError
from data_checks.steward_pages import DecideForm, StewardPages, View
from data_checks.steward_security import (
    LOOPBACK,
    FormToken,
    Refused,
    SecurityHeaders,
    check_same_origin,
    read_form,
)
from data_checks.validation_history import ValidationHistory

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response

_NAME_COOKIE = "steward_name"
_MONTH_S = 30 * 24 * 3600


def create_app(home: Path, contracts: Mapping[str, Contract] | None = None) -> "Starlette":
    """The page over the quarantine and the validation history under `home`, as an ASGI application."""
    from starlette.applications import Starlette
    from starlette.middleware import Middleware
    from starlette.middleware.trustedhost import TrustedHostMiddleware
    from starlette.routing import Route

    desk = _Desk(home, load_contracts() if contracts is None else contracts)
    return Starlette(
        routes=[
            Route("/", desk.home),
            Route("/style.css", desk.style),
            Route("/favicon.ico", desk.no_icon),
            Route("/quarantine", desk.quarantine_index),
            Route("/quarantine/{table}", desk.quarantine_table),
            Route("/quarantine/{table}/row", desk.quarantine_row),
            Route("/quarantine/{table}/decide", desk.decide, methods=["POST"]),
            Route("/decisions", desk.decisions),
            Route("/{page}", desk.site_page),
        ],
        middleware=[
            Middleware(SecurityHeaders),
            Middleware(TrustedHostMiddleware, allowed_hosts=[*LOOPBACK, "[::1]"], www_redirect=False),
        ],
        exception_handlers={Refused: desk.refused, QuarantineError: desk.unknown, 404: desk.not_found},
    )


def serve(home: Path, host: str = "127.0.0.1", port: int = 8800) -> None:
    """Run the steward's page until interrupted. Raises ValueError for a host that is not loopback."""
    import uvicorn

    if host not in LOOPBACK:
        raise ValueError(
            f"host {host!r}: the steward's page has no log-in and listens on loopback only ({', '.join(LOOPBACK)}); "
            "reach it from elsewhere through an SSH tunnel"
        )
    uvicorn.run(create_app(home), host=host, port=port, log_level="warning", server_header=False)


class _Desk:
    """The request handlers. Plain functions run in Starlette's threads, so that a slow read blocks nobody."""

    def __init__(self, home: Path, contracts: Mapping[str, Contract]) -> None:
        self.stored = Quarantine(home)
        self.site = ValidationSite(ValidationHistory(home), self.stored, contracts, steward="")
        self.token = FormToken()
        self.pages = StewardPages(self.stored, contracts, self.token.value)

    def home(self, _request: "Request") -> "Response":
        from starlette.responses import RedirectResponse

        return RedirectResponse("/index.html")

    def style(self, _request: "Request") -> "Response":
        from starlette.responses import Response

        return Response(style_sheet(), media_type="text/css")

    def no_icon(self, _request: "Request") -> "Response":
        from starlette.responses import Response

        return Response(status_code=204)

    def site_page(self, request: "Request") -> "Response":
        try:
            return _html(self.site.render(request.path_params["page"]))
        except KeyError:
            return self.not_found(request, None)

    def quarantine_index(self, _request: "Request") -> "Response":
        return _html(self.pages.index())

    def quarantine_table(self, request: "Request") -> "Response":
        view = View.from_query(request.path_params["table"], request.query_params)
        return _html(self.pages.table(view, _form_of(request), done=request.query_params.get("done", "")))

    def quarantine_row(self, request: "Request") -> "Response":
        row_key = request.query_params.get("key", "")
        return _html(self.pages.row(request.path_params["table"], row_key, _form_of(request)))

    def decisions(self, request: "Request") -> "Response":
        return _html(self.pages.decisions(View.from_query("", request.query_params).page))

    async def decide(self, request: "Request") -> "Response":
        from starlette.concurrency import run_in_threadpool

        check_same_origin(request)
        fields = await read_form(request)
        self.token.check(fields.get("token", [""])[0])
        return await run_in_threadpool(self._decide, request.path_params["table"], fields)

    def _decide(self, table: str, fields: Mapping[str, list[str]]) -> "Response":
        from starlette.responses import RedirectResponse

        first = {name: values[0] for name, values in fields.items()}
        view = View.from_query(table, {name.removeprefix("view_"): first[name] for name in first if "view_" in name})
        rows = fields.get("row", [])
        form = DecideForm(
            first.get("scope", ""),
            first.get("rule", ""),
            first.get("reason", ""),
            first.get("who", ""),
            frozenset(rows),
        )
        try:
            if form.scope not in {"rows", "rule"}:
                raise QuarantineError("say which rows: the ticked ones, or those of one rule")
            decision = self.stored.decide(
                table,
                row_keys=rows if form.scope == "rows" else None,
                rule=form.rule if form.scope == "rule" else None,
                verdict=first.get("verdict", ""),  # type: ignore[arg-type] # `decide` refuses what is no verdict
                reason=form.reason,
                who=form.who,
            )
        except QuarantineError as error:
            if table not in self.stored.tables():
                raise
            return _html(self.pages.table(view, form, error=str(error)), status=400)
        response = RedirectResponse(f"{view.address()}&done={quote(decision.decision_id)}", status_code=303)
        response.set_cookie(_NAME_COOKIE, quote(decision.who), max_age=_MONTH_S, httponly=True, samesite="strict")
        return response

    def refused(self, _request: "Request", error: Exception) -> "Response":
        status = error.status if isinstance(error, Refused) else 400
        return _html(self.pages.message("Refused", str(error)), status=status)

    def unknown(self, _request: "Request", error: Exception) -> "Response":
        return _html(self.pages.message("Not here", str(error)), status=404)

    def not_found(self, request: "Request", _error: Exception | None) -> "Response":
        return _html(self.pages.message("Not here", f"There is no page {request.url.path!r}."), status=404)


def _form_of(request: "Request") -> DecideForm:
    return DecideForm(who=unquote(request.cookies.get(_NAME_COOKIE, "")))


def _html(text: str, status: int = 200) -> "Response":
    from starlette.responses import HTMLResponse

    return HTMLResponse(text, status_code=status)
