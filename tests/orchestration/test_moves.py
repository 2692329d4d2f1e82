"""Promotion and roll-back from the command and from Dagster, and what running services then see."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import dagster as dg
import pytest

from models.common.artifact import ArtifactError
from models.forecaster import predict
from orchestration import releases
from orchestration.challengers import current_challenger, report_of
from orchestration.definitions import build
from orchestration.judging import evidence_page, judge_version
from orchestration.promotion import UNSCORED
from orchestration.releases import POINTER, PromotionRefused, promote_and_publish, rollback_and_publish
from orchestration.runner import run
from orchestration.settings import Settings
from orchestration.workspace import Workspace
from serving.release import read_pointer

MOVE = {"who": "ada", "reason": "seen in two shops"}


@pytest.fixture(scope="module")
def two_versions(
    finished: Workspace, make_settings: Callable[..., Settings], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Home of a copy of the finished workspace with a second, deliberately poor version."""
    home = tmp_path_factory.mktemp("two-versions") / "home"
    shutil.copytree(finished.settings.home, home)
    # MLflow keeps absolute folders: the copy reads artifacts of the original, which nothing here changes.
    params = home / "params.yaml"
    poor = "trees: 5, quantile_trees: 5, depth: 1, learning_rate: 0.01, quantile_learning_rate: 0.01"
    params.write_text(f"forecaster: {{{poor}, max_rows: 2000, max_pairs: 200}}\n")
    outcome = run(make_settings(home=home, params=params), "+forecaster/champion")
    assert outcome.success, outcome.failures
    return home


@pytest.fixture
def workspace(two_versions: Path, make_settings: Callable[..., Settings], tmp_path: Path) -> Workspace:
    """A copy that a test may change."""
    shutil.copytree(two_versions, tmp_path / "home")
    return Workspace(make_settings(home=tmp_path / "home", params=tmp_path / "home" / "params.yaml"))


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


def test_a_roll_back_stands_until_a_person_promotes_again(
    workspace: Workspace, finished: Workspace, make_settings: Callable[..., Settings]
) -> None:
    registry, settings = workspace.registry, workspace.settings
    promote_and_publish(workspace, "forecaster", 2, **MOVE, override=True)
    shutil.copy(finished.settings.params, settings.params)
    retrain(make_settings(home=settings.home, params=settings.params))
    better = registry.champion("forecaster").version
    assert better != 2, "a good challenger takes the place of a poor champion at the gate"
    before = registry.versions("forecaster")
    rollback_and_publish(workspace, "forecaster", **MOVE)
    retrain(make_settings(home=settings.home, params=settings.params))
    assert registry.champion("forecaster").version == 2, "a person took the better one out of service"
    assert served(workspace) == "2"
    assert len(registry.versions("forecaster")) == len(before), "the second run met the same artifact again"
    promote_and_publish(workspace, "forecaster", better, **MOVE)
    assert served(workspace) == str(better)


def retrain(settings: Settings) -> None:
    outcome = run(settings, "retrain")
    assert outcome.success, outcome.failures


def test_nothing_moves_before_the_release_is_there(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ValueError("the disk is full")

    monkeypatch.setattr(releases, "_write_release", broken)
    before = workspace.registry.movements("forecaster")
    with pytest.raises(ValueError, match="the disk is full"):
        promote_and_publish(workspace, "forecaster", 2, **MOVE, override=True)
    assert workspace.registry.movements("forecaster") == before
    assert workspace.registry.champion("forecaster").version == 1
    assert served(workspace) == "1"
    monkeypatch.undo()

    workspace.registry.promote("forecaster", 2, **MOVE)  # as a run does that is killed before its release
    pointed: list[str] = []
    point = releases._point
    monkeypatch.setattr(releases, "_point", lambda w, m, p: (pointed.append(p.registry_version), point(w, m, p)))
    rollback_and_publish(workspace, "forecaster", **MOVE)
    assert pointed == ["2", "1"]


def test_a_champion_keeps_its_verdict_and_its_page_its_own_figures(workspace: Workspace) -> None:
    registry = workspace.registry
    first, second = registry.version("forecaster", 1), registry.version("forecaster", 2)
    assert report_of(second) == current_challenger(workspace, "forecaster").report()
    promote_and_publish(workspace, "forecaster", 2, **MOVE, override=True)
    assert promote_and_publish(workspace, "forecaster", 2, **MOVE).version == 2, "it serves already"
    assert not judge_version(workspace, registry.version("forecaster", 2)).promoted
    assert "Did not pass" in evidence_page(workspace, "forecaster", 2).read_text(encoding="utf-8")

    assert judge_version(workspace, first).champion == second.artifact_id
    figures = [report_of(v).value("champion", "rmse") for v in (first, second)]
    page = evidence_page(workspace, "forecaster", 1).read_text(encoding="utf-8")
    assert f'judged">{figures[0]:.4g}<' in page
    assert f'judged">{figures[1]:.4g}<' not in page

    evidence_page(workspace, "forecaster", 2).with_suffix(".json").unlink()
    judge_version(workspace, registry.version("forecaster", 2))
    page = evidence_page(workspace, "forecaster", 2).read_text(encoding="utf-8")
    assert "no champion stood before it" not in page
    assert "the verdict it was promoted on is lost" in page


def test_a_champion_that_does_not_load_gives_way_to_an_override_alone(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = (workspace.registry.version("forecaster", n) for n in (1, 2))
    load = predict.load

    def fails(folder: Path) -> predict.Predictor:
        if folder == first.folder:
            raise ArtifactError("written by a later release")
        return load(folder)

    monkeypatch.setattr(predict, "load", fails)
    evidence_page(workspace, "forecaster", 2).with_suffix(".json").unlink()
    verdict = judge_version(workspace, second)
    assert [(row.name, row.note) for row in verdict.criteria if row.name == UNSCORED] == [
        (UNSCORED, "written by a later release")
    ]
    assert "cannot be scored by this code" in evidence_page(workspace, "forecaster", 2).read_text(encoding="utf-8")
    with pytest.raises(PromotionRefused, match="written by a later release"):
        promote_and_publish(workspace, "forecaster", 2, **MOVE)
    promote_and_publish(workspace, "forecaster", 2, **MOVE, override=True)
    assert served(workspace) == "2"


def test_an_unknown_model_is_named(workspace: Workspace) -> None:
    with pytest.raises(ValueError, match="no model 'oracle'"):
        promote_and_publish(workspace, "oracle", 1, **MOVE)


def test_the_evidence_of_a_refusal_says_so(workspace: Workspace) -> None:
    page = workspace.root / "evidence" / "forecaster" / "version-2.html"
    assert "Did not pass the promotion gate" in page.read_text(encoding="utf-8")
    verdict = json.loads(page.with_suffix(".json").read_text(encoding="utf-8"))["verdict"]
    assert verdict["champion"] is not None
