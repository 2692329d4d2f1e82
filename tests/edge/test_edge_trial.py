"""Bundles on trial: one that dies at its first work gives way to the former by itself, one that never got any is not blamed."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import eyes_fakes as FAKES
import numpy as np
import pytest
from update_box import Box, revision_of

from edge import update as updates
from edge.bundle import verify
from edge.eyes.camera_events import camera_outbox
from edge.eyes.feed import Camera, Feeds
from edge.eyes.frames import Counts, Frame
from edge.eyes.loop import EyesRuntime
from edge.files import locked
from edge.update import BUNDLES, LOCK_FILE, MAX_STARTS, Trial, UpdateError, installed, rollback, start, update


@pytest.fixture
def box(tmp_path: Path) -> Box:
    """On which revision 2 follows 1 and has not proved itself."""
    box = Box(tmp_path)
    box.install(1)
    box.running()
    box.install(2)
    return box


def test_a_bundle_that_kills_its_process_gives_way_after_some_starts(box: Box) -> None:
    def die(folder: Path) -> None:
        raise KeyboardInterrupt  # like a kill: no handler of `start` runs

    for _ in range(MAX_STARTS):
        with pytest.raises(KeyboardInterrupt):
            start(box.home, box.key, die)
        assert verify(box.home / BUNDLES / installed(box.home).current, box.key).revision == 2
    assert box.running() == 1
    assert f"did not survive {MAX_STARTS} starts" in installed(box.home).note


def test_a_bundle_that_started_once_is_not_counted_against(box: Box) -> None:
    for _ in range(MAX_STARTS + 2):
        assert box.running() == 2
    assert installed(box.home).unconfirmed_starts is None


def on_trial(box: Box) -> tuple[int, Trial]:
    """The revision that a start opens, and its trial."""
    revision, _ = start(box.home, box.key, revision_of, on_trial=True)
    return revision, Trial(box.home, enough=3)


def test_a_bundle_that_dies_at_its_first_work_gives_way_after_some_starts(box: Box) -> None:
    """It passes its self-test and opens, and is killed for its memory at the first frame: nobody is told anything more."""
    for number in range(MAX_STARTS):
        revision, trial = on_trial(box)
        assert (revision, installed(box.home).unconfirmed_starts) == (2, number)
        trial.begin()
        assert installed(box.home).unconfirmed_starts == number + 1
        trial.begin()  # of the second camera's frame: one start is one
    revision, trial = on_trial(box)
    assert revision == 1 and f"did not survive {MAX_STARTS} starts" in installed(box.home).note
    trial.begin()
    assert installed(box.home).unconfirmed_starts is None, "the former has proved itself long ago"


def test_starts_without_any_work_are_not_counted(box: Box) -> None:
    """A camera is away, and somebody starts the box again and again to mend it."""
    for _ in range(2 * MAX_STARTS):
        revision, trial = on_trial(box)
        trial.done()
        assert (revision, installed(box.home).unconfirmed_starts) == (2, 0)


def test_work_that_goes_well_forgives_all_starts_and_work_that_fails_none(box: Box) -> None:
    _, trial = on_trial(box)
    for well in (True, True, False, True, True):
        trial.begin()
        trial.went(well=well)
    assert installed(box.home).unconfirmed_starts == 1, "three in a row are asked"
    trial.went(well=False)
    trial.done()
    assert installed(box.home).unconfirmed_starts == 1
    _, trial = on_trial(box)
    trial.begin()
    assert installed(box.home).unconfirmed_starts == 2
    for _ in range(3):
        trial.went(well=True)
    assert installed(box.home).unconfirmed_starts is None
    for _ in range(MAX_STARTS + 1):
        revision, trial = on_trial(box)
        trial.begin()
        assert revision == 2


def test_files_that_end_sooner_prove_it_as_well(box: Box) -> None:
    _, trial = on_trial(box)
    trial.begin()
    trial.went(well=True)
    trial.done()
    assert installed(box.home).unconfirmed_starts is None


def test_a_trial_waits_for_no_update_and_speaks_for_no_other_bundle(box: Box) -> None:
    _, trial = on_trial(box)
    began = time.monotonic()
    with locked(box.home / LOCK_FILE):
        trial.begin()
    assert time.monotonic() - began < 1 and installed(box.home).unconfirmed_starts == 0
    trial.begin()
    assert installed(box.home).unconfirmed_starts == 1 and trial.problem == ""
    box.install(3)
    for _ in range(5):
        trial.went(well=True)
    assert revision_of(box.home / BUNDLES / installed(box.home).current) == 3
    assert installed(box.home).unconfirmed_starts == 0, "frames that 2 looked at say nothing of 3"


def test_a_full_disk_is_told_of_and_stops_no_work(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    _, trial = on_trial(box)

    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(updates, "write_whole", full)
        trial.begin()
    assert "No space left on device; free some space" in trial.problem
    trial.begin()
    assert trial.problem == "" and installed(box.home).unconfirmed_starts == 1


def test_where_the_former_is_damaged_the_current_one_is_tried_again(box: Box) -> None:
    """For ever "the former bundle is not whole" was all that such a box said, and the same bundle could not be installed anew."""
    (box.home / BUNDLES / installed(box.home).former / "revision.json").write_text("9")
    for _ in range(MAX_STARTS):
        on_trial(box)[1].begin()
    assert on_trial(box)[0] == 2
    note = installed(box.home).note
    assert f"did not survive {MAX_STARTS} starts" in note and "the former bundle is not whole" in note
    with pytest.raises(UpdateError, match="former bundle is not whole"):
        rollback(box.home, box.key, reason="by hand")
    report = update(box.home, box.folder / "2.bundle", box.key, self_test=lambda folder: None)
    assert (report.outcome, installed(box.home).unconfirmed_starts) == ("already_current", 0)
    assert box.running() == 2 and installed(box.home).unconfirmed_starts is None
    assert (
        update(box.home, box.folder / "2.bundle", box.key, self_test=lambda folder: None).outcome == "already_current"
    )
    assert installed(box.home).unconfirmed_starts is None


class Film:
    def __init__(self, count: int) -> None:
        self._count, self.counts = count, Counts()

    def frames(self) -> Iterator[Frame]:
        for number in range(self._count):
            at = datetime(2026, 1, 5, 8, 0, tzinfo=UTC) + timedelta(milliseconds=100 * number)
            yield Frame(FAKES.picture(milk=5), "shelf", at)

    def close(self) -> None:
        """Nothing to end."""


def looked(box: Box, frames: int, detect: Any) -> int:
    """The revision that started, which then looked at so many frames."""
    revision, _ = start(box.home, box.key, revision_of, on_trial=True)
    feeds = Feeds([Camera("shelf", False, lambda: Film(frames))])
    EyesRuntime(*FAKES.networks(detect), feeds, camera_outbox(box.home), home=box.home).run()
    return revision


def test_networks_that_fail_on_every_frame_give_way_after_some_starts(box: Box) -> None:
    def fails(tensor: np.ndarray) -> np.ndarray:
        raise RuntimeError("no kernel for this on this box")

    assert [looked(box, 30, fails) for _ in range(MAX_STARTS + 1)] == [2] * MAX_STARTS + [1]


def test_networks_that_see_frames_have_proved_themselves(box: Box) -> None:
    assert looked(box, 0, FAKES.squares) == 2 and installed(box.home).unconfirmed_starts == 0
    assert looked(box, 2, FAKES.squares) == 2 and installed(box.home).unconfirmed_starts is None
