"""Several cameras, scales and antennas of one shelf, fused on the box: `models.detector.fusion` over a window that moves on.

Pictures are fused at seconds of a fixed grid, once every camera is past it, in the order of their times: files that are read
again give the same events with the same ids, however the cameras' readers took turns. Told is what lies `settle_s` back, when
what came after it has been seen, too. Windows overlap in what they tell, for an estimate shifts from one to the next: what was told
is known again by its time, and told once.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from edge.eyes.camera_events import CameraEvent, event_of
from edge.eyes.frames import Frame
from edge.eyes.fusion_window import Picture, Shares, window_of
from edge.eyes.sensors import SensorLog
from edge.eyes.shelf_spec import ShelfSpec
from edge.eyes.tracks import Tracker
from edge.eyes.view import ViewConfig
from models.common.protocols import InputError
from models.detector.beliefs import Beliefs
from models.detector.event_confidence import EventsSpec
from models.detector.fusion import PickPut, fuse
from models.detector.networks import Detector, Namer
from models.detector.observed import MOST_DETECTIONS, MOST_PICTURES, Floats

_CENTISECONDS = 2  # decimals of an event's time
_ONCE_S = Beliefs().once_s  # no hand does the same twice so soon, which the fusion holds likewise


class FuseConfig(BaseModel):
    """How far the box looks back, and when it makes up its mind."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    every_s: float = Field(default=0.2, gt=0, le=10, description="seconds between fused pictures of a camera")
    step_s: float = Field(default=2.0, gt=0, le=60, description="seconds between fusions")
    settle_s: float = Field(
        default=3.0, gt=0, le=60, description="seconds after an event that are seen before it is told"
    )
    before_s: float = Field(default=5.0, gt=0, le=60, description="seconds before the first event of a window")
    late_s: float = Field(
        default=5.0, gt=0, description="seconds a camera may lag before the others go on; inf: for ever"
    )
    least_confidence: float = Field(
        default=0.5, ge=0, le=1, description="what is less sure, before calibration, is not told"
    )


class FusedShelf:
    """Events of one shelf of `box` out of pictures of its cameras. `add` in the order of each camera's times, `rest` at the end.

    `failing` says why the last window could not be fused, `problem` what is left out, each "" while all is well. InputError for more
    cameras than a window bears. `events`: what is held likely, and what confidence is worth by the sources.
    """

    def __init__(
        self, spec: ShelfSpec, config: FuseConfig | None = None, *, box: str, events: EventsSpec | None = None
    ) -> None:
        self.spec, self.config, self._box, self._believed = spec, config or FuseConfig(), box, events or EventsSpec()
        each_s, cameras = self.config.every_s, len(spec.cameras)
        pictures = cameras * (int(self._window_s / each_s) + 2)
        if pictures > MOST_PICTURES:
            raise InputError(
                f"{cameras} cameras each {each_s:g} s are {pictures} pictures in a window of {self._window_s:g} s, {MOST_PICTURES} "
                "are the bound: watch the shelf with fewer cameras, or with fewer pictures a second (every_s)"
            )
        self._most_boxes = MOST_DETECTIONS // pictures
        self.failing = self.problem = ""
        self._failures = 0
        self._begin()

    def add(self, camera: str, second: float, boxes: Floats, names: Sequence[Shares]) -> list[CameraEvent]:
        """A picture with its boxes (N, 4), best-scored first, and what is believed of each. Seconds that go back begin anew."""
        if second < self._latest.get(camera, -np.inf):
            self._begin()
        self._latest[camera] = second
        most = self._most_boxes
        if len(boxes) > most:
            self.problem = (
                f"{self.spec.name}: {len(boxes)} items in a picture of {camera}, {most} are the bound of a shelf with "
                f"{len(self.spec.cameras)} cameras: those scored best are fused; watch the shelf with fewer cameras"
            )
        self._pictures.append(Picture(second, camera, boxes[:most], names[:most]))
        return self._up_to(self._mark())

    def rest(self) -> list[CameraEvent]:
        """What the last seconds hold, once no picture will come any more; then as at first."""
        if not self._pictures:
            return []
        last = max(each.second for each in self._pictures)
        events = self._up_to(last) + self._told_at(last, last, self.config.settle_s + self.config.step_s)
        self._begin()
        return events

    def _begin(self) -> None:
        self._sensors = SensorLog(self.spec)
        self._latest: dict[str, float] = {}
        self._pictures: list[Picture] = []
        self._next: float | None = None
        self._events: list[tuple[float, PickPut]] = []

    def _mark(self) -> float:
        """The second up to which every camera has been seen, or has been waited for long enough."""
        seen = [self._latest.get(each, -np.inf) for each in self.spec.cameras]
        mark = max(min(seen), max(seen) - self.config.late_s)
        return max(seen) if len(self._pictures) >= MOST_PICTURES else mark

    def _up_to(self, mark: float) -> list[CameraEvent]:
        found = []
        if self._next is None:
            self._next = self._end_after(min(each.second for each in self._pictures))
        while self._next <= mark:
            now, self._next = self._next, self._next + self.config.step_s  # what cannot be fused is not tried for ever
            found += self._told_at(now, now - self.config.settle_s, self.config.step_s)
            oldest = self._next - self._window_s
            self._pictures = [each for each in self._pictures if each.second > oldest]
            self._events = [each for each in self._events if each[0] > oldest - _ONCE_S]
            if not self._pictures:
                break
            # Where a clock jumped ahead nothing lies between, and there may be half a century of it.
            filled = self._end_after(min(each.second for each in self._pictures))
            self._next = max(self._next, min(filled, self._end_after(mark)))
        return found

    def _end_after(self, second: float) -> float:
        """The end of the first window that has `second` in it."""
        return float((np.floor(second / self.config.step_s) + 1) * self.config.step_s)

    @property
    def _window_s(self) -> float:
        return self.config.before_s + self.config.step_s + self.config.settle_s

    def _told_at(self, now: float, until: float, span_s: float) -> list[CameraEvent]:
        """Fuse the window that ends `now`, and tell what happened in the `span_s` seconds before `until`."""
        kept = sorted(
            (each for each in self._pictures if now - self._window_s < each.second <= now),
            key=lambda each: (each.second, each.camera),
        )
        if not kept or not any(len(each.boxes) for each in kept):
            return []
        try:
            window = window_of(self.spec, kept, self._sensors, now)
            found = fuse(
                window.recording,
                beliefs=self._believed.beliefs,
                least_confidence=self.config.least_confidence,
                calibration=self._believed.of(window.recording),
            )
        except Exception as error:  # whatever the fusion raises, the cameras go on and the page says why
            self._failures += 1
            self.failing = (
                f"{self.spec.name}: {self._failures} windows in a row could not be fused, their events are lost: "
                f"{type(error).__name__}: {error}"
            )[:300]
            return []
        self.failing, self._failures = "", 0
        new = self._new([(window.first + event.at_s, event) for event in found])
        told = [(at, event) for at, event in new if until - span_s - _ONCE_S < at <= until]
        self._events += told
        return [self._event(at, event, window.products[event.product]) for at, event in told]

    def _new(self, found: Sequence[tuple[float, PickPut]]) -> list[tuple[float, PickPut]]:
        """Those of a window that were not told yet. Each told one is one of them at most, the nearest pair first: no sum over
        pairs, for one told long ago, which the window no longer has, would then push every later one a place on. What is
        known again moves to its newest estimate."""
        pairs = sorted(
            (abs(at - then), row, column)
            for row, (then, other) in enumerate(self._events)
            for column, (at, event) in enumerate(found)
            if event.deed == other.deed and abs(at - then) < _ONCE_S
        )
        again: dict[int, int] = {}
        for _, row, column in pairs:
            if row not in again.values() and column not in again:
                again[column] = row
        for column, row in again.items():
            self._events[row] = found[column][0], self._events[row][1]
        return [each for column, each in enumerate(found) if column not in again]

    def _event(self, at: float, event: PickPut, product: str) -> CameraEvent:
        return event_of(
            self.spec.name,
            event.deed,
            product,
            box=self._box,
            items=range(event.count),
            time=datetime.fromtimestamp(round(at, _CENTISECONDS), UTC),
            confidence=event.confidence,
        )


class ShelfView:
    """One camera's part of a fused shelf: items found and followed in every frame, named until their track is known."""

    def __init__(self, camera: str, detector: Detector, namer: Namer, config: ViewConfig, shelf: FusedShelf) -> None:
        self._camera, self._detector, self._namer, self._config, self._shelf = camera, detector, namer, config, shelf
        self._tracker = Tracker(config.tracker)
        self._turn = -np.inf

    def look(self, frame: Frame) -> list[CameraEvent]:
        """Events that this frame lets the shelf tell."""
        second = frame.time.timestamp()
        found = self._detector.detect(frame.image)
        seen = {tuple(each.box): each for each in self._tracker.update(found, second).seen}
        turn = np.floor(second / self._shelf.config.every_s)
        if turn <= self._turn:
            return []
        self._turn = turn
        boxes = found.boxes[found.scores >= self._config.tracker.high_score]
        tracks = [seen.get(tuple(box)) for box in boxes]
        fresh = [row for row, each in enumerate(tracks) if each is None or each.named < self._config.names]
        names: list[Shares] = [{} if each is None or not each.named else each.shares for each in tracks]
        for row, named in zip(fresh, self._namer.name(frame.image, boxes[fresh]) if fresh else [], strict=True):
            if (track := tracks[row]) is not None:
                track.vote(named.product, named.confidence)
                names[row] = track.shares
            else:
                names[row] = {named.product: named.confidence}
        return self._shelf.add(self._camera, second, boxes, names)

    def rest(self) -> list[CameraEvent]:
        """What the shelf has not told yet."""
        return self._shelf.rest()

    @property
    def failing(self) -> str:
        """As the shelf's."""
        return self._shelf.failing

    @property
    def problem(self) -> str:
        """As the shelf's."""
        return self._shelf.problem


def fused_views(
    shelf: FusedShelf, detector: Detector, namer: Namer, config: ViewConfig
) -> Mapping[str, Callable[[], ShelfView]]:
    """A way to begin a view for each camera of the shelf."""

    def beginning(camera: str) -> Callable[[], ShelfView]:
        return lambda: ShelfView(camera, detector, namer, config, shelf)

    return {camera: beginning(camera) for camera in shelf.spec.cameras}
