"""The three sites that `storeloop ui` starts, opened in a browser after a whole run."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestration.judging import evidence_page
from orchestration.workspace import Workspace

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def sites(finished: Workspace) -> Iterator[dict[str, str]]:
    settings = finished.settings
    ports = {name: free_port() for name in ("dagster", "mlflow", "steward")}
    environment = {
        **os.environ,
        "STORELOOP_HOME": str(settings.home),
        "STORELOOP_PARAMS": str(settings.params),
        "STORELOOP_TWIN_SIZE": "tiny",
        "PYTHONUNBUFFERED": "1",
    }
    options = [part for name, port in ports.items() for part in (f"--{name}-port", str(port))]
    child = subprocess.Popen(
        [sys.executable, "-m", "orchestration.cli", "ui", *options],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert child.stdout is not None
    printed = ""
    deadline = time.monotonic() + 240
    while "Ctrl-C stops them all" not in printed:
        line = child.stdout.readline()
        assert line, f"storeloop ui ended early; it printed {printed!r}"
        printed += line
        assert time.monotonic() < deadline
    for port in ports.values():
        assert f"http://127.0.0.1:{port}" in printed
    yield {name: f"http://127.0.0.1:{port}" for name, port in ports.items()}
    child.send_signal(signal.SIGTERM)
    child.wait(60)
    for port in ports.values():
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", port)) != 0, "a server outlived `storeloop ui`"


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[object]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield opened.new_context(viewport={"width": 1500, "height": 1000})
        opened.close()


def test_dagster_shows_the_groups(browser, sites, tmp_path: Path) -> None:
    page = browser.new_page()
    page.goto(f"{sites['dagster']}/asset-groups", wait_until="domcontentloaded")
    for group in ("forecaster", "recommender", "customers", "gate", "features"):
        page.get_by_text(group, exact=True).first.wait_for(timeout=90_000)
    page.screenshot(path=tmp_path / "dagster.png")


def test_dagster_shows_a_pictures_and_checks(browser, sites, tmp_path: Path) -> None:
    page = browser.new_page()
    page.goto(f"{sites['dagster']}/assets/clean/transactions?view=checks", wait_until="domcontentloaded")
    page.get_by_text("gate", exact=True).first.wait_for(timeout=90_000)
    page.goto(f"{sites['dagster']}/assets/forecaster/challenger", wait_until="domcontentloaded")
    page.get_by_text("backtest").first.wait_for(timeout=90_000)
    page.screenshot(path=tmp_path / "challenger.png")
    page.goto(f"{sites['dagster']}/assets/recommender/challenger", wait_until="domcontentloaded")
    page.get_by_text("depth").first.wait_for(timeout=90_000)
    page.screenshot(path=tmp_path / "recommender.png")


def test_mlflow_shows_the_champion(browser, sites, tmp_path: Path) -> None:
    page = browser.new_page()
    page.goto(f"{sites['mlflow']}/#/models/forecaster", wait_until="domcontentloaded")
    page.get_by_text("champion").first.wait_for(timeout=120_000)
    page.screenshot(path=tmp_path / "mlflow.png")


def test_the_validation_site_leads_to_the_quarantine(browser, sites, tmp_path: Path) -> None:
    page = browser.new_page()
    page.goto(sites["steward"])
    page.get_by_role("link", name="transactions", exact=True).click()
    page.wait_for_function("document.title.includes('transactions')")  # a click does not wait for what it leads to
    page.screenshot(path=tmp_path / "validation.png", full_page=True)


@pytest.mark.parametrize("model", ["forecaster", "recommender"])
def test_the_evidence_page_needs_no_network(browser, finished: Workspace, tmp_path: Path, model: str) -> None:
    page = browser.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(evidence_page(finished, model, 1).as_uri())
    assert page.get_by_role("heading", level=1).inner_text() == f"{model} version 1"
    assert page.evaluate("Array.from(document.images).every(image => image.complete && image.naturalWidth > 300)")
    assert all(url.startswith(("file:", "data:")) for url in asked)
    page.screenshot(path=tmp_path / "evidence.png", full_page=True)
