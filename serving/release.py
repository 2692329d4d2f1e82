"""Release folders: sealed with the SHA-256 of every file, and named by a pointer that is replaced atomically.

A release holds everything that one champion needs: `artifact/`, `state/`, `fallback/` and the seal `release.json`.
"""

import fcntl
import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError, field_validator

from models.common.artifact import SAFE_SUFFIXES

SEAL_FILE, POINTER_FILE = "release.json", "champion.json"
LOCK_FILE = ".champion.lock"
_CHUNK = 1 << 20

Name = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
FileStats = tuple[tuple[str, int, int], ...]


class ReleaseError(ValueError):
    """A release or pointer that must not be served; the message names file, value and remedy."""


class Pointer(BaseModel):
    """Content of `champion.json`: which release answers."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    release: Name
    artifact_id: Name
    registry_version: Name

    @field_validator("release")
    @classmethod
    def _stays_inside(cls, release: str) -> str:
        path = PurePosixPath(release)
        if path.is_absolute() or ".." in path.parts:
            raise ValueError(f"release {release!r} must be a folder beside champion.json, without `..`")
        return release


class Seal(BaseModel):
    """Content of `release.json`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: int = 1
    artifact_id: Name
    files: dict[str, Sha256]


@contextmanager
def pointer_held(root: Path) -> Iterator[None]:
    """Hold the pointer in `root` alone among all processes, from reading it to replacing it by what follows from it; others wait.

    Readers that write nothing need not. The system lets the lock go with its holder; who holds it must not ask for it again.
    """
    root.mkdir(parents=True, exist_ok=True)
    with (root / LOCK_FILE).open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def write_pointer(file: Path, pointer: Pointer) -> None:
    """Replace the pointer in one step: a reader sees the old one or the new one, never half of it."""
    _write_atomic(file, pointer.model_dump_json(indent=2))


def read_pointer(file: Path) -> Pointer:
    """Read a pointer; ReleaseError when it lacks or says nothing usable."""
    try:
        return Pointer.model_validate_json(file.read_bytes())
    except FileNotFoundError as error:
        raise ReleaseError(f"{file} does not exist: promote a model first") from error
    except (OSError, ValidationError) as error:
        raise ReleaseError(f"{file} cannot be read ({_first_line(error)}): promote again to rewrite it") from error


def build_release(folder: Path, artifact_id: str, fill: Callable[[Path], None]) -> Seal:
    """Make a release folder whole or not at all: `fill` writes its files beside the place, then they are sealed.

    A release never changes: ReleaseError when `folder` holds another one; when it holds this very one, nothing is done.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.") as temporary:
        unfinished = Path(temporary) / folder.name
        unfinished.mkdir()
        fill(unfinished)
        sealed = seal(unfinished, artifact_id)
        if folder.exists():
            if verify(folder, artifact_id) != sealed:
                raise ReleaseError(f"{folder} already holds another release: choose another name")
        else:
            unfinished.rename(folder)
    return sealed


def seal(folder: Path, artifact_id: str) -> Seal:
    """Write the hash of every file of a finished release folder into `release.json`; nothing may change afterwards."""
    sealed = Seal(artifact_id=artifact_id, files={name: _sha256(folder / name) for name in _names(folder)})
    _write_atomic(folder / SEAL_FILE, sealed.model_dump_json(indent=2))
    return sealed


def verify(folder: Path, artifact_id: str) -> Seal:
    """Check that a release is exactly what was sealed; ReleaseError names the first file that is not."""
    file = folder / SEAL_FILE
    try:
        sealed = Seal.model_validate_json(file.read_bytes())
    except (OSError, ValidationError) as error:
        raise ReleaseError(f"{file} cannot be read ({_first_line(error)}): build the release again") from error
    if sealed.artifact_id != artifact_id:
        raise ReleaseError(
            f"{folder} holds artifact {sealed.artifact_id!r}, the pointer asks for {artifact_id!r}: promote again"
        )
    present = set(_names(folder))
    for name in sorted(present ^ sealed.files.keys()):
        what = "is not in the seal" if name in present else "is missing"
        raise ReleaseError(f"{folder / name} {what}: build the release again")
    for name, digest in sealed.files.items():
        if _sha256(folder / name) != digest:
            raise ReleaseError(
                f"{folder / name} was altered (its SHA-256 is not the sealed one): build the release again"
            )
    return sealed


def file_stats(folder: Path) -> FileStats:
    """Name, size and modification time (ns) of every file: while equal, a verified folder needs no second look."""
    found = []
    for name in (*_names(folder), SEAL_FILE):
        try:
            stat = (folder / name).stat()
            found.append((name, stat.st_size, stat.st_mtime_ns))
        except FileNotFoundError:
            found.append((name, -1, -1))
    return tuple(found)


def _names(folder: Path) -> list[str]:
    names = []
    for path in sorted(folder.rglob("*")):
        if path.is_symlink():
            raise ReleaseError(f"{path} is a link: a release holds plain files only")
        if path.is_dir() or path == folder / SEAL_FILE:
            continue
        if path.suffix not in SAFE_SUFFIXES:
            raise ReleaseError(
                f"{path} is none of the safe formats {', '.join(sorted(SAFE_SUFFIXES))}: it is not loaded"
            )
        names.append(path.relative_to(folder).as_posix())
    return names


def _sha256(file: Path) -> str:
    digest = hashlib.sha256()
    with file.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def _write_atomic(file: Path, text: str) -> None:
    json.loads(text)  # a pointer that no reader could parse would stop every service
    file.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(file)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
