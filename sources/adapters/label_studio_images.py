"""Tasks that people labelled in Label Studio (its JSON export), with the pictures somewhere below the file's folder.

Of a task's annotations the one marked as ground truth counts, else the newest that was not cancelled. A task that nobody has
labelled yet is left out: its picture is not one that holds nothing. Predictions are proposals and are not taken over; one that
a person accepted keeps model and confidence, one that a person moved or renamed is the person's.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, Final
from urllib.parse import parse_qs, unquote, urlsplit

from sources.base import SourceError
from sources.images.boxes import Box, BoxError, from_percent
from sources.images.files import SPLITS, add_picture, find_pictures, inside, read_json, read_text, relative_to
from sources.images.label_studio_export import CLASS_FILE, KEPT
from sources.images.rows import ImageRows, quote

_VALUES: Final = {"rectanglelabels": "rectanglelabels", "choices": "choices"}
_REDRAWN: Final = "prediction-changed"  # origin of a region that a person took from a model and altered
_UPLOAD_MARK: Final = 9  # Label Studio puts eight digits and a dash before the name of an uploaded file
_ASPECT_TOLERANCE: Final = 0.02


def label_studio_images(file: Path) -> ImageRows:
    """Raw rows of an export; classes in the order of `classes.txt` beside it, else by name.

    Tasks whose picture is not found, and regions that are no box or class, are rows with their `problem`. Errors: SourceError
    for a file that is no list of tasks, or one in which nothing is labelled.
    """
    tasks = read_json(file)
    if not isinstance(tasks, list) or not all(isinstance(task, dict) for task in tasks):
        raise SourceError(f"{file}: must be a list of tasks; export as JSON, not JSON-MIN or CSV")
    labelled = [(task, chosen) for task in tasks if (chosen := _annotation(task)) is not None]
    if not labelled:
        raise SourceError(f"{file}: none of {len(tasks):,} tasks has an annotation; label some first")
    rows = ImageRows(file.parent)
    pictures = _Pictures(rows.root)
    seen: set[str] = set()
    for number, (task, annotation) in enumerate(labelled):
        key = str(task.get("id", number))
        path, problem = pictures.find(task.get("data"))
        if path is None:
            rows.images.add(image_id=f"task {key}", path=f"task {key}", problem=problem)
        split = task["data"].get("split") if isinstance(task.get("data"), dict) else None
        size = None if path is None else add_picture(rows, path, split=SPLITS.get(str(split)))
        for place, region in enumerate(annotation.get("result") or []):
            cells = _label(region, size)
            if cells.get("label"):
                seen.add(str(cells["label"]))
            annotator = cells.pop("annotator", None) or _person(annotation)
            rows.labels.add(label_id=f"{key}/{place}", image_id=path or f"task {key}", annotator=annotator, **cells)
    rows.add_classes(_classes(file, seen))
    return rows


class _Pictures:
    """Pictures below a folder, found by what a task says of its own: only files that lie there can be found."""

    def __init__(self, root: Path) -> None:
        self._by_name: dict[str, list[PurePosixPath]] = {}
        for path in find_pictures(root):
            relative = relative_to(root, path)
            inside(root, relative)
            self._by_name.setdefault(path.name, []).append(PurePosixPath(relative))

    def find(self, data: object) -> tuple[str | None, str | None]:
        """Path of the picture whose end agrees with the task's for the most folders; or None and the problem."""
        try:
            said = next(_addresses(data), None)
        except ValueError as error:  # of an address such as http://[shop/1.png
            return None, f"the task's data {quote(data)} hold no address ({error}); mend it"
        if said is None:
            return None, f"the task's data {quote(data)} name no picture"
        wanted = PurePosixPath(said)
        name = wanted.name
        found = self._by_name.get(name) or self._by_name.get(name[_UPLOAD_MARK:] if name[8:9] == "-" else "", [])
        depths = {path: _agreeing(path, wanted) for path in found}
        best = [path for path, depth in depths.items() if depth == max(depths.values())]
        if len(best) == 1:
            return best[0].as_posix(), None
        return (
            None,
            f"{quote(said)}: {len(best) or 'no'} pictures below the folder are called so; put the one it means there",
        )


def _addresses(data: object) -> Iterator[str]:
    """Paths that the data of a task name, the field `image` first."""
    fields = dict(data) if isinstance(data, Mapping) else {}
    for value in [fields.pop("image", None), *fields.values()]:
        if isinstance(value, str):
            address = urlsplit(value)
            local = parse_qs(address.query).get("d")
            path = local[0] if local else unquote(address.path)
            if PurePosixPath(path).suffix:
                yield path


def _agreeing(path: PurePosixPath, wanted: PurePosixPath) -> int:
    pairs = zip(path.parent.parts[::-1], wanted.parent.parts[::-1], strict=False)
    return next((depth for depth, (mine, theirs) in enumerate(pairs) if mine != theirs), len(path.parent.parts))


def _annotation(task: Mapping[str, Any]) -> Mapping[str, Any] | None:
    done = [one for one in task.get("annotations") or [] if isinstance(one, dict) and not one.get("was_cancelled")]
    true = [one for one in done if one.get("ground_truth")]
    return max(true or done, key=lambda one: str(one.get("updated_at") or ""), default=None)


def _person(annotation: Mapping[str, Any]) -> str | None:
    by = annotation.get("completed_by")
    by = by.get("email") or by.get("id") if isinstance(by, dict) else by
    return None if by is None else str(by)


def _label(region: object, size: tuple[int, int] | None) -> dict[str, Any]:
    cells: dict[str, Any] = {}
    try:
        kind = region.get("type") if isinstance(region, dict) else None
        if not isinstance(region, dict) or kind not in _VALUES or not isinstance(region.get("value"), dict):
            raise BoxError(f"a region of type {quote(kind)} is neither a box nor a choice")
        value = region["value"]
        names = value.get(_VALUES[kind])
        if not isinstance(names, list) or len(names) != 1:
            raise BoxError(f"{quote(names)} is not one class")
        meta = region.get("meta")
        cells = {name: meta[name] for name in KEPT if name in meta} if isinstance(meta, dict) else {}
        if region.get("score") is not None:
            cells.setdefault("confidence", region["score"])
        if region.get("origin") == _REDRAWN:
            for name in ("confidence", "annotator"):
                cells.pop(name, None)
        cells["label"] = str(names[0])
        if kind == "rectanglelabels":
            cells |= _box(region, value, size).cells()
    except BoxError as error:
        cells["problem"] = f"{quote(region)}: {error}"
    return cells


def _box(region: Mapping[str, Any], value: Mapping[str, Any], size: tuple[int, int] | None) -> Box:
    if size is None:
        raise BoxError("its picture cannot be used, so that percents of its size say no place")
    if region.get("image_rotation"):
        raise BoxError(
            f"drawn on the picture turned by {quote(region['image_rotation'])} degrees; turn it back and draw again"
        )
    drawn = (region.get("original_width"), region.get("original_height"))
    if isinstance(drawn[0], int) and isinstance(drawn[1], int):
        across, down = drawn[0] * size[1], drawn[1] * size[0]
        if abs(across - down) > _ASPECT_TOLERANCE * max(across, down):
            raise BoxError(f"drawn on {drawn[0]} x {drawn[1]} pixels, the picture has {size[0]} x {size[1]}")
    numbers = [value.get(name) for name in ("x", "y", "width", "height")]
    return from_percent(numbers, *size, rotation_deg=value.get("rotation") or 0.0).snapped(*size)  # type: ignore[arg-type]


def _classes(file: Path, seen: set[str]) -> list[str]:
    listed = file.with_name(CLASS_FILE)
    known = [line.strip() for line in read_text(listed).splitlines() if line.strip()] if listed.is_file() else []
    return [*known, *sorted(seen - set(known))]
