"""`storeloop shop` as a process: from an edge box to a signed bill; in Chromium strangers' names stay text and a phone shows all."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from live_shop import FLOOR, HOSTILE, SHOP, TOKEN, LiveShop
from running import ROOT, free_port
from till_shop import LIST, entered, left, moved

from edge.eyes.camera_events import PATH, camera_outbox, event_of
from edge.outbox import to_service
from serving.settlement.shop_events import Entered, Left

pytestmark = pytest.mark.timeout(120)
_RUN = (
    "import sys, pathlib; from serving.settlement.shop_cli import build_shop_app; "
    "home = pathlib.Path(sys.argv.pop(1)); build_shop_app(lambda: home)()"
)


def start(home: Path, port: int) -> "subprocess.Popen[str]":
    """`storeloop shop`, once it says that it answers."""
    child = subprocess.Popen(
        [sys.executable, "-c", _RUN, str(home), "--shop", SHOP, "--port", str(port)],
        cwd=ROOT,
        env={
            **os.environ,
            "STORELOOP_LEDGER_ORIGIN": "s1.example",
            "STORELOOP_SERVE_BOXES": f"box-1:{TOKEN}",
            "PYTHONUNBUFFERED": "1",
        },
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


def post(address: str, told: dict[str, Any]) -> None:
    request = urllib.request.Request(
        address, json.dumps(told).encode(), {"Content-Type": "application/json", "Authorization": f"Bearer {TOKEN}"}
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert answer.status == 200


def test_from_an_edge_box_to_a_signed_bill(shop, tmp_path: Path) -> None:
    made, port, _ = shop
    address, now = f"http://127.0.0.1:{port}", datetime.now(UTC)
    head = {"shop": SHOP, "visit_id": "ann"}
    made.tell(
        LIST.model_copy(update={"time": now - timedelta(days=1)}),
        Entered(event_id="in", time=now - timedelta(seconds=9), account="a", **head),
    )
    made.tell(Left(event_id="out", time=now, **head))  # before anybody knows what it took
    places = [
        {"visit_id": "ann", "time": (now - timedelta(seconds=second)).isoformat(), "x_m": 1.7, "y_m": 3.53}
        for second in range(8, -1, -1)
    ]
    post(f"{address}/positions", {"positions": places})
    outbox = camera_outbox(tmp_path / "box")
    seen = event_of("left", "take", "milk", box="box-1", items=[1, 2], time=now - timedelta(seconds=4), confidence=0.99)
    outbox.store(seen.model_dump(mode="json"))
    assert outbox.forward(to_service(address, path=PATH, token=TOKEN)) == 1 and outbox.refused() == 0
    outbox.store(seen.model_dump(mode="json"))  # a replay after a kill
    outbox.forward(to_service(address, path=PATH, token=TOKEN))

    def state() -> dict[str, Any]:
        with urllib.request.urlopen(f"{address}/state.json", timeout=10) as answer:
            return json.load(answer)

    def until(holds: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        ends = time.monotonic() + 30
        while not holds(found := state()) and time.monotonic() < ends:
            time.sleep(0.1)
        return found

    (bill,) = until(lambda found: bool(found["bills"]))["bills"]
    assert (bill["visit"], bill["kind"], bill["total_cents"], bill["verified"]) == ("ann", "bill", 238, True)


@pytest.mark.browser
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
