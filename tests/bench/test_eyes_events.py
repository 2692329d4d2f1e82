"""The judge of events by hand, and events of a few clips: more sources tell more, and all of them nearly everything."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))  # the rows are no package

from eyes_events import STAGES, Judged, judged, told
from eyes_events_rows import events_verdict

from models.common.protocols import silent
from models.detector.beliefs import Beliefs
from models.detector.calibration import Calibration, expected_calibration_error
from models.detector.event_confidence import sources_of
from models.detector.fusion import PickPut, fuse
from orchestration.clip_recordings import LEAST_CONFIDENCE, matched, told_by
from orchestration.events_base import learnt
from sources.twin.cameras.params import CameraParams, ClipParams, PictureParams, ShelfParams
from sources.twin.cameras.truth import Event

SMALL = CameraParams(
    products=40, picture=PictureParams(width=480, height=360), shelf=ShelfParams(width_cm=70, levels=3)
)


def true(deed: str, product: int, count: int, at_s: float) -> Event:
    return Event(deed, product, count, 0, at_s, "U1")


def test_an_event_is_answered_by_the_surest_of_its_deed_near_its_time() -> None:
    events = [true("take", 3, 2, 2.0), true("put", 4, 1, 5.0)]
    found = [
        PickPut("take", 3, 2, 0, 1.5, 0.6),
        PickPut("take", 3, 1, 0, 2.2, 0.9),
        PickPut("put", 4, 1, 0, 6.6, 0.8),
    ]
    assert matched(found, events, timed=True) == ([False, False], [False, False, False], 2)
    assert matched(found[:1] + found[2:], events, timed=True) == ([True, False], [True, False], 1)
    assert matched(found[2:], events, timed=False) == ([False, True], [True], 0)


@pytest.mark.parametrize(("right", "wrong_share", "met"), [(0.995, 0.0, True), (0.98, 0.0, False), (0.995, 0.2, False)])
def test_both_bounds_decide(right: float, wrong_share: float, met: bool) -> None:
    sure = np.full(200, 0.999)
    ok = np.ones(200, dtype=bool)
    others = dict.fromkeys(STAGES, Judged(1.0, 200, sure, ok, 0, 5.0).calibration())
    seen = dict.fromkeys(STAGES, Judged(right, 200, sure, np.arange(200) >= 200 * wrong_share, 0, 5.0))
    found = events_verdict(others, seen, "by hand")
    assert (found.met, found.value, found.peer) == (met, right, "camera")
    assert "200 events; by hand: " in found.note


def test_more_sources_tell_more() -> None:
    found = judged(told(5, 3, 16, SMALL))
    rights = [found[stage].right for stage in STAGES]
    assert found["camera"].events >= 14
    assert rights[0] < min(rights[1:3]) and max(rights[1:3]) < rights[3] <= rights[4]
    assert rights[4] >= 0.93


def test_every_set_of_sources_is_calibrated_and_worth_what_it_says() -> None:
    """Learnt on some clips, judged on others of other products: nearer to the truth on average than raw confidence."""
    spec, facts = learnt(told(6, 3, 60, SMALL), Beliefs(), silent, 60)
    assert len(spec.calibrations) == len(facts) == 8 and "2 cameras, weight, tags" in spec.calibrations
    assert facts["2 cameras, weight, tags"]["right"] > facts["1 camera"]["right"]
    sure: dict[str, list[float]] = {}
    right: dict[str, list[bool]] = {}
    for whole, events in told(7, 4, 40, SMALL):
        for cameras in (1, 2):
            part = told_by(whole, cameras, weighed=False, tagged=False)
            found = fuse(part, least_confidence=LEAST_CONFIDENCE)
            sure.setdefault(sources_of(part), []).extend(each.confidence for each in found)
            right.setdefault(sources_of(part), []).extend(matched(found, events, timed=True)[1])
        calibration = spec.of(part)
    assert calibration is not None
    raw, calibrated = 0.0, 0.0
    for name, values in sure.items():
        kept = Calibration.from_json(spec.calibrations[name])
        was = np.array(right[name], dtype=bool)
        raw += expected_calibration_error(np.array(values), was)
        calibrated += expected_calibration_error(kept(np.array(values)), was)
    assert calibrated < raw


def test_hands_that_take_nothing_are_no_event() -> None:
    idle = SMALL.model_copy(update={"clip": ClipParams(browse_share=1, swap_share=0, put_share=0)})
    found = judged(told(6, 3, 8, idle))
    assert found["+ RFID"].events == 0 and found["+ RFID"].false == 0
