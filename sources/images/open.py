"""Opens a delivery of pictures from its one-line description, e.g. `yolo:/data/shelves`."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

from sources.base import SourceError
from sources.images.files import relative_to
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


def delivered_files(spec: str) -> list[tuple[str, int, int]]:
    """Path, bytes and time of change (ns) of every file that a delivery may read, so that a change is seen without reading it.

    Of one file, such as COCO's, those are all files of the folder in which its pictures lie; of what is gone there are none.
    """
    kind, _, where = spec.partition(":")
    path = Path(where).expanduser()
    root = path if path.is_dir() else _coco_root(path) if kind == "coco" else path.parent
    found = ((each, each.stat()) for each in sorted(root.rglob("*")) if each.is_file())
    return [(relative_to(root, each), facts.st_size, facts.st_mtime_ns) for each, facts in found]


def _coco_root(file: Path) -> Path:
    from sources.adapters.coco_images import root_of

    return root_of(file)


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
