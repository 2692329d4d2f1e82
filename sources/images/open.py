"""Opens a delivery of pictures from its one-line description, e.g. `yolo:/data/shelves`."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

from sources.base import SourceError
from sources.images.rows import ImageRows

FORMS: Final = (
    "yolo:FOLDER | coco:FILE_OR_FOLDER | class_folders:FOLDER | ok_defect:FOLDER | grocery_store:FOLDER | "
    "label_studio:FILE | image_set:FOLDER"
)


def open_images(spec: str) -> ImageRows:
    """Raw rows of the delivery that `spec` names. Errors: SourceError for an unknown kind, a missing path, or as the
    adapter of the kind says."""
    kind, _, where = spec.partition(":")
    openers = _openers()
    if kind not in openers:
        raise SourceError(f"pictures {spec!r} are of no known kind; use one of {FORMS}")
    if not where:
        raise SourceError(f"pictures {spec!r} lack their path; write {kind}:PATH")
    path = Path(where).expanduser()
    if not path.exists():
        raise SourceError(f"pictures {spec!r}: {path} does not exist; give the folder the files lie in")
    return openers[kind](path)


def _openers() -> dict[str, Callable[[Path], ImageRows]]:
    from sources.adapters.coco_images import coco_images
    from sources.adapters.folder_images import class_folder_images, ok_defect_images
    from sources.adapters.grocery_images import grocery_images
    from sources.adapters.label_studio_images import label_studio_images
    from sources.adapters.yolo_images import yolo_images
    from sources.images.image_set import stored_images

    return {
        "yolo": yolo_images,
        "coco": coco_images,
        "class_folders": class_folder_images,
        "ok_defect": ok_defect_images,
        "grocery_store": grocery_images,
        "label_studio": label_studio_images,
        "image_set": stored_images,
    }
