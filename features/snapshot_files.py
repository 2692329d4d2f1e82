"""Folders that hold a snapshot: written whole or not at all, and never changed afterwards."""

import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path


def write_folder(folder: Path, files: Mapping[str, bytes], *, index: str) -> bool:
    """Write `files` (name -> bytes) as `folder`; False where it holds something else already.

    The file named `index` speaks for all of them: where it is there with these bytes, nothing is done.
    """
    if folder.exists():
        return (folder / index).is_file() and (folder / index).read_bytes() == files[index]
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        for name, data in files.items():
            with (partial / name).open("wb") as stream:
                stream.write(data)
                stream.flush()
                os.fsync(stream.fileno())
        partial.chmod(0o755)
        partial.rename(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return True
