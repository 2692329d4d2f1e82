"""An image set as tasks of Label Studio, with what people drew as annotations and what models propose as predictions.

Format: https://labelstud.io/guide/task_format and https://labelstud.io/guide/predictions (boxes in percent).
"""

import json
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote
from xml.sax.saxutils import quoteattr

from sources.base import SourceError
from sources.images.export import Exported, Row, box_of, copy_picture, new_folder
from sources.images.image_set import ImageSet

if TYPE_CHECKING:
    import pyarrow as pa

LOCAL_FILES: Final = "/data/local-files/?d="  # with LOCAL_FILES_DOCUMENT_ROOT set to the folder of the export
PICTURES: Final = "pictures"
CLASS_FILE: Final = "classes.txt"
KEPT: Final = (
    "occluded_share",
    "annotator",
    "is_crowd",
    "confidence",
)  # what Label Studio has no field for: meta of a region
_BOXES, _CHOICE, _PICTURE = "boxes", "choice", "image"  # names of the controls in the labelling set-up


def export_label_studio(
    image_set: ImageSet,
    folder: Path,
    *,
    predictions: "pa.Table | None" = None,
    to_label: Collection[str] = (),
    url: str = LOCAL_FILES,
) -> Exported:
    """Write `tasks.json`, `pictures/`, the labelling set-up `labels.xml` and `classes.txt`.

    `predictions` are rows in the columns of image_labels that models propose, `annotator` the model and its version and
    `confidence` how sure it is; a task's score is that of its least sure proposal, so that Label Studio can sort by it.
    `to_label` are pictures that nobody has looked at: they come without annotation, as do pictures that have predictions and
    no labels, and all of a set without labels. Other pictures without labels come as looked at and empty.
    Errors: SourceError for predictions of unknown pictures or classes, a folder that is there, a changed picture.
    """
    images, labels = image_set.images.to_pylist(), image_set.labels_by_image()
    proposed = _proposed(image_set, predictions)
    unseen = {
        key for key, group in labels.items() if not group and (key in proposed or not image_set.image_labels.num_rows)
    }
    unseen |= set(to_label)
    rows: list[Row] = [row for group in labels.values() for row in group]
    rows += [row for group in proposed.values() for row in group]
    with new_folder(folder) as draft:
        tasks = []
        for number, image in enumerate(images, start=1):
            copy_picture(image_set, image, draft / PICTURES / image["path"])
            where = url + quote(f"{PICTURES}/{image['path']}")
            task: dict[str, Any] = {"id": number, "data": {_PICTURE: where, "split": image["split"]}}
            if image["image_id"] not in unseen:
                task["annotations"] = [{"result": _result(labels[image["image_id"]], image)}]
            if guesses := proposed.get(image["image_id"]):
                task["predictions"] = _predictions(guesses, image)
            tasks.append(task)
        (draft / "tasks.json").write_text(json.dumps(tasks, ensure_ascii=False), encoding="utf-8")
        (draft / "labels.xml").write_text(_set_up(image_set.classes, rows), encoding="utf-8")
        (draft / CLASS_FILE).write_text("".join(f"{name}\n" for name in image_set.classes), encoding="utf-8")
    return Exported(folder, len(images), image_set.image_labels.num_rows, {})


def _proposed(image_set: ImageSet, predictions: "pa.Table | None") -> dict[str, list[Row]]:
    grouped: dict[str, list[Row]] = {}
    known, classes = set(image_set.images["image_id"].to_pylist()), set(image_set.classes)
    for row in [] if predictions is None else predictions.to_pylist():
        if row["image_id"] not in known or row["label"] not in classes or not row["annotator"]:
            raise SourceError(
                f"prediction {row['label_id']!r} of {row['image_id']!r}, {row['label']!r} by {row['annotator']!r}: name a "
                "picture and a class of the set, and the model and its version as annotator"
            )
        grouped.setdefault(row["image_id"], []).append(row)
    return grouped


def _predictions(rows: Iterable[Row], image: Row) -> list[dict[str, Any]]:
    """One prediction a model version, by name."""
    by_model: dict[str, list[Row]] = {}
    for row in rows:
        by_model.setdefault(row["annotator"], []).append(row)
    return [
        {
            "model_version": model,
            "score": min((row["confidence"] for row in group if row["confidence"] is not None), default=None),
            "result": _result(group, image),
        }
        for model, group in sorted(by_model.items())
    ]


def _result(rows: Iterable[Row], image: Row) -> list[dict[str, Any]]:
    width, height = image["width_px"], image["height_px"]
    regions = []
    for row in rows:
        box = box_of(row)
        region: dict[str, Any] = {"id": row["label_id"], "to_name": _PICTURE, "image_rotation": 0}
        region |= {"original_width": width, "original_height": height}
        if box is None:
            region |= {"from_name": _CHOICE, "type": "choices", "value": {"choices": [row["label"]]}}
        else:
            x, y, wide, high = box.to_percent(width, height)
            value = {"x": x, "y": y, "width": wide, "height": high, "rotation": 0, "rectanglelabels": [row["label"]]}
            region |= {"from_name": _BOXES, "type": "rectanglelabels", "value": value}
        if meta := {name: row[name] for name in KEPT if row[name] is not None}:
            region["meta"] = meta
        if row["confidence"] is not None:
            region["score"] = row["confidence"]
        regions.append(region)
    return regions


def _set_up(classes: Iterable[str], rows: Sequence[Row]) -> str:
    """The labelling set-up to paste into a project: boxes, choices or both, as the set has them; boxes for an empty one."""
    names = list(classes)
    parts = []
    if not rows or any(row["x_min_px"] is not None for row in rows):
        values = "".join(f"<Label value={quoteattr(name)}/>" for name in names)
        parts.append(f'<RectangleLabels name="{_BOXES}" toName="{_PICTURE}">{values}</RectangleLabels>')
    if any(row["x_min_px"] is None for row in rows):
        values = "".join(f"<Choice value={quoteattr(name)}/>" for name in names)
        parts.append(f'<Choices name="{_CHOICE}" toName="{_PICTURE}" choice="single">{values}</Choices>')
    return f'<View><Image name="{_PICTURE}" value="${_PICTURE}"/>{"".join(parts)}</View>\n'
