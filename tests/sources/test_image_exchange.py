"""Image sets out to labelling tools and back: the same pictures, classes and boxes."""

import json
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from exchange_cases import EDGES, HEIGHT, WIDTH, boxes, content, image_set, stored, typed
from hypothesis import given, settings
from hypothesis import strategies as st

from models.common.pictures import encode_picture
from sources.base import SourceError
from sources.images.coco_export import export_coco
from sources.images.export import Exported, flat_names
from sources.images.label_studio_export import export_label_studio
from sources.images.open import open_images
from sources.images.rows import ImageRows
from sources.images.yolo_export import export_yolo

SPECS = {"yolo": "", "coco": "", "label_studio": "/tasks.json"}
EXPORTS: dict[str, Callable[..., Exported]] = {
    "yolo": export_yolo, "coco": export_coco, "label_studio": export_label_studio,
}  # fmt: skip


@pytest.mark.parametrize("form", list(EXPORTS))
@settings(max_examples=12, deadline=None)
@given(
    labels=st.lists(boxes(), max_size=6), splits=st.sampled_from([["train", "val", "test"], [None] * 3, ["val"] * 3])
)
def test_what_goes_out_comes_back(form: str, labels: list[dict[str, Any]], splits: list[str | None]) -> None:
    with TemporaryDirectory() as place:
        ours = image_set(Path(place), splits, labels)
        options = {"confidences": True} if form == "yolo" else {}
        done = EXPORTS[form](ours, Path(place) / "out", **options)
        assert (done.pictures, done.labels, done.left_out) == (3, len(labels), {})
        if form == "label_studio" and not labels:
            with pytest.raises(SourceError, match="label some first"):
                open_images(f"label_studio:{place}/out/tasks.json")
            return
        back = open_images(f"{form}:{place}/out{SPECS[form]}")
        assert content(back) == content(stored(ours))
        pictures = {row["sha256"]: row["split"] for row in back.images.to_arrow().to_pylist()}
        assert pictures == dict(zip(ours.images["sha256"].to_pylist(), splits, strict=True))
        assert [row["label"] for row in back.classes.to_arrow().to_pylist()] == list(ours.classes)
        problems = [row["problem"] for table in (back.images, back.labels) for row in table.to_arrow().to_pylist()]
        assert set(problems) <= {None}
        if form != "yolo":
            shares = sorted(str(row["occluded_share"]) for row in back.labels.to_arrow().to_pylist())
            assert shares == sorted(str(label["occluded_share"]) for label in labels)


BOX = {"x_min_px": 16.0, "y_min_px": 12.0, "x_max_px": 48.0, "y_max_px": 24.0}


def test_yolo_is_what_ultralytics_reads(tmp_path: Path) -> None:
    ours = image_set(
        tmp_path,
        ["train", "val"],
        [
            {"image_id": "p0", "label": "Brötchen", **BOX, "confidence": 0.5},
            {"image_id": "p0", "label": "milk", **BOX, "is_crowd": True},
        ],
    )
    done = export_yolo(ours, tmp_path / "out")
    assert (done.labels, done.left_out) == (1, {"crowd": 1})
    # Centre (32, 18) of 64 x 48, 32 wide and 12 high.
    assert (
        tmp_path / "out/labels/train/photos__p0.txt"
    ).read_text() == "1 0.50000000 0.37500000 0.50000000 0.25000000\n"
    assert (tmp_path / "out/labels/val/photos__p1.txt").read_text() == ""
    assert (tmp_path / "out/data.yaml").read_text() == (
        "train: images/train\nval: images/val\nnc: 3\nnames:\n  0: milk\n  1: Brötchen\n  2: a & b\n"
    )
    with pytest.raises(SourceError, match="is there already"):
        export_yolo(ours, tmp_path / "out")


def test_coco_is_in_pixels_and_keeps_crowds(tmp_path: Path) -> None:
    label = {"image_id": "p0", "label": "milk", **BOX, "is_crowd": True, "annotator": "Ada"}
    export_coco(image_set(tmp_path, [None], [label]), tmp_path / "out")
    document = json.loads((tmp_path / "out/annotations/instances.json").read_text())
    assert document["annotations"] == [
        {
            "id": 1, "image_id": 1, "category_id": 1, "bbox": [16.0, 12.0, 32.0, 12.0], "area": 384.0, "segmentation": [],
            "iscrowd": 1, "attributes": {"annotator": "Ada"},
        }
    ]  # fmt: skip
    assert document["categories"][0] == {"id": 1, "name": "milk", "supercategory": "drinks"}
    back = open_images(f"coco:{tmp_path / 'out'}").labels.to_arrow().to_pylist()[0]
    assert (back["is_crowd"], back["annotator"]) == ("true", "Ada")


def proposals(*rows: dict[str, Any]) -> pa.Table:
    return typed("image_labels", [{"label_id": f"m{i}", **row} for i, row in enumerate(rows)])


def test_predictions_go_to_label_studio_as_pre_annotations(tmp_path: Path) -> None:
    ours = image_set(tmp_path, [None] * 3, [{"image_id": "p0", "label": "milk", **BOX}])
    guesses = proposals(
        {"image_id": "p1", "label": "milk", **BOX, "confidence": 0.9, "annotator": "detector 3"},
        {"image_id": "p1", "label": "a & b", **BOX, "confidence": 0.4, "annotator": "detector 3"},
        {"image_id": "p1", "label": "milk", "confidence": 0.7, "annotator": "classifier 1"},
    )
    export_label_studio(ours, tmp_path / "out", predictions=guesses, to_label=[])
    tasks = json.loads((tmp_path / "out/tasks.json").read_text())
    assert tasks[0]["data"]["image"] == "/data/local-files/?d=pictures/photos/p0.png"
    (region,) = tasks[0]["annotations"][0]["result"]
    assert region["value"] == {
        "x": 25.0, "y": 25.0, "width": 50.0, "height": 25.0, "rotation": 0, "rectanglelabels": ["milk"],
    }  # fmt: skip
    assert (region["original_width"], region["original_height"], region["type"]) == (64, 48, "rectanglelabels")
    said = [(one["model_version"], one["score"], len(one["result"])) for one in tasks[1]["predictions"]]
    assert said == [("classifier 1", 0.7, 1), ("detector 3", 0.4, 2)]
    assert tasks[1]["predictions"][0]["result"][0]["value"] == {"choices": ["milk"]}
    assert [region["score"] for region in tasks[1]["predictions"][1]["result"]] == [0.9, 0.4]
    assert "annotations" not in tasks[1] and tasks[2]["annotations"] == [{"result": []}]
    set_up = (tmp_path / "out/labels.xml").read_text()
    assert '<Label value="a &amp; b"/>' in set_up and "<Choices" in set_up
    back = open_images(f"label_studio:{tmp_path / 'out/tasks.json'}")
    assert [row["path"] for row in back.images.to_arrow().to_pylist()] == [
        "pictures/photos/p0.png", "pictures/photos/p2.png",
    ]  # fmt: skip
    with pytest.raises(SourceError, match="name a picture and a class of the set, and the model"):
        export_label_studio(
            ours, tmp_path / "two", predictions=proposals({"image_id": "p9", "label": "milk", "annotator": "m"})
        )
    assert not (tmp_path / "two").exists()


def task(result: list[Any], image: str = "/data/upload/1/0a1b2c3d-p0.png", **more: Any) -> dict[str, Any]:
    return {"id": 5, "data": {"image": image}, "annotations": [{"result": result, "completed_by": 3, **more}]}


def region(**changes: Any) -> dict[str, Any]:
    value = {"x": 25, "y": 25, "width": 50, "height": 25, "rotation": 0, "rectanglelabels": ["milk"]}
    return {"type": "rectanglelabels", "value": {**value, **changes.pop("value", {})}, **changes}


def labelled(folder: Path, tasks: list[dict[str, Any]]) -> ImageRows:
    (folder / "p0.png").write_bytes(encode_picture(np.zeros((HEIGHT, WIDTH, 3), np.uint8)))
    (folder / "export.json").write_text(json.dumps(tasks))
    return open_images(f"label_studio:{folder / 'export.json'}")


def test_what_people_drew_in_label_studio(tmp_path: Path) -> None:
    """A box of 32 x 12 pixels turned a quarter clockwise about (16, 12) lies left of it: 12 wide and 32 high."""
    newer = {"result": [region()], "updated_at": "2026-03-02", "completed_by": {"email": "ada@example.com"}}
    tasks = [
        task([region(), region(value={"rotation": 90}), {"type": "choices", "value": {"choices": ["ok"]}}]),
        {**task([region(value={"rectanglelabels": ["bread"]})], updated_at="2026-03-01"), "id": 6},
        {"id": 7, "data": {"image": "p0.png"}, "annotations": [{"result": [], "was_cancelled": True}]},
    ]
    tasks[1]["annotations"].append(newer)
    labels = labelled(tmp_path, tasks).labels.to_arrow().to_pylist()
    assert [row["annotator"] for row in labels] == ["3", "3", "3", "ada@example.com"]
    assert [row["label"] for row in labels] == ["milk", "milk", "ok", "milk"]
    found = [tuple(round(float(row[edge]), 6) for edge in EDGES) for row in labels if row["x_min_px"]]
    assert found == [(16, 12, 48, 24), (4, 12, 16, 44), (16, 12, 48, 24)]
    assert labels[2]["x_min_px"] is None


@pytest.mark.parametrize(
    ("wrong", "problem"),
    [
        (region(image_rotation=90), "turned by 90 degrees"),
        (region(original_width=48, original_height=64), "drawn on 48 x 64 pixels, the picture has 64 x 48"),
        (region(value={"rectanglelabels": ["a", "b"]}), "is not one class"),
        (region(value={"x": "left"}), "no number"),
        ({"type": "brushlabels", "value": {}}, "neither a box nor a choice"),
        (None, "neither a box nor a choice"),
    ],
)
def test_a_region_that_is_no_box_is_a_row_with_its_problem(tmp_path: Path, wrong: Any, problem: str) -> None:
    labels = labelled(tmp_path, [task([wrong, region()])]).labels.to_arrow().to_pylist()
    assert problem in labels[0]["problem"] and labels[1]["problem"] is None


@pytest.mark.parametrize(
    "image", ["/data/upload/gone.png", "../../secret.png", "/data/local-files/?d=../secret.png", "text"]
)
def test_only_pictures_below_the_export_are_found(tmp_path: Path, image: str) -> None:
    (tmp_path / "secret.png").write_bytes(encode_picture(np.zeros((4, 4, 3), np.uint8)))
    (tmp_path / "export").mkdir()
    found = labelled(tmp_path / "export", [task([region()], image)]).images.to_arrow().to_pylist()
    assert found[0]["sha256"] is None and "no picture" in found[0]["problem"]


def test_a_task_whose_address_cannot_be_read_is_a_row_with_its_problem(tmp_path: Path) -> None:
    broken = {**task([region()], "http://[shop/p0.png"), "id": 9}
    found = labelled(tmp_path, [broken, task([region()])])
    first, second = found.images.to_arrow().to_pylist()
    assert "task 9" in first["image_id"] and "hold no address (Invalid IPv6 URL); mend it" in first["problem"]
    assert second["problem"] is None and len(found.labels) == 2


def test_labels_of_whole_pictures_and_half_given_splits_have_no_place_in_yolo(tmp_path: Path) -> None:
    whole = image_set(tmp_path / "a", [None], [{"image_id": "p0", "label": "milk"}])
    for export in (export_yolo, export_coco):
        with pytest.raises(SourceError, match="1 labels are of whole pictures"):
            export(whole, tmp_path / "out")
    export_label_studio(whole, tmp_path / "out")
    back = open_images(f"label_studio:{tmp_path / 'out/tasks.json'}")
    assert content(back) == content(stored(whole))
    with pytest.raises(SourceError, match="1 of 2 pictures have no split"):
        export_yolo(image_set(tmp_path / "b", ["train", None], []), tmp_path / "half")


def test_every_picture_gets_a_stem_of_its_own() -> None:
    paths = ["a/b.png", "a__b.png", "a/b.jpg", "c.png"]
    rows = [{"image_id": path, "path": path, "sha256": f"{i}" * 64} for i, path in enumerate(paths)]
    names = flat_names(rows)
    assert names["c.png"] == "c.png" and names["a/b.jpg"] == "a__b-222222222222.jpg"
    assert len({Path(name).stem for name in names.values()}) == 4
