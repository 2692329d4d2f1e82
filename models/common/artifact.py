"""An artifact is a plain folder: `manifest.json` and files in safe formats, each with its SHA-256.

Nothing in it is a timestamp, so that one seed gives one sequence of bytes; nothing in it is a pickle, so that
reading it runs no code. A reader takes bytes through `read_file`, which hashes the very bytes it hands out.
"""

import hashlib
import json
import os
import platform
import shutil
import tempfile
from collections.abc import Mapping
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path, PurePosixPath
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

Spec = TypeVar("Spec", bound=BaseModel)
MANIFEST = "manifest.json"
SAFE_SUFFIXES = frozenset({".onnx", ".ubj", ".json", ".safetensors", ".parquet", ".png", ".md"})
MAX_FILE_BYTES = 2 * 1024**3
MAX_MANIFEST_BYTES = 8 * 1024**2


class ArtifactError(ValueError):
    """An artifact that may not be written or trusted; the message names file, expected, found and remedy."""


class FileEntry(BaseModel):
    """Size and SHA-256 of one file of an artifact."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    size_bytes: int = Field(ge=0, le=MAX_FILE_BYTES)


class Manifest(BaseModel):
    """What an artifact is, where it came from and what belongs to it (`manifest.json`)."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    schema_version: Literal[1] = 1
    name: str = Field(pattern=r"^[a-z][a-z0-9_]{0,63}$", description="package under models/ that wrote it")
    artifact_id: str = Field(pattern=r"^[0-9a-f]{64}$", description="SHA-256 over name, config and file hashes")
    code_revision: str
    data_fingerprint: str
    trained_until: date = Field(description="last period whose target was seen in training, calibration included")
    seed: int
    config: dict[str, JsonValue]
    metrics: tuple[dict[str, JsonValue], ...] = Field(
        description="rows of the report: model, metric, value, unit, segment"
    )
    input_schema: dict[str, JsonValue]
    output_schema: dict[str, JsonValue]
    files: dict[str, FileEntry]
    libraries: dict[str, str]


def write_artifact(
    folder: Path,
    *,
    name: str,
    config: BaseModel,
    files: Mapping[str, bytes | Path],
    metrics: tuple[Mapping[str, JsonValue], ...],
    input_schema: Mapping[str, JsonValue],
    output_schema: Mapping[str, JsonValue],
    data_fingerprint: str,
    code_revision: str,
    trained_until: date,
    seed: int,
    libraries: tuple[str, ...] = (),
) -> Manifest:
    """Write the artifact to `folder` in one step (a folder beside it, then a rename) and return its manifest.

    files: relative posix path -> bytes or a file to copy. libraries: distributions whose versions are recorded.
    Writing the very same artifact again is a no-op; ArtifactError for another one in its place or an unsafe file.
    """
    content = {path: data if isinstance(data, bytes) else data.read_bytes() for path, data in sorted(files.items())}
    for path, data in content.items():
        _check_name(path)
        if len(data) > MAX_FILE_BYTES:
            raise ArtifactError(f"{path}: {len(data)} bytes exceed the bound of {MAX_FILE_BYTES}: split the file")
    entries = {path: FileEntry(sha256=_sha256(data), size_bytes=len(data)) for path, data in content.items()}
    settings = config.model_dump(mode="json")
    manifest = Manifest(
        name=name,
        artifact_id=_artifact_id(name, settings, entries),
        code_revision=code_revision,
        data_fingerprint=data_fingerprint,
        trained_until=trained_until,
        seed=seed,
        config=settings,
        metrics=tuple(dict(row) for row in metrics),
        input_schema=dict(input_schema),
        output_schema=dict(output_schema),
        files=entries,
        libraries={"python": platform.python_version(), **{lib: _version(lib) for lib in sorted(libraries)}},
    )
    if folder.exists() or folder.is_symlink():
        _refuse_another(folder, manifest)
        return manifest
    folder.parent.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        for path, data in content.items():
            _write_synced(unfinished / path, data)
        _write_synced(unfinished / MANIFEST, manifest_bytes(manifest))
        unfinished.chmod(0o755)
        os.rename(unfinished, folder)  # noqa: PTH104 (rename, not replace: a folder that appeared meanwhile must win)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise
    return manifest


def read_artifact(folder: Path) -> Manifest:
    """Verify every file of the artifact in `folder` against its manifest and return the manifest.

    ArtifactError for a missing, extra, altered, oversized, linked or unsafe file, or a manifest at odds with itself.
    """
    manifest = read_manifest(folder)
    found = _listing(folder)
    expected = set(manifest.files) | {MANIFEST}
    if extra := sorted(found - expected):
        raise ArtifactError(
            f"{folder}: expected only the {len(expected)} files of the manifest, found also {extra[:5]}: remove them"
        )
    if missing := sorted(expected - found):
        raise ArtifactError(f"{folder}: expected {missing[:5]}, found nothing there: fetch the artifact again")
    for path in manifest.files:
        read_file(folder, manifest, path)
    return manifest


def read_spec(folder: Path, package: str, spec: type[Spec], file: str, version: int | None) -> tuple[Manifest, Spec]:
    """Verify the artifact in `folder` and read what it says of itself: `file`, of the shape `spec`, whose `format_version`
    must be `version` (None: the shape has another way to tell).

    ArtifactError for another package's artifact, another shape or another version, beside what `read_artifact` refuses.
    """
    manifest = read_artifact(folder)
    if manifest.name != package:
        raise ArtifactError(
            f"{folder}: expected an artifact of {package!r}, found {manifest.name!r}: load it with its own package"
        )
    try:
        found = spec.model_validate_json(read_file(folder, manifest, file))
    except ValidationError as error:
        raise ArtifactError(
            f"{folder}/{file}: expected fields of this code, found {error.error_count()} misfits: retrain"
        ) from error
    if version is not None and (told := getattr(found, "format_version", None)) != version:
        raise ArtifactError(f"{folder}: expected format {version}, found {told}: retrain")
    return manifest, found


def read_manifest(folder: Path) -> Manifest:
    """Read and check `manifest.json` alone (schema, names, artifact id), without touching the other files."""
    path = folder / MANIFEST
    if path.is_symlink() or not path.is_file():
        raise ArtifactError(f"{path}: expected a regular file, found none: point to a folder that holds an artifact")
    size = path.stat().st_size
    if size > MAX_MANIFEST_BYTES:
        raise ArtifactError(f"{path}: expected <= {MAX_MANIFEST_BYTES} bytes, found {size}: fetch the artifact again")
    try:
        manifest = Manifest.model_validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise ArtifactError(
            f"{path}: field {place!r}: {first['msg']}: write the artifact again with this code"
        ) from error
    for name in manifest.files:
        _check_name(name)
    artifact_id = _artifact_id(manifest.name, manifest.config, manifest.files)
    if artifact_id != manifest.artifact_id:
        raise ArtifactError(
            f"{path}: expected artifact_id {artifact_id} from its config and hashes, found {manifest.artifact_id}: "
            "the manifest was altered; fetch the artifact again"
        )
    return manifest


def read_file(folder: Path, manifest: Manifest, name: str) -> bytes:
    """Return the bytes of one file of the artifact, having hashed exactly these bytes; ArtifactError if they differ."""
    entry = manifest.files.get(name)
    if entry is None:
        raise ArtifactError(
            f"{name}: expected one of {sorted(manifest.files)}, found no such file in the manifest: check the name"
        )
    path = folder / name
    if any(part.is_symlink() for part in (path, *path.parents) if folder in part.parents):
        raise ArtifactError(f"{path}: expected a regular file, found a link: copy the file itself into the artifact")
    if not path.is_file():
        raise ArtifactError(f"{path}: expected a regular file, found none: fetch the artifact again")
    size = path.stat().st_size
    if size != entry.size_bytes:
        raise ArtifactError(f"{path}: expected {entry.size_bytes} bytes, found {size}: fetch the artifact again")
    data = path.read_bytes()
    digest = _sha256(data)
    if digest != entry.sha256:
        raise ArtifactError(f"{path}: expected SHA-256 {entry.sha256}, found {digest}: fetch the artifact again")
    return data


def manifest_bytes(manifest: Manifest) -> bytes:
    """Serialise a manifest to the one canonical sequence of bytes (sorted keys, indented)."""
    return (json.dumps(manifest.model_dump(mode="json"), indent=2, sort_keys=True, allow_nan=False) + "\n").encode()


def _check_name(path: str) -> None:
    pure = PurePosixPath(path)
    escapes = pure.is_absolute() or "\\" in path or ".." in pure.parts or str(pure) != path or path == MANIFEST
    if escapes or any(part.startswith(".") for part in pure.parts):
        raise ArtifactError(
            f"{path!r}: expected a plain relative path inside the artifact, found one that leaves it: rename the file"
        )
    if pure.suffix not in SAFE_SUFFIXES:
        raise ArtifactError(
            f"{path!r}: expected one of the safe formats {sorted(SAFE_SUFFIXES)}, found {pure.suffix!r}: "
            "store weights as ONNX, UBJSON or safetensors, never as a pickle"
        )


def _listing(folder: Path) -> set[str]:
    found: set[str] = set()
    pending = [folder]
    while pending:
        with os.scandir(pending.pop()) as entries:
            for entry in entries:
                if entry.is_symlink():
                    raise ArtifactError(f"{entry.path}: expected a file or folder, found a link: copy the file itself")
                if entry.is_dir(follow_symlinks=False):
                    pending.append(Path(entry.path))
                else:
                    found.add(Path(entry.path).relative_to(folder).as_posix())
    return found


def _refuse_another(folder: Path, manifest: Manifest) -> None:
    if folder.is_symlink() or not folder.is_dir():
        raise ArtifactError(
            f"{folder}: expected a free place or an artifact, found something else: choose another folder"
        )
    present = read_artifact(folder)
    fields = [field for field in Manifest.model_fields if getattr(present, field) != getattr(manifest, field)]
    if fields:
        raise ArtifactError(
            f"{folder}: expected artifact {manifest.artifact_id[:12]}, found {present.artifact_id[:12]} which differs "
            f"in {fields}: artifacts are never overwritten; choose another folder"
        )


def _write_synced(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as handle:
        handle.write(data)
        handle.flush()
        os.fsync(handle.fileno())


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _artifact_id(name: str, config: Mapping[str, Any], files: Mapping[str, FileEntry]) -> str:
    identity = {"name": name, "config": config, "files": {path: entry.sha256 for path, entry in files.items()}}
    return _sha256(json.dumps(identity, sort_keys=True, separators=(",", ":"), allow_nan=False).encode())


def _version(library: str) -> str:
    try:
        return version(library)
    except PackageNotFoundError as error:
        raise ArtifactError(
            f"library {library!r}: expected an installed distribution, found none: check its name"
        ) from error
