"""The gate on labels: suspicious ones are set aside, too many stop a set; classes of products are in the catalogue."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from image_deliveries import PICTURES, delivery, held
from typer.testing import CliRunner

from data_checks.contracts import load_contract
from data_checks.quarantine import Quarantine
from models.common.pictures import encode_picture
from orchestration.camera_pictures import take_pictures
from orchestration.commands.images import app
from orchestration.image_loop import judge_sets
from orchestration.image_sets import ImageSetError, ImageSets, image_sets_of
from orchestration.settings import Settings
from orchestration.workspace import Workspace
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
    assert sets.to_report("shelves")["images"].num_rows == PICTURES
    (
        sets.folder("shelves") / "judged" / "images.parquet"
    ).unlink()  # as of a set that was judged before these were kept
    with pytest.raises(ImageSetError, match="no judged images; judge it again"):
        sets.to_report("shelves")


def test_classes_of_products_are_held_against_the_catalogue(sets: ImageSets) -> None:
    named, known = with_products(sets), ImageSets(sets.home, frozenset(["P-1", "P-2"]))
    assert known.take_in("named", named).passed
    fewer = ImageSets(sets.home, frozenset(["P-1"]))
    refused = fewer.take_in("named", named)
    assert [line.split(":")[0] for line in refused.broken] == ["label_classes reference", "image_labels reference"]
    assert refused.counts["image_labels"]["quarantined"] == PICTURES  # the labels of a class that is held are held


def test_the_catalogue_of_the_shop_judges_sets_that_commands_and_assets_take_in(
    sets: ImageSets, make_settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A product that no class names is no reason to judge a set again."""
    spec = with_products(sets)
    shutil.rmtree(sets.folder("shelves"))
    settings = make_settings(home=sets.home, cameras=spec)
    workspace = Workspace(settings)
    monkeypatch.setenv("STORELOOP_HOME", str(settings.home))
    monkeypatch.setenv("STORELOOP_TWIN_SIZE", settings.twin_size)

    def sold(*ids: str) -> None:
        schema = load_contract("products").arrow_schema()
        rows = [{**dict.fromkeys(schema.names), "product_id": each} for each in ids]
        workspace.lake.write("clean", "products", pa.Table.from_pylist(rows, schema=schema), fingerprint="+".join(ids))

    def imported() -> int:
        return CliRunner().invoke(app, ["import", "named", spec]).exit_code

    sold("P-1")
    assert imported() == 1 and not take_pictures(workspace).passed
    said = judge_sets(workspace)
    assert not said.passed and any("named: label_classes reference" in line for line in said.check_metadata["broken"])
    sold("P-1", "P-2")
    assert judge_sets(workspace).passed and take_pictures(workspace).passed
    sold("P-1", "P-2", "P-3")
    assert image_sets_of(workspace).is_current("named", spec) and take_pictures(workspace).metadata["unchanged"]
    sold("P-2")
    assert not image_sets_of(workspace).is_current("named", spec)


def test_a_picture_that_lies_beside_the_folder_of_its_coco_file_is_seen_to_change(
    tmp_path: Path, make_settings: Callable[..., Settings]
) -> None:
    """By the gate on sets and by the cameras alike."""
    root, picture = tmp_path / "coco", tmp_path / "coco" / "train" / "0.png"
    for folder in ("annotations", "train"):
        (root / folder).mkdir(parents=True)
    document = {
        "images": [{"id": 0, "file_name": "train/0.png"}],
        "annotations": [{"id": 0, "image_id": 0, "category_id": 1, "bbox": [2, 2, 8, 8]}],
        "categories": [{"id": 1, "name": "milk"}],
    }
    (root / "annotations" / "instances.json").write_text(json.dumps(document))
    picture.write_bytes(encode_picture(np.full((20, 40, 3), 7, np.uint8)))
    settings = make_settings(cameras=f"coco:{root / 'annotations' / 'instances.json'}")
    sets, workspace = ImageSets(settings.home), Workspace(settings)
    assert sets.take_in("shelves", settings.cameras).passed
    assert [take_pictures(workspace).metadata["unchanged"] for _ in range(2)] == [False, True]
    picture.write_bytes(encode_picture(np.full((20, 41, 3), 8, np.uint8)))
    assert take_pictures(workspace).metadata["unchanged"] is False
    sets.judged("shelves")
    assert (sets.open("shelves").pixels("train/0.png") == 8).all()


def with_products(sets: ImageSets) -> str:
    """The set shelves as a delivery whose two classes name the products P-1 and P-2."""
    root = Path(shutil.copytree(sets.folder("shelves") / "set", sets.home.parent / "with_products"))
    classes = pq.read_table(root / "label_classes.parquet")
    named = classes.set_column(classes.column_names.index("product_id"), "product_id", pa.array(["P-1", "P-2"]))
    pq.write_table(named, root / "label_classes.parquet")
    return f"image_set:{root}"
