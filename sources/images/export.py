"""What every export of an image set has in common: a new folder, the pictures in it, and an account of what was left out."""

import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from sources.base import SourceError
from sources.images.boxes import Box
from sources.images.files import check_digest, inside
from sources.images.image_set import ImageSet

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Exported:
    """Pictures and labels that were written, and labels left out by reason."""

    folder: Path
    pictures: int
    labels: int
    left_out: Mapping[str, int]


@contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """A folder that is there whole once the block has ended well, else not at all.

    Errors: SourceError for one that is there already.
    """
    if folder.exists():
        raise SourceError(f"{folder} is there already; export into a new folder")
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        yield draft
        draft.chmod(0o755)
        draft.rename(folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def copy_picture(image_set: ImageSet, image: Row, target: Path) -> None:
    """The picture's file as it lies in the set. Errors: SourceError where it is not the one that was judged."""
    data = inside(image_set.folder, image["path"]).read_bytes()
    check_digest(image["path"], data, image["sha256"])
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(data)


def flat_names(images: Sequence[Row]) -> dict[str, str]:
    """image_id -> a file name of its own, also without its suffix: tools name labels by the picture's stem."""
    names = {row["image_id"]: row["path"].replace("/", "__") for row in images}
    stems = Counter(PurePosixPath(name).stem.lower() for name in names.values())
    for row in images:
        name = PurePosixPath(names[row["image_id"]])
        if stems[name.stem.lower()] > 1:
            names[row["image_id"]] = f"{name.stem}-{row['sha256'][:12]}{name.suffix}"
    if len({PurePosixPath(name).stem.lower() for name in names.values()}) < len(names):
        raise SourceError("two pictures of one name and one content; remove one of them from the set")
    return names


def box_of(label: Row) -> Box | None:
    """The box of a row of image_labels, None for a label of the whole picture."""
    return (
        None
        if label["x_min_px"] is None
        else Box(*(label[f"{edge}_px"] for edge in ("x_min", "y_min", "x_max", "y_max")))
    )


def boxes_only(image_set: ImageSet, form: str) -> None:
    """Errors: SourceError for a set with labels of whole pictures, which `form` has no place for."""
    whole = image_set.image_labels["x_min_px"].null_count
    if whole:
        raise SourceError(
            f"{image_set.folder}: {whole:,} labels are of whole pictures, and {form} has boxes alone; export to label_studio"
        )


def splits_of(images: Sequence[Row]) -> tuple[str, ...]:
    """The splits of the pictures; none where no picture has one. Errors: SourceError where only some have."""
    without = sum(row["split"] is None for row in images)
    if 0 < without < len(images):
        raise SourceError(f"{without:,} of {len(images):,} pictures have no split; give every picture a split, or none")
    return tuple(split for split in ("train", "val", "test") if any(row["split"] == split for row in images))
