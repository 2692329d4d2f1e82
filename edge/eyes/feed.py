"""Frames of several cameras for one loop: a reader for each, room for one frame each, and readers that hang replaced.

A live camera's frame that nobody took gives way to the next one; a file's reader waits, so that none of its frames is lost.
"""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from edge.eyes.frames import Counts, Frame, FrameSource


@dataclass(frozen=True)
class Camera:
    """A camera by its name: whether it gives frames now or of old, and how it is opened (again after a hang)."""

    name: str
    live: bool
    open: Callable[[], FrameSource]


class FeedConfig(BaseModel):
    """When a reader counts as hung, and how many of those are borne."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    hang_s: float = Field(default=30.0, gt=0, le=3_600, description="seconds without a sign of life; beyond time-outs")
    max_hung: int = Field(
        default=4, ge=1, le=100, description="hung readers of a camera left behind before it is given up"
    )


@dataclass
class _Lane:
    camera: Camera
    generation: int = 0
    source: FrameSource | None = None
    frame: Frame | None = None
    waiting: bool = False  # its reader holds a frame that has no room yet
    ended: bool = False
    began: float = 0.0
    dropped: int = 0
    restarts: int = 0
    given_up: bool = False
    problem: str = ""
    past: Counts = field(default_factory=Counts)  # of sources before this one
    readers: list[threading.Thread] = field(default_factory=list)


class Feeds:
    """Frames of all cameras, one after the other in turn. `start`, then `next` until `ended`, then `close`."""

    def __init__(self, cameras: Sequence[Camera], config: FeedConfig | None = None) -> None:
        if len({each.name for each in cameras}) != len(cameras) or not cameras:
            raise ValueError(f"{[each.name for each in cameras]}: give at least one camera, each a name of its own")
        self._config = config or FeedConfig()
        self._lanes = [_Lane(each) for each in cameras]
        self._changed = threading.Condition()
        self._turn = 0
        self._closed = False

    def start(self) -> None:
        """Begin to read."""
        with self._changed:
            for lane in self._lanes:
                self._begin(lane)

    def next(self, timeout_s: float) -> Frame | None:
        """The next frame, of each camera in turn; None when none came within `timeout_s` seconds, or all have ended."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._closed or self.ended or any(each.frame for each in self._lanes), timeout_s
            )
            for step in range(len(self._lanes)):
                lane = self._lanes[(self._turn + step) % len(self._lanes)]
                if lane.frame is not None:
                    frame, lane.frame = lane.frame, None
                    self._turn = (self._turn + step + 1) % len(self._lanes)
                    self._changed.notify_all()
                    return frame
        return None

    @property
    def ended(self) -> bool:
        """No frame will come any more: all files are read, live cameras (which never end) given up."""
        return all((each.ended and not each.camera.live) or each.given_up for each in self._lanes) and not any(
            each.frame for each in self._lanes
        )

    def watch(self) -> None:
        """Replace readers that hang or fell: call it now and then. A live camera's reader that ended is begun again, too."""
        now = time.monotonic()
        with self._changed:
            for lane in self._lanes:
                if lane.given_up or lane.waiting or (lane.ended and not lane.camera.live):
                    continue
                counts = lane.source.counts if lane.source is not None else None
                alive_at = max(lane.began, counts.alive_at if counts is not None else 0.0)
                if now - alive_at <= self._config.hang_s:
                    continue
                lane.problem = lane.problem if lane.ended else f"no sign of life for {now - alive_at:.0f} s"
                self._leave(lane)
                lane.readers = [each for each in lane.readers if each.is_alive()]
                if len(lane.readers) >= self._config.max_hung:
                    lane.given_up = True
                    lane.problem = f"{len(lane.readers)} readers hang: mend the camera and start the box again"
                    self._changed.notify_all()
                    continue
                lane.restarts += 1
                self._begin(lane)

    def close(self) -> None:
        """End all readers; one that hangs is left behind."""
        with self._changed:
            self._closed = True
            for lane in self._lanes:
                self._leave(lane)
            readers = [each for lane in self._lanes for each in lane.readers]
        for reader in readers:
            reader.join(timeout=1.0)

    def status(self) -> dict[str, dict[str, Any]]:
        """Of each camera, ready for JSON: frames read, broken, dropped, and what the watchdog did."""
        with self._changed:
            return {lane.camera.name: self._told(lane) for lane in self._lanes}

    def _told(self, lane: _Lane) -> dict[str, Any]:
        now = lane.source.counts if lane.source is not None else Counts()
        return {
            "live": lane.camera.live,
            "read": lane.past.frames + now.frames,
            "broken": lane.past.broken + now.broken,
            "reconnects": lane.past.reconnects + now.reconnects,
            "dropped": lane.dropped,
            "restarts": lane.restarts,
            "ended": lane.ended,
            "given_up": lane.given_up,
            "problem": lane.problem or now.problem,
        }

    def _begin(self, lane: _Lane) -> None:
        lane.generation += 1
        lane.ended = lane.waiting = False
        lane.began = time.monotonic()
        reader = threading.Thread(
            target=self._read, args=(lane, lane.generation), name=f"camera-{lane.camera.name}", daemon=True
        )
        lane.readers.append(reader)
        reader.start()

    def _leave(self, lane: _Lane) -> None:
        """Forget the source at hand, what it counted aside; its reader ends as soon as it answers."""
        lane.generation += 1
        if lane.source is not None:
            counts = lane.source.counts
            lane.past.frames += counts.frames
            lane.past.broken += counts.broken
            lane.past.reconnects += counts.reconnects
            lane.problem = lane.problem or counts.problem
            lane.source.close()
            lane.source = None
        self._changed.notify_all()

    def _read(self, lane: _Lane, generation: int) -> None:
        problem = ""
        try:
            source = lane.camera.open()
            with self._changed:
                if lane.generation != generation:
                    return
                lane.source = source
            for frame in source.frames():
                if not self._put(lane, generation, frame):
                    return
        except Exception as error:  # whatever a camera raises, the other cameras go on and the page says why
            problem = f"{type(error).__name__}: {error}"[:300]
        finally:
            with self._changed:
                if lane.generation == generation:
                    lane.ended, lane.problem = True, problem or lane.problem
                    self._changed.notify_all()

    def _put(self, lane: _Lane, generation: int, frame: Frame) -> bool:
        """Make room or wait for it; False when this reader was left behind."""
        with self._changed:
            if lane.frame is not None and lane.generation == generation:
                if lane.camera.live:
                    lane.dropped += 1
                else:
                    lane.waiting = True
                    self._changed.wait_for(lambda: lane.frame is None or lane.generation != generation)
            if lane.generation != generation:
                return False
            lane.waiting, lane.began = False, time.monotonic()
            lane.frame = frame
            self._changed.notify_all()
            return True
