"""Changes of a gallery as new releases: the champion's artifact stays, what people enrolled beside it is written anew.

A service and the command do the same: holding the pointer, from the release that it names now, whole or not at all. A promotion
waits, then takes along what was enrolled; one that comes first is what is enrolled into.
"""

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from models.detector.enrolled import FOLDER, Enrolled, fingerprint_of, read_enrolled, write_enrolled
from models.detector.predict import Predictor, load
from serving.release import (
    POINTER_FILE,
    SEAL_FILE,
    Pointer,
    build_release,
    pointer_held,
    read_pointer,
    verify,
    write_pointer,
)

KEPT = 3  # releases of one artifact by enrolment: enough to go back by hand, and disks are not filled


@dataclass(frozen=True)
class Current:
    """The release that answers now: its folder, networks with the artifact's own gallery, and what was enrolled."""

    pointer: Pointer
    folder: Path
    base: Predictor
    enrolled: Enrolled


@dataclass(frozen=True)
class Changed:
    """The new release, and how many products its gallery has."""

    release: str
    products: int


def current(root: Path, *, photos: bool = False) -> Current:
    """The release that `champion.json` under `root` names. Errors: ReleaseError, ArtifactError."""
    pointer = read_pointer(root / POINTER_FILE)
    folder = root / pointer.release
    verify(folder, pointer.artifact_id)
    return Current(pointer, folder, load(folder / "artifact"), read_enrolled(folder / FOLDER, photos=photos))


def change_gallery(root: Path, edit: Callable[[Predictor, Enrolled], Enrolled]) -> Changed:
    """Release what `edit` makes of what is enrolled, and point services to it. Errors: as `current`, and those of `edit`."""
    with pointer_held(root):
        now = current(root, photos=True)
        after = edit(now.base, now.enrolled)
        products = after.gallery_of(now.base).gallery.products  # fails before anything is written
        name = f"{now.pointer.artifact_id[:12]}-gallery-{fingerprint_of(after)[:12]}"

        def fill(folder: Path) -> None:
            for each in now.folder.iterdir():
                if each.is_dir() and each.name != FOLDER:
                    shutil.copytree(each, folder / each.name, copy_function=_linked)
                elif each.is_file() and each.name != SEAL_FILE:
                    _linked(each, folder / each.name)
            write_enrolled(folder / FOLDER, after)

        build_release(root / name, now.pointer.artifact_id, fill)
        write_pointer(root / POINTER_FILE, now.pointer.model_copy(update={"release": name}))
        _sweep(root, now.pointer.artifact_id, keep={name, now.pointer.release})
    return Changed(name, len(products))


def _linked(source: str | Path, target: str | Path) -> str:
    """Released files never change, so two releases may share them; where the disk cannot, they are copied."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
    return str(target)


def _sweep(root: Path, artifact_id: str, *, keep: set[str]) -> None:
    found = sorted(root.glob(f"{artifact_id[:12]}-gallery-*"), key=lambda path: path.stat().st_mtime, reverse=True)
    for folder in [each for each in found if each.name not in keep][KEPT - 1 :]:
        shutil.rmtree(folder)
