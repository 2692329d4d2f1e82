"""The API page in a real browser: drawn whole from local files, every endpoint described, its examples usable."""

from pathlib import Path

import pytest

pytestmark = pytest.mark.browser


def test_api_page_is_whole_without_the_internet(served, chromium: str, tmp_path: Path) -> None:
    from playwright.sync_api import sync_playwright

    port, releases = served
    elsewhere: list[str] = []
    problems: list[str] = []
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 1600})
        page.on("request", lambda request: elsewhere.append(request.url) if f":{port}/" not in request.url else None)
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
        page.goto(f"http://127.0.0.1:{port}/")
        page.wait_for_selector(".opblock")
        text = page.inner_text("#swagger-ui")
        for path in ("/forecast", "/reasons", "/series", "/model", "/readyz", "/metrics"):
            assert path in text
        assert "Forecast one or many series." in text
        assert "BentoML Team" not in text
        page.click("#operations-Service_APIs-forecast .opblock-summary-control")
        page.click("#operations-Service_APIs-forecast .try-out__btn")
        body = page.locator("#operations-Service_APIs-forecast textarea.body-param__text")
        example = body.input_value()
        assert '"horizon": 7' in example
        assert releases.series_ids[0] in example, "the example must work as it stands"
        page.click("#operations-Service_APIs-forecast .execute")
        page.wait_for_selector("#operations-Service_APIs-forecast .live-responses-table")
        assert "champion " in page.inner_text("#operations-Service_APIs-forecast .live-responses-table")
        page.screenshot(path=tmp_path / "api_page.png", full_page=True)
        browser.close()
    assert elsewhere == [] or all(url.startswith("data:") for url in elsewhere), elsewhere
    assert problems == []
