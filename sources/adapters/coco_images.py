"""Any COCO set: one JSON file of images, annotations and categories, or a folder with one for each split.

Boxes are (left, top, width, height) in pixels; of an annotation with segments alone, the box around them. `iscrowd` marks
a heap that nobody counted. Extra `attributes` of CVAT (occluded_share, annotator) and a `score` are taken over.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from sources.base import SourceError
from sources.images.boxes import Box, BoxError, from_coco, from_polygon
from sources.images.files import SPLITS, add_picture, inside, read_json, relative_to
from sources.images.rows import ImageRows, quote

_Document = Mapping[str, list[Any]]
_PARTS: Final = ("images", "annotations", "categories")


def coco_images(place: Path) -> ImageRows:
    """Raw rows of a COCO file (pictures below its folder, or below the folder above) or of a folder of such files.

    Images whose file is missing, annotations of unknown images or categories and boxes that are none are rows with their
    `problem`. Errors: SourceError for no such file, and for a file name that leads out of the folder.
    """
    root, documents = _found(place)
    rows = ImageRows(root)
    rows.add_classes(*_classes(documents))
    for file, document in documents.items():
        prefix = f"{relative_to(root, file).removesuffix('.json')}:" if len(documents) > 1 else ""
        _add_document(rows, file, document, prefix)
    return rows


def root_of(file: Path) -> Path:
    """The folder in which the pictures of a COCO file lie: its own, or the one above a folder `annotations`."""
    return file.parent.parent if file.parent.name == "annotations" else file.parent


def _found(place: Path) -> tuple[Path, dict[Path, _Document]]:
    """The folder that everything lies in, and its COCO files."""
    if place.is_file():
        document = read_json(place)
        if not _is_coco(document):
            raise SourceError(f"{place}: a COCO file has the lists {', '.join(_PARTS)}; this one lacks some")
        return root_of(place), {place: document}
    documents = {}
    for path in sorted(place.rglob("*.json")):
        inside(place, relative_to(place, path))
        if _is_coco(document := read_json(path)):
            documents[path] = document
    if not documents:
        raise SourceError(f"{place}: no JSON file with {', '.join(_PARTS)} below it; give the file itself")
    return place, documents


def _is_coco(document: object) -> bool:
    return isinstance(document, dict) and all(isinstance(document.get(part), list) for part in _PARTS)


def _classes(documents: Mapping[Path, _Document]) -> tuple[list[str], dict[str, str]]:
    """Names in the order of their ids, and the supercategory of each that has another name."""
    names: dict[str, Any] = {}
    parents: dict[str, str] = {}
    for path, document in documents.items():
        for category in document["categories"]:
            known = isinstance(category, dict) and isinstance(category.get("id"), int | str)
            if not known or not str(category.get("name", "")).strip():
                raise SourceError(f"{path}: the category {quote(category)} lacks its id or name; mend it")
            name = str(category["name"]).strip()
            names.setdefault(name, category["id"])
            if (parent := str(category.get("supercategory") or "").strip()) and parent not in (name, "none"):
                parents.setdefault(name, parent)
    return sorted(names, key=lambda name: (not isinstance(names[name], int), names[name])), parents


def _add_document(rows: ImageRows, file: Path, document: _Document, prefix: str) -> None:
    names = {category["id"]: str(category["name"]).strip() for category in document["categories"]}
    paths: dict[Any, tuple[str, tuple[int, int] | None]] = {}
    split = _split_of(rows.root, file)
    for image in document["images"]:
        if not isinstance(image, dict) or not isinstance(image.get("id"), int | str) or not image.get("file_name"):
            rows.images.add(
                image_id=f"{prefix}{quote(image)}", problem=f"the entry {quote(image)} lacks id or file_name"
            )
            continue
        path = _path_of(rows.root, file, str(image["file_name"]))
        said = (image.get("width"), image.get("height"))
        size = (said[0], said[1]) if isinstance(said[0], int) and isinstance(said[1], int) else None
        taken_at = str(image["date_captured"]) if image.get("date_captured") else None
        found = add_picture(rows, path, said_size=size, split=split, taken_at=taken_at)
        paths[image["id"]] = (path, found)
    for number, annotation in enumerate(document["annotations"]):
        _add_label(rows, annotation, f"{prefix}{number}", prefix, paths, names)


def _add_label(
    rows: ImageRows,
    annotation: Any,
    fallback_id: str,
    prefix: str,
    paths: Mapping[Any, tuple[str, tuple[int, int] | None]],
    names: Mapping[Any, str],
) -> None:
    if not isinstance(annotation, dict):
        rows.labels.add(label_id=fallback_id, problem=f"{quote(annotation)} is no annotation")
        return
    own_id, image, category = (annotation.get(name) for name in ("id", "image_id", "category_id"))
    path, size = paths.get(image, (None, None)) if isinstance(image, int | str) else (None, None)
    cells: dict[str, object] = {
        "label_id": fallback_id if own_id is None else f"{prefix}{own_id}",
        "image_id": path,
        "label": names.get(category) if isinstance(category, int | str) else None,
        "is_crowd": bool(annotation.get("iscrowd", False)),
        "confidence": annotation.get("score"),
    }
    attributes = annotation.get("attributes")
    if isinstance(attributes, dict):
        cells |= {name: attributes[name] for name in ("occluded_share", "annotator") if name in attributes}
    try:
        if path is None:
            raise BoxError(f"image_id {quote(image)} is none of the images")
        if cells["label"] is None:
            raise BoxError(f"category_id {quote(category)} is none of the categories")
        box = _box(annotation)
        cells |= (box if size is None else box.snapped(*size)).cells()
    except BoxError as error:
        cells["problem"] = f"annotation {quote(own_id)}: {error}"
    rows.labels.add(**cells)


def _box(annotation: Mapping[str, Any]) -> Box:
    if isinstance(annotation.get("bbox"), list) and annotation["bbox"]:
        return from_coco(annotation["bbox"])
    parts = annotation.get("segmentation")
    if not isinstance(parts, list) or not all(isinstance(part, list) for part in parts) or not parts:
        raise BoxError("neither a bbox nor polygons")
    around = [from_polygon(part) for part in parts]
    return Box(
        min(box.x_min for box in around),
        min(box.y_min for box in around),
        max(box.x_max for box in around),
        max(box.y_max for box in around),
    )


def _path_of(root: Path, file: Path, name: str) -> str:
    """Where the picture lies: beside the JSON file, below the root, or in the usual folders of each."""
    stem = file.stem.split("_")[-1]
    tried = [
        relative_to(root, file.parent / name)
        if file.parent != root and ".." not in name and name[:1] not in "/\\"
        else name,
        name,
        *(f"{folder}/{name}" for folder in ("images", stem, f"images/{stem}")),
    ]
    paths = [inside(root, path) for path in tried]
    found = next((path for path in paths if path.is_file()), paths[1])
    return relative_to(root, found)


def _split_of(root: Path, file: Path) -> str | None:
    """By the folder that the file lies in (Roboflow), else by its name (instances_val2017.json)."""
    words = [*file.relative_to(root).parts[:-1], *file.stem.split("_"), *file.stem.split("-")]
    return next((SPLITS[word] for word in (w.lower().rstrip("0123456789") for w in words) if word in SPLITS), None)
