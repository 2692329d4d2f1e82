"""What a camera gives, from wherever: one protocol, and a folder of pictures behind it."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
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
    """Pictures of a folder, JPEG, PNG and WebP, in the order of their names; the time is that of the file."""

    def __init__(self, folder: Path, camera: str, *, max_pixels: int = MAX_PIXELS) -> None:
        self._folder, self._camera, self._bounds = folder, camera, PictureBounds(max_pixels=max_pixels)
        self._closed = False
        self.counts = Counts()

    def frames(self) -> Iterator[Frame]:
        """One frame for each picture that is whole and within `max_pixels`."""
        if not self._folder.is_dir():
            raise CameraError(f"{self._camera}: {self._folder} is no folder: give one with pictures")
        for file in sorted(path for path in self._folder.iterdir() if path.suffix.lower() in SUFFIXES):
            if self._closed:
                return
            try:
                frame = self._read(file)
            except (PictureError, OSError) as error:
                self.counts.skip(f"{file.name}: {error}")
                continue
            self.counts.good()
            yield frame

    def close(self) -> None:
        """End after the picture at hand."""
        self._closed = True

    def _read(self, file: Path) -> Frame:
        image = read_picture(read_bytes(file, self._bounds), self._bounds)
        return Frame(image, self._camera, datetime.fromtimestamp(file.stat().st_mtime, UTC))
