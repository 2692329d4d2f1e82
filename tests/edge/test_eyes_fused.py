"""Cameras, scales and antennas of one shelf fused on the box: clips of the twin through the whole loop, with a detector's errors."""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import eyes_shelf as SHELF
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge.eyes import fused
from edge.eyes.camera_events import CameraEvent, camera_outbox
from edge.eyes.feed import Camera, Feeds
from edge.eyes.frames import Frame
from edge.eyes.fused import FuseConfig, FusedShelf, fused_views
from edge.eyes.fusion_window import log_probs
from edge.eyes.loop import EyesConfig, EyesRuntime
from edge.eyes.shelf_spec import read_shelf
from models.common.protocols import InputError
from models.detector.boxes import Detections
from models.detector.event_confidence import EventsSpec
from models.detector.fusion import PickPut
from models.detector.networks import Named


def test_the_loop_tells_what_happened_at_the_shelf(clips: list[tuple[Any, Any]], tmp_path: Path) -> None:
    right = told = 0
    for number, (recording, true) in enumerate(clips):
        found, eyes = SHELF.looked(recording, tmp_path / str(number))
        assert eyes.health()["failed"] == 0, eyes.health()["problems"]
        assert all(each["camera"] == "gondola" for each in found)
        told += len(found)
        for event in true:
            right += any(
                (each["kind"], each["product"], each["count"]) == (event.deed, f"p{event.product}", event.count)
                and abs((datetime.fromisoformat(each["time"]) - SHELF.START).total_seconds() - event.at_s) < 1.5
                for each in found
            )
    events = sum(len(true) for _, true in clips)
    assert events >= SHELF.CLIPS - 1 and right >= events - 1, f"{right} of {events}"
    assert told <= events + 1, "nothing is told that did not happen"


def test_films_in_another_order_or_again_give_the_same_ids(clips: list[tuple[Any, Any]], tmp_path: Path) -> None:
    recording, true = clips[0]
    once, _ = SHELF.looked(recording, tmp_path / "a")
    turned, _ = SHELF.looked(recording, tmp_path / "b", order=-1)
    twice, _ = SHELF.looked(recording, tmp_path / "c", times=2)
    ids = [each["event_id"] for each in once]
    assert {each["box_id"] for each in once} == {"b1"}
    assert len(ids) == len(true) and ids == [each["event_id"] for each in turned]
    assert set(ids) == {each["event_id"] for each in twice}, "and the outbox keeps one of each"


def test_an_item_that_stands_is_named_a_few_times_alone(clips: list[tuple[Any, Any]], tmp_path: Path) -> None:
    recording, _ = clips[0]
    seer, shelf = SHELF.Seer(recording), FusedShelf(SHELF.spec_of(recording, None), box="b1")
    views = {name: begin() for name, begin in fused_views(shelf, seer, seer, EyesConfig().view).items()}
    for name, frames in SHELF.films(recording).items():
        for each in frames:
            views[name].look(each)
    assert 0 < seer.named < 0.5 * recording.detections.picture.size


def test_what_a_name_says_of_all_products_by_hand() -> None:
    """0.8 for a leaves 0.2, a quarter to each of four; no name leaves all alike; a stranger's name says nothing."""
    found = np.exp(log_probs([{"a": 0.8}, {}, {"z": 0.9}, {"a": 0.5, "b": 0.25, None: 0.25}], ["a", "b", "c", "d"]))
    np.testing.assert_allclose(found[0], [0.85, 0.05, 0.05, 0.05])
    np.testing.assert_allclose(found[1:3], 0.25)
    np.testing.assert_allclose(found[3], [0.5625, 0.3125, 0.0625, 0.0625])


def test_a_camera_that_is_gone_is_waited_for_and_then_left_behind(clips: list[tuple[Any, Any]]) -> None:
    recording, _ = clips[0]
    shelf = FusedShelf(SHELF.spec_of(recording, None), FuseConfig(late_s=5.0), box="b1")
    assert (shelf.add("c0", 100.0, np.zeros((0, 4)), []), shelf._mark()) == ([], 95.0)
    shelf.add("c1", 98.0, np.zeros((0, 4)), [])
    assert shelf._mark() == 98.0
    shelf.add("c0", 110.0, np.zeros((0, 4)), [])
    assert shelf._mark() == 105.0 and shelf._next == 106.0
    for number in range(400):
        shelf.add("c0", 110.0 + number, np.zeros((0, 4)), [])
    assert len(shelf._pictures) < 20, "what lies before the window is forgotten"


def test_a_shelf_that_does_not_fit_together_says_where(clips: list[tuple[Any, Any]], tmp_path: Path) -> None:
    spec, file = SHELF.spec_of(clips[0][0], None), tmp_path / "shelf.json"
    file.write_text(spec.model_dump_json())
    assert read_shelf(file) == spec
    told = spec.model_dump(mode="json")
    for changed, message in (
        ({"lanes": [told["lanes"][0] | {"board": 50}]}, "a lane on board 50"),
        ({"tags": {"e": "stranger"}}, r"no weight_g for \['stranger'\]"),
        ({"weight_g": {"p0": 0}}, "weight_g.p0"),
        ({"colour": 1}, "colour"),
    ):
        file.write_text(json.dumps(told | changed))
        with pytest.raises(InputError, match=message):
            read_shelf(file)
    with pytest.raises(InputError, match="cannot be read"):
        read_shelf(tmp_path / "none.json")


def test_confidence_is_told_as_it_proved_to_be_worth(clips: list[tuple[Any, Any]], tmp_path: Path) -> None:
    """Where events of these sources are half as often right as they seem: the same events, half as sure."""
    recording, _ = clips[0]
    sensors = tmp_path / "readings.jsonl"
    sensors.write_text("\n".join(SHELF.readings(recording)) + "\n")
    halved = EventsSpec(calibrations={"2 cameras, weight, tags": {"raw": (0.0, 1.0), "right": (0.0, 0.5)}})
    told = []
    for believed in (None, halved):
        seer = SHELF.Seer(recording)
        shelf = FusedShelf(SHELF.spec_of(recording, sensors), box="b1", events=believed)
        views = {name: begin() for name, begin in fused_views(shelf, seer, seer, EyesConfig().view).items()}
        frames = sorted(
            (each for shown in SHELF.films(recording).values() for each in shown), key=lambda each: each.time
        )
        told.append([event for each in frames for event in views[each.camera].look(each)] + shelf.rest())
    raw, calibrated = told
    assert raw and [each.time for each in raw] == [each.time for each in calibrated]
    for before, after in zip(raw, calibrated, strict=True):
        assert after.confidence == pytest.approx(before.confidence / 2, abs=1e-4)


def told_with(
    monkeypatch: pytest.MonkeyPatch, estimates: Callable[[int], Sequence[float]], last: float = 40.0
) -> list[CameraEvent]:
    """Events told of 40 s, where the fusion of window 0, 1, ... finds takes at the seconds `estimates` gives for it."""
    windows: list[int] = []

    def found(recording: Any, **_: Any) -> list[PickPut]:
        first = float(recording.detections.box[0, 0])  # boxes carry the second of their picture
        windows.append(len(windows))
        seen = [at for at in estimates(windows[-1]) if first <= at <= first + float(recording.at_s.max())]
        return [PickPut("take", 0, 1, 0, at - first, 0.9) for at in seen]

    monkeypatch.setattr(fused, "fuse", found)
    shelf, events = FusedShelf(SHELF.small_spec(), box="b1"), []
    for number in range(round(5 * last)):
        events += shelf.add("a", number / 5, np.array([[number / 5, 0.0, 1.0, 1.0]]), [{}])
    return events + shelf.rest()


def test_an_event_that_shifts_over_the_edge_of_a_window_is_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The window that ends at 14 s tells up to 11 s, the next one what is later: 11.05 s, then 10.95 s was in neither."""
    (shifted,) = told_with(monkeypatch, lambda window: [11.05 if window <= 6 else 10.95])
    assert shifted.time.timestamp() == 10.95
    (other_way,) = told_with(monkeypatch, lambda window: [10.95 if window <= 6 else 11.05])
    assert other_way.time.timestamp() == 10.95


def test_one_told_long_ago_does_not_push_the_later_ones_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """The window that begins at 16 s no longer has the take of 15.25 s: 17.1, 19.6 and a new one stay who they are."""

    def estimates(window: int) -> list[float]:
        return [15.25, 17.125, 19.625 if window <= 11 else 19.0, 21.5]

    told = [each.time.timestamp() for each in told_with(monkeypatch, estimates)]
    assert told == pytest.approx([15.25, 17.12, 19.62, 21.5])


def test_the_last_seconds_are_told_beside_all_that_went_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """The last window reaches as far back as every other: the take of 33.1 s, now held for 32.65 s, is not the one after it."""
    told = told_with(monkeypatch, lambda window: [33.1, 35.2] if window <= 18 else [32.65, 34.75])
    assert [each.time.timestamp() for each in told] == pytest.approx([33.1, 34.75])


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    apart=st.lists(st.floats(2.05, 6.0), min_size=1, max_size=12),
    shift=st.lists(st.floats(-0.45, 0.45), min_size=60, max_size=60),
)
def test_whatever_the_shifts_each_event_is_told_once(
    monkeypatch: pytest.MonkeyPatch, apart: list[float], shift: list[float]
) -> None:
    """Takes as near as the fusion tells them apart, each window's estimate of each off by something else."""
    true = np.cumsum(apart)
    true = true[true < 36]

    def estimates(window: int) -> list[float]:
        return [float(at + shift[(7 * window + number) % 60]) for number, at in enumerate(true)]

    told = [each.time.timestamp() for each in told_with(monkeypatch, estimates)]
    assert len(told) == len(true)
    assert np.abs(np.sort(told) - true).max() < 0.46


def test_a_clock_that_jumps_ahead_is_followed_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A box without a clock of its own wakes in 1970 and is put right: nothing lies between, which it must not step over."""
    looked_at: list[float] = []
    whole = FusedShelf._told_at

    def counted(shelf: FusedShelf, now: float, until: float, span_s: float) -> list[CameraEvent]:
        looked_at.append(now)
        assert len(looked_at) < 100, "steps of 2 s through half a century"
        return whole(shelf, now, until, span_s)

    monkeypatch.setattr(FusedShelf, "_told_at", counted)
    shelf, today = (
        FusedShelf(SHELF.small_spec(cameras={"a": SHELF.POSE, "b": SHELF.POSE}), box="b1"),
        SHELF.START.timestamp() + 0.7,
    )
    nothing: tuple[np.ndarray, list[Any]] = np.zeros((0, 4)), []
    for camera, second in (("a", 50.0), ("b", 50.1), ("a", 52.5), ("b", today - 1), ("a", today), ("b", today)):
        shelf.add(camera, second, *nothing)
    for number in range(30):
        shelf.add("a", today + number / 5, *nothing)
        shelf.add("b", today + number / 5, *nothing)
    # -4 is the first window that a camera `late_s` behind might still give a picture of; 0 the first that has one.
    assert [each - SHELF.START.timestamp() for each in looked_at if each > 1_000] == [-4, 0, 2, 4, 6]


class Paced(SHELF.Film):
    """A camera that waits until its frame was looked at, and asks for the end after the last one, as SIGTERM does."""

    eyes: EyesRuntime

    def frames(self) -> Iterator[Frame]:
        for number, each in enumerate(self._frames):
            yield each
            while self.eyes.health()["frames"] <= number:
                time.sleep(0.001)
        self.eyes.stop()
        time.sleep(0.5)


@pytest.mark.parametrize("live", [True, False])
def test_a_stop_tells_the_last_seconds_of_a_live_shelf(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, live: bool
) -> None:
    """A take 1 s before the end has not settled. A file is read again after a restart; what a live camera saw is not."""
    start = SHELF.START.timestamp()

    def found(recording: Any, **_: Any) -> list[PickPut]:
        first = float(recording.detections.box[0, 0]) / 1_000
        return [PickPut("take", 0, 1, 0, at - first, 0.9) for at in (7.0, 11.0) if at <= first + recording.at_s.max()]

    class Clock:
        def detect(self, image: np.ndarray) -> Detections:
            return Detections(np.array([[100.0 * image[0, 0, 0], 0, 100.0 * image[0, 0, 0] + 1, 1]]), np.array([0.9]))

        def name(self, image: np.ndarray, boxes: np.ndarray) -> list[Named]:
            return [Named("tea", 0.9)] * len(boxes)

    monkeypatch.setattr(fused, "fuse", found)
    frames = [
        Frame(np.full((2, 2, 3), number, np.uint8), "a", SHELF.START + timedelta(seconds=number / 10))
        for number in range(121)
    ]
    film, clock, config, box = Paced(frames), Clock(), EyesConfig(), camera_outbox(tmp_path)
    views = fused_views(FusedShelf(SHELF.small_spec(), box="b1"), clock, clock, config.view)
    eyes = EyesRuntime(clock, clock, Feeds([Camera("a", live, lambda: film)]), box, home=tmp_path, views=views)
    film.eyes = eyes
    eyes.run()
    told: list[float] = []
    box.forward(lambda events: told.extend(datetime.fromisoformat(each["time"]).timestamp() - start for each in events))
    assert told == ([7.0, 11.0] if live else [7.0]), eyes.health()["problems"]
