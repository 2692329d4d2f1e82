"""Pictures sorted into folders by class: `train/apple/1.jpg`, or `apple/1.jpg` where there are no splits.

Any ok/defect set of visual inspection is one too: casting parts (`ok_front`, `def_front`), MVTec (`good`, `scratch`, ...).
"""

from collections.abc import Callable
from pathlib import Path
from typing import Final

from sources.base import SourceError
from sources.images.files import SPLITS, add_picture, find_pictures, relative_to
from sources.images.rows import ImageRows

OK, DEFECT = "ok", "defect"
_OK_WORDS: Final = frozenset({"ok", "good", "normal", "pass", "perfect"})
_MASKS: Final = frozenset({"ground_truth", "masks"})  # drawings of where a defect is, no photos


def class_folder_images(folder: Path) -> ImageRows:
    """Raw rows of pictures in class folders; a class is the name of the folder that a picture lies in.

    Errors: SourceError for a picture that lies in no class folder, and for none at all.
    """
    return _rows(folder, lambda name: name)


def ok_defect_images(folder: Path) -> ImageRows:
    """Raw rows with the classes `ok` and `defect`: a folder whose name begins with ok, good, normal or pass is `ok`.

    Where there are kinds of defects they are told apart as classes of the parent `defect`. Errors: SourceError where no
    folder, or every folder, is `ok`.
    """
    rows = _rows(folder, lambda name: OK if _first_word(name) in _OK_WORDS else name, parent=DEFECT)
    return rows


def _first_word(name: str) -> str:
    return name.lower().replace("-", "_").split("_")[0]


def _rows(folder: Path, class_of: Callable[[str], str], parent: str | None = None) -> ImageRows:
    if not folder.is_dir():
        raise SourceError(f"{folder} is no folder; give the one that the folders of the classes lie in")
    placed: list[tuple[Path, str | None, str]] = []
    for path in find_pictures(folder):
        parts = path.relative_to(folder).parts[:-1]
        if _MASKS & {part.lower() for part in parts}:
            continue
        split = next((SPLITS[part.lower()] for part in parts if part.lower() in SPLITS), None)
        if not parts or parts[-1].lower() in SPLITS:
            raise SourceError(f"{path}: lies in no folder of a class; sort the pictures into one folder for each class")
        placed.append((path, split, class_of(parts[-1])))
    names = sorted({label for _, _, label in placed})
    if parent is not None:
        names, placed = _inspected(folder, names, placed)
    if not placed:
        raise SourceError(f"{folder}: no picture below it; give the folder that the folders of the classes lie in")
    rows = ImageRows(folder)
    kinds = {name: parent for name in names if parent and name not in (OK, parent)}
    rows.add_classes(names, kinds)
    for path, split, label in placed:
        image_id = relative_to(folder, path)
        add_picture(rows, image_id, split=split)
        rows.labels.add(label_id=image_id, image_id=image_id, label=label)
    return rows


def _inspected(
    folder: Path, names: list[str], placed: list[tuple[Path, str | None, str]]
) -> tuple[list[str], list[tuple[Path, str | None, str]]]:
    """`ok` first; a single kind of defect is called `defect`."""
    kinds = [name for name in names if name != OK]
    if OK not in names or not kinds:
        raise SourceError(
            f"{folder}: the folders {', '.join(names) or '(none)'} are not some ok and some defective; name them such as "
            "ok and defect"
        )
    if len(kinds) == 1:
        return [OK, DEFECT], [(path, split, OK if label == OK else DEFECT) for path, split, label in placed]
    return [OK, *kinds], placed
