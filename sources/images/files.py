"""Files of a delivery of pictures: which there are, that none lies outside its folder, and what each picture holds."""

import hashlib
import json
import re
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Final

from models.common.pictures import (
    DEFAULT_BOUNDS,
    SUFFIXES,
    PictureBounds,
    PictureError,
    Pixels,
    read_bytes,
    read_picture,
)
from sources.base import SourceError

if TYPE_CHECKING:
    from sources.images.rows import ImageRows

# Also pictures of kinds that are not read: a person who delivers them is to hear why, not to miss them.
_PICTURE_SUFFIXES: Final = (*SUFFIXES, ".bmp", ".gif", ".heic", ".tif", ".tiff", ".avif")
_DRIVE: Final = re.compile(r"[A-Za-z]:")
MAX_TEXT_BYTES: Final = 16 << 20  # of one file of labels
MAX_JSON_BYTES: Final = 1 << 30  # twice the largest file of COCO
SPLITS: Final = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}


def inside(root: Path, relative: str) -> Path:
    """The file that a delivery names, which must lie under `root`, symbolic links followed.

    Errors: SourceError for an absolute path, one that climbs, or a link that leads out.
    """
    said = PurePosixPath(relative.replace("\\", "/"))
    if said.is_absolute() or _DRIVE.match(relative) or ".." in said.parts or "\0" in relative:
        raise SourceError(
            f"{root}: names the file {relative!r}, which is not below it; write paths relative to the folder"
        )
    path = root / said
    if not path.resolve().is_relative_to(root.resolve()):
        raise SourceError(f"{root}: {relative!r} is a link that leads out of it; put the file itself there")
    return path


def find_pictures(folder: Path) -> list[Path]:
    """Every picture below a folder, by path; hidden files and folders are left alone."""
    return sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in _PICTURE_SUFFIXES
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
        and path.is_file()
    )


def relative_to(root: Path, path: Path) -> str:
    """The path within the folder, with forward slashes."""
    return path.relative_to(root).as_posix()


def read_text(path: Path) -> str:
    """A small text file. Errors: SourceError naming size or encoding."""
    if (size := path.stat().st_size) > MAX_TEXT_BYTES:
        raise SourceError(
            f"{path}: {size:,} bytes, at most {MAX_TEXT_BYTES:,} are read as labels; is it the right file?"
        )
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise SourceError(f"{path}: no UTF-8 text ({error}); save it as UTF-8") from error


def read_json(path: Path) -> Any:
    """A JSON file. Errors: SourceError naming size or place of the mistake."""
    if (size := path.stat().st_size) > MAX_JSON_BYTES:
        raise SourceError(f"{path}: {size:,} bytes, at most {MAX_JSON_BYTES:,} are read; split the set")
    try:
        return json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise SourceError(f"{path}: not readable as JSON ({error}); export it again") from error


def add_picture(
    rows: "ImageRows",
    path: str,
    *,
    said_size: tuple[int, int] | None = None,
    bounds: PictureBounds = DEFAULT_BOUNDS,
    **cells: str | None,
) -> tuple[int, int] | None:
    """Read the picture at `path` below `rows.root` whole and add its row; image_id is the path.

    `said_size` is the (width, height) that its labels were drawn in: another size is a problem of the picture, for its
    boxes would lie elsewhere. Returns the size that boxes may be held against, None where there is none. A picture that
    cannot be used is a row with its `problem`, never an error. Errors: SourceError for a path outside the folder.
    """
    file = inside(rows.root, path)
    digest, size, problem = None, None, None
    try:
        data = read_bytes(file, bounds)
        digest = hashlib.sha256(data).hexdigest()
        pixels = read_picture(data, bounds)
        size = (pixels.shape[1], pixels.shape[0])
    except PictureError as error:
        problem = str(error).replace(f"{rows.root}/", "")
    if size is not None and said_size is not None and size != said_size:
        problem = (
            f"its labels are drawn in {said_size[0]} x {said_size[1]} pixels, the upright picture has {size[0]} x {size[1]}; "
            "turn or scale the picture, or mend its labels"
        )
    width, height = size or (None, None)
    rows.images.add(image_id=path, path=path, sha256=digest, width_px=width, height_px=height, problem=problem, **cells)
    return size if problem is None else None


def read_pixels(root: Path, path: str, sha256: str, bounds: PictureBounds = DEFAULT_BOUNDS) -> Pixels:
    """A picture of a set (H, W, 3). Errors: SourceError where its bytes are not those that were judged, PictureError."""
    data = read_bytes(inside(root, path), bounds)
    check_digest(path, data, sha256)
    return read_picture(data, bounds)


def check_digest(path: str, data: bytes, sha256: str) -> None:
    """Errors: SourceError where the bytes have another SHA-256."""
    if (found := hashlib.sha256(data).hexdigest()) != sha256:
        raise SourceError(
            f"{path}: its SHA-256 is {found[:12]}..., the set says {sha256[:12]}...; take the set in again"
        )
