"""How events are judged: the fusion with ever more sources, on clips of the twin, against who took what in truth."""

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from models.detector.calibration import Calibration, expected_calibration_error, fit_calibration
from models.detector.fusion import fuse
from models.detector.observed import Bools, Floats, Recording
from orchestration.clip_recordings import LEAST_CONFIDENCE, matched
from orchestration.made_up_detections import DetectorErrors, Lookalikes, recording
from sources.twin.cameras.params import CameraParams
from sources.twin.cameras.studio import Studio
from sources.twin.cameras.truth import Event

STAGES = ("camera", "+ time", "+ second camera", "+ weight", "+ RFID")
PRODUCTS = 200


@dataclass(frozen=True, eq=False)
class Judged:
    """Of one stage: share `right` of true events with deed, product and count, of `events`; fused `confidence` (N,) of what was
    told and whether each `was_right` (N,); `false` events told with no true one; mean `ms` of a clip."""

    right: float
    events: int
    confidence: Floats
    was_right: Bools
    false: int
    ms: float

    def error(self, calibration: Calibration | None = None) -> float:
        """Expected calibration error, of raw confidence or calibrated."""
        sure = self.confidence if calibration is None else calibration(self.confidence)
        return expected_calibration_error(sure, self.was_right)

    def calibration(self) -> Calibration:
        """Learnt from what was told here."""
        return fit_calibration(self.confidence, self.was_right)


def told(
    seed: int, world_seed: int, clips: int, params: CameraParams | None = None
) -> Iterator[tuple[Recording, Sequence[Event]]]:
    """Clips as a detector with errors sees them, and their true events."""
    errors = DetectorErrors()
    studio = Studio(params or CameraParams(products=PRODUCTS), seed, world_seed=world_seed)
    alike = Lookalikes(studio.appearances, errors)
    for number in range(clips):
        clip = studio.clip(number, developed=False)
        rng = np.random.default_rng([seed, number])
        yield recording(clip, studio.appearances, alike, errors, rng), clip.truth.events


def with_sources(whole: Recording, stage: str) -> Recording:
    """A recording with the sources of a stage: at first one camera's pictures before and after, nothing between."""
    count = STAGES.index(stage)
    pictures = np.ones(whole.at_s.size, dtype=bool) if count > 1 else whole.camera == 0
    if count == 0:
        first, last = np.flatnonzero(pictures)[[0, -1]]
        pictures = np.isin(np.arange(whole.at_s.size), (first, last))
    kept = whole.keeping(pictures)
    return replace(kept, weights=whole.weights if count > 2 else None, reads=whole.reads if count > 3 else None)


@dataclass(eq=False)
class _Tally:
    event_right: list[bool] = field(default_factory=list)
    was_right: list[bool] = field(default_factory=list)
    sure: list[float] = field(default_factory=list)
    false: int = 0
    seconds: float = 0.0


def judged(cases: Iterable[tuple[Recording, Sequence[Event]]]) -> dict[str, Judged]:
    """Every stage on the same clips, one clip after another: what is seen in hundreds would fill the memory."""
    tallies = {stage: _Tally() for stage in STAGES}
    clips = 0
    for whole, true in cases:
        clips += 1
        for stage, tally in tallies.items():
            part = with_sources(whole, stage)
            began = time.perf_counter()
            events = fuse(part, least_confidence=0.0 if stage == "camera" else LEAST_CONFIDENCE)
            tally.seconds += time.perf_counter() - began
            rights, each, extra = matched(events, true, timed=stage != "camera")
            tally.event_right += rights
            tally.was_right += each
            tally.sure += [event.confidence for event in events]
            tally.false += extra
    return {
        stage: Judged(
            float(np.mean(tally.event_right)) if tally.event_right else float("nan"),
            len(tally.event_right),
            np.array(tally.sure),
            np.array(tally.was_right, dtype=bool),
            tally.false,
            1e3 * tally.seconds / max(clips, 1),
        )
        for stage, tally in tallies.items()
    }
