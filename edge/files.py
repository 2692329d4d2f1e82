"""Files of a box that a kill leaves as they were or as they should be, and one writer at a time."""

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def write_whole(file: Path, content: bytes, *, mode: int = 0o600) -> None:
    """Replace `file` in one step, on the disk when this returns; `mode` says who may read it."""
    handle, temporary = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        Path(temporary).chmod(mode)
        Path(temporary).replace(file)
        sync_folder(file.parent)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def sweep_unfinished(file: Path) -> None:
    """Remove what a killed `write_whole` of `file` left; call it under the lock of its writers."""
    for leftover in file.parent.glob(f".{file.name}.*"):
        leftover.unlink()


def sync_folder(folder: Path) -> None:
    """Names in `folder` are on the disk when this returns."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def locked(file: Path, *, wait: bool = True) -> Iterator[None]:
    """One holder at a time; the lock dies with its process. BlockingIOError where another holds it and nobody is to `wait`."""
    with file.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
