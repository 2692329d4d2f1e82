"""Sensors: one run a state of the source, one a champion; each refusal is reported once."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import dagster as dg
import pytest

from orchestration.automation import failed_gate, new_champion, new_day
from orchestration.resources import WorkspaceResource
from orchestration.settings import Settings
from orchestration.workspace import Workspace


def tick(sensor: dg.SensorDefinition, workspace: Workspace | Settings, cursor: str | None) -> dg.SensorResult:
    settings = workspace.settings if isinstance(workspace, Workspace) else workspace
    resources = {"workspace": WorkspaceResource.of(settings)}
    with (
        dg.DagsterInstance.ephemeral() as instance,
        dg.build_sensor_context(instance, cursor=cursor, resources=resources) as context,
    ):
        said = sensor(context)
    assert isinstance(said, dg.SensorResult)
    return said


def test_a_changed_source_asks_for_one_run(make_settings: Callable[..., Settings], tmp_path: Path) -> None:
    shop = tmp_path / "shop"
    shop.mkdir()
    rows = "shop,period_start,value,unit\n" + "".join(f"s,2024-01-{day:02d},3,units\n" for day in range(1, 15))
    (shop / "sales.csv").write_text(rows, encoding="utf-8")
    settings = make_settings(source=f"folder:{shop}", home=tmp_path / "home")
    first = tick(new_day, settings, None)
    assert [asked.partition_key for asked in first.run_requests or []] == ["changed"]
    assert not tick(new_day, settings, first.cursor).run_requests
    (shop / "sales.csv").write_text(rows + "s,2024-01-15,4,units\n", encoding="utf-8")
    changed = tick(new_day, settings, first.cursor)
    assert len(changed.run_requests or []) == 1
    (shop / "sales.csv").write_text(rows, encoding="utf-8")
    back = tick(new_day, settings, changed.cursor)
    assert len(back.run_requests or []) == 1
    assert (back.run_requests or [])[0].run_key is None  # a key would hide the return to a former state


def test_only_a_champion_without_a_release_is_published(finished: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not tick(new_champion, finished, None).run_requests
    monkeypatch.setattr("orchestration.automation.served_version", lambda releases: "0")
    moved = tick(new_champion, finished, None)
    assert len(moved.run_requests or []) == 1
    assert json.loads(moved.cursor) == {"forecaster": 1}
    assert not tick(new_champion, finished, moved.cursor).run_requests


@pytest.fixture
def refused(finished: Workspace, make_settings: Callable[..., Settings], tmp_path: Path) -> Workspace:
    """A workspace whose history says that one run was refused."""
    workspace = Workspace(make_settings(home=tmp_path / "home"))
    shutil.copytree(finished.root / "validation", workspace.root / "validation")
    journal = workspace.root / "validation" / "stores" / "runs.jsonl"
    entry = json.loads(journal.read_text(encoding="utf-8").splitlines()[-1])
    journal.write_text(json.dumps({**entry, "success": False}) + "\n", encoding="utf-8")
    return workspace


def test_a_refusal_is_reported_once(refused: Workspace) -> None:
    log = refused.root / "alerts" / "alerts.jsonl"
    first = tick(failed_gate, refused, None)
    assert [json.loads(line)["table"] for line in log.read_text(encoding="utf-8").splitlines()] == ["stores"]
    tick(failed_gate, refused, first.cursor)
    assert len(log.read_text(encoding="utf-8").splitlines()) == 1
