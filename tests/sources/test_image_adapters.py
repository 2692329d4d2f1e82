"""Deliveries of pictures as they come: YOLO, COCO, class folders, ok/defect, Grocery Store."""

import json
from pathlib import Path

import pytest
from image_cases import coco_folder, draw, write, yolo_folder

from sources.base import SourceError
from sources.images.boxes import Box
from sources.images.open import delivered_files, open_images
from sources.images.rows import ImageRows, TableRows

EDGES = ("x_min_px", "y_min_px", "x_max_px", "y_max_px")


def rows(table: TableRows) -> list[dict[str, str | None]]:
    return table.to_arrow().to_pylist()


def box(row: dict[str, str | None]) -> tuple[float, ...]:
    return tuple(round(float(row[edge] or "nan"), 6) for edge in EDGES)


def problems(delivery: ImageRows) -> list[str]:
    return [row["problem"] for table in (delivery.images, delivery.labels) for row in rows(table) if row["problem"]]


def test_yolo_boxes_segments_and_confidences_are_pixels(tmp_path: Path) -> None:
    found = open_images(f"yolo:{yolo_folder(tmp_path)}")
    assert [(row["label"], row["position"]) for row in rows(found.classes)] == [("milk", "0"), ("bread", "1")]
    pictures = {row["image_id"]: row for row in rows(found.images)}
    assert {name: row["split"] for name, row in pictures.items()} == {
        "images/train/a.png": "train", "images/train/empty.png": "train", "images/val/c.jpg": "val",
    }  # fmt: skip
    assert {(row["width_px"], row["height_px"]) for row in pictures.values()} == {("40", "20")}
    labels = {row["label_id"]: row for row in rows(found.labels)}
    # Centre (20, 10), 10 wide and 10 high; a triangle from (4, 4) to (20, 16); centre (20, 10), 4 wide and 2 high.
    assert box(labels["images/train/a.png#1"]) == (15, 5, 25, 15)
    assert box(labels["images/train/a.png#2"]) == (4, 4, 20, 16)
    assert box(labels["images/train/a.png#3"]) == (18, 9, 22, 11)
    assert labels["images/train/a.png#3"]["confidence"] == "0.75"
    assert [labels[key]["label"] for key in sorted(labels)] == ["milk", "bread", "bread", "bread"]
    assert box(labels["images/val/c.jpg#1"]) == (0, 0, 20, 20)
    assert problems(found) == []


def test_broken_lines_pictures_and_orphans_are_rows_with_their_problem(tmp_path: Path) -> None:
    root = yolo_folder(tmp_path)
    write(
        root / "labels/train/a.txt",
        "0 0.5 0.5 0.25\n9 .5 .5 .1 .1\n0 .5 x .1 .1\n0 nan .5 .1 .1\n1 .1 .1 .2 .2 .3 .3 .4\n",
    )
    write(root / "labels/train/ghost.txt", "0 0.5 0.5 0.1 0.1\n")
    (root / "images/val/c.jpg").write_bytes(b"\xff\xd8\xff\xe0 no picture")
    draw(root / "images/train/drawing.png").rename(root / "images/train/drawing.bmp")
    found = open_images(f"yolo:{root}")
    said = {row["label_id"]: row["problem"] for row in rows(found.labels)}
    assert "3 numbers; a box has 4" in str(said["images/train/a.png#1"])
    assert "line 2 of labels/train/a.txt" in str(said["images/train/a.png#2"])
    assert "class '9' is not one of the 2 named, 0 to 1" in str(said["images/train/a.png#2"])
    assert "could not convert string to float: 'x'" in str(said["images/train/a.png#3"])
    assert "finite" in str(said["images/train/a.png#4"])
    assert "at least 3 corners" in str(said["images/train/a.png#5"])
    assert "no picture is called so" in str(said["labels/train/ghost.txt"])
    assert "its picture cannot be used" in str(said["images/val/c.jpg#1"])
    pictures = {row["image_id"]: row for row in rows(found.images)}
    assert pictures["images/val/c.jpg"]["width_px"] is None and pictures["images/val/c.jpg"]["problem"]
    assert pictures["images/train/a.png"]["problem"] is None
    assert pictures["images/train/drawing.bmp"]["problem"] is None  # a name decides nothing: its bytes are a PNG


@pytest.mark.parametrize(
    ("yaml", "pictures"),
    [
        ("train: ../train/images\nval: ../valid/images\nnames: [a]", {"train/images/1.png": "train", "valid/images/2.png": "val"}),
        ("path: .\ntrain: [train/images, valid/images]\nnames: [a]", {"train/images/1.png": "train", "valid/images/2.png": "train"}),
        ("path: train\ntrain: images\nnames: [a]", {"train/images/1.png": "train"}),
        ("test: list.txt\nnames: [a]", {"train/images/1.png": "test", "valid/images/2.png": "test"}),
    ],
)  # fmt: skip
def test_yolo_places_as_tools_write_them(tmp_path: Path, yaml: str, pictures: dict[str, str]) -> None:
    write(tmp_path / "data.yaml", yaml)
    write(tmp_path / "list.txt", "./train/images/1.png\nvalid/images/2.png\n")
    draw(tmp_path / "train/images/1.png")
    draw(tmp_path / "valid/images/2.png")
    found = open_images(f"yolo:{tmp_path}")
    assert {row["image_id"]: row["split"] for row in rows(found.images)} == pictures


def test_yolo_of_label_studio_has_classes_in_a_text_file(tmp_path: Path) -> None:
    write(tmp_path / "classes.txt", "milk\nbread\n")
    write(tmp_path / "labels/1.txt", "1 0.5 0.5 1 1")
    draw(tmp_path / "images/1.png")
    found = open_images(f"yolo:{tmp_path}")
    assert rows(found.images)[0]["split"] is None
    assert (rows(found.labels)[0]["label"], box(rows(found.labels)[0])) == ("bread", (0, 0, 40, 20))


def test_pose_points_are_left_behind(tmp_path: Path) -> None:
    write(tmp_path / "data.yaml", "train: images\nkpt_shape: [1, 3]\nnames: [hand]")
    write(tmp_path / "labels/1.txt", "0 0.5 0.5 0.5 0.5 0.9 0.9 2")
    draw(tmp_path / "images/1.png")
    assert box(rows(open_images(f"yolo:{tmp_path}").labels)[0]) == (10, 5, 30, 15)


@pytest.mark.parametrize("place", ["../../other", "/etc", "..", "images/../../x", "C:/pictures", "..\\..\\x"])
def test_a_yolo_folder_names_nothing_outside(tmp_path: Path, place: str) -> None:
    root = yolo_folder(tmp_path / "set")
    draw(tmp_path / "other/1.png")
    write(root / "data.yaml", f"train: '{place}'\nnames: [a]")
    with pytest.raises(SourceError, match="below"):
        open_images(f"yolo:{root}")


def test_a_link_that_leads_out_is_refused(tmp_path: Path) -> None:
    root = yolo_folder(tmp_path / "set")
    (root / "images/train/b.png").symlink_to(draw(tmp_path / "secret.png"))
    with pytest.raises(SourceError, match="leads out"):
        open_images(f"yolo:{root}")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("names: [a]", "1 classes and 0 pictures"),
        ("train: images/train\nnames: {0: a, 2: b}", "without a gap"),
        ("train: images/train\nnames: 3", "list the names"),
        ("train: nowhere\nnames: [a]", "'nowhere' is no folder or list"),
        ("- a", "must say names"),
        ("names: [", "not readable as YAML"),
    ],
)
def test_a_wrong_data_yaml_is_refused(tmp_path: Path, text: str, message: str) -> None:
    root = yolo_folder(tmp_path)
    write(root / "data.yaml", text)
    with pytest.raises(SourceError, match=message):
        open_images(f"yolo:{root}")


def test_coco_boxes_crowds_and_segments(tmp_path: Path) -> None:
    for place in (coco_folder(tmp_path), tmp_path / "annotations/instances_val2017.json"):
        found = open_images(f"coco:{place}")
        assert [(row["label"], row["parent"]) for row in rows(found.classes)] == [("bread", None), ("milk", "drinks")]
        pictures = rows(found.images)
        assert [row["path"] for row in pictures] == ["val2017/a.jpg", "val2017/b.jpg"]
        assert [row["split"] for row in pictures] == ["val", "val"]
        assert pictures[0]["taken_at"] == "2026-03-01 10:00:00"
        labels = rows(found.labels)
        assert [box(row) for row in labels] == [(4, 2, 14, 7), (0, 0, 40, 20), (1, 2, 9, 8.5)]
        assert [row["is_crowd"] for row in labels] == ["false", "true", "false"]
        assert [row["label"] for row in labels] == ["milk", "bread", "bread"]
        assert problems(found) == []


def test_coco_dirt_is_rows_with_their_problem(tmp_path: Path) -> None:
    root = coco_folder(
        tmp_path,
        images=[
            {"id": 1, "file_name": "a.jpg", "width": 20, "height": 40},
            {"id": 2, "file_name": "gone.jpg"},
            {"id": 3},
        ],
        annotations=[
            {"id": 1, "image_id": 9, "category_id": 7, "bbox": [0, 0, 1, 1]},
            {"id": 2, "image_id": 1, "category_id": 5, "bbox": [0, 0, 1, 1]},
            {"id": 3, "image_id": 1, "category_id": 7, "bbox": [0, 0, 1]},
            {"id": 4, "image_id": 1, "category_id": 7, "bbox": ["a", 0, 1, 2]},
            {"id": 5, "image_id": 1, "category_id": 7, "segmentation": {"counts": [1], "size": [2, 2]}},
            {"id": 6, "image_id": 1, "category_id": 7, "bbox": [30, 2, -10, 5]},
            "text",
        ],
    )
    found = open_images(f"coco:{root}")
    said = [row["problem"] or "" for row in rows(found.images)]
    assert "drawn in 20 x 40 pixels, the upright picture has 40 x 20" in said[0]
    assert said[1].startswith("gone.jpg: no such file") and "lacks id or file_name" in said[2]
    said = [row["problem"] or "" for row in rows(found.labels)]
    parts = (
        "image_id 9 is none",
        "category_id 5 is none",
        "not 3",
        "no number",
        "neither a bbox nor polygons",
        "",
        "no annotation",
    )
    assert all(part in text for part, text in zip(parts, said, strict=True)) and said[5] == ""
    assert box(rows(found.labels)[5]) == (30, 2, 20, 7)  # absurd, and kept as it is: the gate says so


def test_one_coco_file_a_split_shares_classes_and_keeps_ids_apart(tmp_path: Path) -> None:
    for split in ("train", "valid"):
        document = {
            "images": [{"id": 0, "file_name": "1.jpg"}],
            "annotations": [{"id": 0, "image_id": 0, "category_id": 1, "bbox": [0, 0, 2, 2]}],
            "categories": [{"id": 1, "name": "milk"}],
        }
        write(tmp_path / split / "_annotations.coco.json", json.dumps(document))
        draw(tmp_path / split / "1.jpg", level=len(split))
    found = open_images(f"coco:{tmp_path}")
    assert [(row["image_id"], row["split"]) for row in rows(found.images)] == [
        ("train/1.jpg", "train"),
        ("valid/1.jpg", "val"),
    ]
    assert len({row["label_id"] for row in rows(found.labels)}) == 2 and len(found.classes) == 1


@pytest.mark.parametrize("name", ["../../secret.jpg", "/etc/hostname", "C:\\x.jpg"])
def test_a_coco_file_names_nothing_outside(tmp_path: Path, name: str) -> None:
    root = coco_folder(tmp_path / "a/b", images=[{"id": 1, "file_name": name}], annotations=[])
    draw(tmp_path / "secret.jpg")
    with pytest.raises(SourceError, match="not below it"):
        open_images(f"coco:{root}")


def test_ok_and_defect_folders_of_several_kinds(tmp_path: Path) -> None:
    for path in ("train/ok_front/1.jpeg", "test/def_front/2.jpeg"):
        draw(tmp_path / "casting" / path)
    found = open_images(f"ok_defect:{tmp_path / 'casting'}")
    assert [(row["label"], row["image_id"]) for row in rows(found.labels)] == [
        ("defect", "test/def_front/2.jpeg"), ("ok", "train/ok_front/1.jpeg"),
    ]  # fmt: skip
    for path in (
        "train/good/1.png",
        "test/good/2.png",
        "test/scratch/3.png",
        "test/dent/4.png",
        "ground_truth/dent/4.png",
    ):
        draw(tmp_path / "mvtec" / path)
    found = open_images(f"ok_defect:{tmp_path / 'mvtec'}")
    assert [(row["label"], row["parent"]) for row in rows(found.classes)] == [
        ("ok", None), ("dent", "defect"), ("scratch", "defect"),
    ]  # fmt: skip
    assert len(found.images) == 4
    with pytest.raises(SourceError, match="not some ok and some defective"):
        open_images(f"ok_defect:{tmp_path / 'mvtec/train'}")
    draw(tmp_path / "mvtec/loose.png")
    with pytest.raises(SourceError, match="no folder of a class"):
        open_images(f"class_folders:{tmp_path / 'mvtec'}")


CLASSES = """Class Name (str),Class ID (int),Coarse Class Name (str),Coarse Class ID (int)
Pink-Lady,1,Apple,0
Leek,0,Leek,1
"""


def test_grocery_classes_have_coarse_parents_and_the_official_split(tmp_path: Path) -> None:
    write(tmp_path / "classes.csv", CLASSES)
    write(tmp_path / "train.txt", "train/Pink-Lady/1.jpg, 1, 0\n")
    write(tmp_path / "val.txt", "")
    write(tmp_path / "test.txt", "test/Leek/2.jpg, 0, 1\ntest/gone.jpg, 0, 1\n")
    draw(tmp_path / "train/Pink-Lady/1.jpg")
    draw(tmp_path / "test/Leek/2.jpg")
    found = open_images(f"grocery_store:{tmp_path}")
    assert [(row["label"], row["parent"]) for row in rows(found.classes)] == [("Leek", "Leek"), ("Pink-Lady", "Apple")]
    assert [(row["path"], row["split"]) for row in rows(found.images)] == [
        ("train/Pink-Lady/1.jpg", "train"), ("test/Leek/2.jpg", "test"), ("test/gone.jpg", "test"),
    ]  # fmt: skip
    assert [row["label"] for row in rows(found.labels)] == ["Pink-Lady", "Leek", "Leek"]
    assert problems(found) == ["test/gone.jpg: no such file; mend the path or remove the entry"]
    write(tmp_path / "train.txt", "train/Pink-Lady/1.jpg, 2, 0\n")
    with pytest.raises(SourceError, match=r"train\.txt line 1"):
        open_images(f"grocery_store:{tmp_path}")


@pytest.mark.parametrize("row", ["Leek,0", "Leek,0,,1", ",0,Leek,1"])
def test_a_short_row_of_grocery_classes_names_its_line(tmp_path: Path, row: str) -> None:
    write(tmp_path / "classes.csv", CLASSES.replace("Leek,0,Leek,1", row))
    with pytest.raises(
        SourceError, match=r"classes\.csv line 3: no (Coarse )?Class Name \(str\); use the published file"
    ):
        open_images(f"grocery_store:{tmp_path}")


def test_a_list_of_the_official_split_that_is_missing_is_named(tmp_path: Path) -> None:
    """Two splits that are not the published ones would be compared with its figures."""
    write(tmp_path / "classes.csv", CLASSES)
    write(tmp_path / "train.txt", "train/Pink-Lady/1.jpg, 1, 0\n")
    draw(tmp_path / "train/Pink-Lady/1.jpg")
    with pytest.raises(SourceError, match=r"val\.txt, test\.txt of the official split are missing"):
        open_images(f"grocery_store:{tmp_path}")


def test_a_change_of_any_file_that_a_delivery_reads_is_seen(tmp_path: Path) -> None:
    """Pictures of a COCO file lie beside it or, where its folder is called annotations, beside that."""
    coco = coco_folder(tmp_path / "coco") / "annotations/instances_val2017.json"
    yolo = yolo_folder(tmp_path / "yolo")
    for spec, picture in (
        (f"coco:{coco}", tmp_path / "coco/val2017/a.jpg"),
        (f"yolo:{yolo}", yolo / "images/val/c.jpg"),
    ):
        before = delivered_files(spec)
        assert before == delivered_files(spec)
        draw(picture, width=60, level=9)
        assert delivered_files(spec) != before
    assert delivered_files(f"yolo:{tmp_path / 'gone' / 'away'}") == []


def test_an_unknown_kind_or_place_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="of no known kind; use one of yolo:FOLDER"):
        open_images("voc:/x")
    with pytest.raises(SourceError, match="lack their path"):
        open_images("yolo")
    with pytest.raises(SourceError, match="does not exist"):
        open_images(f"yolo:{tmp_path / 'nowhere'}")


def test_only_rounding_is_put_onto_the_edge() -> None:
    assert Box(-0.4, -1.0, 40.9, 20.0).snapped(40, 20) == Box(0.0, 0.0, 40, 20.0)
    assert Box(-1.1, 3.0, 41.5, 21.0).snapped(40, 20) == Box(-1.1, 3.0, 41.5, 20)


def test_a_cell_that_no_contract_names_is_refused() -> None:
    with pytest.raises(KeyError, match="no column colour"):
        TableRows("images").add(image_id="1", colour="red")
