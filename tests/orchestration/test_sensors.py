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


def context(cursor: str | None) -> dg.SensorEvaluationContext:
    return dg.build_sensor_context(cursor=cursor)


def test_a_changed_source_asks_for_one_run(make_settings: Callable[..., Settings], tmp_path: Path) -> None:
    shop = tmp_path / "shop"
    shop.mkdir()
    rows = "shop,period_start,value,unit\n" + "".join(f"s,2024-01-{day:02d},3,units\n" for day in range(1, 15))
    (shop / "sales.csv").write_text(rows, encoding="utf-8")
    resource = WorkspaceResource.of(make_settings(source=f"folder:{shop}", home=tmp_path / "home"))
    first = context(None)
    asked = new_day(first, workspace=resource)
    assert isinstance(asked, dg.RunRequest)
    assert asked.run_key == first.cursor
    assert isinstance(new_day(context(first.cursor), workspace=resource), dg.SkipReason)
    (shop / "sales.csv").write_text(rows + "s,2024-01-15,4,units\n", encoding="utf-8")
    again = new_day(context(first.cursor), workspace=resource)
    assert isinstance(again, dg.RunRequest)
    assert again.run_key != asked.run_key


def test_a_new_champion_is_published_once(finished: Workspace) -> None:
    resource = WorkspaceResource.of(finished.settings)
    first = context(None)
    assert isinstance(new_champion(first, workspace=resource), dg.RunRequest)
    assert first.cursor is not None
    assert json.loads(first.cursor)[0] == 1
    assert isinstance(new_champion(context(first.cursor), workspace=resource), dg.SkipReason)


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
    resource = WorkspaceResource.of(refused.settings)
    log = refused.root / "alerts" / "alerts.jsonl"
    first = context(None)
    failed_gate(first, workspace=resource)
    assert [json.loads(line)["table"] for line in log.read_text(encoding="utf-8").splitlines()] == ["stores"]
    failed_gate(context(first.cursor), workspace=resource)
    assert len(log.read_text(encoding="utf-8").splitlines()) == 1
