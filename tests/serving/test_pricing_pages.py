"""The pages of pricing in a real browser: a price approved and one rejected by clicks, the trail, and a curve."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fuzzing import post
from pricing_releases import bread, columns, fresh_columns, pricing_settings, seat
from release_factory import Releases
from running import running

pytestmark = pytest.mark.browser

TOKENS = {"Ada": "ada-token-0123456789", "Vic": "vic-token-0123456789"}


@pytest.fixture
def proposing(pricing_releases: Releases, tmp_path: Path) -> Iterator[int]:
    """The service in approval mode, with three proposals of seats and one of bread."""
    environment = pricing_settings(
        pricing_releases,
        tmp_path,
        STORELOOP_SERVE_APPROVAL="true",
        STORELOOP_SERVE_APPROVERS=f"Ada:{TOKENS['Ada']}",
        STORELOOP_SERVE_VIEWERS=f"Vic:{TOKENS['Vic']}",
    )
    with running("serving.pricing:Pricing", environment=environment, log=tmp_path / "service.log") as port:
        store = columns([seat(item_id=f"Row {number}", before=13.0 + number) for number in range(1, 4)], "seats")
        bearer = {"Content-Type": "application/json", "Authorization": f"Bearer {TOKENS['Ada']}"}
        assert post(port, "/reprice", json.dumps({"markets": [store]}).encode(), bearer)[0] == 200
        goods = fresh_columns([bread(before=9.0)])
        assert post(port, "/reprice_fresh", json.dumps({"goods": goods}).encode(), bearer)[0] == 200
        yield port


def test_prices_are_decided_by_clicks_and_nothing_goes_wrong(proposing: int, chromium: str, tmp_path: Path) -> None:
    from playwright.sync_api import sync_playwright

    home, complaints, elsewhere = f"http://127.0.0.1:{proposing}", [], []

    def watched(browser: Any) -> Any:
        page = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
        page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: elsewhere.append(request.url) if not request.url.startswith(home) else None)
        return page

    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = watched(browser)
        page.goto(f"{home}/approvals")
        page.get_by_label("Your token").fill(TOKENS["Ada"])
        page.get_by_role("button", name="Sign in").click()
        assert page.get_by_text("Ada, approver").is_visible()
        page.screenshot(path=tmp_path / "proposals.png", full_page=True)
        page.get_by_label("Rule that moved it").select_option("largest_change")
        page.get_by_role("button", name="Filter").click()
        page.get_by_label("Choose Row 2 of seats").check()
        page.get_by_role("button", name="Approve the chosen").click()
        assert page.get_by_role("status").inner_text() == "Approved 1 price."
        page.get_by_label("Choose Row 1 of seats").check()
        page.get_by_label("Reason").fill("the front row never sells for less")
        page.get_by_role("button", name="Reject the chosen").click()
        assert page.get_by_role("status").inner_text() == "Rejected 1 price."
        page.get_by_label("Market").select_option("fresh")
        page.get_by_role("button", name="Filter").click()
        page.get_by_label("Choose S1|bread of fresh").check()
        page.get_by_role("button", name="Approve the chosen").click()
        assert page.get_by_role("status").inner_text() == "Approved 1 price."
        page.get_by_role("link", name="Audit trail").click()
        assert "The chain holds: 3 decisions" in page.get_by_role("status").inner_text()
        assert page.get_by_text("the front row never sells for less").is_visible()
        page.screenshot(path=tmp_path / "audit.png", full_page=True)
        page.goto(f"{home}/curve")
        page.get_by_label("Market").select_option("salad")
        for label, value in (
            ("Period", "2"),
            ("Units by periods left", "1,3"),
            ("Price before", "3"),
            ("Factors", "weather=0.5"),
        ):
            page.get_by_label(label, exact=True).fill(value)
        page.get_by_role("button", name="Show").click()
        assert page.get_by_role("img").is_visible() and page.get_by_text("no, floor").is_visible()
        page.screenshot(path=tmp_path / "curve.png", full_page=True)
        page.get_by_role("link", name="What if, fresh goods").click()
        assert page.get_by_label("Good", exact=True).input_value() == "S1|bread", "a morning to begin with"
        page.get_by_label("Units by days left").fill("4")
        page.get_by_role("button", name="Show").click()
        assert page.get_by_role("img").is_visible() and page.get_by_role("status").is_visible()
        page.screenshot(path=tmp_path / "curve_fresh.png", full_page=True)
        viewer = watched(browser)
        viewer.goto(f"{home}/approvals")
        viewer.get_by_label("Your token").fill(TOKENS["Vic"])
        viewer.get_by_role("button", name="Sign in").click()
        assert viewer.get_by_role("checkbox").count() == 0 and viewer.get_by_text("Row 3").is_visible()
        browser.close()
    assert complaints == [] and [url for url in elsewhere if not url.startswith("data:")] == []
    ask = {"market": "seats", "items": [seat(item_id="Row 2", before=14.0)]}
    (told,) = json.loads(post(proposing, "/quote", json.dumps(ask).encode())[1])["prices"]
    assert (told["price"], told["served_by"]) == (12.0, "approved")
    goods = json.dumps({"items": [bread(before=2.5)]}).encode()
    (told,) = json.loads(post(proposing, "/quote_fresh", goods)[1])["prices"]
    assert (told["price"], told["served_by"]) == (2.0, "approved")
    assert all(
        (tmp_path / f"{name}.png").stat().st_size > 10_000 for name in ("proposals", "audit", "curve", "curve_fresh")
    )
