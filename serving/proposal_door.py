"""Who may have prices proposed: in approval mode `reprice` writes into the queue of people. An ASGI middleware."""

from starlette.responses import JSONResponse

from serving.approval_desk import Desk
from serving.approval_roles import MAY_PROPOSE
from serving.front_door import App, Receive, Scope, Send

GUARDED = "/reprice"  # anywhere in a path: no spelling of the address may lead past this door
REFUSED = (
    "in approval mode /reprice writes proposals: send `Authorization: Bearer TOKEN` with a token of STORELOOP_SERVE_PROPOSERS or "
    "STORELOOP_SERVE_APPROVERS"
)


class ProposalDoor:
    """Wants a token of somebody who may propose, in approval mode and wherever anybody was given a token; else open."""

    def __init__(self, app: App, *, desk: Desk) -> None:
        self._app, self._desk = app, desk

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and GUARDED in scope["path"] and not self._may(scope):
            await JSONResponse({"error": REFUSED}, 401, {"www-authenticate": "Bearer"})(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _may(self, scope: Scope) -> bool:
        desk = self._desk
        if desk.approvals is None or not desk.roles:
            return True
        given = [value.decode("latin-1") for name, value in scope["headers"] if name == b"authorization"]
        person = desk.roles.by_header(given[0]) if len(given) == 1 else None
        return person is not None and person.role in MAY_PROPOSE
