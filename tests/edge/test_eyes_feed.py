"""Several cameras, one loop: live ones never queue up, files lose nothing, a reader that hangs is replaced."""

import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from edge.eyes.feed import Camera, FeedConfig, Feeds
from edge.eyes.frames import Counts, Frame

START = datetime(2026, 1, 5, 8, 0, tzinfo=UTC)


def frame(number: int, camera: str = "a") -> Frame:
    return Frame(np.full((2, 2, 3), number % 256, np.uint8), camera, START + timedelta(seconds=number))


class Source:
    """Frames `numbers`; before each, `before(number)`."""

    def __init__(self, numbers: range, camera: str = "a", before: Callable[[int], object] = lambda _: None) -> None:
        self.numbers, self.camera, self.before, self.closed, self.counts = numbers, camera, before, False, Counts()

    def frames(self) -> Iterator[Frame]:
        for number in self.numbers:
            self.before(number)
            self.counts.good()
            yield frame(number, self.camera)

    def close(self) -> None:
        self.closed = True


def seconds(frames: list[Frame]) -> list[int]:
    return [round((each.time - START).total_seconds()) for each in frames]


def drained(feeds: Feeds, timeout_s: float = 5.0, pause_s: float = 0.0) -> list[Frame]:
    found: list[Frame] = []
    until = time.monotonic() + timeout_s
    while not feeds.ended and time.monotonic() < until:
        feeds.watch()
        if (each := feeds.next(0.05)) is not None:
            found.append(each)
            time.sleep(pause_s)
    return found


def test_files_lose_no_frame_and_take_turns_however_slow_the_loop_is() -> None:
    feeds = Feeds([Camera(name, False, lambda name=name: Source(range(40), name)) for name in ("a", "b")])
    feeds.start()
    found = drained(feeds, pause_s=0.001)
    for name in ("a", "b"):
        assert seconds([each for each in found if each.camera == name]) == list(range(40))
        assert feeds.status()[name] == {
            "live": False, "read": 40, "broken": 0, "reconnects": 0, "dropped": 0, "restarts": 0, "ended": True,
            "given_up": False, "problem": "",
        }  # fmt: skip
    first = [each.camera for each in found[4:40]]
    assert 12 <= first.count("a") <= 24, "neither camera starves the other"
    feeds.close()


def test_of_a_live_camera_the_newest_frame_alone_waits() -> None:
    done = threading.Event()
    feeds = Feeds(
        [Camera("a", True, lambda: Source(range(100), before=lambda number: done.set() if number == 99 else None))]
    )
    feeds.start()
    done.wait(5)
    time.sleep(0.05)
    found = feeds.next(1.0)
    assert found is not None and seconds([found]) == [99]
    assert feeds.status()["a"]["dropped"] == 99
    assert feeds.next(0.01) is None and not feeds.ended, "a live camera never ends"
    feeds.close()


def test_a_reader_that_hangs_is_replaced_and_what_it_gives_later_is_not_taken() -> None:
    release, opened = threading.Event(), []

    def open_source() -> Source:
        opened.append(1)
        hangs = len(opened) == 1
        return Source(range(1, 4) if hangs else range(10, 13), before=lambda _: release.wait(10) if hangs else None)

    feeds = Feeds(
        [Camera("a", False, open_source), Camera("b", False, lambda: Source(range(5), "b"))], FeedConfig(hang_s=0.2)
    )
    feeds.start()
    found = drained(feeds)
    assert seconds([each for each in found if each.camera == "a"]) == [10, 11, 12]
    assert seconds([each for each in found if each.camera == "b"]) == [0, 1, 2, 3, 4], "the others go on"
    told = feeds.status()["a"]
    assert (told["restarts"], told["read"]) == (1, 3) and "no sign of life" in told["problem"]
    release.set()
    time.sleep(0.1)
    assert feeds.next(0.01) is None
    feeds.close()


def test_a_camera_whose_readers_all_hang_is_given_up_and_says_so() -> None:
    release = threading.Event()
    before = threading.active_count()
    feeds = Feeds(
        [Camera("a", True, lambda: Source(range(1), before=lambda _: release.wait(20)))],
        FeedConfig(hang_s=0.05, max_hung=3),
    )
    feeds.start()
    assert drained(feeds) == []
    assert feeds.ended and threading.active_count() == before + 3, "no more readers than the bound"
    told = feeds.status()["a"]
    assert told["given_up"] and told["problem"] == "3 readers hang: mend the camera and start the box again"
    release.set()
    feeds.close()
    assert threading.active_count() == before


def test_a_camera_that_raises_ends_a_file_and_begins_a_live_one_again() -> None:
    def fails() -> Source:
        raise RuntimeError("no such door")

    feeds = Feeds([Camera("a", False, fails), Camera("b", False, lambda: Source(range(3), "b"))])
    feeds.start()
    assert len(drained(feeds)) == 3
    assert feeds.status()["a"]["problem"] == "RuntimeError: no such door"
    feeds.close()
    opened: list[int] = []

    def falls() -> Source:
        opened.append(1)
        if len(opened) < 3:
            raise RuntimeError("not yet")
        return Source(range(7, 8))

    feeds = Feeds([Camera("a", True, falls)], FeedConfig(hang_s=0.05))
    feeds.start()
    until, found = time.monotonic() + 5, None
    while found is None and time.monotonic() < until:
        feeds.watch()
        found = feeds.next(0.02)
    assert found is not None and seconds([found]) == [7] and len(opened) == 3
    feeds.close()


def test_closing_ends_a_reader_that_waits_for_room() -> None:
    before = threading.active_count()
    feeds = Feeds([Camera("a", False, lambda: Source(range(10)))])
    feeds.start()
    time.sleep(0.1)
    feeds.close()
    assert threading.active_count() == before
    with pytest.raises(ValueError, match="at least one camera"):
        Feeds([])
