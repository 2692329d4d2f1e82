"""Proposals of models out to labelling tools and back once a person has spoken: nothing is lost on the way, scores least of all."""

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from exchange_cases import EDGES, HEIGHT, WIDTH, boxes, image_set, typed
from hypothesis import given, settings
from hypothesis import strategies as st

from sources.images.label_studio_export import export_label_studio
from sources.images.open import open_images
from sources.images.rows import ImageRows
from sources.images.yolo_export import export_yolo

NAMES = ("detector 3", "classifier 1", "Ada Lovelace")


@st.composite
def proposals(draw: st.DrawFn) -> dict[str, Any]:
    """A box, or a class of the whole picture, by a model or a person."""
    row = draw(boxes()) | {"annotator": draw(st.sampled_from(NAMES)), "is_crowd": draw(st.none() | st.booleans())}
    row["confidence"] = draw(st.none() | st.floats(0, 1))
    return row | dict.fromkeys(EDGES) if draw(st.booleans()) else row


def whole_rows(rows: ImageRows) -> list[dict[str, Any]]:
    """Labels as numbers again, each with the digest of its picture."""
    digests = {row["image_id"]: row["sha256"] for row in rows.images.to_arrow().to_pylist()}
    found = []
    for row in rows.labels.to_arrow().to_pylist():
        assert row["problem"] is None
        told = {
            name: None if row[name] is None else float(row[name]) for name in (*EDGES, "confidence", "occluded_share")
        }
        found.append(
            {"picture": digests[row["image_id"]], "label": row["label"], "annotator": row["annotator"],
             "is_crowd": {None: None, "true": True, "false": False}[row["is_crowd"]], **told}
        )  # fmt: skip
    return found


def same(given_rows: list[dict[str, Any]], back: list[dict[str, Any]], digests: dict[str, str], pixels: float) -> None:
    """Row by row, in the order in which they went out; edges within so many pixels, all else exactly."""
    assert len(back) == len(given_rows)
    for sent, came in zip(given_rows, back, strict=True):
        assert came["picture"] == digests[sent["image_id"]]
        for name in ("label", "annotator", "is_crowd", "confidence", "occluded_share"):
            assert came[name] == sent.get(name), name
        for edge in EDGES:
            assert (came[edge] is None) == (sent[edge] is None)
            assert sent[edge] is None or abs(came[edge] - sent[edge]) <= pixels


def by_picture_and_model(rows: list[dict[str, Any]], models: bool) -> list[dict[str, Any]]:
    """The order in which Label Studio gets them: by picture, of proposals then by model, else as they are."""
    return sorted(rows, key=lambda row: (row["image_id"], row["annotator"] if models else ""))


@settings(max_examples=12, deadline=None)
@given(rows=st.lists(proposals(), min_size=1, max_size=6))
def test_labels_come_back_from_label_studio_with_everything(rows: list[dict[str, Any]]) -> None:
    with TemporaryDirectory() as place:
        ours = image_set(Path(place), ["train", "val", "test"], rows)
        export_label_studio(ours, Path(place) / "out")
        back = whole_rows(open_images(f"label_studio:{place}/out/tasks.json"))
        digests = dict(zip(ours.images["image_id"].to_pylist(), ours.images["sha256"].to_pylist(), strict=True))
        same(by_picture_and_model(rows, models=False), back, digests, 1e-9)


@settings(max_examples=12, deadline=None)
@given(rows=st.lists(proposals(), min_size=1, max_size=6))
def test_proposals_that_a_person_accepts_keep_model_and_confidence(rows: list[dict[str, Any]]) -> None:
    """What Label Studio does when a person submits a prediction as it is: its regions become the annotation's."""
    with TemporaryDirectory() as place:
        ours = image_set(Path(place), ["train", "val", "test"], [])
        told = typed("image_labels", [{"label_id": f"m{i}", **row} for i, row in enumerate(rows)])
        export_label_studio(ours, Path(place) / "out", predictions=told)
        file = Path(place) / "out/tasks.json"
        tasks = json.loads(file.read_text())
        for task in tasks:
            assert "annotations" not in task
            for guess in task.get("predictions", []):
                mine = [row["confidence"] for row in rows if row["annotator"] == guess["model_version"]
                        and f"/{row['image_id']}.png" in task["data"]["image"] and row["confidence"] is not None]  # fmt: skip
                assert guess["score"] == min(mine, default=None)
                assert sorted(r["score"] for r in guess["result"] if "score" in r) == sorted(mine)
            regions = [{**r, "origin": "prediction"} for guess in task.get("predictions", []) for r in guess["result"]]
            task["annotations"] = [{"result": regions, "completed_by": 3}]
        file.write_text(json.dumps(tasks))
        digests = dict(zip(ours.images["image_id"].to_pylist(), ours.images["sha256"].to_pylist(), strict=True))
        same(by_picture_and_model(rows, models=True), whole_rows(open_images(f"label_studio:{file}")), digests, 1e-9)


@settings(max_examples=12, deadline=None)
@given(rows=st.lists(boxes(), max_size=6))
def test_yolo_keeps_a_proposal_to_the_digits_it_writes(rows: list[dict[str, Any]]) -> None:
    """Eight digits of a share: an edge is off by at most (0.5 + 0.25) 1e-8 of the picture's side, a confidence by 0.5e-8."""
    with TemporaryDirectory() as place:
        ours = image_set(Path(place), ["train"] * 3, rows)
        export_yolo(ours, Path(place) / "out", confidences=True)
        back = whole_rows(open_images(f"yolo:{place}/out"))
        digests = dict(zip(ours.images["image_id"].to_pylist(), ours.images["sha256"].to_pylist(), strict=True))
        sent = by_picture_and_model([{**row, "annotator": None} for row in rows], models=False)
        for one, came in zip(sent, back, strict=True):
            assert (came["picture"], came["label"]) == (digests[one["image_id"]], one["label"])
            for edge, side in zip(EDGES, (WIDTH, HEIGHT, WIDTH, HEIGHT), strict=True):
                assert abs(came[edge] - one[edge]) <= 0.8e-8 * side
            assert (came["confidence"] is None) == (one["confidence"] is None)
            assert np.isclose(came["confidence"] or 0, one["confidence"] or 0, rtol=0, atol=0.51e-8)


@pytest.mark.parametrize(
    ("changes", "confidence", "annotator"),
    [
        ({}, 0.75, "detector 3"),
        ({"origin": "prediction"}, 0.75, "detector 3"),
        ({"origin": "prediction", "meta": None}, 0.75, "ada@example.com"),  # a tool that drops what it does not know
        ({"origin": "prediction-changed"}, None, "ada@example.com"),  # moved or renamed: a person's
        ({"origin": "manual", "meta": None, "score": None}, None, "ada@example.com"),
    ],
)
def test_who_a_label_is_of_once_a_person_has_spoken(
    tmp_path: Path, changes: dict[str, Any], confidence: float | None, annotator: str
) -> None:
    row = {"image_id": "p0", "label": "milk", "x_min_px": 8.0, "y_min_px": 6.0, "x_max_px": 16.0, "y_max_px": 12.0,
           "confidence": 0.75, "annotator": "detector 3"}  # fmt: skip
    ours = image_set(tmp_path, [None], [])
    export_label_studio(ours, tmp_path / "out", predictions=typed("image_labels", [{"label_id": "m", **row}]))
    file = tmp_path / "out/tasks.json"
    (task,) = json.loads(file.read_text())
    region = {**task["predictions"][0]["result"][0], **changes}
    file.write_text(
        json.dumps([{**task, "annotations": [{"result": [region], "completed_by": {"email": "ada@example.com"}}]}])
    )
    (came,) = whole_rows(open_images(f"label_studio:{file}"))
    assert (came["confidence"], came["annotator"], came["x_min_px"]) == (confidence, annotator, 8.0)
