"""An image set as COCO: one JSON file of instances a split, pictures beside."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sources.images.export import Exported, Row, box_of, boxes_only, copy_picture, new_folder, splits_of
from sources.images.image_set import ImageSet


def export_coco(image_set: ImageSet, folder: Path) -> Exported:
    """Write `annotations/instances_<split>.json` (`instances.json` without splits) and `images/<path>`.

    Categories are numbered from 1 as COCO's are; a class's parent is its supercategory. Occlusion and annotator stand under
    `attributes`, as CVAT writes them, confidence as `score`. Errors: SourceError for labels of whole pictures, a folder that
    is there, a changed picture.
    """
    boxes_only(image_set, "COCO")
    images = image_set.images.to_pylist()
    labels = image_set.labels_by_image()
    ids = {row["image_id"]: number for number, row in enumerate(images, start=1)}
    categories = [
        {"id": row["position"] + 1, "name": row["label"], "supercategory": row["parent"] or row["label"]}
        for row in image_set.label_classes.to_pylist()
    ]
    with new_folder(folder) as draft:
        (draft / "annotations").mkdir()
        written = 0
        for split in splits_of(images) or (None,):
            chosen = [row for row in images if row["split"] == split]
            annotations = _annotations(chosen, labels, ids, {c["name"]: c["id"] for c in categories}, first=written + 1)
            written += len(annotations)
            document = {
                "images": [_image(row, ids[row["image_id"]]) for row in chosen],
                "annotations": annotations,
                "categories": categories,
            }
            name = f"instances_{split}.json" if split else "instances.json"
            (draft / "annotations" / name).write_text(json.dumps(document, ensure_ascii=False), encoding="utf-8")
            for row in chosen:
                copy_picture(image_set, row, draft / "images" / row["path"])
    return Exported(folder, len(images), written, {})


def _image(row: Row, number: int) -> dict[str, Any]:
    said = {"id": number, "file_name": row["path"], "width": row["width_px"], "height": row["height_px"]}
    return said if row["taken_at"] is None else {**said, "date_captured": row["taken_at"].isoformat(sep=" ")}


def _annotations(
    images: Sequence[Row],
    labels: dict[str, list[dict[str, Any]]],
    ids: dict[str, int],
    categories: dict[str, int],
    first: int,
) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for image in images:
        for label in labels[image["image_id"]]:
            if (box := box_of(label)) is None:
                continue
            bbox = box.to_coco()
            attributes = {name: label[name] for name in ("occluded_share", "annotator") if label[name] is not None}
            annotation = {
                "id": first + len(found),
                "image_id": ids[image["image_id"]],
                "category_id": categories[label["label"]],
                "bbox": list(bbox),
                "area": bbox[2] * bbox[3],
                "segmentation": [],
                "iscrowd": int(label["is_crowd"] or False),
            }
            score = {} if label["confidence"] is None else {"score": label["confidence"]}
            found.append(annotation | score | ({"attributes": attributes} if attributes else {}))
    return found
