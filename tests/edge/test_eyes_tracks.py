"""Tracks of items from frame to frame, by values worked by hand."""

import numpy as np
import pytest

from edge.eyes.tracks import Tracker, TrackerConfig, associate
from models.detector.boxes import Detections


def boxes(*rows: tuple[float, float, float, float]) -> np.ndarray:
    return np.array(rows, dtype=np.float64).reshape(-1, 4)


def seen(*rows: tuple[float, float, float, float], scores: tuple[float, ...] | None = None) -> Detections:
    return Detections(boxes(*rows), np.array(scores if scores is not None else (0.9,) * len(rows), dtype=np.float64))


def test_pairs_are_taken_best_first_and_none_twice() -> None:
    first, second = boxes((0, 0, 10, 10), (4, 0, 14, 10)), boxes((3, 0, 13, 10), (1, 0, 11, 10), (50, 0, 60, 10))
    # overlaps: 7/13 and 9/11 of the first, 9/11 and 7/13 of the second
    assert associate(first, second, 0.3) == [(0, 1), (1, 0)]
    assert associate(first, second, 0.9) == []
    assert associate(boxes(), second, 0.1) == []


def test_an_item_is_one_after_two_frames_and_keeps_its_number_as_it_moves() -> None:
    tracker = Tracker()
    assert not tracker.update(seen((0, 0, 10, 10)), 0.0).seen
    moved = tracker.update(seen((4, 0, 14, 10)), 1.0)
    assert [(each.number, each.hits) for each in moved.confirmed] == [(1, 2)]
    track = moved.confirmed[0]
    assert track.velocity.tolist() == [4.0, 0.0] and track.at(1.5).tolist() == [6.0, 0.0, 16.0, 10.0]
    # by 14 a second: expected at 8, overlap with 14 to 24 is 4 / 16; without velocity (4 to 14) there would be none
    assert [each.number for each in tracker.update(seen((14, 0, 24, 10)), 2.0).seen] == [1]
    assert track.velocity.tolist() == [7.0, 0.0], "half of 4, half of 10"


def test_two_that_cross_keep_their_numbers_by_their_velocity() -> None:
    tracker = Tracker(TrackerConfig(confirm_hits=1))
    left, right = None, None
    for step in range(11):
        at = (4 * step, 0, 4 * step + 20, 10), (40 - 4 * step, 1, 60 - 4 * step, 11)
        moved = tracker.update(seen(*(at if step % 2 else at[::-1])), step / 10)
        by_number = {each.number: each.box[0] for each in moved.seen}
        if step == 0:
            left, right = (number for number, _ in sorted(by_number.items(), key=lambda each: each[1]))
    assert by_number == {left: 40.0, right: 0.0}


def test_a_half_hidden_item_is_kept_by_a_box_of_low_score_which_begins_no_track() -> None:
    tracker = Tracker(TrackerConfig(confirm_hits=1, keep_s=0.5))
    tracker.update(seen((0, 0, 10, 10)), 0.0)
    moved = tracker.update(seen((0, 0, 10, 9), (50, 0, 60, 10), (0, 50, 9, 60), scores=(0.2, 0.3, 0.05)), 1.0)
    assert [(each.number, each.score) for each in moved.seen] == [(1, 0.2)] and not moved.ended
    gone = tracker.update(seen(), 1.6)
    assert [each.number for each in gone.ended] == [1]
    assert tracker.update(seen((0, 0, 10, 10), scores=(0.55,)), 1.7).seen == [], "0.55 is high, and too low to begin"


def test_a_lost_item_is_waited_for_and_found_again_under_its_number() -> None:
    tracker = Tracker(TrackerConfig(confirm_hits=1, keep_s=1.0))
    tracker.update(seen((0, 0, 10, 10)), 0.0)
    assert not tracker.update(seen(), 0.5).ended
    low = tracker.update(seen((0, 0, 10, 10), scores=(0.3,)), 0.9)
    assert not low.seen and not low.ended, "a lost item is found again by a box of high score alone"
    assert [each.number for each in tracker.update(seen((1, 0, 11, 10)), 1.0).seen] == [1]
    assert [each.number for each in tracker.update(seen(), 2.1).ended] == [1]
    assert [each.number for each in tracker.update(seen((1, 0, 11, 10)), 2.2).seen] == [2]


def test_a_box_that_flashes_up_is_no_item() -> None:
    tracker = Tracker(TrackerConfig(confirm_hits=3))
    for second in range(6):
        moved = tracker.update(seen((0, 0, 10, 10)) if second != 2 else seen(), float(second))
        assert len(moved.confirmed) == (second == 5), "two frames, none, then three"
    assert not moved.ended


def test_tracks_are_bounded_and_time_goes_on() -> None:
    tracker = Tracker(TrackerConfig(max_tracks=5, confirm_hits=1))
    many = [(20.0 * number, 0.0, 20.0 * number + 10, 10.0) for number in range(50)]
    assert len(tracker.update(seen(*many), 1.0).seen) == 5
    with pytest.raises(ValueError, match=r"second 0\.5 after one of 1\.0"):
        tracker.update(seen(), 0.5)
    assert len(tracker.update(seen(*many), 1.0).seen) == 5, "two frames of one moment"


def test_a_name_is_that_with_most_confidence() -> None:
    tracker = Tracker(TrackerConfig(confirm_hits=1))
    (track,) = tracker.update(seen((0, 0, 10, 10)), 0.0).seen
    assert (track.product, track.confidence) == (None, 0.0)
    for product, confidence in (("milk", 0.9), ("tea", 0.5), ("tea", 0.6), (None, 0.3)):
        track.vote(product, confidence)
    assert track.product == "tea" and track.confidence == pytest.approx(1.1 / 4)
