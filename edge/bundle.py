"""Signed bundles: one tar file whose signed manifest names every file of a release by size and SHA-256.

The signature is checked before anything else is read, and every byte against the manifest before anything is used, so
that a bundle may travel over a network that nobody trusts. Same release, same key: same bytes.
"""

import hashlib
import io
import os
import re
import shutil
import tarfile
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING, Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, field_validator

from edge.members import Member, MemberError, chunks, members
from models.common.keys import is_signed, key_id, sign

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

MANIFEST, SIGNATURE = "bundle.json", "bundle.sig"
HEADER_MAX_BYTES = 4 << 20  # of manifest and signature, which are read before the signature is known to be good
BUNDLE_MAX_BYTES = 4 << 30
PICKLED = frozenset({".pkl", ".pickle", ".joblib", ".dill", ".pt", ".pth", ".ckpt", ".npy", ".npz"})
_NAME = re.compile(r"[A-Za-z0-9._-]+(?:/[A-Za-z0-9._-]+)*")


class BundleError(ValueError):
    """A bundle that must not run; the message names file, value and remedy."""


class BundledFile(BaseModel):
    """What a file of a bundle must be."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
    size: int = Field(ge=0, le=BUNDLE_MAX_BYTES, description="bytes")


class BundleManifest(BaseModel):
    """Content of `bundle.json`; what the signature covers."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: int = Field(default=1, ge=1, le=1)
    bot: str = Field(pattern=r"^[a-z][a-z_]{0,39}$", description="model package that runs it, such as `forecaster`")
    revision: int = Field(ge=0, le=10**12, description="grows with every promotion; a box refuses to go back unasked")
    artifact_id: str = Field(min_length=1, max_length=200)
    files: dict[str, BundledFile] = Field(min_length=1, max_length=10_000)

    @field_validator("files")
    @classmethod
    def _stay_inside(cls, files: dict[str, BundledFile]) -> dict[str, BundledFile]:
        for name in files:
            safe_name(name)
        return files

    @property
    def folder_name(self) -> str:
        """Name of the folder it is installed in."""
        digest = hashlib.sha256(self.canonical()).hexdigest()
        return f"{self.bot}-{self.revision}-{digest[:12]}"

    def canonical(self) -> bytes:
        """The signed bytes."""
        ordered = self.model_copy(update={"files": dict(sorted(self.files.items()))})
        return (ordered.model_dump_json(indent=1) + "\n").encode()


def safe_name(name: str) -> str:
    """A relative, plain, forward path that no one can pickle code into; BundleError otherwise."""
    if (
        not _NAME.fullmatch(name)
        or any(part in {".", ".."} for part in name.split("/"))
        or name in {MANIFEST, SIGNATURE}
    ):
        raise BundleError(
            f"file name {name!r} is not allowed in a bundle: use plain relative names such as artifact/model.onnx"
        )
    if PurePosixPath(name).suffix.lower() in PICKLED:
        raise BundleError(f"{name!r} may hold pickled code: a bundle holds ONNX, safetensors, UBJSON, Parquet or JSON")
    return name


def build(
    folder: Path, out: Path, key: "Ed25519PrivateKey", *, bot: str, revision: int, artifact_id: str
) -> BundleManifest:
    """Pack every file under `folder` into the bundle `out`, signed with `key`; BundleError for links and odd names."""
    names = sorted(_files_under(folder))
    if not names:
        raise BundleError(f"{folder} holds no file: point to a release folder")
    files = {name: BundledFile(sha256=_digest(folder / name), size=(folder / name).stat().st_size) for name in names}
    try:
        manifest = BundleManifest(bot=bot, revision=revision, artifact_id=artifact_id, files=files)
    except ValidationError as error:
        raise BundleError(f"cannot bundle {folder}: {_first(error)}") from error
    head = manifest.canonical()
    out.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=out.parent, prefix=f".{out.name}.")
    try:
        with os.fdopen(handle, "wb") as stream:
            with tarfile.open(fileobj=stream, mode="w", format=tarfile.USTAR_FORMAT) as tar:
                _add(tar, MANIFEST, len(head), io.BytesIO(head))
                signature = sign(key, head).encode()
                _add(tar, SIGNATURE, len(signature), io.BytesIO(signature))
                for name in names:
                    with (folder / name).open("rb") as content:
                        _add(tar, name, files[name].size, content)
            stream.flush()
            os.fsync(stream.fileno())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(out)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    return manifest


def verify(bundle: Path, key: "Ed25519PublicKey") -> BundleManifest:
    """Check a bundle file, or an installed bundle folder, to the last byte; BundleError says what is wrong with it."""
    if bundle.is_dir():
        return _verify_folder(bundle, key)
    return _walk(bundle, key, lambda _name: None)


def unpack(bundle: Path, key: "Ed25519PublicKey", folder: Path) -> BundleManifest:
    """Unpack a bundle file into the new folder `folder`; what fails the checks leaves nothing behind."""
    if folder.exists():
        raise BundleError(f"{folder} exists: unpack into a new folder")
    folder.mkdir(parents=True)
    try:

        def writer(name: str) -> IO[bytes]:
            file = folder / name
            file.parent.mkdir(parents=True, exist_ok=True)
            return file.open("xb")

        manifest = _walk(bundle, key, writer)
    except BaseException:
        shutil.rmtree(folder)
        raise
    return manifest


def _walk(bundle: Path, key: "Ed25519PublicKey", writer: Callable[[str], IO[bytes] | None]) -> BundleManifest:
    """Read the tar once, front to back: manifest, signature, then exactly the files that the manifest names."""
    try:
        with bundle.open("rb") as stream:
            found = members(stream)
            head = _header(stream, found, MANIFEST, bundle)
            signature = _header(stream, found, SIGNATURE, bundle)
            manifest = trusted(head, signature, key, bundle)
            _write(writer(MANIFEST), head)
            _write(writer(SIGNATURE), signature)
            for name, wanted in manifest.files.items():
                member = next(found, None)
                if member is None or member.name != name or not member.plain:
                    seen = "the end" if member is None else repr(member.name)
                    raise BundleError(f"{bundle}: {name!r} should come next, found {seen}: fetch the bundle again")
                content = chunks(stream, member.size)
                _copy_checked(content, writer(name), wanted, f"{bundle}: {name}", member.size)
            if (extra := next(found, None)) is not None:
                raise BundleError(f"{bundle}: {extra.name!r} is not in the manifest: fetch the bundle again")
    except (OSError, MemberError) as error:
        raise BundleError(
            f"{bundle} cannot be read or unpacked ({error}): free some space or fetch it again"
        ) from error
    return manifest


def _verify_folder(folder: Path, key: "Ed25519PublicKey") -> BundleManifest:
    try:
        head, signature = (folder / MANIFEST).read_bytes(), (folder / SIGNATURE).read_bytes()
    except OSError as error:
        raise BundleError(f"{folder} is no installed bundle ({error.strerror}): install it again") from error
    manifest = trusted(head, signature, key, folder)
    present = set(_files_under(folder)) - {MANIFEST, SIGNATURE}
    for name in sorted(present ^ manifest.files.keys()):
        what = "is not in the manifest" if name in present else "is missing"
        raise BundleError(f"{folder / name} {what}: install the bundle again")
    for name, wanted in manifest.files.items():
        with (folder / name).open("rb") as content:
            size = (folder / name).stat().st_size
            _copy_checked(chunks(content, size), None, wanted, str(folder / name), size)
    return manifest


def trusted(head: bytes, signature: bytes, key: "Ed25519PublicKey", where: Path) -> BundleManifest:
    """The manifest in `head`, once `signature` is known to be of `key`; BundleError, which names `where`, otherwise."""
    if not is_signed(key, head, signature.decode("ascii", errors="replace")):
        raise BundleError(
            f"{where} is not signed by the trusted key {key_id(key)}: fetch it again, or trust the key that signed it"
        )
    try:
        return BundleManifest.model_validate_json(head)
    except ValidationError as error:
        raise BundleError(f"{where}: manifest refused, {_first(error)}; build the bundle with this version") from error


def _header(stream: IO[bytes], found: Iterator[Member], name: str, bundle: Path) -> bytes:
    unlike = f"{bundle} does not begin with {MANIFEST} and {SIGNATURE}: it is no signed bundle"
    try:
        member = next(found, None)
    except MemberError as error:
        raise BundleError(f"{unlike} ({error})") from error
    if member is None or member.name != name or not member.plain or member.size > HEADER_MAX_BYTES:
        raise BundleError(unlike)
    return stream.read(member.size)


def _copy_checked(
    source: Iterable[bytes], target: IO[bytes] | None, wanted: BundledFile, where: str, size: int
) -> None:
    digest = hashlib.sha256()
    try:
        if size != wanted.size:
            raise BundleError(f"{where} has {size} bytes, {wanted.size} are signed: fetch the bundle again")
        for chunk in source:
            digest.update(chunk)
            if target is not None:
                target.write(chunk)
        if digest.hexdigest() != wanted.sha256:
            raise BundleError(f"{where} was altered (its SHA-256 is not the signed one): fetch the bundle again")
        if target is not None:
            target.flush()
            os.fsync(target.fileno())
    finally:
        if target is not None:
            target.close()


def _write(target: IO[bytes] | None, content: bytes) -> None:
    if target is not None:
        with target:
            target.write(content)
            target.flush()
            os.fsync(target.fileno())


def _add(tar: tarfile.TarFile, name: str, size: int, content: IO[bytes]) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode, entry.mtime = size, 0o644, 0
    tar.addfile(entry, content)


def _files_under(folder: Path) -> list[str]:
    names = []
    for path in folder.rglob("*"):
        if path.is_symlink() or not (path.is_dir() or path.is_file()):
            raise BundleError(f"{path} is a link or device: a bundle holds plain files only")
        if path.is_file():
            names.append(path.relative_to(folder).as_posix())
    return names


def _digest(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _first(error: ValidationError) -> str:
    first = error.errors()[0]
    return f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}"
