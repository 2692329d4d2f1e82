"""`storeloop images`: a set in, its labels judged, out to a labelling tool and in again; a steward's word in between."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from image_deliveries import PICTURES, delivery
from typer.testing import CliRunner, Result

from data_checks.contracts import load_contract
from orchestration.commands.images import app

EDGES = {"x_min_px": 16.0, "y_min_px": 8.0, "x_max_px": 24.0, "y_max_px": 12.0}  # of delivery's first box


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("STORELOOP_HOME", str(tmp_path / "home"))
    return tmp_path


def images(*words: str) -> Result:
    return CliRunner().invoke(app, list(words))


def predictions(path: Path, other: int) -> Path:
    """A model that is sure of both boxes of every picture, and calls the first of `other` pictures bread."""
    rows = []
    for i in range(PICTURES):
        picture = f"images/{i:02}.png"
        small = {"x_min_px": 8.0, "y_min_px": 4.0, "x_max_px": 12.0, "y_max_px": 6.0}
        first = "bread" if i < other else "milk"
        rows += [{"label": first, **EDGES, "image_id": picture}, {"label": "bread", **small, "image_id": picture}]
    schema = load_contract("image_labels").arrow_schema()
    filled = [
        {**dict.fromkeys(schema.names), "label_id": f"m{i}", "confidence": 0.9, "annotator": "detector 1", **row}
        for i, row in enumerate(rows)
    ]
    pq.write_table(pa.Table.from_pylist(filled, schema=schema), path)
    return path


def test_a_set_goes_in_is_judged_and_comes_back_from_label_studio(home: Path) -> None:
    done = images("import", "shelves", delivery(home / "yolo"))
    assert done.exit_code == 0 and "image_labels: 120 rows, 120 good, 0 in quarantine" in done.output
    done = images("labels", "shelves", str(predictions(home / "p.parquet", other=2)))
    assert done.exit_code == 0, done.output
    assert "2 of 120 labels are suspicious (1.67%)" in done.output and "2 labelled milk look like bread." in done.output
    listed = images("quarantine", "--set", "shelves", "list", "--json")
    by_table = {one["table"]: one["open_by_rule"] for one in json.loads(listed.output)}
    assert by_table["image_labels"] == {"label_is_plausible": 2}
    out = home / "out"
    done = images("export", "shelves", "label_studio", str(out), "--predictions", str(home / "p.parquet"))
    assert done.exit_code == 0 and "60 pictures, 118 labels" in done.output
    tasks = json.loads((out / "tasks.json").read_text())
    assert tasks[0]["predictions"][0]["model_version"] == "detector 1"
    done = images("import", "again", f"label_studio:{out / 'tasks.json'}", "--json")
    assert json.loads(done.output)["counts"]["image_labels"]["good"] == 118


def test_too_many_suspicious_labels_stop_the_set_with_code_1(home: Path) -> None:
    images("import", "shelves", delivery(home / "yolo"))
    done = images("labels", "shelves", str(predictions(home / "p.parquet", other=7)), "--json")
    said = json.loads(done.output)
    assert done.exit_code == 1 and not said["passed"]
    # A second report judges them again: they are not forgotten because they were set aside.
    assert json.loads(images("labels", "shelves", str(home / "p.parquet"), "--json").output)["broken"] == said["broken"]
    assert said["broken"][0].startswith(
        "image_labels label_is_plausible: 7 of 120 rows fail (5.83%), 5.00% are tolerated"
    )
    assert "the gate refuses image_labels" in images("list").output
    released = images(
        *("quarantine", "--set", "shelves", "release", "image_labels", "--rule", "label_is_plausible"),
        *("--reason", "the model is new", "--as", "Ada"),
    )
    assert released.exit_code == 0, released.output
    assert images("import", "shelves").exit_code == 0
    assert images("list").output == "shelves: 60 pictures, 120 labels\n"


def test_a_wrong_form_or_file_names_the_remedy(home: Path) -> None:
    images("import", "shelves", delivery(home / "yolo"))
    for words, message in (
        (("export", "shelves", "voc", str(home / "out")), "use yolo, coco or label_studio"),
        (("labels", "shelves", str(home / "yolo/data.yaml")), "not readable as Parquet"),
    ):
        error = images(*words).exception
        assert isinstance(error, ValueError) and message in str(error)
