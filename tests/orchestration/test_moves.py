"""Promotion and roll-back from the command and from Dagster, and what running services then see."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import dagster as dg
import pytest

from orchestration.definitions import build
from orchestration.releases import POINTER, PromotionRefused, promote_and_publish, rollback_and_publish
from orchestration.runner import run
from orchestration.settings import Settings
from orchestration.workspace import Workspace
from serving.release import read_pointer

MOVE = {"who": "ada", "reason": "seen in two shops"}


@pytest.fixture
def workspace(finished: Workspace, make_settings: Callable[..., Settings], tmp_path: Path) -> Workspace:
    """A copy of the finished workspace with a second, deliberately poor version."""
    home = tmp_path / "home"
    shutil.copytree(finished.settings.home, home)
    # MLflow keeps absolute folders: the copy reads artifacts of the original, which nothing here changes.
    params = home / "params.yaml"
    params.write_text("forecaster: {trees: 5, quantile_trees: 5, depth: 1, max_rows: 2000, max_pairs: 200}\n")
    settings = make_settings(home=home, params=params)
    outcome = run(settings, "+forecaster/champion")
    assert outcome.success, outcome.failures
    return Workspace(settings)


def served(workspace: Workspace) -> str:
    return read_pointer(workspace.releases / "forecaster" / POINTER).registry_version


def test_moves_of_the_champion(workspace: Workspace) -> None:
    registry = workspace.registry
    assert [v.version for v in registry.versions("forecaster")] == [2, 1]
    champion = registry.champion("forecaster")
    assert champion is not None
    assert champion.version == 1, "a poor challenger must not win the gate"

    with pytest.raises(PromotionRefused, match="does not pass the gate"):
        promote_and_publish(workspace, "forecaster", 2, **MOVE)
    assert served(workspace) == "1"

    promote_and_publish(workspace, "forecaster", 2, **MOVE, override=True)
    assert served(workspace) == "2"
    assert registry.movements("forecaster")[-1].reason.startswith("gate overridden")

    rollback_and_publish(workspace, "forecaster", **MOVE)
    assert served(workspace) == "1"
    last = registry.movements("forecaster")[-1]
    assert (last.action, last.version, last.who) == ("rollback", 1, "ada")

    with dg.DagsterInstance.ephemeral() as instance:
        job = build(workspace.settings).resolve_job_def("promote")
        config = {"model": "forecaster", "version": 2, **MOVE}
        refused = job.execute_in_process(
            instance=instance, run_config={"ops": {"promote_version": {"config": config}}}, raise_on_error=False
        )
        assert not refused.success
        promote_and_publish(workspace, "forecaster", 2, **MOVE, override=True)
        back = build(workspace.settings).resolve_job_def("rollback")
        config = {"model": "forecaster", **MOVE}
        assert back.execute_in_process(instance=instance, run_config={"ops": {"roll_back": {"config": config}}}).success
    assert served(workspace) == "1"


def test_an_unknown_model_is_named(workspace: Workspace) -> None:
    with pytest.raises(ValueError, match="no model 'oracle'"):
        promote_and_publish(workspace, "oracle", 1, **MOVE)


def test_the_evidence_of_a_refusal_says_so(workspace: Workspace) -> None:
    page = workspace.root / "evidence" / "forecaster" / "version-2.html"
    assert "Did not pass the promotion gate" in page.read_text(encoding="utf-8")
    verdict = json.loads(page.with_suffix(".json").read_text(encoding="utf-8"))["verdict"]
    assert verdict["champion"] is not None
