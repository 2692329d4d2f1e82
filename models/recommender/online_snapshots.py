"""Snapshots of the online learner: files that are whole or absent, each named by its position and the SHA-256 of its bytes."""

import hashlib
import json
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from models.common.protocols import DataError
from models.recommender.online import State

NAME = re.compile(r"(?P<position>\d{15})-(?P<sha256>[0-9a-f]{64})\.safetensors")
DRAFT = ".draft"


@dataclass(frozen=True)
class Snapshot:
    """What had been learned (`state`) after the journal's example `position`, by the config with that `identity`."""

    position: int
    identity: str
    state: State


def write_snapshot(folder: Path, snapshot: Snapshot) -> Path:
    """Put the snapshot into `folder` in one step: a kill or a full disk (OSError) leaves there what was there."""
    from safetensors.numpy import save

    data = save(snapshot.state, metadata={"identity": snapshot.identity, "position": str(snapshot.position)})
    path = folder / f"{snapshot.position:015d}-{hashlib.sha256(data).hexdigest()}.safetensors"
    folder.mkdir(parents=True, exist_ok=True)
    draft = folder / DRAFT  # one name: what a killed writer left is taken over, not collected
    try:
        with draft.open("wb") as handle:
            handle.write(data)
            handle.flush()
            os.fsync(handle.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    handle_of_folder = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle_of_folder)  # the new name, too, has to outlive a loss of power
    finally:
        os.close(handle_of_folder)
    return path


def newest_snapshot(folder: Path, identity: str, *, on_broken: Callable[[Path], None]) -> Snapshot | None:
    """The newest snapshot whose bytes are those it was written with; None where there is none.

    `on_broken` is told of each newer one that is not. DataError where it was learned by another config.
    """
    for path in reversed(listed(folder)):
        found = _read(path)
        if found is None:
            on_broken(path)
            continue
        if found.identity != identity:
            raise DataError(
                f"{path}: learned by config {found.identity[:12]}, asked for {identity[:12]}: go back to that config, "
                "or give the learner an empty folder to begin anew"
            )
        return found
    return None


def prune(folder: Path, kept: int) -> int:
    """Remove all but the `kept` newest whole snapshots; the oldest position that is left to fall back on.

    0 while there are fewer than `kept`: the journal has to be able to stand in for those that are not there yet.
    """
    whole = [path for path in listed(folder) if _read(path) is not None]
    if len(whole) < kept:
        return 0
    for path in listed(folder):
        if path < whole[-kept]:
            path.unlink()
    return int(whole[-kept].name[:15])


def listed(folder: Path) -> list[Path]:
    """Snapshots of the folder, oldest first, whole or not."""
    return sorted(path for path in folder.glob("*.safetensors") if NAME.fullmatch(path.name))


def _read(path: Path) -> Snapshot | None:
    """None where the bytes are not those that the name tells: cut short, altered, or of another file."""
    from safetensors.numpy import load

    match, data = NAME.fullmatch(path.name), path.read_bytes()
    if match is None or hashlib.sha256(data).hexdigest() != match["sha256"]:
        return None
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])["__metadata__"]
    return Snapshot(int(header["position"]), header["identity"], load(data))
