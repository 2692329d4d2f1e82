"""The steward's page: what it shows, what it records, and whom it refuses."""

import html
import re
from pathlib import Path
from urllib.parse import quote

import pytest
from starlette.testclient import TestClient

from data_checks.quarantine import Quarantine
from data_checks.steward import create_app, serve
from data_checks.steward_security import MAX_BODY_BYTES

HERE = "http://127.0.0.1:8800"
FORM = {"scope": "rows", "verdict": "release", "reason": "Checked at the till", "who": "Ada Löw"}
SECOND, THIRD = f"{1:032x}-0", f"{2:032x}-0"


@pytest.fixture
def page(steward_home: Path) -> TestClient:
    return TestClient(create_app(steward_home), base_url=HERE, follow_redirects=False)


@pytest.fixture
def quarantine(steward_home: Path) -> Quarantine:
    return Quarantine(steward_home)


def token(page: TestClient) -> str:
    found = re.search(r'name="token" value="([^"]+)"', page.get("/quarantine/transactions").text)
    assert found
    return found[1]


def decide(page: TestClient, *, headers: dict[str, str] | None = None, **fields: object):
    form = {**FORM, "row": [SECOND], "token": token(page), **fields}
    return page.post(
        "/quarantine/transactions/decide",
        data={name: value for name, value in form.items() if value is not None},
        headers={"origin": HERE} if headers is None else headers,
    )


def test_releasing_ticked_rows_is_recorded_and_shown(page, quarantine):
    reply = decide(page, row=[SECOND, THIRD])
    assert reply.status_code == 303
    (decision,) = quarantine.log("transactions")
    assert (decision.who, decision.reason, decision.verdict, decision.rows) == ("Ada Löw", FORM["reason"], "release", 2)
    after = page.get(reply.headers["location"]).text
    assert "Released 2" in re.sub(r"\s+", " ", after)
    assert "Open (59)" in after
    log = page.get("/decisions").text
    assert "Ada Löw" in log
    assert "Checked at the till" in log


def test_rejecting_by_rule_reaches_every_row_of_the_rule(page, quarantine):
    reply = decide(page, scope="rule", rule="between:units", verdict="reject", row=None)
    assert reply.status_code == 303
    assert quarantine.log("transactions")[0].rows == 41
    assert quarantine.summary("transactions").rows["rejected"] == 41


def test_the_name_is_remembered_and_cannot_break_out_of_its_cookie(page):
    hostile = 'Zoë"; Path=/; <script>'
    reply = decide(page, who=hostile)
    assert "HttpOnly" in reply.headers["set-cookie"]
    assert "samesite=strict" in reply.headers["set-cookie"].lower()
    again = page.get("/quarantine/transactions").text
    assert f'value="{html.escape(hostile).replace("&quot;", "&#34;")}"' in again


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"reason": " "}, "the reason is empty"),
        ({"who": ""}, "the name is empty"),
        ({"row": None}, "at least one row key"),
        ({"row": ["nope"]}, "1 row keys are not in the quarantine"),
        ({"scope": "rule", "rule": "colour"}, "no such row breaks rule"),
        ({"scope": "everything"}, "say which rows"),
        ({"verdict": "maybe"}, "use release or reject"),
    ],
)
def test_an_unusable_decision_comes_back_with_its_reason_and_what_was_typed(page, quarantine, changed, message):
    reply = decide(page, **changed)
    assert reply.status_code == 400
    assert message in html.unescape(reply.text)
    assert quarantine.log("transactions") == ()
    if "row" not in changed:
        assert re.search(rf'value="{SECOND}"[^>]* checked', reply.text)
    if "who" not in changed:
        assert 'value="Ada Löw"' in reply.text


def test_a_form_without_the_token_is_refused(page, quarantine):
    for wrong in (None, "", "x" * 43, "ä"):
        assert decide(page, token=wrong).status_code == 403
    assert quarantine.log("transactions") == ()


def test_a_token_of_another_process_is_refused(page, quarantine, steward_home):
    other = TestClient(create_app(steward_home), base_url=HERE)
    assert decide(page, token=token(other)).status_code == 403
    assert quarantine.log("transactions") == ()


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:9999"},
        {"origin": "https://127.0.0.1:8800"},
        {"origin": "http://127.0.0.1:8800.evil.example"},
        {},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"origin": "http://evil.example", "sec-fetch-site": "same-origin"},
    ],
)
def test_a_foreign_origin_is_refused(page, quarantine, headers):
    assert decide(page, headers=headers).status_code == 403
    assert quarantine.log("transactions") == ()


def test_a_browser_that_sends_no_origin_with_its_own_forms_is_served(page, quarantine):
    assert decide(page, headers={"sec-fetch-site": "same-origin"}).status_code == 303
    assert len(quarantine.log("transactions")) == 1


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "192.168.1.4:8800", ""])
def test_a_name_that_is_not_loopback_is_refused(page, host):
    reply = page.get("/quarantine", headers={"host": host})
    assert reply.status_code == 400
    assert "transactions" not in reply.text


@pytest.mark.parametrize("host", ["localhost:8800", "127.0.0.1", "[::1]:8800"])
def test_every_loopback_name_is_served(page, host):
    assert page.get("/quarantine", headers={"host": host}).status_code == 200


def test_serving_beyond_loopback_is_refused(steward_home):
    with pytest.raises(ValueError, match=r"host '0\.0\.0\.0'.*loopback only"):
        serve(steward_home, host="0.0.0.0")


@pytest.mark.parametrize("announced", [True, False])
def test_a_body_past_the_bound_is_refused(page, quarantine, announced):
    body = b"row=" + b"x" * MAX_BODY_BYTES
    reply = page.post(
        "/quarantine/transactions/decide",
        content=body if announced else iter([body[:1_000], body[1_000:]]),
        headers={"origin": HERE, "content-type": "application/x-www-form-urlencoded"},
    )
    assert reply.status_code == 413
    assert "larger than 1,000,000 bytes" in reply.text
    assert quarantine.log("transactions") == ()


@pytest.mark.parametrize(
    ("content", "content_type", "status"),
    [
        (b'{"verdict": "release"}', "application/json", 415),
        (b"", "", 415),
        (b"a=1&" * 2_000, "application/x-www-form-urlencoded", 400),
        (b"reason=%ff", "application/x-www-form-urlencoded", 400),
        ("reason=ä".encode(), "application/x-www-form-urlencoded", 400),
    ],
)
def test_what_is_no_form_is_refused(page, content, content_type, status):
    headers = {"origin": HERE, "content-type": content_type}
    assert page.post("/quarantine/transactions/decide", content=content, headers=headers).status_code == status


def test_every_reply_forbids_scripts_framing_and_storing(page):
    for address in ("/index.html", "/quarantine", "/style.css", "/nowhere", "/quarantine/nowhere"):
        headers = page.get(address).headers
        assert "default-src 'self'" in headers["content-security-policy"]
        assert "script-src 'none'" in headers["content-security-policy"]
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == "no-store"


def test_reading_does_not_write_and_deciding_is_post_only(page, quarantine):
    fields = {**FORM, "scope": "rule", "rule": "between:units", "token": token(page)}
    assert page.get("/quarantine/transactions/decide", params=fields).status_code == 405
    assert quarantine.log("transactions") == ()


@pytest.mark.parametrize(
    ("address", "status"),
    [
        ("/nowhere", 404),
        ("/table-nowhere.html", 404),
        ("/quarantine/nowhere", 404),
        ("/quarantine/..%2f..%2fetc", 404),
        ("/quarantine/transactions?rule=colour", 404),
        ("/quarantine/transactions?status=odd", 404),
        ("/quarantine/transactions?page=-1", 404),
        ("/quarantine/transactions?page=²", 404),
        ("/quarantine/transactions?page=999999", 200),
        ("/quarantine/transactions?search=%00", 200),
        ("/quarantine/transactions/row", 404),
        ("/quarantine/transactions/row?key=nope", 404),
        ("/decisions?page=0", 404),
        ("/favicon.ico", 204),
        ("/", 307),
    ],
)
def test_odd_addresses_are_answered_without_a_fault(page, address, status):
    assert page.get(address).status_code == status


def test_rows_are_paged_and_narrowed_by_rule_text_and_status(page):
    first = page.get("/quarantine/transactions").text
    assert len(re.findall(r'type="checkbox"', first)) == 25
    assert "61 rows, 1 to 25 shown" in first
    assert "51 to 61 shown" in page.get("/quarantine/transactions?page=3").text
    assert "20 rows" in page.get("/quarantine/transactions?rule=duplicate:row").text
    assert "1 row" in page.get("/quarantine/transactions?search=t00007").text
    assert "No such row" in page.get("/quarantine/transactions?status=rejected").text
    assert len(re.findall(r" checked>", page.get("/quarantine/transactions?ticked=all").text)) == 25 + 1


def test_a_hostile_row_is_shown_as_text_wherever_it_is_shown(page):
    hostile = f"{0:032x}-0"
    decide(page, reason="<script>alert(1)</script>", who="<b>Ada</b>", row=[hostile])
    for address in (
        "/quarantine/transactions?status=released",
        f"/quarantine/transactions/row?key={quote(hostile)}",
        "/quarantine/transactions?search=<script>",
        "/decisions",
        "/table-transactions.html",
        "/<script>alert(1)</script>",
    ):
        text = page.get(address).text
        assert "<script" not in text
        assert "<img" not in text
        assert "<b>" not in text
    assert "&lt;b&gt;Ada" in page.get("/decisions").text


def test_the_row_page_shows_reasons_delivery_and_past_decisions(page):
    decide(page, scope="rule", rule="between:units", row=None)
    text = re.sub(r"\s+", " ", page.get(f"/quarantine/transactions/row?key={SECOND}").text)
    assert "units is at least 1" in text
    assert "T00001" in text
    assert "Checked at the till" in text
    assert "Released: the next run lets the row go on" in text


def test_the_site_served_here_links_to_the_quarantine(page):
    text = page.get("/table-transactions.html").text
    assert 'href="/quarantine/transactions?rule=between%3Aunits"' in text
    assert 'href="/decisions"' in text
