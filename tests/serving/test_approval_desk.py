"""The pages of approval as a browser sees them: roles by tokens, forms of this page alone, decisions by name."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from serving.approval_desk import Desk, DeskDoor
from serving.approval_roles import SESSION_S, Person, Roles
from serving.approvals import Approvals, Proposal

HOST = "http://testserver"
TOKENS = {"Ada": "ada-token-0123456789", "Vic": "vic-token-0123456789"}


class Clock:
    now = 1_767_600_000.0

    def __call__(self) -> float:
        return self.now


def roles(clock: Clock, approvers: str = f"Ada:{TOKENS['Ada']}", key: bytes = b"k" * 32) -> Roles:
    return Roles(approvers, f"Vic:{TOKENS['Vic']}", key=key, clock=clock)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def desk(tmp_path: Path, clock: Clock) -> Desk:
    approvals = Approvals(tmp_path / "a.sqlite", proposal_s=86_400, approved_s=86_400, clock=clock)
    told = ("salad", "<b>I1</b>", 3.0, 2.0, 1.0, "floor", 0.5, "champion", "a" * 64)
    approvals.propose([Proposal("p1", *told), Proposal("p2", "salad", "I2", *told[2:])])
    return Desk(approvals, roles(clock))


class Browser:
    """One person's browser on the desk."""

    def __init__(self, desk: Desk) -> None:
        async def beyond(scope: Any, receive: Any, send: Any) -> None:
            await send({"type": "http.response.start", "status": 299, "headers": []})
            await send({"type": "http.response.body", "body": b"beyond"})

        self.client = httpx.AsyncClient(
            transport=httpx.ASGITransport(app=DeskDoor(beyond, desk=desk)), base_url=HOST, headers={"origin": HOST}
        )

    def ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        import asyncio

        return asyncio.run(self.client.request(method, path, **options))

    def sign_in(self, name: str) -> httpx.Response:
        return self.ask("POST", "/approvals/login", data={"token": TOKENS[name]})

    def seal(self) -> str:
        found = re.search(r'name="seal" value="(\w+)"', self.ask("GET", "/approvals").text)
        assert found is not None
        return found[1]

    def decide(self, **fields: Any) -> httpx.Response:
        return self.ask("POST", "/approvals/decide", data={"seal": self.seal(), "verdict": "approved", **fields})


@pytest.fixture
def browser(desk: Desk) -> Iterator[Browser]:
    return Browser(desk)


def test_other_addresses_go_through(browser: Browser) -> None:
    for path in ("/", "/quote", "/approvalsx", "/metrics"):
        assert browser.ask("GET", path).status_code == 299


def test_nobody_without_a_token_sees_a_price(browser: Browser) -> None:
    for path in ("/approvals", "/approvals/audit"):
        page = browser.ask("GET", path)
        assert page.status_code == 200 and "Your token" in page.text and "I2" not in page.text
    for token in ("", "ada-token-012345678", "x" * 1_000, "\udcff"):
        assert browser.ask("POST", "/approvals/login", content=f"token={token}".encode(errors="replace"), headers={
            "content-type": "application/x-www-form-urlencoded"}).status_code == 403  # fmt: skip
    assert browser.ask("POST", "/approvals/decide", data={"proposal": "p1"}).status_code == 403
    assert browser.client.cookies.get("storeloop_session") is None


def test_an_approver_approves_and_the_name_comes_from_the_token(browser: Browser, desk: Desk) -> None:
    signed = browser.sign_in("Ada")
    assert signed.status_code == 303 and signed.headers["location"] == "/approvals"
    cookie = signed.headers["set-cookie"].lower()
    assert "httponly" in cookie and "samesite=strict" in cookie and "path=/approvals" in cookie
    page = browser.ask("GET", "/approvals")
    assert "&lt;b&gt;I1&lt;/b&gt;" in page.text and "<b>I1" not in page.text
    assert "-33 %" in page.text and "wanted 1.00" in page.text
    done = browser.decide(proposal="p1", who="Mallory")
    assert done.status_code == 200 and "Approved\n    1 price." in done.text
    assert desk.approvals is not None
    (link,), _ = desk.approvals.audit.listed(first=0, count=5)
    assert (link.decision.who, link.decision.what, link.decision.new_price) == ("Ada", "approved", 2.0)
    again = browser.decide(proposal="p1")
    assert again.status_code == 200 and "nothing changed" in again.text
    trail = browser.ask("GET", "/approvals/audit").text
    assert "The chain holds: 1 decisions" in trail and "Ada" in trail and link.hash[:16] in trail


def test_every_proposal_of_a_view_is_decided_but_none_that_came_since(
    browser: Browser, desk: Desk, clock: Clock
) -> None:
    browser.sign_in("Ada")
    page = browser.ask("GET", "/approvals?search=I").text
    until = re.search(r'name="until" value="([\d.]+)"', page)
    assert until is not None and desk.approvals is not None
    clock.now += 60
    told = ("I3", 3.0, 2.0, 2.0, "", None, "champion", "a" * 64)
    desk.approvals.propose([Proposal("p3", "salad", *told), Proposal("p4", "milk", "J", *told[1:])])
    done = browser.decide(scope="all", until=until[1], view_search="I")
    assert done.status_code == 200 and desk.approvals.counts() | {"superseded": 0} == {
        "pending": 2, "approved": 2, "rejected": 0, "superseded": 0, "expired": 0,
    }  # fmt: skip
    assert browser.decide(scope="all", until="soon").status_code == 400


def test_a_conflict_is_told_with_409(browser: Browser, desk: Desk) -> None:
    browser.sign_in("Ada")
    assert desk.approvals is not None
    desk.approvals.reject(["p2"], who="Ben", reason="no")
    page = browser.decide(proposal=["p1", "p2"])
    assert page.status_code == 409
    assert "Approved\n    1 price." in page.text and "I2: stale, Ben rejected it already: reprice again" in page.text


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"proposal": "p1", "verdict": "rejected"}, "a rejection needs a reason"),
        ({"proposal": "p1", "verdict": "burn"}, "approve or reject"),
        ({}, "no proposal is chosen"),
    ],
)
def test_a_form_that_says_too_little_is_shown_again(browser: Browser, fields: dict[str, str], said: str) -> None:
    browser.sign_in("Ada")
    page = browser.decide(**fields)
    assert page.status_code == 400 and said in page.text and "I2" in page.text


def test_a_viewer_looks_but_does_not_decide(browser: Browser, desk: Desk) -> None:
    browser.sign_in("Vic")
    page = browser.ask("GET", "/approvals")
    assert (
        "I2" in page.text and "checkbox" not in page.text and "approver&#39;s token" in page.text.replace("'", "&#39;")
    )
    assert browser.decide(proposal="p1").status_code == 403
    assert desk.approvals is not None and desk.approvals.counts()["approved"] == 0


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "https://testserver"},
        {"origin": f"{HOST}.evil.example"},
    ],
)
def test_forms_of_other_sites_are_refused(browser: Browser, desk: Desk, headers: dict[str, str]) -> None:
    browser.sign_in("Ada")
    data = {"seal": browser.seal(), "verdict": "approved", "proposal": "p1"}
    assert browser.ask("POST", "/approvals/decide", data=data, headers=headers).status_code == 403
    assert browser.ask("POST", "/approvals/login", data={"token": TOKENS["Ada"]}, headers=headers).status_code == 403
    assert desk.approvals is not None and desk.approvals.counts()["approved"] == 0


def test_a_form_without_the_seal_of_the_session_is_refused(browser: Browser, desk: Desk) -> None:
    other = Browser(desk)
    other.sign_in("Ada")
    browser.sign_in("Ada")
    for seal in ("", "0" * 64, other.seal(), "\xe9"):
        page = browser.ask("POST", "/approvals/decide", data={"seal": seal, "verdict": "approved", "proposal": "p1"})
        assert page.status_code == 403, seal


def test_a_session_ends_with_its_time_its_token_and_on_signing_out(browser: Browser, desk: Desk, clock: Clock) -> None:
    browser.sign_in("Ada")
    assert "Ada, approver" in browser.ask("GET", "/approvals").text
    kept = desk.roles
    desk.roles = roles(clock, "Ada:another-token-0123456789")
    assert "Your token" in browser.ask("GET", "/approvals").text
    desk.roles = kept
    clock.now += SESSION_S + 1
    assert "Your token" in browser.ask("GET", "/approvals").text
    clock.now -= SESSION_S
    browser.ask("POST", "/approvals/logout", data={"seal": browser.seal()})
    assert "Your token" in browser.ask("GET", "/approvals").text


def test_a_cookie_cannot_be_made_up(clock: Clock) -> None:
    ours = roles(clock)
    real = ours.session(Person("Ada", "approver"))
    assert ours.person(real) == Person("Ada", "approver")
    other = roles(clock, key=b"x" * 32).session(Person("Ada", "approver"))
    for forged in ("", "a.b.c.d", real[:-1], real.replace(".", "x", 1), f"{real}0", "é", other):
        assert ours.person(forged) is None, forged
    assert ours.person(ours.session(Person("Eve", "approver"))) is None, "nobody of that name has a token"


@pytest.mark.parametrize(
    "approvers",
    ["Ada:short", f"Ada:{'x' * 1_001}", "Ada", ":ada-token-0123456789", f"Vic:{'x' * 16}", f"Eve:{TOKENS['Vic']}"],
)
def test_bad_tokens_stop_the_service_and_are_not_told(clock: Clock, approvers: str) -> None:
    with pytest.raises(ValueError, match="token") as caught:
        roles(clock, approvers)
    assert TOKENS["Vic"] not in str(caught.value)


def test_without_tokens_or_approval_mode_everything_is_refused_with_the_reason(desk: Desk, clock: Clock) -> None:
    for bent, said in (
        (Desk(desk.approvals, Roles("", "", key=b"k", clock=clock)), "No token is set"),
        (Desk(), "Approval mode is off"),
    ):
        browser = Browser(bent)
        for method, path in (
            ("GET", ""),
            ("GET", "/audit"),
            ("POST", "/login"),
            ("POST", "/decide"),
            ("POST", "/logout"),
        ):
            page = browser.ask(
                method, f"/approvals{path}", **({"data": {"token": TOKENS["Ada"]}} if method == "POST" else {})
            )
            assert page.status_code == 403 and said in page.text, path


@pytest.mark.parametrize(
    "query",
    [
        "status=sold",
        "page=0",
        "page=-1",
        "page=9999999999999",
        "page=%00",
        *(f"page=0000000001{'9' * n}" for n in (30, 5_000)),
    ],
)
def test_addresses_that_make_no_sense_are_400(browser: Browser, query: str) -> None:
    browser.sign_in("Ada")
    assert browser.ask("GET", f"/approvals?{query}").status_code == 400


def test_hostile_forms_are_refused_and_pages_carry_their_headers(browser: Browser) -> None:
    browser.sign_in("Ada")
    form = {"content-type": "application/x-www-form-urlencoded"}
    for body, headers, status in (
        (b"x" * 1_000_001, form, 413),
        (b"&".join([b"a=b"] * 1_001), form, 400),
        (b"\xff=\xfe", form, 400),
        (b"{}", {"content-type": "application/json"}, 415),
    ):
        assert browser.ask("POST", "/approvals/decide", content=body, headers=headers).status_code == status
    page = browser.ask("GET", "/approvals")
    assert "script-src 'none'" in page.headers["content-security-policy"]
    assert page.headers["cache-control"] == "no-store" and page.headers["x-frame-options"] == "DENY"
    for method, path in (("PUT", "/approvals"), ("POST", "/approvals"), ("GET", "/approvals/decide")):
        assert browser.ask(method, path).status_code == 405
    assert browser.ask("GET", "/approvals/no/such").status_code == 404
    assert browser.ask("GET", "/approvals/style.css").headers["content-type"].startswith("text/css")
