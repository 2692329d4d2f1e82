"""`storeloop shop --twin`: a small day of the twin, from its sensors to signed bills on the page, in Chromium."""

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

VISITS = 4


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_a_day_of_the_twin_is_in_order_and_everybody_who_comes_goes() -> None:
    from orchestration.shop_play import TwinDay
    from serving.settlement.shop_events import Entered, Left, Moved, Prices

    day = TwinDay(VISITS, seed=3)
    floor, (prices, _), moments = day.floor(), day.opening(), list(day.moments())
    assert isinstance(prices, Prices) and {each.product for each in prices.prices} == set(floor.names)
    assert len(floor.gondolas) == 8 and all(each.lanes for each in floor.gondolas)
    assert [each.time for each in moments] == sorted(each.time for each in moments)
    came, went = ({each.told.visit_id for each in moments if isinstance(each.told, kind)} for kind in (Entered, Left))
    assert len(came) == VISITS and went == came
    seen = {place.visit_id for each in moments if isinstance(each.told, tuple) for place in each.told}
    assert seen == came
    assert {each.told.shelf for each in moments if isinstance(each.told, Moved)} <= {
        each.name for each in floor.gondolas
    }


@pytest.mark.browser
@pytest.mark.timeout(180)
def test_the_page_shows_people_bills_and_the_ledgers_head(chromium: str, tmp_path: Path) -> None:
    from playwright.sync_api import sync_playwright

    port = free_port()
    command = ("shop", "--twin", "--visits", str(VISITS), "--seed", "3", "--speed", "25", "--port", str(port))
    child = subprocess.Popen(
        [sys.executable, "-m", "orchestration.cli", *command],
        env={**os.environ, "STORELOOP_HOME": str(tmp_path / "home"), "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None and f"http://127.0.0.1:{port}/" in child.stdout.readline()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_context(viewport={"width": 1400, "height": 900}).new_page()
        wrong: list[str] = []
        page.on("console", lambda message: wrong.append(message.text) if message.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.goto(f"http://127.0.0.1:{port}/")
        page.locator("#floor .person").first.wait_for(timeout=90_000)
        page.locator("#bills .tag", has_text="proved").first.wait_for(timeout=60_000)
        page.screenshot(path=tmp_path / "page.png")
        page.get_by_text("The day is over").wait_for(timeout=60_000)
        page.wait_for_function(f"document.getElementById('settled').textContent === '{VISITS}'")
        assert page.locator("#size").inner_text() == page.locator("#heads td").first.inner_text() == str(VISITS)
        assert page.locator("#bills > li").count() == VISITS
        assert wrong == []
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/state.json", timeout=10) as answer:
            state = json.load(answer)
        browser.close()
    assert all(each["verified"] for each in state["bills"]) and state["problems"] == []
    assert len({each["visit"] for each in state["bills"]}) == VISITS
    child.send_signal(signal.SIGTERM)
    assert child.wait(15) == 0
    (store,) = (tmp_path / "home").rglob("ledger.sqlite")
    audited = subprocess.run(
        [sys.executable, "-m", "orchestration.cli", "ledger", "audit", "--store", str(store), "--ledger", "twin.storeloop",
         "--key", str(store.parent / "public.pem")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert audited.returncode == 0, audited.stderr
