"""A real shop's page in Chromium: names of strangers stay text, a phone shows all of it, a lost connection is said and mended."""

import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from live_shop import FLOOR, HOSTILE, SHOP, LiveShop
from running import ROOT, free_port
from till_shop import LIST, entered, left, moved

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]
_RUN = (
    "import sys, pathlib; from serving.settlement.shop_cli import build_shop_app; "
    "home = pathlib.Path(sys.argv.pop(1)); build_shop_app(lambda: home)()"
)


def start(home: Path, port: int) -> "subprocess.Popen[str]":
    """`storeloop shop`, once it says that it answers."""
    child = subprocess.Popen(
        [sys.executable, "-c", _RUN, str(home), "--shop", SHOP, "--port", str(port)],
        cwd=ROOT,
        env={**os.environ, "STORELOOP_LEDGER_ORIGIN": "s1.example", "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None and f"http://127.0.0.1:{port}/" in child.stdout.readline()
    return child


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[tuple[LiveShop, int, "subprocess.Popen[str]"]]:
    made, port = LiveShop(tmp_path), free_port()
    (tmp_path / "shop" / "floor.json").write_text(FLOOR.model_dump_json())
    child = start(tmp_path, port)
    yield made, port, child
    child.send_signal(signal.SIGTERM)
    assert child.wait(15) == 0


def test_strangers_names_stay_text_and_a_phone_shows_all(shop, chromium: str, tmp_path: Path) -> None:
    from playwright.sync_api import sync_playwright

    made, port, child = shop
    visit = '"><svg/onload=window.hacked=1>'
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_context(viewport={"width": 390, "height": 844}).new_page()
        wrong: list[str] = []
        page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.goto(f"http://127.0.0.1:{port}/")
        page.get_by_text("Nobody is in.").wait_for()
        made.tell(
            LIST,
            entered(visit),
            moved("take", "tea", 20, sure=0.7, visit=visit),
            moved("take", "milk", 10, visit=visit),
        )
        page.locator("#visits .what", has_text=HOSTILE).wait_for()
        page.locator("#floor .lane.took").wait_for()  # milk's lane lights up
        made.tell(left(visit))
        page.locator("#bills .tag", has_text="entry 1 proved").wait_for()
        assert "€1.19" in page.locator("#bills li").first.inner_text()
        page.locator("#reviews summary").click()
        page.locator("#reviews form").get_by_label("Your name").fill("ann")
        page.locator("#reviews form").get_by_label("Why").fill(HOSTILE)
        page.get_by_role("button", name="Decide").click()
        page.locator("#bills .tag", has_text="correction 1").wait_for()
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), "a phone scrolls sideways"
        assert page.evaluate("window.hacked === undefined") and page.locator("img").count() == 0
        assert wrong == [] and all(url.startswith(f"http://127.0.0.1:{port}/") for url in asked)
        page.screenshot(path=tmp_path / "phone.png", full_page=True)
        browser.close()
    stream = urllib.request.urlopen(f"http://127.0.0.1:{port}/stream", timeout=10)
    began = time.monotonic()
    child.send_signal(signal.SIGTERM)
    child.wait(15)
    assert time.monotonic() - began < 8, "an open page keeps the shop from ending"
    stream.close()
