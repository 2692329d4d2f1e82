"""Image sets in Dagster's graph: the gate stops what stands on them, people see pictures and reports, nothing is done twice."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from image_deliveries import PICTURES, delivery
from PIL import Image

from models.common.report import MetricRow, Report
from orchestration.image_loop import judge_sets, report_sets
from orchestration.image_pictures import contact_sheet
from orchestration.image_sets import ImageSets
from orchestration.runner import RunOutcome, run
from orchestration.settings import Settings
from orchestration.workspace import Workspace
from sources.images.image_set import ImageSet


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home without image sets, beside which deliveries lie."""
    return tmp_path_factory.mktemp("loop")


@pytest.fixture(scope="module")
def workspace(place: Path) -> Workspace:
    return Workspace(Settings(home=place / "home", twin_size="tiny"))


def made(workspace: Workspace) -> RunOutcome:
    return run(workspace.settings, "group:images")


def issues(suspicious: int) -> pa.Table:
    labels = [f"images/{i:02}.png#{n}" for i in range(PICTURES) for n in (1, 2)]
    flags = [i < suspicious for i in range(len(labels))]
    return pa.table(
        {
            "label_id": labels,
            "quality": [0.1 if flag else 0.9 for flag in flags],
            "is_suspicious": flags,
            "suggested_label": pa.nulls(len(labels), pa.string()),
            "reason": pa.array(["class" if flag else None for flag in flags], pa.string()),
        }
    )


def test_a_set_goes_through_the_loop_and_its_gate_stops_what_stands_on_it(place: Path, workspace: Workspace) -> None:
    """One story, for each step of it costs seconds: no set, a good one, an unchanged one, suspicious labels, a lost folder."""
    nothing = judge_sets(workspace)
    assert nothing.passed and nothing.metadata["provided"] is False
    assert "storeloop images import" in report_sets(workspace)["remedy"]

    sets = ImageSets(workspace.settings.home)
    spec = delivery(place / "yolo", broken_boxes=1)
    assert sets.take_in("shelves", spec).passed
    outcome = sets.folder("shelves") / "outcome.json"
    before = outcome.stat().st_mtime_ns
    good = made(workspace)
    assert good.success and outcome.stat().st_mtime_ns == before  # nothing has changed since the import
    said = good.metadata["images/sets"]
    assert (said["sets"], said["refused"], said["pictures, good"], said["labels, good"]) == (1, 0, PICTURES, 119)
    assert said["labels, quarantined"] == 1 and "| shelves | passed | 60 | 119 | 1 |" in said["overview"]
    assert said["pictures of shelves"].startswith("![picture](data:image/png;base64,")
    assert "storeloop images labels shelves" in good.metadata["images/label_quality"]["shelves"]

    report = Report("cleanlab", (MetricRow("cleanlab", "suspicious share", 0.07, "fraction"),), {"quality": b"\x89PNG"})
    assert not sets.report_labels("shelves", issues(9), report).passed  # 8 of 119: the ninth label's box was broken
    stopped = made(workspace)
    assert not stopped.success and stopped.steps["images__label_quality"] == "not run"
    assert "shelves: image_labels label_is_plausible" in stopped.failures["images__sets"]
    told = report_sets(workspace)
    assert told["suspicious share, shelves"] == 0.07 and "cleanlab" in told["shelves"].value

    (place / "yolo/labels/05.txt").write_text("0 0.5 0.5 0.3 0.3\n")  # a delivery that changes is judged again
    assert judge_sets(workspace).metadata["labels, good"] == 119 - 8 - 1
    (place / "yolo").rename(place / "gone")
    lost = judge_sets(workspace)
    assert not lost.passed and "does not exist" in lost.check_metadata["broken"][0]
    assert json.loads(outcome.read_text())["outcome"]["counts"]["image_labels"]["in"] == 119  # its last judgement stays


def test_a_sheet_shows_boxes_where_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One black picture with one box: some pixels have the box's colour, and with the label taken away none has."""
    ids = pa.table({"image_id": ["a"], "sha256": ["0"], "path": ["a.png"]})
    monkeypatch.setattr(ImageSet, "pixels", lambda self, name: np.zeros((40, 60, 3), np.uint8))
    row: dict[str, Any] = {"image_id": "a", "label": "milk", "x_min_px": 10.0, "y_min_px": 10.0, "x_max_px": 50.0,
                           "y_max_px": 30.0, "is_crowd": False}  # fmt: skip
    coloured = []
    for labels in ([row], []):
        table = pa.Table.from_pylist(labels, schema=pa.Table.from_pylist([row]).schema)
        target = tmp_path / "sheet.png"
        target.write_bytes(contact_sheet(ImageSet(tmp_path, pa.table({}), ids, table)))
        pixels = np.asarray(Image.open(target).convert("RGB")).astype(int)
        coloured.append(int((np.abs(pixels - [0xC8, 0x55, 0x3D]).max(axis=2) < 30).sum()))
    assert coloured[0] > 100 and coloured[1] == 0
