"""Fixtures every room may use, and what happens to a test whose tool is not on this machine."""

import os
import shutil
from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import prometheus_client  # noqa: F401 - Feast, where it comes first, makes its counters shared between processes
import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling

from models.common.telemetry import switch_off

switch_off(os.environ)  # before a test imports what it switches off

# Spark on a few rows: to plan again after every stage, and to compile each one, would take most of the time.
SPARK_OF_FEW_ROWS = {
    "spark.sql.adaptive.enabled": "false",
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
}
os.environ["PYSPARK_SUBMIT_ARGS"] = (
    " ".join(f"--conf {name}={value}" for name, value in SPARK_OF_FEW_ROWS.items()) + " pyspark-shell"
)


def _absent(*commands: str) -> str:
    """Which of these commands (alternatives joined by `|`) are not on PATH."""
    gone = [names for names in commands if not any(shutil.which(name) for name in names.split("|"))]
    return f"not on PATH: {', '.join(gone)}" if gone else ""


def _no_services() -> str:
    if gone := _absent("redis-server", "openssl"):
        return gone
    return "" if list(Path("/usr/lib/postgresql").glob("*/bin/initdb")) else "not under /usr/lib/postgresql: initdb"


def _no_spark() -> str:
    return _absent("java") or ("" if find_spec("pyspark") else "not installed: pyspark (extra `scale`)")


def _no_containers() -> str:
    return _absent("buildah", "podman", "runc", "debootstrap") or (
        "" if os.geteuid() == 0 else "debootstrap needs root"
    )


def _no_real_data() -> str:
    return (
        ""
        if os.environ.get("STORELOOP_REAL_DATA")
        else "STORELOOP_REAL_DATA is not set: point it to the public data sets"
    )


BROWSERS = ("chromium", "chromium-browser", "google-chrome")

# marker -> why its tests cannot run here ("" = they can)
TOOLS: dict[str, Callable[[], str]] = {
    "services": _no_services,
    "broker": lambda: _absent("mosquitto"),
    "browser": lambda: _absent("|".join(BROWSERS)),
    "container": _no_containers,
    "spark": _no_spark,
    "streams": lambda: _absent("java", "mvn"),
    "realdata": _no_real_data,
}


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--require-all`: a missing system tool fails its tests instead of skipping them (default where CI=true)."""
    parser.addoption(
        "--require-all",
        action="store_true",
        default=os.environ.get("CI", "").lower() in {"1", "true"},
        help="fail, instead of skip, the tests whose system tool is absent",
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Files with the tests that may take longest come first: begun last, one would keep a worker while the others idle."""
    usual, longest = float(config.getini("timeout")), dict[Path, float]()
    for item in items:
        bound = item.get_closest_marker("timeout")
        longest[item.path] = max(longest.get(item.path, 0.0), float(bound.args[0]) if bound else usual)
    items.sort(key=lambda item: -longest[item.path])


class OneRunOneWorker(LoadFileScheduling):
    """A file at a time to whoever is free; files that look at `finished`, a whole run of minutes, all to one worker."""

    def _split_scope(self, nodeid: str) -> str:
        file = super()._split_scope(nodeid)
        return "finished" if _looks_at_a_whole_run(self.config.rootpath / file) else file


@cache
def _looks_at_a_whole_run(file: Path) -> bool:
    return "finished: Workspace" in file.read_text(encoding="utf-8")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> OneRunOneWorker:
    """In place of whatever `--dist` says, so that the run is not made once a worker."""
    return OneRunOneWorker(config, log)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip with a reason, or fail, a test whose tool is absent; data sets are never required."""
    for marker, why_not in TOOLS.items():
        if item.get_closest_marker(marker) is None:
            continue
        reason = why_not()
        if not reason:
            continue
        if item.config.getoption("--require-all") and marker != "realdata":
            pytest.fail(f"{marker}: {reason}", pytrace=False)
        pytest.skip(f"{marker}: {reason}")


@pytest.fixture(scope="session")
def chromium() -> str:
    """Path of the system's browser; tests that ask for it carry the marker `browser`."""
    return next(path for name in BROWSERS if (path := shutil.which(name)))


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of the public data sets, or a skip that says what to set; a wrong setting fails."""
    if reason := _no_real_data():
        pytest.skip(reason)
    folder = Path(os.environ["STORELOOP_REAL_DATA"])
    if not folder.is_dir():
        pytest.fail(f"STORELOOP_REAL_DATA={str(folder)!r} is no folder: mend or unset it", pytrace=False)
    return folder
