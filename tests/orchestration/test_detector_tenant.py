"""Product recognition in the house: the twin's pictures through gate, challenger, evidence page and release, and a set of one's own.
Finder and embedder are graphs made by hand, taken as they are: what is tested is the house."""

import importlib.util
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType

import pytest
from typer.testing import CliRunner, Result

from models.common.report import Report
from orchestration.camera_pictures import camera_set
from orchestration.challengers import read_report
from orchestration.cli import app
from orchestration.detecting import dataset
from orchestration.judging import read_verdict
from orchestration.releases import promote_and_publish, publish_release
from orchestration.runner import run
from orchestration.settings import Settings
from orchestration.workspace import Workspace
from serving.detector_champion import open_champion
from serving.detector_releases import change_gallery
from serving.release import read_pointer
from serving.settings import ServeSettings

PICTURES = {"shelves": 6, "counters": 4, "photos": 2, "studio": {"products": 6}}


@pytest.fixture(scope="module")
def case() -> ModuleType:
    """tests/models/detector_case.py"""
    path = Path(__file__).parents[1] / "models" / "detector_case.py"
    spec = importlib.util.spec_from_file_location("orchestration_detector_case", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def params(case: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Graphs for pictures of 96 pixels; the finder sees whatever is bright."""
    path = tmp_path_factory.mktemp("params") / "params.yaml"
    config = {**case.CONFIG, "finder_start": str(case.FOLDER / "finder.onnx"),
              "embedder_start": str(case.FOLDER / "embedder.onnx"), "match_iou": 0.1}  # fmt: skip
    config["detector"] = {**case.CONFIG["detector"], "least_score": 0.2}
    path.write_text(json.dumps({"detector": config, "cameras": PICTURES}), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def seen(make_settings: Callable[..., Settings], params: Path) -> Workspace:
    """A workspace after one run of the group alone; the bento is another test's."""
    settings = make_settings(cameras="twin", params=params)
    outcome = run(settings, "+detector/release")
    assert outcome.success, outcome.failures
    facts = outcome.metadata["cameras/pictures"]
    assert facts["pictures"] == 6 * 2 + (6 + 4) * 2 and facts["classes"] == 6
    assert "data:image/png" in facts["samples"]
    assert "mAP50 (product recognition)" in outcome.metadata["detector/challenger"]
    assert "data:image/png" in outcome.metadata["detector/challenger"]["samples"]
    assert outcome.metadata["detector/release"]["provided"] is False, "such networks pass no gate"
    return Workspace(settings)


def test_the_twins_pictures_are_an_image_set_as_any_other(seen: Workspace) -> None:
    opened, data = camera_set(seen), dataset(seen)
    assert len(data.photos()) == 12 and data.products == opened.classes
    assert [int((data.split == part).sum()) for part in range(3)] == [12 + 13, 3, 4], "a fifth, and 15 % before them"
    kinds = {name.split("-")[0] for name in opened.images["image_id"].to_pylist()}
    assert kinds == {"photo", "shelf", "counter"}
    newest = [name for name, at in zip(*(opened.images[c].to_pylist() for c in ("image_id", "taken_at")), strict=True)
              if at.date() >= data.taken_until]  # fmt: skip
    assert any(name.startswith("shelf") for name in newest)
    told = CliRunner().invoke(app, ["images", "list", "--json"], env={"STORELOOP_HOME": str(seen.settings.home)})
    assert [each["name"] for each in json.loads(told.stdout)] == [f"{seen.slug}-cameras"]


def test_verdict_and_evidence(seen: Workspace) -> None:
    verdict = read_verdict(seen, "detector")
    rows = {row.name: row for row in verdict.criteria}
    assert {
        "mAP50",
        "right names of matched boxes",
        "calibration error of names",
        "latency p99, ms",
        "size, MB",
    } <= rows.keys()
    assert not rows["mAP50"].passed and rows["mAP50"].bound == ">= 0.85"
    assert rows["size, MB"].passed and rows["latency p99, ms"].value > 0
    assert "labelled items of 4 pictures" in verdict.judged
    report: Report = read_report(seen, "detector")
    assert {"product recognition", "colour histogram", "shrunken pixels"} <= set(report.models())
    page = (seen.root / "evidence" / "detector" / "index.html").read_text(encoding="utf-8")
    for said in ("How small an item may be", "longer side", "enrol it from five photos", "data:image/png"):
        assert said in page


def test_a_release_keeps_what_people_enrolled(seen: Workspace, case: ModuleType) -> None:
    from models.detector.enrol import enrol

    version = seen.registry.versions("detector")[-1].version
    promote_and_publish(seen, "detector", version, who="test", reason="to see it served", override=True)
    root = seen.releases / "detector"
    settings = ServeSettings(picture_deadline_ms=30_000)

    def opened() -> tuple[str, ...]:
        pointer = read_pointer(root / "champion.json")
        return tuple(open_champion(root / pointer.release, pointer, settings).products)

    assert len(opened()) == 6
    photo = case.photo(0)
    at = datetime(2026, 1, 1, tzinfo=UTC)
    change_gallery(
        root, lambda base, before: enrol(base, before, "soap", [photo], by="Ada", at=at, force=True).enrolled
    )
    by_hand = read_pointer(root / "champion.json").release
    assert "soap" in opened()
    told = publish_release(seen, "detector")
    assert told["enrolled photos"] == 1 and read_pointer(root / "champion.json").release != by_hand
    assert "soap" in opened() and publish_release(seen, "detector")["unchanged"]


def test_the_champion_writes_the_predictions_that_the_commands_on_labels_read(
    seen: Workspace, params: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import pyarrow.parquet as pq

    from data_checks.contracts import load_contract
    from models.label_quality.config import Config
    from models.label_quality.data import prepare
    from orchestration.image_sets import ImageSets
    from orchestration.labelling import LabellingError, proposals

    name, out = f"{seen.slug}-cameras", tmp_path / "predictions.parquet"
    settings = {"home": str(seen.settings.home), "twin_size": "tiny", "params": str(params), "cameras": "twin"}
    for key, value in settings.items():
        monkeypatch.setenv(f"STORELOOP_{key.upper()}", value)
    version = seen.registry.versions("detector")[-1].version
    promote_and_publish(seen, "detector", version, who="test", reason="to see it predict", override=True)
    done = CliRunner().invoke(app, ["images", "predict", name, str(out)])
    assert done.exit_code == 0, done.output
    rows, sets = pq.read_table(out), ImageSets(seen.settings.home)
    assert rows.schema.equals(load_contract("image_labels").arrow_schema())
    assert f"{rows.num_rows:,} boxes in 32 pictures" in done.output and rows.num_rows > 0
    assert set(rows["annotator"].to_pylist()) == {f"detector {version}"}
    assert len(set(rows["label_id"].to_pylist())) == rows.num_rows
    opened = sets.open(name)
    sizes = {row["image_id"]: (row["width_px"], row["height_px"]) for row in opened.images.to_pylist()}
    for row in rows.to_pylist():
        width, height = sizes[row["image_id"]]
        assert 0 <= row["x_min_px"] < row["x_max_px"] <= width and 0 <= row["y_min_px"] < row["y_max_px"] <= height
        assert 0 <= row["confidence"] <= 1
    data = prepare({**sets.to_report(name), "predictions": rows}, Config())
    assert sum(len(each.seen) for each in data.boxed) == rows.num_rows
    assert proposals(opened, rows).num_rows == rows.num_rows

    monkeypatch.setenv("STORELOOP_SOURCE", "folder:/nowhere")
    refused = CliRunner().invoke(app, ["images", "predict", name, str(tmp_path / "none.parquet")])
    assert isinstance(refused.exception, LabellingError) and "no champion of the detector" in str(refused.exception)
    assert not (tmp_path / "none.parquet").exists()


def test_nothing_is_made_twice(seen: Workspace) -> None:
    again = run(seen.settings, "+detector/challenger")
    assert again.success
    assert all(again.metadata[asset]["unchanged"] for asset in ("cameras/pictures", "detector/challenger"))


def shelves(case: ModuleType, folder: Path) -> str:
    """Packages on a dark shelf, as a YOLO folder."""
    import numpy as np

    rng = np.random.default_rng(2)
    for part in ("images", "labels"):
        (folder / part).mkdir(parents=True)
    (folder / "data.yaml").write_text("train: images\nnames: [milk, rice, salt, tea]\n")
    for number in range(30):
        picture, placed = case.scene(rng)
        (folder / "images" / f"{number:02}.png").write_bytes(case.file(picture))
        half = case.PATCH / 2
        lines = [
            f"{product} {(left + half) / 96} {(top + half) / 96} {16 / 96} {16 / 96}" for left, top, product in placed
        ]
        (folder / "labels" / f"{number:02}.txt").write_text("\n".join(lines))
    return f"yolo:{folder}"


def test_a_delivery_and_a_set_that_was_taken_in_are_evaluated(case: ModuleType, params: Path, tmp_path: Path) -> None:
    """All packages are found; names come from labelled crops, as there are no photos. The set lies in the home, the evaluation in
    one of its own."""
    spec, home = shelves(case, tmp_path / "shelves"), tmp_path / "home"
    environment = {"STORELOOP_HOME": str(home), "STORELOOP_PARAMS": str(params), "STORELOOP_TWIN_SIZE": "tiny"}

    def asked(*words: str) -> Result:
        return CliRunner().invoke(app, list(words), env=environment)

    evaluate = ("evaluate", "detector", "--json", "-", "--source")
    done = asked(*evaluate, spec, "--plots", str(tmp_path / "plots"))
    assert done.exit_code == 0, done.output
    report = Report.from_json(done.stdout)
    assert report.value("product recognition", "mAP50") == 1.0
    assert report.value("product recognition", "right name of matched boxes") == 1.0
    assert report.value("colour histogram", "right name of matched boxes") < 0.7
    assert sorted(path.stem for path in (tmp_path / "plots").rglob("*.png"))

    assert asked("images", "import", "corner-shelf", spec).exit_code == 0
    done = asked(*evaluate, "corner-shelf")
    assert done.exit_code == 0, done.output
    named = Report.from_json(done.stdout)
    assert named.value("product recognition", "mAP50") == 1.0
    assert [path.name for path in (home / "image_sets").iterdir()] == ["corner-shelf"], "the delivery went elsewhere"
    assert len(list(home.glob("evaluations/*/image_sets/*"))) == 1

    refused = asked(*evaluate, "no-such-set")
    assert refused.exit_code == 1
    assert "no image set 'no-such-set'; there are corner-shelf; take one in" in " ".join(refused.output.split())


def test_without_pictures_the_group_says_what_is_needed(make_settings: Callable[..., Settings]) -> None:
    outcome = run(make_settings(), "+detector/champion")
    assert outcome.success, outcome.failures
    for asset in ("cameras/pictures", "detector/challenger", "detector/champion"):
        assert outcome.metadata[asset]["provided"] is False and "STORELOOP_CAMERAS" in outcome.metadata[asset]["remedy"]
