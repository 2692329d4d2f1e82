"""Any YOLO folder: `data.yaml` (or `classes.txt`), pictures, and beside each `images/` a `labels/` of text files.

A line is `class x y width height` as shares of the picture (Ultralytics), with a sixth number a confidence; `class` and at
least three corners is a segment, whose upright box counts; of pose sets the points after the box are left behind. As in
Ultralytics, a picture without a file of labels holds nothing.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Final

from sources.base import SourceError
from sources.images.boxes import Box, BoxError, from_polygon, from_yolo
from sources.images.files import SPLITS, add_picture, find_pictures, inside, read_text, relative_to
from sources.images.rows import ImageRows, quote

_CLASS_FILE: Final = "classes.txt"
_YAML_SPLITS: Final = ("train", "val", "valid", "test")
_BOX_WORDS: Final = 5


def yolo_images(folder: Path) -> ImageRows:
    """Raw rows of a YOLO folder; label_id is the picture's path and the number of the line.

    Lines that cannot be read, and files of labels without a picture, are rows with their `problem`. Errors: SourceError for
    a folder without names of classes or pictures, and for any path that leads out of the folder.
    """
    layout = _layout(folder)
    rows = ImageRows(folder)
    rows.add_classes(layout.names)
    used: set[Path] = set()
    for split, picture in layout.pictures:
        path = relative_to(folder, picture)
        size = add_picture(rows, path, split=split)
        labels = _labels_of(picture, folder)
        used.add(labels)
        if labels.is_file():
            _add_labels(rows, path, labels, size, layout)
    for orphan in _label_files(folder) - used:
        rows.labels.add(
            label_id=relative_to(folder, orphan),
            image_id=relative_to(folder, orphan),
            problem=f"{relative_to(folder, orphan)} has labels, but no picture is called so; add it or remove the file",
        )
    return rows


@dataclass(frozen=True)
class _Layout:
    names: tuple[str, ...]
    pose: bool  # numbers after the box are points
    pictures: tuple[tuple[str | None, Path], ...]  # split and file


def _layout(folder: Path) -> _Layout:
    described = [folder / "data.yaml"] if (folder / "data.yaml").is_file() else sorted(folder.glob("*.y*ml"))
    if len(described) > 1:
        raise SourceError(
            f"{folder}: {', '.join(p.name for p in described)} may all describe it; call the right one data.yaml"
        )
    if described:
        said = _yaml(described[0])
        pictures = tuple(_of_yaml(folder, described[0], said))
        names, pose = _names(described[0], said.get("names")), bool(said.get("kpt_shape"))
    elif (folder / _CLASS_FILE).is_file():
        names = tuple(line.strip() for line in read_text(folder / _CLASS_FILE).splitlines() if line.strip())
        pictures, pose = tuple((_split_of(folder, path), path) for path in find_pictures(folder)), False
    else:
        raise SourceError(
            f"{folder}: neither data.yaml nor {_CLASS_FILE}; one of them must name the classes in their order"
        )
    if not names or not pictures:
        raise SourceError(f"{folder}: {len(names)} classes and {len(pictures)} pictures; a set has some of both")
    return _Layout(names, pose, pictures)


def _yaml(path: Path) -> dict[str, Any]:
    import yaml

    try:
        said = yaml.safe_load(read_text(path))
    except yaml.YAMLError as error:
        raise SourceError(f"{path}: not readable as YAML ({error}); mend it") from error
    if not isinstance(said, dict):
        raise SourceError(f"{path}: must say names, train and val; see any data.yaml of Ultralytics")
    return said


def _names(path: Path, said: object) -> tuple[str, ...]:
    """Names by class number: a list, or a mapping from 0 without a gap."""
    if isinstance(said, dict):
        numbers = sorted(said, key=lambda number: (not isinstance(number, int), str(number).zfill(9)))
        if numbers != list(range(len(numbers))):
            raise SourceError(f"{path}: names are numbered {quote(numbers)}; number them from 0 without a gap")
        said = [said[number] for number in numbers]
    if not isinstance(said, list) or not said:
        raise SourceError(f"{path}: names is {quote(said)}; list the names of the classes in their order")
    return tuple(str(name).strip() for name in said)


def _of_yaml(folder: Path, path: Path, said: dict[str, Any]) -> Iterator[tuple[str | None, Path]]:
    seen: set[Path] = set()
    for key in _YAML_SPLITS:
        places = said.get(key) or []
        for place in places if isinstance(places, list) else [places]:
            for picture in _pictures_at(folder, path, said.get("path"), str(place)):
                if picture not in seen:
                    seen.add(picture)
                    yield SPLITS[key], picture


def _pictures_at(folder: Path, described: Path, base: object, place: str) -> list[Path]:
    """Pictures of one place that data.yaml names: a folder, or a text file that lists pictures.

    `path` is where the set lay when it was made: it counts where it names a folder in here, else `folder` does. Roboflow
    writes ../train/images and means train/images, as Ultralytics knows too.
    """
    bases = [folder]
    if isinstance(base, str) and base and not Path(base).is_absolute() and ".." not in Path(base).parts:
        bases.insert(0, folder / base)
    for start in bases:
        found = inside(folder, (PurePosixPath(relative_to(folder, start)) / place.removeprefix("../")).as_posix())
        if found.is_dir():
            return find_pictures(found)
        if found.is_file():
            return [
                _listed(folder, found, start, line.strip()) for line in read_text(found).splitlines() if line.strip()
            ]
    raise SourceError(
        f"{described}: {place!r} is no folder or list of pictures below {folder}; mend the entry or remove it"
    )


def _listed(folder: Path, listing: Path, start: Path, line: str) -> Path:
    """A listed picture: ./a.jpg lies beside the list, a.jpg below the folder that places are relative to."""
    beside = listing.parent if line.startswith("./") else start
    return inside(folder, (PurePosixPath(relative_to(folder, beside)) / line).as_posix())


def _split_of(folder: Path, picture: Path) -> str | None:
    parts = picture.relative_to(folder).parts[:-1]
    return next((SPLITS[part.lower()] for part in parts if part.lower() in SPLITS), None)


def _labels_of(picture: Path, folder: Path) -> Path:
    """The last folder called images becomes labels; without one, the labels lie beside the picture."""
    parts = list(picture.relative_to(folder).parts)
    places = [place for place, part in enumerate(parts[:-1]) if part == "images"]
    if places:
        parts[places[-1]] = "labels"
    return folder.joinpath(*parts).with_suffix(".txt")


def _label_files(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*.txt") if "labels" in path.relative_to(folder).parts[:-1]}


def _add_labels(rows: ImageRows, image_id: str, file: Path, size: tuple[int, int] | None, layout: _Layout) -> None:
    inside(rows.root, relative_to(rows.root, file))
    for number, line in enumerate(read_text(file).splitlines(), start=1):
        if not line.strip():
            continue
        cells: dict[str, object] = {"label_id": f"{image_id}#{number}", "image_id": image_id}
        words = line.split()
        try:
            cells["label"] = _class(words[0], layout.names)
            box, confidence = _shape(words[1:], size, pose=layout.pose)
            cells |= {**box.cells(), "confidence": confidence}
        except BoxError as error:
            cells["problem"] = f"line {number} of {relative_to(rows.root, file)}, {quote(line)}: {error}"
        rows.labels.add(**cells)


def _class(word: str, names: tuple[str, ...]) -> str:
    number = float(word) if word.replace(".", "", 1).isdecimal() else -1.0
    if number not in range(len(names)):
        raise BoxError(f"class {word!r} is not one of the {len(names)} named, 0 to {len(names) - 1}")
    return names[int(number)]


def _shape(words: list[str], size: tuple[int, int] | None, *, pose: bool) -> tuple[Box, float | None]:
    if size is None:
        raise BoxError("its picture cannot be used, so that shares of its size say no place")
    try:
        numbers = [float(word) for word in words]
    except ValueError as error:
        raise BoxError(str(error)) from error
    width, height = size
    if len(numbers) < _BOX_WORDS - 1:
        raise BoxError(f"{len(numbers)} numbers; a box has 4, a segment at least 6")
    if pose or len(numbers) <= _BOX_WORDS:
        confidence = numbers[4] if len(numbers) == _BOX_WORDS else None
        return from_yolo(numbers[:4], width, height).snapped(width, height), confidence
    return from_polygon(numbers, width, height).snapped(width, height), None
