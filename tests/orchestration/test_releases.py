"""Releases, bentos and edge bundles: what is kept, made again, and taken by a box."""

import os
import shutil
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from edge import runtime
from edge.update import update
from models.common.keys import read_public_key
from orchestration.forecaster_tenant import newest_state
from orchestration.releases import KEPT_RELEASES, POINTER, _sweep, build_bento, build_edge_bundle
from orchestration.settings import Settings
from orchestration.workspace import Workspace
from serving import packaging
from serving.release import read_pointer, write_pointer


@pytest.fixture
def copied(finished: Workspace, make_settings: Callable[..., Settings], tmp_path: Path) -> Workspace:
    """A copy of the finished workspace that a test may change."""
    home = tmp_path / "home"
    shutil.copytree(finished.settings.home, home)
    return Workspace(make_settings(home=home))


def test_old_releases_and_drafts_of_killed_runs_go_and_the_champion_stays(tmp_path: Path) -> None:
    for age, name in enumerate(("new", "newer", "newest", ".newest.x1y2"), start=1):
        (tmp_path / name / "artifact").mkdir(parents=True)
        os.utime(tmp_path / name, (age, age))
    (tmp_path / "champion").mkdir()
    os.utime(tmp_path / "champion", (0, 0))
    _sweep(tmp_path, keep="champion")
    assert KEPT_RELEASES == 3
    assert {path.name for path in tmp_path.iterdir()} == {"champion", "newest", "newer"}


def test_a_box_takes_the_bundle_of_a_full_run(finished: Workspace, tmp_path: Path) -> None:
    (bundle,) = (finished.root / "edge" / "forecaster").glob("*.tar")
    key = read_public_key(finished.root / "keys" / "edge_public.pem")
    report = update(tmp_path / "box", bundle, key, self_test=runtime.tester(key))
    assert (report.outcome, report.reason) == ("updated", "")


def test_a_bundle_is_made_once_a_release_and_a_box_follows_every_one(copied: Workspace, tmp_path: Path) -> None:
    key = read_public_key(copied.root / "keys" / "edge_public.pem")
    root, box = copied.releases / "forecaster", tmp_path / "box"
    first = build_edge_bundle(copied, "forecaster")
    assert (first["unchanged"], first["revision"]) == (True, 1)
    update(box, Path(first["bundle"]), key, self_test=runtime.tester(key))
    pointer = read_pointer(root / POINTER)
    shutil.copytree(root / pointer.release, root / "next-day")
    write_pointer(root / POINTER, pointer.model_copy(update={"release": "next-day"}))
    second = build_edge_bundle(copied, "forecaster")
    assert (second["unchanged"], second["revision"]) == (False, 2)
    assert update(box, Path(second["bundle"]), key, self_test=runtime.tester(key)).outcome == "updated"
    write_pointer(root / POINTER, pointer)
    assert build_edge_bundle(copied, "forecaster")["revision"] == 3, "a way back is news to the box too"


def test_a_new_key_makes_a_new_bundle(copied: Workspace) -> None:
    shutil.rmtree(copied.root / "keys")
    assert build_edge_bundle(copied, "forecaster")["unchanged"] is False
    assert build_edge_bundle(copied, "forecaster")["unchanged"] is True


def test_a_bento_is_made_again_when_what_it_packs_changes(
    copied: Workspace, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    before = build_bento(copied, "forecaster")
    artifact_id = read_pointer(copied.releases / "forecaster" / POINTER).artifact_id
    assert (before["unchanged"], before["tag"]) == (True, f"forecaster:{artifact_id[:16]}")
    template = tmp_path / "Dockerfile.template"
    template.write_text("another image")
    built: list[str] = []

    def build(bot: str, releases: Path, store: Path) -> packaging.Bento:
        built.append(bot)
        return packaging.Bento(before["tag"], store)

    monkeypatch.setattr(packaging, "build", build)
    monkeypatch.setattr(packaging, "TEMPLATE", template)
    assert build_bento(copied, "forecaster") == {**before, "unchanged": False}
    assert build_bento(copied, "forecaster") == before
    assert built == ["forecaster"]


def test_no_series_at_the_last_period_is_said(finished: Workspace) -> None:
    with pytest.raises(ValueError, match="no series has a state at the last period, 1999-01-01"):
        newest_state(finished, date(1999, 1, 1))
