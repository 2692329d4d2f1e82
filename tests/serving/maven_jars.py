"""Jars that Maven fetches once for the tests. Not a test."""

import hashlib
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

STREAMS = Path(__file__).with_name("streams")
CACHE = Path(__file__).parents[2] / ".stamps" / "streams"


def jars(pom: str) -> Path:
    """Folder of the jars that a POM names; a changed one has a folder of its own, and a fetch that was cut off is none."""
    file = STREAMS / pom
    return fetched(file, lambda folder: _copy(file, folder))


def fetched(named: Path, fetch: Callable[[Path], None]) -> Path:
    """What `fetch` puts into a folder, once for each content of the file that names it."""
    folder = CACHE / f"{named.stem}-{hashlib.sha256(named.read_bytes()).hexdigest()[:16]}"
    if not folder.is_dir():
        partial = folder.with_name(f"{folder.name}.{os.getpid()}")
        fetch(partial)
        partial.rename(folder)
    return folder


def _copy(pom: Path, folder: Path) -> None:
    command = ["mvn", "-q", "-B", "-f", str(pom), "dependency:copy-dependencies", f"-DoutputDirectory={folder}"]
    subprocess.run(command, check=True, timeout=600)
