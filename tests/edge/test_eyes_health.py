"""The health page for a person: what it says by hand-made reports, and what a browser makes of it."""

import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from edge.eyes.health import HealthPage
from edge.eyes.health_page import health_page

CAMERA = {
    "live": True, "read": 40_000, "broken": 3, "reconnects": 2, "dropped": 12, "restarts": 0, "ended": False,
    "given_up": False, "problem": "",
}  # fmt: skip
WELL: dict[str, Any] = {
    "healthy": True, "uptime_s": 8_123.4, "frames": 81_234, "failed": 0, "last_frame_age_s": 0.08, "frame_ms_p50": 61.2,
    "memory_mb": 239.1, "bundle": "detector-12-767826040928", "note": "", "cameras": {"shelf-1": CAMERA}, "problems": [],
}  # fmt: skip
ILL = WELL | {
    "healthy": False,
    "note": "revision 13 did not start: <b>embedder.onnx</b> was altered",
    "cameras": {"shelf<1>": CAMERA | {"given_up": True}, "door": CAMERA | {"live": False, "ended": True}},
    "problems": ["14 events wait for room", "<script>document.title = 'taken'</script>"],
}


def test_a_page_says_verdict_figures_and_units_and_escapes_what_it_is_told() -> None:
    page = health_page(WELL)
    for said in (
        "All is well",
        "81,234",
        "2 h 15 min",
        "0.08 s",
        "61.2 ms",
        "239.1 MB",
        "detector-12-767826040928",
        "live",
    ):
        assert said in page
    assert "What is wrong" not in page and "why it is not the newest" not in page, "nothing to say: no row"
    page = health_page(ILL)
    for said in (
        "Not well",
        "What is wrong",
        "shelf&lt;1&gt;",
        "given up",
        "read to its end",
        "&lt;script&gt;",
        "&lt;b&gt;",
    ):
        assert said in page
    assert "<script" not in page and "<b>" not in page
    assert "Not well" in health_page({}), "a report that says nothing is no good news"


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.mark.browser
def test_a_person_sees_it_without_a_complaint_of_the_browser(browser: Any) -> None:
    told, complaints = [WELL], []
    served = HealthPage(lambda: told[0])
    served.start()
    page = browser.new_page(viewport={"width": 390, "height": 800})  # a phone
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(served.for_people)
    assert page.get_by_role("heading", level=1).inner_text() == "All is well"
    assert page.evaluate("document.documentElement.scrollWidth") <= 390, "nothing runs off the side"
    told[0] = ILL
    page.reload()
    assert page.get_by_role("heading", level=1).inner_text() == "Not well: somebody should look"
    assert page.title().startswith("Not well") and page.get_by_role("listitem").count() == 2
    page.get_by_role("link", name="/healthz").click()
    assert '"healthy": false' in page.content()
    served.close()
    # the status of what programs read is 503 then, which the browser says, and nothing else
    assert all("503" in each for each in complaints) and len(complaints) <= 2


def test_people_get_a_page_whatever_its_news() -> None:
    served = HealthPage(lambda: ILL)
    served.start()
    with urllib.request.urlopen(served.for_people) as reply:
        assert reply.status == 200 and reply.headers["Content-Type"] == "text/html; charset=utf-8"
        assert reply.headers["Content-Security-Policy"].startswith("default-src 'none'")
    served.close()
