"""The form of inspection in a real browser: a person picks a picture, types readings and sees the decision."""

from pathlib import Path

import pytest
from inspection_releases import package, package_file
from release_factory import FIRST

pytestmark = pytest.mark.browser
BLOCK = "#operations-Service_APIs-inspect_form"


def test_a_person_sends_a_picture_and_leaves_the_rest_empty(served_inspection, chromium: str, tmp_path: Path) -> None:
    from playwright.sync_api import sync_playwright

    port, releases = served_inspection
    photo = tmp_path / "package.png"
    photo.write_bytes(package_file(230))
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 1600})
        page.goto(f"http://127.0.0.1:{port}/")
        page.click(f"{BLOCK} .opblock-summary-control")
        page.click(f"{BLOCK} .try-out__btn")
        assert page.locator(f"{BLOCK} input[type=file]").count() == 2
        page.locator(f"{BLOCK} input[type=file]").first.set_input_files(photo)
        for name in ("package_id", "batch_id", "weight_g", "pressure_kpa", "temperature_c"):
            page.locator(f'{BLOCK} tr[data-property-name="{name}"] input').first.fill(str(package(230)[name]))
        page.click(f"{BLOCK} .execute")
        page.wait_for_selector(f"{BLOCK} .live-responses-table")
        told = page.inner_text(f"{BLOCK} .live-responses-table")
        browser.close()
    assert f"champion {releases.ids[FIRST]}" in told and '"package_id": "K00230"' in told
