"""The page for people in a real browser: a photo chosen by keyboard and one dropped, its items listed, mistakes said plainly."""

import base64
from pathlib import Path

import numpy as np
import pytest
from detector_releases import png, shelf
from PIL import Image
from release_factory import Releases

pytestmark = pytest.mark.browser

DROP = """
(text) => {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const carried = new DataTransfer();
  carried.items.add(new File([bytes], "dropped.png", {type: "image/png"}));
  for (const kind of ["dragenter", "dragover", "drop"]) {
    document.body.dispatchEvent(new DragEvent(kind, {dataTransfer: carried, bubbles: true, cancelable: true}));
  }
}
"""


def photo(*products: int) -> bytes:
    """A shelf ten times as large, as cameras give it."""
    return png(np.asarray(Image.fromarray(shelf(*products)).resize((960, 960), Image.Resampling.NEAREST)))


def test_a_person_sees_boxes_and_names(served_detector: tuple[int, Releases], chromium: str, tmp_path: Path) -> None:
    from playwright.sync_api import sync_playwright

    home = f"http://127.0.0.1:{served_detector[0]}"
    complaints: list[str] = []
    elsewhere: list[str] = []
    (tmp_path / "shelf.png").write_bytes(photo(1, 1, 3))
    (tmp_path / "text.png").write_bytes(b"no picture")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_context(viewport={"width": 1280, "height": 1000}).new_page()
        page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "request",
            lambda request: elsewhere.append(request.url) if not request.url.startswith((home, "data:")) else None,
        )
        page.goto(f"{home}/look")
        page.keyboard.press("Tab")
        page.keyboard.press("Tab")
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.id") == "picture", "two links, then the file"
        with page.expect_navigation():
            page.get_by_label("Drop a photo anywhere").set_input_files(tmp_path / "shelf.png")
        assert page.get_by_role("heading", name="3 items found").is_visible()
        rows = [row.inner_text().split("\t") for row in page.locator("tbody tr").all()]
        assert [row[:2] for row in rows] == [["rice", "2"], ["T1", "1"]]
        seen = page.get_by_alt_text("Your photo with 3 boxes")
        assert seen.evaluate("image => image.complete && image.naturalWidth") == 960
        page.screenshot(path=tmp_path / "look.png", full_page=True)
        with page.expect_navigation():
            page.evaluate(DROP, base64.b64encode(photo(2)).decode())
        assert page.get_by_role("heading", name="1 item found").is_visible()
        assert page.locator("tbody tr").inner_text().startswith("salt")
        assert complaints == []
        with page.expect_navigation():
            page.get_by_label("Drop a photo anywhere").set_input_files(tmp_path / "text.png")
        assert "no JPEG, PNG or WebP" in page.get_by_role("alert").inner_text()
        browser.close()
    assert elsewhere == []
    assert [each for each in complaints if "415" not in each] == []


def test_the_page_works_without_script(served_detector: tuple[int, Releases], chromium: str, tmp_path: Path) -> None:
    from playwright.sync_api import sync_playwright

    (tmp_path / "shelf.png").write_bytes(photo(0))
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_context(java_script_enabled=False, viewport={"width": 390, "height": 800}).new_page()
        page.goto(f"http://127.0.0.1:{served_detector[0]}/look")
        page.get_by_label("Drop a photo anywhere").set_input_files(tmp_path / "shelf.png")
        page.get_by_role("button", name="Look").click()
        assert page.get_by_role("heading", name="1 item found").is_visible()
        assert page.locator("tbody tr").inner_text().startswith("milk")
        page.screenshot(path=tmp_path / "phone.png", full_page=True)
        browser.close()
