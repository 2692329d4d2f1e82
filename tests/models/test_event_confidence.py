"""One calibration for each set of sources, told by a recording itself."""

import numpy as np
import pytest
from pydantic import ValidationError

from models.detector.beliefs import Beliefs
from models.detector.event_confidence import EventsSpec, sources_of
from models.detector.observed import NamedDetections, Recording, ScaleReadings, Shelf, TagReads
from models.detector.parts import base_events

NOTHING = np.zeros(0)


def recording(cameras: int, *, weighed: bool, tagged: bool) -> Recording:
    """A picture by each of so many cameras, of three that there are or more."""
    number = NOTHING.astype(np.int64)
    return Recording(
        ["a camera"] * max(cameras, 3),  # type: ignore[list-item]
        np.arange(cameras),
        np.zeros(cameras),
        NamedDetections(number, np.zeros((0, 4)), np.zeros((0, 1))),
        Shelf(number, number, NOTHING, NOTHING, NOTHING, np.ones(1)),
        ScaleReadings(number, NOTHING, NOTHING) if weighed else None,
        TagReads(number, NOTHING, number, NOTHING, number) if tagged else None,
    )


@pytest.mark.parametrize(
    ("cameras", "weighed", "tagged", "told"),
    [
        (1, False, False, "1 camera"),
        (2, True, False, "2 cameras, weight"),
        (5, False, True, "2 cameras, tags"),
        (2, True, True, "2 cameras, weight, tags"),
    ],
)
def test_sources_are_told_in_words(cameras: int, weighed: bool, tagged: bool, told: str) -> None:
    assert sources_of(recording(cameras, weighed=weighed, tagged=tagged)) == told


def test_what_was_learnt_for_the_same_sources_is_used_and_no_other() -> None:
    spec = EventsSpec(calibrations={"2 cameras, weight": {"raw": (0.0, 1.0), "right": (0.0, 0.5)}})
    kept = EventsSpec.model_validate_json(spec.model_dump_json())
    calibration = kept.of(recording(3, weighed=True, tagged=False))
    assert calibration is not None and calibration(np.array([0.8])).tolist() == [0.4]
    assert kept.of(recording(1, weighed=True, tagged=False)) is None


def test_knots_that_fall_are_refused() -> None:
    with pytest.raises(ValidationError, match="not ascending"):
        EventsSpec(calibrations={"1 camera": {"raw": (0.5, 0.4), "right": (0.0, 1.0)}})
    with pytest.raises(ValidationError, match="raw and right"):
        EventsSpec(calibrations={"1 camera": {"raw": (0.5,)}})


def test_the_base_tells_of_every_set_of_sources_under_its_own_beliefs_alone() -> None:
    assert len(base_events(Beliefs()).calibrations) == 8
    assert base_events(Beliefs(event_log=-3.0)) == EventsSpec(beliefs=Beliefs(event_log=-3.0))
