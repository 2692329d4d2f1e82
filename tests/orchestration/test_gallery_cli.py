"""`storeloop enrol` and `storeloop gallery` on a release by networks made by hand."""

import json
from pathlib import Path
from types import ModuleType
from typing import Any

import gallery_case
import pytest
from typer.testing import CliRunner

from orchestration.cli import app
from orchestration.settings import Settings
from orchestration.workspace import Workspace
from serving.detector_releases import current
from serving.release import read_pointer


@pytest.fixture(scope="module")
def helpers() -> ModuleType:
    return gallery_case.helpers()


@pytest.fixture(scope="module")
def made(helpers: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Any:
    return helpers.make_detector_releases(tmp_path_factory.mktemp("detector") / "releases")


@pytest.fixture
def root(made: Any, tmp_path: Path) -> Path:
    copied: Path = made.copy_to(tmp_path / "releases").bot
    return copied


@pytest.fixture
def photos(helpers: ModuleType, tmp_path: Path) -> list[str]:
    paths = []
    for number, content in enumerate(helpers.photos_of(helpers.soap())):
        (tmp_path / f"soap {number}.png").write_bytes(content)
        paths.append(str(tmp_path / f"soap {number}.png"))
    return paths


def command(*words: str | Path) -> dict[str, Any]:
    done = CliRunner().invoke(app, [*map(str, words), "--json"])
    assert done.exit_code == 0, done.output
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def refused(*words: str | Path) -> str:
    done = CliRunner().invoke(app, [*map(str, words)])
    assert isinstance(done.exception, ValueError), done.output
    return str(done.exception)


def test_a_product_is_enrolled_listed_and_removed(root: Path, photos: list[str]) -> None:
    told = command("enrol", "soap", *photos, "--release", root, "--as", "Ada")
    assert told["products"] == 5 and told["warnings"] == []
    assert read_pointer(root / "champion.json").release == told["release"]
    listed = command("gallery", "list", "--release", root)
    assert {"product": "soap", "vectors": 15, "enrolled": 5} in listed["products"]
    (change,) = listed["changes"]
    assert (change["by"], change["product"], change["photos"], change["forced"]) == ("Ada", "soap", 5, False)
    said = CliRunner().invoke(app, ["gallery", "list", "--release", str(root)]).output
    assert "soap: 15 vectors, 5 photos enrolled" in said and "Ada: soap enrolled from 5 photos" in said
    assert command("gallery", "remove", "soap", "--release", root, "--as", "Bob")["products"] == 4
    assert [each.by for each in current(root).enrolled.index.changes] == ["Ada", "Bob"]
    # the same products as at first, but not the same record of who changed what
    assert read_pointer(root / "champion.json").release != told["release"]


def test_what_cannot_be_done_is_said_and_changes_nothing(
    root: Path, photos: list[str], helpers: ModuleType, tmp_path: Path
) -> None:
    milk = tmp_path / "milk.png"
    milk.write_bytes(helpers.photos_of(helpers.case().package(0), 1)[0])
    assert "1 of 1 photos look like 'milk'" in refused("enrol", "oat milk", milk, "--release", root)
    (tmp_path / "text.png").write_bytes(b"no picture")
    assert "text.png: 10 bytes that are no JPEG" in refused("enrol", "soap", tmp_path / "text.png", "--release", root)
    assert "no such file" in refused("enrol", "soap", tmp_path / "absent.png", "--release", root)
    assert "'tea' is not in the gallery" in refused("gallery", "remove", "tea", "--release", root)
    assert "promote a model first" in refused("gallery", "list", "--release", tmp_path)
    assert read_pointer(root / "champion.json").release == "first"
    forced = command("enrol", "oat milk", milk, "--release", root, "--force")
    assert "1 photos of oat milk: 5 from all sides are wiser" in forced["warnings"]
    assert current(root).enrolled.index.changes[0].forced


def test_enrolling_waits_for_no_run(
    made: Any, photos: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run may train for hours; it takes along what was enrolled meanwhile."""

    def waits(_: Workspace) -> None:
        raise AssertionError("enrolling asks for the whole workspace")

    monkeypatch.setenv("STORELOOP_HOME", str(tmp_path / "home"))
    workspace = Workspace(Settings())
    made.copy_to(workspace.releases)
    monkeypatch.setattr(Workspace, "exclusive", waits)
    told = command("enrol", "soap", *photos)
    assert read_pointer(workspace.releases / "detector" / "champion.json").release == told["release"]
