"""Who may have prices proposed, by tokens of machines; and the desk behind a proxy that ends TLS."""

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest
from approval_case import DAY_S, Clock
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from serving.approval_desk import Desk, DeskDoor
from serving.approval_roles import Roles
from serving.approvals import Approvals
from serving.proposal_door import ProposalDoor

TOKENS = {name: f"{name.lower()}-token-0123456789" for name in ("Ada", "Vic", "Loop")}
PROXY, HOST = "10.0.0.5", "shop.example"


def desk(tmp_path: Path, *, tokens: bool = True) -> Desk:
    approvals = Approvals(tmp_path / "a.sqlite", proposal_s=DAY_S, approved_s=DAY_S, clock=Clock())
    told = (f"{name}:{TOKENS[name]}" if tokens else "" for name in ("Ada", "Vic", "Loop"))
    return Desk(approvals, Roles(*told, key=b"k" * 32, clock=Clock()))


async def beyond(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 299, "headers": []})
    await send({"type": "http.response.body", "body": b""})


def asked(app: Any, path: str, *, base: str = f"http://{HOST}", **options: Any) -> httpx.Response:
    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(app=app, client=(PROXY, 1))
        async with httpx.AsyncClient(transport=transport, base_url=base) as client:
            return await client.post(path, **options)

    return asyncio.run(ask())


def status(door: ProposalDoor, authorization: str | None, path: str = "/reprice") -> int:
    headers = {} if authorization is None else {"authorization": authorization}
    return asked(door, path, headers=headers).status_code


def test_proposing_takes_a_token_of_somebody_who_may(tmp_path: Path) -> None:
    door = ProposalDoor(beyond, desk=desk(tmp_path))
    for name, told in (("Loop", 299), ("Ada", 299), ("Vic", 401)):
        assert status(door, f"Bearer {TOKENS[name]}") == told, name
        assert status(door, f"bearer {TOKENS[name]}", "/reprice_fresh") == told, name
    for wrong in (None, "", TOKENS["Loop"], "Bearer ", "Bearer x", f"Basic {TOKENS['Loop']}", f"Bearer {'x' * 5_000}"):
        for path in ("/reprice", "/reprice_fresh", "/reprice%0A", "/%72eprice", "/shop/reprice"):
            assert status(door, wrong, path) == 401, (wrong, path)
    refused = asked(door, "/reprice")
    assert "STORELOOP_SERVE_PROPOSERS" in refused.json()["error"] and refused.headers["www-authenticate"] == "Bearer"
    assert status(door, None, "/quote") == 299


def test_without_tokens_or_approval_mode_everybody_may(tmp_path: Path) -> None:
    for bent in (desk(tmp_path, tokens=False), Desk(), Desk(None, desk(tmp_path).roles)):
        assert status(ProposalDoor(beyond, desk=bent), None) == 299


def test_a_proposers_token_opens_no_page(tmp_path: Path) -> None:
    form = {"data": {"token": TOKENS["Loop"]}, "headers": {"origin": f"http://{HOST}"}}
    page = asked(DeskDoor(beyond, desk=desk(tmp_path)), "/approvals/login", **form)
    assert page.status_code == 403 and "set-cookie" not in page.headers


@pytest.mark.parametrize(("trusted", "told"), [(PROXY, 303), ("10.0.0.0/8", 303), ("127.0.0.1", 403)])
def test_a_proxy_must_be_known_for_its_https_to_count(tmp_path: Path, trusted: str, told: int) -> None:
    """As uvicorn wraps the service by FORWARDED_ALLOW_IPS: the page's own form, its cookie for https alone; else refused."""
    app = ProxyHeadersMiddleware(DeskDoor(beyond, desk=desk(tmp_path)), trusted_hosts=trusted)
    headers = {"origin": f"https://{HOST}", "x-forwarded-proto": "https", "x-forwarded-for": "192.0.2.7"}
    signed = asked(app, "/approvals/login", data={"token": TOKENS["Ada"]}, headers=headers)
    assert signed.status_code == told
    assert ("; Secure" in signed.headers.get("set-cookie", "")) == (told == 303)


def test_a_cookie_of_plain_http_is_not_for_https_alone(tmp_path: Path) -> None:
    """A shop's own network without TLS must still be able to sign in."""
    headers = {"origin": f"http://{HOST}"}
    signed = asked(
        DeskDoor(beyond, desk=desk(tmp_path)), "/approvals/login", data={"token": TOKENS["Ada"]}, headers=headers
    )
    assert signed.status_code == 303 and "secure" not in signed.headers["set-cookie"].lower()
