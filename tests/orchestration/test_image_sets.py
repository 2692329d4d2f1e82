"""A delivery of pictures through the gate: good rows are kept, broken ones wait for a steward, too many stop the set."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from image_deliveries import delivery, held

from data_checks.quarantine import Quarantine
from models.common.pictures import encode_picture
from orchestration.image_sets import ImageSetError, ImageSets, TakenIn
from sources.base import SourceError
from sources.images.image_set import read_image_set


@pytest.fixture
def sets(tmp_path: Path) -> ImageSets:
    return ImageSets(tmp_path / "home")


@pytest.fixture
def taken(sets: ImageSets, tmp_path: Path) -> Callable[..., TakenIn]:
    return lambda **dirt: sets.take_in("shelves", delivery(tmp_path / "yolo", **dirt))


def test_few_broken_rows_wait_and_the_others_go_on(sets: ImageSets, taken: Callable[..., TakenIn]) -> None:
    outcome = taken(broken_boxes=2, broken_pictures=1)
    assert outcome.passed and outcome.broken == ()
    assert held(sets, "images") == {"images/59.png": ["required:width_px", "required:height_px", "picture_is_readable"]}
    assert held(sets, "image_labels") == {
        "images/00.png#1": ["box_is_inside"],
        "images/01.png#1": ["box_is_inside"],
        "images/59.png#1": ["reference:image_id", "label_is_readable"],
        "images/59.png#2": ["reference:image_id", "label_is_readable"],
    }
    opened = sets.open("shelves")
    assert (opened.images.num_rows, opened.image_labels.num_rows) == (59, 116)
    assert opened.classes == ("milk", "bread")
    assert (opened.pixels("images/07.png") == 7).all()
    assert not (opened.folder / "images/59.png").exists()
    by_image = opened.labels_by_image()
    assert [row["label"] for row in by_image["images/00.png"]] == ["bread"]
    assert by_image["images/05.png"][0]["x_min_px"] == pytest.approx(16)
    page = (outcome.site / "table-image_labels.html").read_text()
    assert "box_is_inside" in page


def test_too_many_broken_rows_stop_the_set_until_a_steward_has_spoken(
    sets: ImageSets, taken: Callable[..., TakenIn]
) -> None:
    assert taken().passed
    outcome = taken(broken_boxes=3)  # 3 of 120 boxes are 2.5 %, 2 % are tolerated
    assert not outcome.passed
    assert [line.split(":")[0] for line in outcome.broken] == ["image_labels box_is_inside"]
    assert "3 of 120 rows fail (2.50%), 2.00% are tolerated" in outcome.broken[0]
    with pytest.raises(ImageSetError, match="the gate refuses image_labels"):
        sets.open("shelves")
    before = read_image_set(sets.folder("shelves") / "set")
    assert before.image_labels.num_rows == 120  # the set of before stays whole
    steward = Quarantine(sets.folder("shelves"))
    steward.decide("image_labels", verdict="reject", reason="drawn on another picture", who="Ada", rule="box_is_inside")
    assert sets.take_in("shelves").passed
    assert sets.open("shelves").image_labels.num_rows == 117


def test_copies_in_two_splits_stop_a_set(sets: ImageSets, tmp_path: Path) -> None:
    root = tmp_path / "folders"
    for i in range(20):
        for split in ("train", "test"):
            path = root / split / "milk" / f"{i}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            level = i if split == "train" or i == 0 else 100 + i
            path.write_bytes(encode_picture(np.full((8, 8, 3), level, np.uint8)))
    outcome = sets.take_in("leak", f"class_folders:{root}")
    assert [line.split(":")[0] for line in outcome.broken] == ["images copies_share_a_split"]
    rows = Quarantine(sets.folder("leak")).rows("images", rule="copies_share_a_split")
    assert rows["image_id"].to_pylist() == ["test/milk/0.png"]


def test_a_set_is_known_by_a_plain_name_and_never_half_there(sets: ImageSets, taken: Callable[..., TakenIn]) -> None:
    with pytest.raises(ImageSetError, match="use 1 to 60"):
        sets.folder("../up")
    with pytest.raises(ImageSetError, match="there are none"):
        sets.open("shelves")
    assert taken().passed and sets.names() == ("shelves",)
    opened = sets.open("shelves")
    with pytest.raises(SourceError, match="no picture 'x'"):
        opened.pixels("x")
    (opened.folder / "images/03.png").write_bytes(encode_picture(np.zeros((20, 40, 3), np.uint8)))
    with pytest.raises(SourceError, match=r"images/03\.png: its SHA-256 is"):
        opened.pixels("images/03.png")
    (opened.folder / "image_labels.parquet").write_bytes(b"no table")
    with pytest.raises(SourceError, match="not readable as Parquet"):
        sets.open("shelves")


@pytest.mark.realdata
def test_published_sets_pass_whole(sets: ImageSets, real_data: Path) -> None:
    """Sizes and splits as published: 81 fine and 43 coarse classes, 2,640 / 296 / 2,485 photos; 73 of 145 castings are ok."""
    assert sets.take_in("grocery", f"grocery_store:{real_data / 'grocery_store'}").passed
    grocery = sets.open("grocery")
    splits = grocery.images["split"].to_pylist()
    assert {split: splits.count(split) for split in set(splits)} == {"train": 2_640, "val": 296, "test": 2_485}
    assert (len(grocery.classes), len(set(grocery.label_classes["parent"].to_pylist()))) == (81, 43)
    assert grocery.image_labels.num_rows == 5_421
    assert sets.take_in("casting", f"ok_defect:{real_data / 'casting_defects' / 'casting_data'}").passed
    labels = sets.open("casting").image_labels["label"].to_pylist()
    assert (labels.count("ok"), labels.count("defect")) == (73, 72)
