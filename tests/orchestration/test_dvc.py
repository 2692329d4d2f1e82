"""DVC's lens on the same graph: repro, metrics, plots and an experiment in a clone with a tiny twin."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from models.behaviour.config import Config as BehaviourConfig
from models.detector.config import Config as DetectorConfig
from models.forecaster.config import Config
from models.inspection.config import Config as InspectionConfig
from models.pricing.config import Config as PricingConfig
from models.profiles.config import Config as ProfilesConfig
from models.recommender.config import Config as RecommenderConfig
from orchestration.belt import BeltConfig
from orchestration.camera_pictures import CamerasConfig
from orchestration.detector_budgets import DetectorBudgets
from orchestration.dvc_outputs import write_metrics
from orchestration.floor_tables import PanelConfig
from orchestration.floors import ShopConfig
from orchestration.promotion import Budgets, InspectionBudgets, PricingBudgets, RecommenderBudgets
from orchestration.runner import RunOutcome

ROOT = Path(__file__).parents[2]
pytestmark = [pytest.mark.timeout(1_500)]


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A git checkout of the working tree as it is, with overrides that train quickly."""
    folder = tmp_path_factory.mktemp("dvc") / "storeloop"
    listed = subprocess.check_output(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=ROOT, text=True
    ).splitlines()
    for name in listed:
        if (ROOT / name).is_file():
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes((ROOT / name).read_bytes())
    params = yaml.safe_load((folder / "params.yaml").read_text(encoding="utf-8"))
    params["forecaster"] |= {"trees": 20, "quantile_trees": 10, "max_pairs": 600, "max_rows": 8000}
    params["recommender"] |= {"width": 16, "epochs": 2, "steps_min": 30, "ranker_epochs": 1}
    params["pricing"] |= {"fresh_steps": 60, "fresh_peer_steps": 20, "hidden": 16, "fresh_shelves": 40, "fresh_days": 2}
    params["inspection"] |= {"width": 4, "epochs": 2, "resamplings": 5, "miss_level": 0.1, "reject_level": 0.1}
    params["belt"] = {"days": 3, "line": {"size_px": 64, "batch_size": 20, "batches_per_day": 4}}
    params["shop"]["floor"]["crowd"]["visits"] = 3
    params["panel"] |= {"days": 5}
    params["behaviour"] |= {"epochs": 1, "width": 4}
    params["profiles"] |= {"clusters_max": 4, "epochs": 5, "resamples": 2, "restarts": 2}
    (folder / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")
    git = ["git", "-c", "user.name=test", "-c", "user.email=test@example.com"]
    for arguments in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "clone"]):
        subprocess.run([*git, *arguments], cwd=folder, check=True)
    return folder


def attempt(clone: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(clone),  # the clone's rooms, not those of the installed checkout
        "STORELOOP_TWIN_SIZE": "tiny",
        "STORELOOP_CAMERAS": "off",
        "STORELOOP_HOME": str(clone / ".storeloop"),
        "GIT_AUTHOR_NAME": "test",
        "GIT_AUTHOR_EMAIL": "test@example.com",
        "GIT_COMMITTER_NAME": "test",
        "GIT_COMMITTER_EMAIL": "test@example.com",
    }
    command = [sys.executable, "-m", "dvc", *arguments]
    return subprocess.run(command, cwd=clone, env=environment, capture_output=True, text=True)


def dvc(clone: Path, *arguments: str) -> str:
    done = attempt(clone, *arguments)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout


def rmse(clone: Path) -> float:
    return headline(clone, "forecaster", "rmse (champion)")


def headline(clone: Path, model: str, metric: str) -> float:
    shown = json.loads(dvc(clone, "metrics", "show", "--json"))
    figures = shown[""]["data"][f".storeloop/metrics/{model}.json"]["data"][f"{model}/challenger"]
    return float(figures[metric])


def test_the_graph_through_dvc(clone: Path) -> None:
    dvc(clone, "repro")
    before = rmse(clone)
    assert before > 0
    again = dvc(clone, "repro")
    for stage in ("tables", "belt", "floor", "cameras", "images", "shop"):
        assert f"Running stage '{stage}'" in again  # sources are not DVC's to watch
    for stage in ("features", "forecaster", "recommender", "profiles", "inspection", "behaviour", "detector"):
        assert f"Stage '{stage}' didn't change, skipping" in again
    other_content_makes_the_later_stages_stale(clone)

    shown = dvc(clone, "plots", "show", "-o", str(clone / "plots"))
    assert "index.html" in shown
    assert any((clone / "plots").rglob("*calibration*"))
    assert any((clone / "plots").rglob("*recommender_plots*depth*"))
    assert 0 < headline(clone, "recommender", "hr@10 (champion)") <= 1
    assert any((clone / "plots").rglob("*profiles_plots*"))
    assert 3 <= headline(clone, "profiles", "number of segments (champion)") <= 4

    dvc(clone, "exp", "run", "-q", "-S", "forecaster.depth=2", "forecaster")
    assert rmse(clone) != before
    listed = dvc(clone, "exp", "show", "--csv")
    assert "forecaster.depth" in listed.splitlines()[0]


def other_content_makes_the_later_stages_stale(clone: Path) -> None:
    """Rows of equal number and other content: only the file of content hashes tells."""
    for read, asset, there, later in (
        ("tables", "demand/sales", True, {"features", "forecaster", "recommender", "profiles"}),
        ("belt", "belt/inspections", True, {"inspection"}),
        ("floor", "floor/tracks", True, {"behaviour"}),
        ("cameras", "cameras/pictures", False, {"detector"}),  # they are off here
    ):
        contents = clone / ".storeloop" / "metrics" / f"{read}.contents.json"
        text = contents.read_text(encoding="utf-8")
        assert (asset in json.loads(text)) is there
        contents.unlink()  # what DVC keeps may be a link into its cache
        contents.write_text(json.dumps(json.loads(text) | {asset: "other"}), encoding="utf-8")
        assert later <= json.loads(dvc(clone, "status", "--json")).keys()
        contents.write_text(text, encoding="utf-8")


def test_a_stage_reads_its_source_each_time_or_depends_on_what_was_read() -> None:
    """Dagster's assets that read a source lie in a stage that always runs; every other stage stands on such a one's contents."""
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    reading = {name: stage for name, stage in stages.items() if stage.get("always_changed")}
    assert reading.keys() == {"tables", "belt", "floor", "cameras", "images", "shop"}
    contents = {f".storeloop/metrics/{name}.contents.json" for name in reading}
    for name, stage in stages.items():
        if name in reading:
            assert f".storeloop/metrics/{name}.contents.json" in stage["outs"]
        else:
            assert contents & set(stage["deps"]), f"{name} would be skipped whatever its source delivers"


def test_equal_counts_of_other_rows_differ_in_contents(tmp_path: Path) -> None:
    written = []
    for content in ("a", "b"):
        facts = {"demand/sales": {"rows": 3, "unchanged": False, "content_hash": content}}
        write_metrics(RunOutcome("r", True, {}, {}, facts), tmp_path / "tables.json")
        written.append([(tmp_path / name).read_text() for name in ("tables.json", "tables.contents.json")])
    (metrics, first), (same, second) = written
    assert json.loads(metrics) == {"demand/sales": {"rows": 3}}
    assert metrics == same
    assert (json.loads(first), json.loads(second)) == ({"demand/sales": "a"}, {"demand/sales": "b"})


def test_an_override_out_of_bounds_is_refused(clone: Path) -> None:
    done = attempt(clone, "exp", "run", "-S", "forecaster.depth=99")
    assert done.returncode != 0
    assert "less than or equal to 12" in done.stdout + done.stderr


def test_base_checkpoints_are_frozen_and_those_of_the_lock_and_small_enough() -> None:
    base, most = ROOT / "models" / "detector" / "base", {"finder": 12e6, "embedder": 26e6}
    stages = yaml.safe_load((base / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    locked = yaml.safe_load((base / "dvc.lock").read_text(encoding="utf-8"))["stages"]
    assert stages.keys() == locked.keys() and all(stage["frozen"] for stage in stages.values())
    outs = [out for stage in locked.values() for out in stage["outs"]]
    for out in outs:
        content = (ROOT / out["path"]).read_bytes()
        assert hashlib.md5(content, usedforsecurity=False).hexdigest() == out["md5"]
    weights = {Path(out["path"]).stem: out["size"] for out in outs if out["path"].endswith(".safetensors")}
    assert weights and all(size <= most[name] for name, size in weights.items())


def test_the_knobs_of_params_yaml_are_the_defaults() -> None:
    params = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    assert Config(**params["forecaster"]) == Config()
    assert Budgets(**params["promotion"]) == Budgets()
    assert RecommenderConfig(**params["recommender"]) == RecommenderConfig()
    assert ProfilesConfig(**params["profiles"]) == ProfilesConfig()
    assert RecommenderBudgets(**params["promotion"]["recommender"]) == RecommenderBudgets()
    assert PricingConfig(**params["pricing"]) == PricingConfig()
    assert PricingBudgets(**params["promotion"]["pricing"]) == PricingBudgets()
    assert InspectionConfig(**params["inspection"]) == InspectionConfig()
    assert BeltConfig(**params["belt"]) == BeltConfig()
    assert DetectorConfig(**params["detector"]) == DetectorConfig()
    assert CamerasConfig(**params["cameras"]) == CamerasConfig()
    assert ShopConfig(**params["shop"]) == ShopConfig()
    assert PanelConfig(**params["panel"]) == PanelConfig()
    epochs = params["behaviour"]["epochs"]  # fewer, so that the demo stays quick
    assert (
        BehaviourConfig(**params["behaviour"]) == BehaviourConfig(epochs=epochs) and epochs < BehaviourConfig().epochs
    )
    assert DetectorBudgets(**params["promotion"]["detector"]) == DetectorBudgets()
    assert InspectionBudgets(**params["promotion"]["inspection"]) == InspectionBudgets()
