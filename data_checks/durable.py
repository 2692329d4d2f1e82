"""Files that survive a kill: one writer at a time, journals that only grow, replacements that are whole or absent."""

import fcntl
import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any


class JournalError(ValueError):
    """A journal holds a finished line that is no JSON object: the file was changed from outside."""


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold `folder` alone among all processes of this machine; the system frees it when the holder dies."""
    folder.mkdir(parents=True, exist_ok=True)
    handle = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def append_entry(path: Path, entry: Mapping[str, Any]) -> None:
    """Add one JSON line and return once it is on the disk. Call it while holding the folder's lock.

    A line without its line feed is what a killed writer left: it was never confirmed to anyone, so it gives way.
    """
    line = json.dumps(entry, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode() + b"\n"
    is_new = not path.exists()
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
    try:
        size = _finished_size(handle)
        os.ftruncate(handle, size)
        try:
            rest = memoryview(line)
            while rest:
                rest = rest[os.write(handle, rest) :]
            os.fsync(handle)
        except OSError:
            os.ftruncate(handle, size)
            raise
    finally:
        os.close(handle)
    if is_new:
        _sync_folder(path.parent)


def read_entries(path: Path) -> list[dict[str, Any]]:
    """All finished entries, oldest first; an absent journal is an empty one. Needs no lock.

    Raises JournalError naming file and line where a finished line is not a JSON object.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return []
    entries = []
    for number, line in enumerate(content[: content.rfind(b"\n") + 1].split(b"\n")[:-1], start=1):
        try:
            entry = json.loads(line)
        except ValueError as error:
            raise JournalError(f"{path}, line {number}: {error}; restore the file from a copy") from error
        if not isinstance(entry, dict):
            raise JournalError(f"{path}, line {number}: {line[:60]!r} is no JSON object; restore the file from a copy")
        entries.append(entry)
    return entries


def replace_file(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` fill a file beside `path`, then put it in its place in one step; a kill leaves the old file.

    Call it while holding the folder's lock: a draft that a killed writer left is taken over by the next.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.draft")
    try:
        write(draft)
        with draft.open("rb") as handle:
            os.fsync(handle.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    _sync_folder(path.parent)


def _finished_size(handle: int) -> int:
    """Bytes up to and with the last line feed; looks back in blocks because a decision's line may be megabytes."""
    end = os.fstat(handle).st_size
    while end > 0:
        start = max(0, end - 65536)
        found = os.pread(handle, end - start, start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        end = start
    return 0


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
