"""The loop of a box with cameras: frames in, events on its disk, and signs of life for whoever watches it."""

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from edge.box_id import box_id
from edge.eyes.camera_events import CameraEvent, Forwarded, Forwarder, Keeper
from edge.eyes.feed import Feeds
from edge.eyes.frames import Frame
from edge.eyes.view import Look, View, ViewConfig
from edge.outbox import Outbox, refused_problem
from edge.update import Trial
from models.detector.networks import Detector, Namer

HEARTBEAT = "eyes.heartbeat"


class EyesConfig(BaseModel):
    """How a box with cameras runs."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    view: ViewConfig = ViewConfig()
    beat_s: float = Field(default=1.0, gt=0, le=60, description="seconds between touches of the heartbeat file")
    stale_s: float = Field(default=30.0, gt=0, le=3_600, description="seconds without a turn of the loop: it hangs")
    ends_s: float = Field(
        default=120.0, gt=0, le=86_400, description="seconds without a turn after which the watchdog ends the process"
    )
    max_failures: int = Field(
        default=20, ge=1, le=100_000, description="frames in a row the networks failed on: it is ill"
    )
    timed: int = Field(default=200, ge=1, le=10_000, description="newest frames whose milliseconds are kept")


class EyesRuntime:
    """Cameras at work. `run` in one thread; `health` from any. `views` begin those of cameras that do not look alone."""

    def __init__(
        self,
        detector: Detector,
        namer: Namer,
        feeds: Feeds,
        outbox: Outbox,
        *,
        home: Path,
        forwarder: Forwarder | None = None,
        config: EyesConfig | None = None,
        retry_s: float = 1.0,
        flush_s: float = 0.0,
        views: Mapping[str, Callable[[], Look]] | None = None,
    ) -> None:
        self._detector, self._namer, self._feeds, self._forwarder = detector, namer, feeds, forwarder
        self._config, self._outbox, self._heartbeat = config or EyesConfig(), outbox, home / HEARTBEAT
        self._box = box_id(home)
        self._keeper, self._flush_s = Keeper(outbox, retry_s=retry_s), flush_s
        self._begin, self._views = views or {}, dict[str, tuple[Look, datetime]]()
        self._stop, self._trial = threading.Event(), Trial(home)
        self._frames = self._failed = self._in_a_row = 0
        self._problem = self._no_beat = ""
        self._began = self._turned_at = time.monotonic()
        self._frame_at: float | None = None
        self._beaten_at = float("-inf")
        self._took_ms: deque[float] = deque(maxlen=self._config.timed)

    def run(self) -> None:
        """Until every file is read, or `stop`: each frame's events lie on the disk before the next frame is taken."""
        self._feeds.start()
        if self._forwarder is not None:
            self._forwarder.start()
        try:
            while not self._stop.is_set() and not self._feeds.ended:
                self._beat()
                self._feeds.watch()
                frame = self._feeds.next(0.2)
                if frame is not None and not self._keeper.keep(self.process(frame), self._stop, self._beat):
                    return
            self._keeper.keep(self._rest(), self._stop, self._beat)
            self._trial.done()
        finally:
            self._feeds.close()
            if self._forwarder is not None:
                self._forwarder.close(flush_s=self._flush_s)

    def turned_s(self) -> float:
        """Seconds since the loop's last turn."""
        return time.monotonic() - self._turned_at

    def stop(self) -> None:
        """End after the frame at hand."""
        self._stop.set()

    def process(self, frame: Frame) -> list[CameraEvent]:
        """Events of one frame. A frame that the networks fail on is counted and left out, whatever they raise."""
        began = time.monotonic()
        view, last = self._views.get(frame.camera, (None, frame.time))
        if (
            view is None or frame.time < last
        ):  # a file that is read again, or a clock set back: tracks of before are void
            view = self._new_view(frame.camera)
        self._views[frame.camera] = view, frame.time
        events: list[CameraEvent] = []
        self._trial.begin()
        try:
            events = view.look(frame)
            self._in_a_row = 0
        except Exception as error:  # whatever a network raises, the cameras go on and the page says why
            self._failed += 1
            self._in_a_row += 1
            self._problem = f"{frame.camera}: {type(error).__name__}: {error}"[:300]
        self._trial.went(well=not self._in_a_row)
        self._frames += 1
        self._frame_at = time.monotonic()
        self._took_ms.append(1_000 * (self._frame_at - began))
        return events

    def _rest(self) -> list[CameraEvent]:
        """What views have not told yet. Who was asked to stop reads files again; what a live camera showed does not come again."""
        live = {name for name, each in self._feeds.status().items() if each["live"]}
        ending = [view for name, (view, _) in self._views.items() if name in live or not self._stop.is_set()]
        return [event for view in ending for event in view.rest()]

    def _new_view(self, camera: str) -> Look:
        begin = self._begin.get(camera)
        if begin is not None:
            return begin()
        return View(camera, self._detector, self._namer, self._config.view, box=self._box)

    def health(self) -> dict[str, Any]:
        """How it fares, ready for JSON; `healthy` is false while it hangs, is ill, has no room, or nothing it says can go out
        until somebody acts. A network that is away is borne."""
        now, cameras = time.monotonic(), self._feeds.status()
        turned_s = self.turned_s()
        views = [view for view, _ in list(self._views.values())]
        failing = any(each.failing for each in views)
        told = [self._keeper.problem, self._no_beat, self._problem if self._in_a_row else "", self._trial.problem]
        told += dict.fromkeys(each for view in views for each in (view.failing, view.problem))
        problems = [each for each in told if each]
        if turned_s > self._config.stale_s:
            problems.append(f"the loop made no turn for {turned_s:.0f} s: a network hangs, start the box again")
        problems += [f"{name}: {each['problem']}" for name, each in cameras.items() if each["problem"]]
        took = sorted(self._took_ms)
        sent = self._forwarder.done if self._forwarder is not None else Forwarded()
        refused = self._outbox.refused()
        if sent.fallen:
            problems.append(f"the forwarder has ended ({sent.fallen}), events wait on the disk: start the box again")
        problems += [each for each in (sent.problem, refused_problem(refused)) if each]
        return {
            "healthy": not self._keeper.problem
            and not failing
            and turned_s <= self._config.stale_s
            and self._in_a_row < self._config.max_failures
            and not any(each["given_up"] for each in cameras.values())
            and not sent.denied
            and not sent.fallen,
            "box_id": self._box,
            "uptime_s": round(now - self._began, 1),
            "frames": self._frames,
            "failed": self._failed,
            "dropped": sum(each["dropped"] for each in cameras.values()),
            "broken": sum(each["broken"] for each in cameras.values()),
            "last_frame_age_s": None if self._frame_at is None else round(now - self._frame_at, 2),
            "last_turn_age_s": round(turned_s, 2),
            "frame_ms_p50": round(took[len(took) // 2], 2) if took else None,
            "events_stored": self._keeper.stored,
            "events_forwarded": sent.events,
            "events_waiting": self._outbox.waiting(),
            "events_refused": refused,
            "forward_failures": sent.failures,
            "memory_mb": round(memory_bytes() / 1e6, 1),
            "cameras": cameras,
            "problems": problems,
        }

    def _beat(self) -> None:
        """Touch the heartbeat file, which needs no room on the disk: its age says whether the loop turns."""
        self._turned_at = time.monotonic()
        if self._turned_at - self._beaten_at >= self._config.beat_s:
            self._beaten_at = self._turned_at
            try:
                self._heartbeat.touch()
                self._no_beat = ""
            except OSError as error:  # such as a disk that turned read-only: what is seen goes on to the network
                self._no_beat = f"no heartbeat: {error}"


def memory_bytes() -> int:
    """Resident memory of this process."""
    import resource

    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize()
