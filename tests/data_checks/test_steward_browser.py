"""What a steward's browser does: a release clicked through, and the site read from a folder without a network."""

import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from data_checks.quarantine import Quarantine
from data_checks.steward import create_app

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[object]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture
def address(steward_home: Path) -> Iterator[str]:
    import uvicorn

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = uvicorn.Server(uvicorn.Config(create_app(steward_home), port=port, log_level="error", ws="none"))
    thread = threading.Thread(target=server.run)
    thread.start()
    deadline = time.monotonic() + 30
    while not server.started:
        assert time.monotonic() < deadline, "the steward's page did not start within 30 s"
        time.sleep(0.05)
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join(30)


def test_a_release_clicked_through_is_in_the_log_and_nothing_goes_wrong(browser, address, steward_home):
    page = browser.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(address)
    page.get_by_role("link", name="transactions", exact=True).click()
    assert page.title().startswith("transactions")
    page.get_by_role("link", name="Decide on quarantined rows").click()
    page.get_by_label("Rule broken").select_option("price_near_list")
    page.get_by_role("button", name="Filter").click()
    page.get_by_role("checkbox").first.check()
    page.get_by_label("Reason").fill("New list price, see mail of 3 March")
    page.get_by_label("Your name").fill("Grace")
    page.get_by_role("button", name="Release").click()
    assert "Released 1" in " ".join(page.get_by_role("status").inner_text().split())
    page.get_by_role("navigation", name="Main").get_by_role("link", name="Decisions").click()
    row = page.get_by_role("row").nth(1).inner_text()
    assert "Grace" in row
    assert "New list price, see mail of 3 March" in row
    assert "Release" in row
    assert complaints == []
    (decision,) = Quarantine(steward_home).log("transactions")
    assert decision.targets == ((("between:units", "price_near_list"), (f"{0:032x}-0",)),)


def test_a_reason_is_asked_for_before_anything_is_sent(browser, address, steward_home):
    page = browser.new_page()
    page.goto(f"{address}/quarantine/transactions")
    page.get_by_role("checkbox").first.check()
    page.get_by_label("Your name").fill("Grace")
    page.get_by_role("button", name="Reject").click()
    assert page.evaluate("document.querySelector('#reason').matches(':invalid:focus')")
    assert Quarantine(steward_home).log("transactions") == ()


def test_a_form_on_another_site_cannot_decide(browser, address, steward_home, tmp_path):
    trap = tmp_path / "trap.html"
    trap.write_text(
        f"<form method=post action='{address}/quarantine/transactions/decide'>"
        "<input name=scope value=rule><input name=rule value='between:units'><input name=verdict value=release>"
        "<input name=who value=Mallory><input name=reason value=x><button>Win</button></form>"
    )
    page = browser.new_page()
    page.goto(trap.as_uri())
    with page.expect_response(f"{address}/**") as reply:
        page.get_by_role("button", name="Win").click()
    assert reply.value.status == 403
    assert Quarantine(steward_home).log("transactions") == ()


@pytest.mark.parametrize("width", [1280, 390])
def test_the_site_reads_from_a_folder_without_a_network(browser, built_site, width):
    context = browser.new_context(offline=True, viewport={"width": width, "height": 900})
    page = context.new_page()
    asked: list[str] = []
    complaints: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: complaints.append(message.text))
    for name in ("index", "table-transactions", "expectations-transactions", "contracts", "contract-transactions"):
        page.goto((built_site / f"{name}.html").as_uri())
        assert "owned" not in page.title()
        # The style sheet took effect, and nothing but the tables' own frames scrolls sideways.
        assert page.evaluate("getComputedStyle(document.querySelector('header')).backgroundColor") == "rgb(18, 39, 61)"
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert complaints == []
    assert all(url.startswith(built_site.as_uri()) for url in asked)


def test_text_stands_out_from_its_ground(browser, built_site):
    """WCAG AA: 4.5 to 1 for every piece of text on the busiest pages."""
    measure = """() => {
      const parse = colour => colour.match(/[\\d.]+/g).map(Number);
      const light = c => { const [r, g, b] = c.slice(0, 3).map(v => v / 255)
        .map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
      const ground = e => { for (; e; e = e.parentElement) { const c = parse(getComputedStyle(e).backgroundColor);
        if (c.length < 4 || c[3] > 0) return c; } return [255, 255, 255]; };
      const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT), low = [];
      while (walk.nextNode()) { const e = walk.currentNode.parentElement;
        if (!walk.currentNode.data.trim() || e.closest('svg')) continue;
        const [a, b] = [light(parse(getComputedStyle(e).color)), light(ground(e))].sort((x, y) => y - x);
        const ratio = (a + 0.05) / (b + 0.05);
        if (ratio < 4.5) low.push(walk.currentNode.data.trim() + ' ' + ratio.toFixed(2)); }
      return low; }"""
    page = browser.new_page()
    for name in ("index", "table-transactions", "contract-transactions"):
        page.goto((built_site / f"{name}.html").as_uri())
        assert page.evaluate(measure) == []
