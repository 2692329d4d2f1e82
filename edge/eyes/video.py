"""Frames of a video file, and of a camera on the network that may go away and come back (OpenCV with FFmpeg)."""

import re
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from edge.eyes.frames import MAX_PIXELS, CameraError, Counts, Frame
from models.common.pictures import Pixels

LIVE_SCHEMES = ("rtsp://", "rtsps://", "http://", "https://")
MAX_FPS = 1_000.0
MISSES = 64  # frames in a row that cannot be decoded


class Capture(Protocol):
    """The part of OpenCV's VideoCapture that is used here."""

    def isOpened(self) -> bool: ...
    def read(self) -> tuple[bool, Any]: ...
    def get(self, name: int, /) -> float: ...
    def release(self) -> None: ...


class LiveConfig(BaseModel):
    """How patient a box is with a camera on the network."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    open_timeout_s: float = Field(default=5.0, gt=0, le=120, description="seconds until a camera counts as absent")
    read_timeout_s: float = Field(default=5.0, gt=0, le=120, description="seconds without a frame until it is left")
    first_wait_s: float = Field(
        default=0.5, gt=0, le=60, description="seconds before the second try; doubled each time"
    )
    longest_wait_s: float = Field(default=30.0, gt=0, le=3_600, description="seconds, the bound of that doubling")
    max_pixels: int = Field(default=MAX_PIXELS, ge=1, le=1 << 28, description="of one frame; larger ones are left out")


class VideoFile:
    """Frames of a video file; the time is `start` (the file's own by default) and what the container tells since."""

    def __init__(self, file: Path, camera: str, *, start: datetime | None = None, max_pixels: int = MAX_PIXELS) -> None:
        self._file, self._camera, self._start, self._max_pixels = file, camera, start, max_pixels
        self._closed = False
        self.counts = Counts()

    def frames(self) -> Iterator[Frame]:
        """All that can be decoded; what cannot is counted as broken, and `MISSES` of them in a row are the end."""
        import cv2

        if not self._file.is_file():
            raise CameraError(f"{self._camera}: {self._file} is no file: give a video, a folder or an rtsp:// address")
        start = self._start or datetime.fromtimestamp(self._file.stat().st_mtime, UTC)
        capture = cv2.VideoCapture(str(self._file), cv2.CAP_FFMPEG)
        try:
            rate, told = capture.get(cv2.CAP_PROP_FPS), capture.get(cv2.CAP_PROP_FRAME_COUNT)
            if large := _too_large(capture, self._max_pixels):
                raise CameraError(f"{self._camera}: {large}: give a smaller video")
            if not capture.isOpened() or not 0 < rate <= MAX_FPS:
                raise CameraError(
                    f"{self._camera}: {self._file} is no video that FFmpeg reads ({rate} frames a second)"
                )
            passed = missed = 0  # frames gone by, good or not; tries since the last good one
            while not self._closed and missed < MISSES:
                came, picture = capture.read()
                if not came:  # the end, or a frame that FFmpeg cannot decode and passes over
                    missed += 1
                    self.counts.alive()
                    continue
                self._broken(missed)
                odd = _odd(picture, self._max_pixels)
                since_s = max(capture.get(cv2.CAP_PROP_POS_MSEC) / 1_000, (passed + missed) / rate)
                passed, missed = passed + missed + 1, 0
                if odd:
                    self.counts.skip(f"{self._file.name}: {odd}")
                    continue
                self.counts.good()
                yield Frame(_rgb(picture), self._camera, start + timedelta(seconds=since_s))
            if not self._closed:
                self._broken(min(int(told) - passed, MISSES))
        finally:
            capture.release()

    def close(self) -> None:
        """End after the frame at hand."""
        self._closed = True

    def _broken(self, count: int) -> None:
        for _ in range(count):
            self.counts.skip(f"{self._file.name}: a frame that cannot be decoded")


class LiveVideo:
    """Frames of a camera on the network (RTSP, or MJPEG over HTTP), for ever: what goes away is waited for."""

    def __init__(
        self,
        address: str,
        camera: str,
        config: LiveConfig | None = None,
        *,
        open_capture: Callable[[str, LiveConfig], Capture] | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        if not address.startswith(LIVE_SCHEMES):
            raise CameraError(f"{camera}: {redacted(address)!r} is no address: begin with one of {LIVE_SCHEMES}")
        self._address, self._camera, self._config = address, camera, config or LiveConfig()
        self._open, self._now = open_capture or _open_capture, now
        self._closed = threading.Event()
        self.counts = Counts()

    def frames(self) -> Iterator[Frame]:
        """Frames as they come, stamped as they are read; a lost camera is opened again, ever later up to a bound."""
        wait_s, first = self._config.first_wait_s, True
        while not self._closed.is_set():
            self.counts.reconnects += not first
            first = False
            capture = self._open(self._address, self._config)
            try:
                self.counts.alive()
                large = _too_large(capture, self._config.max_pixels)
                while not large and not self._closed.is_set() and capture.isOpened():
                    came, picture = capture.read()
                    if not came:
                        break
                    wait_s = self._config.first_wait_s
                    frame = self._frame(picture)
                    if frame is not None:
                        self.counts.good()
                        yield frame
            finally:
                capture.release()
            reason = f"gives {large}: set it to a smaller size" if large else "gives no frames"
            self.counts.problem = f"{redacted(self._address)} {reason}; tried again after {wait_s:g} s"
            self._pause(wait_s)
            wait_s = min(2 * wait_s, self._config.longest_wait_s)

    def close(self) -> None:
        """End after the frame at hand, or at once where it waits for a camera."""
        self._closed.set()

    def _pause(self, wait_s: float) -> None:
        """Wait, with a sign of life each second: to wait is not to hang."""
        while wait_s > 0 and not self._closed.wait(min(wait_s, 1.0)):
            self.counts.alive()
            wait_s -= 1.0

    def _frame(self, picture: Any) -> Frame | None:
        if odd := _odd(picture, self._config.max_pixels):
            self.counts.skip(odd)
            return None
        return Frame(_rgb(picture), self._camera, self._now())


def redacted(address: str) -> str:
    """The address without user and password, as logs and pages may show it."""
    return re.sub(r"//[^/@]*@", "//...@", address)[:200]


def _open_capture(address: str, config: LiveConfig) -> Capture:
    import cv2

    patience = [
        cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, int(config.open_timeout_s * 1_000),
        cv2.CAP_PROP_READ_TIMEOUT_MSEC, int(config.read_timeout_s * 1_000),
    ]  # fmt: skip
    return cv2.VideoCapture(address, cv2.CAP_FFMPEG, patience)


def _too_large(capture: Capture, max_pixels: int) -> str:
    """What is wrong with the size that a stream tells of when it is opened, before a frame of it is taken; "" for nothing. OpenCV
    makes room for frames of that size, and scales those of others to it."""
    import cv2

    width, height = capture.get(cv2.CAP_PROP_FRAME_WIDTH), capture.get(cv2.CAP_PROP_FRAME_HEIGHT)
    return f"frames of {width:g} x {height:g} pixels, {max_pixels} are the bound" if width * height > max_pixels else ""


def _odd(picture: Any, max_pixels: int) -> str:
    """What is wrong with a frame, whatever its stream told; "" for nothing."""
    shape: tuple[int, ...] = getattr(picture, "shape", ())
    if len(shape) == 3 and shape[2] == 3 and 0 < shape[0] * shape[1] <= max_pixels:
        return ""
    return f"a frame of shape {shape}, (H, W, 3) of {max_pixels} pixels is the bound"


def _rgb(picture: Any) -> Pixels:
    """OpenCV gives blue first."""
    return np.ascontiguousarray(np.asarray(picture, dtype=np.uint8)[..., ::-1])
