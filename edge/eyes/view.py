"""One camera's view: items tracked and named from frame to frame, and what was taken or put told from how the tracks change.

What one camera sees alone is told here; where several cameras, scales and antennas are fused, `edge.eyes.fused` tells it.
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Protocol

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from edge.eyes.camera_events import CameraEvent, Deed, event_of
from edge.eyes.frames import Frame
from edge.eyes.tracks import Moved, Track, Tracker, TrackerConfig
from models.detector.networks import Detector, Namer


class ViewConfig(BaseModel):
    """When a change of tracks is a deed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    settle_s: float = Field(default=2.0, ge=0, le=600, description="seconds whose items were there before: no deed")
    names: int = Field(default=3, ge=1, le=100, description="crops of an item that are named, on frames of their own")
    tracker: TrackerConfig = TrackerConfig()


class Look(Protocol):
    """One camera's frames in, events out."""

    @property
    def failing(self) -> str:
        """Why events are being lost, "" while none are: the box is ill."""

    @property
    def problem(self) -> str:
        """What is left out, "" while nothing is."""

    def look(self, frame: Frame) -> list[CameraEvent]:
        """Events of one frame, which must not be older than the one before."""

    def rest(self) -> list[CameraEvent]:
        """Events that waited for more frames, when none will come."""


class Rule(Protocol):
    """Turns changes of tracks into events."""

    def events(self, moved: Moved, second: float) -> list[CameraEvent]:
        """Events of one frame."""


class Changes:
    """`Rule` of a camera that looks at one shelf: an item that appears was put there, one that is gone for good was taken.

    Items of the first `settle_s` seconds were there before. A deed is told once its item is named; of items alike that move in
    one frame, one event with their number.
    """

    def __init__(self, camera: str, config: ViewConfig, *, box: str) -> None:
        self._camera, self._config, self._box = camera, config, box
        self._began: float | None = None
        self._unnamed: dict[int, Track] = {}  # those put there, of which too few crops are named yet

    def events(self, moved: Moved, second: float) -> list[CameraEvent]:
        """Put and taken items of one frame, by product."""
        if self._began is None:
            self._began = second
        settled = second - self._began > self._config.settle_s
        self._unnamed |= {each.number: each for each in moved.confirmed if settled}
        named = [each for each in self._unnamed.values() if each.named >= self._config.names]
        put = named + [
            each for each in moved.ended if each.number in self._unnamed
        ]  # gone before it was named: told as it is
        for each in put:
            del self._unnamed[each.number]
        deeds: list[tuple[Deed, Track, float]] = [
            *(("put", each, each.first_at) for each in put),
            *(("take", each, each.seen_at) for each in moved.ended),
        ]
        groups: dict[tuple[Deed, str | None], list[tuple[Track, float]]] = defaultdict(list)
        for kind, track, at in deeds:
            groups[kind, track.product].append((track, at))
        return [self._event(kind, product, rows) for (kind, product), rows in groups.items()]

    def _event(self, kind: Deed, product: str | None, rows: Sequence[tuple[Track, float]]) -> CameraEvent:
        tracks = [track for track, _ in rows]
        return event_of(
            self._camera,
            kind,
            product,
            box=self._box,
            items=[each.number for each in tracks],
            time=datetime.fromtimestamp(max(at for _, at in rows), UTC),
            confidence=min(each.confidence for each in tracks),
        )


class View:
    """Frames of one camera of `box` in, events out. Frames must come in the order of their times; ValueError otherwise."""

    failing = problem = ""  # what fails raises

    def __init__(
        self,
        camera: str,
        detector: Detector,
        namer: Namer,
        config: ViewConfig | None = None,
        rule: Rule | None = None,
        *,
        box: str,
    ) -> None:
        self._detector, self._namer, self._config = detector, namer, config or ViewConfig()
        self._tracker = Tracker(self._config.tracker)
        self._rule = rule or Changes(camera, self._config, box=box)

    def look(self, frame: Frame) -> list[CameraEvent]:
        """Find, follow and name the items of a frame. A track is named by its first crops alone: more would add little."""
        second = frame.time.timestamp()
        moved = self._tracker.update(self._detector.detect(frame.image), second)
        nameless = [each for each in moved.seen if each.named < self._config.names]
        if nameless:
            boxes = np.array([each.box for each in nameless])
            for track, named in zip(nameless, self._namer.name(frame.image, boxes), strict=True):
                track.vote(named.product, named.confidence)
        return self._rule.events(moved, second)

    def rest(self) -> list[CameraEvent]:
        """None: what a camera sees alone is told at once."""
        return []
