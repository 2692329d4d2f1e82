"""What a camera gives, from wherever: one protocol, and a folder of pictures behind it."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Protocol

from models.common.pictures import SUFFIXES, PictureBounds, PictureError, Pixels, read_bytes, read_picture

MAX_PIXELS = 40_000_000  # of one picture, 120 MB decoded: more than any shop's camera gives


class CameraError(RuntimeError):
    """A camera that gives nothing; the message names it, the reason and the remedy."""


@dataclass(frozen=True, eq=False)
class Frame:
    """One picture (H, W, 3) uint8 RGB of a camera, and when it was taken (with its time zone)."""

    image: Pixels
    camera: str
    time: datetime


@dataclass
class Counts:
    """How a source fares. `alive_at` is the monotonic second of its last sign of life, whether a frame came or not."""

    frames: int = 0
    broken: int = 0
    reconnects: int = 0
    problem: str = ""
    alive_at: float = field(default_factory=time.monotonic)

    def alive(self) -> None:
        """It answered, if with nothing."""
        self.alive_at = time.monotonic()

    def good(self) -> None:
        """A frame came."""
        self.frames += 1
        self.alive()

    def skip(self, problem: str) -> None:
        """A frame is left out."""
        self.broken += 1
        self.problem = problem[:300]
        self.alive()


class FrameSource(Protocol):
    """Frames of one camera, oldest first. A broken one is counted and left out; it never ends the source."""

    @property
    def counts(self) -> Counts:
        """How it fares, while it runs."""

    def frames(self) -> Iterator[Frame]:
        """Until it ends or is closed; CameraError when it cannot begin."""

    def close(self) -> None:
        """End it, from any thread; `frames` ends soon after."""


class FolderSource:
    """Pictures of a folder, JPEG, PNG and WebP; the time is that of the file, and so is the order, then that of the names.

    `by_name`: in the order of the names alone, the same for every copy of the folder.
    """

    def __init__(self, folder: Path, camera: str, *, max_pixels: int = MAX_PIXELS, by_name: bool = False) -> None:
        self._folder, self._camera, self._bounds = folder, camera, PictureBounds(max_pixels=max_pixels)
        self._by_name = by_name
        self._closed = False
        self.counts = Counts()

    def frames(self) -> Iterator[Frame]:
        """One frame for each picture that is whole and within `max_pixels`."""
        if not self._folder.is_dir():
            raise CameraError(f"{self._camera}: {self._folder} is no folder: give one with pictures")
        for at, file in self._in_order():
            if self._closed:
                return
            try:
                image = read_picture(read_bytes(file, self._bounds), self._bounds)
            except (PictureError, OSError) as error:
                self.counts.skip(f"{file.name}: {error}")
                continue
            self.counts.good()
            yield Frame(image, self._camera, datetime.fromtimestamp(at, UTC))

    def close(self) -> None:
        """End after the picture at hand."""
        self._closed = True

    def _in_order(self) -> list[tuple[float, Path]]:
        """Seconds and files: a time that went back would end every track. Names that tell another order are told of as a problem,
        for where files were copied without their times, the names are right."""
        found = []
        for file in sorted(path for path in self._folder.iterdir() if path.suffix.lower() in SUFFIXES):
            try:
                found.append((file.stat().st_mtime, file))
            except OSError as error:
                self.counts.skip(f"{file.name}: {error}")
        if self._by_name:
            return found
        back = sum(later < earlier for (earlier, _), (later, _) in pairwise(found))
        if back:
            self.counts.problem = (
                f"{back} of {len(found)} pictures are older than the one before by name: taken in the order of their times; "
                "copy them with their times (cp -p), or name them in that order"
            )
        return sorted(found, key=lambda each: each[0])
