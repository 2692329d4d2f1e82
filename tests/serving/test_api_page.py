"""The API page in a real browser: drawn whole from local files, every endpoint described, its examples usable."""

from pathlib import Path

import pytest

pytestmark = pytest.mark.browser


PAGES = {
    "served": (
        ("/forecast", "/reasons", "/series", "/model", "/readyz", "/metrics"),
        ("forecast", "Forecast one or many series.", '"horizon": 7'),
    ),
    "served_detector": (
        ("/recognise", "/annotate", "/enrol", "/remove", "/products", "/model", "/readyz", "/metrics"),
        ("recognise", "Find and name the items of one or some pictures.", '"pictures"'),
    ),
    "served_recommender": (
        ("/recommend", "/feedback", "/similar", "/items", "/model", "/readyz", "/metrics"),
        ("recommend", "Recommend items to customers", '"hour": 18'),
    ),
    "served_pricing": (
        (
            "/quote",
            "/reprice",
            "/explain",
            "/what_if",
            "/quote_fresh",
            "/reprice_fresh",
            "/explain_fresh",
            "/what_if_fresh",
            "/goods",
            "/decisions",
            "/decisions_told",
            "/model",
            "/readyz",
            "/metrics",
        ),
        ("quote", "Price one or some items of a market.", '"item_id": "I00001"'),
    ),
    "served_inspection": (
        ("/inspect", "/inspect_form", "/batches", "/model", "/readyz", "/metrics"),
        ("inspect", "Decide on packages.", '"package_id": "K1"'),
    ),
}


@pytest.mark.parametrize("bot", PAGES)
def test_api_page_is_whole_without_the_internet(
    bot: str, request: pytest.FixtureRequest, chromium: str, tmp_path: Path
) -> None:
    from playwright.sync_api import sync_playwright

    port, releases = request.getfixturevalue(bot)
    paths, (endpoint, summary, part) = PAGES[bot]
    block = f"#operations-Service_APIs-{endpoint}"
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
        for path in paths:
            assert path in text
        assert summary in text
        assert "BentoML Team" not in text
        page.click(f"{block} .opblock-summary-control")
        page.click(f"{block} .try-out__btn")
        body = page.locator(f"{block} textarea.body-param__text")
        example = body.input_value()
        assert part in example
        assert releases.series_ids[0] in example, "the example must work as it stands"
        page.click(f"{block} .execute")
        page.wait_for_selector(f"{block} .live-responses-table")
        assert "champion " in page.inner_text(f"{block} .live-responses-table")
        page.screenshot(path=tmp_path / "api_page.png", full_page=True)
        browser.close()
    assert elsewhere == [] or all(url.startswith("data:") for url in elsewhere), elsewhere
    assert problems == []
