"""The gate on labels: suspicious ones are set aside, too many stop a set; classes of products are in the catalogue."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from image_deliveries import PICTURES, delivery, held

from data_checks.quarantine import Quarantine
from orchestration.image_sets import ImageSetError, ImageSets
from sources.base import SourceError


@pytest.fixture
def sets(tmp_path: Path) -> ImageSets:
    """One set, shelves, taken in."""
    sets = ImageSets(tmp_path / "home")
    assert sets.take_in("shelves", delivery(tmp_path / "yolo")).passed
    return sets


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


def test_suspicious_labels_are_set_aside_and_too_many_stop_the_set(sets: ImageSets) -> None:
    outcome = sets.report_labels("shelves", issues(6))  # 5 % of 120
    assert outcome.passed and not any("label_issues" in note for note in outcome.notes)
    assert held(sets, "image_labels") == {
        f"images/0{i}.png#{n}": ["label_is_plausible"] for i in range(3) for n in (1, 2)
    }
    assert sets.open("shelves").image_labels.num_rows == 114
    outcome = sets.report_labels("shelves", issues(7))
    assert not outcome.passed and outcome.broken[0].startswith("image_labels label_is_plausible: 7 of 120 rows fail")
    with pytest.raises(ImageSetError, match="the gate refuses image_labels"):
        sets.open("shelves")
    # A person looked at one of them and found it right: it counts no more, and the set passes with it.
    right = Quarantine(sets.folder("shelves")).rows("image_labels", rule="label_is_plausible")["_row_key"][0].as_py()
    Quarantine(sets.folder("shelves")).decide(
        "image_labels", verdict="release", reason="is milk", who="Ada", row_keys=[right]
    )
    assert sets.take_in("shelves").passed
    assert sets.open("shelves").image_labels.num_rows == 114
    with pytest.raises(SourceError, match="label_issues lacks quality"):
        sets.report_labels("shelves", issues(1).drop_columns(["quality"]))


def test_classes_of_products_are_held_against_the_catalogue(sets: ImageSets) -> None:
    root = sets.folder("shelves") / "set"
    classes = pq.read_table(root / "label_classes.parquet")
    named = classes.set_column(classes.column_names.index("product_id"), "product_id", pa.array(["P-1", "P-2"]))
    pq.write_table(named, root / "label_classes.parquet")
    assert sets.take_in("named", f"image_set:{root}", products=["P-1", "P-2"]).passed
    refused = sets.take_in("named", f"image_set:{root}", products=["P-1"])
    assert [line.split(":")[0] for line in refused.broken] == ["label_classes reference", "image_labels reference"]
    assert refused.counts["image_labels"]["quarantined"] == PICTURES  # the labels of a class that is held are held
