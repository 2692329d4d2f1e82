"""The watchdog ends a process whose loop hangs, and no other."""

import subprocess
import sys
import threading

from edge.eyes.watchdog import HUNG, Watchdog

HANGS = """
import time
from edge.eyes.watchdog import Watchdog
began = time.monotonic()
Watchdog(lambda: time.monotonic() - began, 0.3).start()
def hangs():
    while True:
        time.sleep(60)
hangs()
"""


def test_a_process_that_hangs_ends_and_says_where() -> None:
    ended = subprocess.run([sys.executable, "-c", HANGS], capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == HUNG
    assert "made no turn for" in ended.stderr and "in hangs" in ended.stderr


def test_a_loop_that_turns_is_left_alone() -> None:
    ended: list[int] = []
    asked, times = threading.Event(), list[int]()

    def turned_s() -> float:
        times.append(1)
        if len(times) == 5:  # what it was told the times before has been weighed by now
            asked.set()
        return 0.05

    dog = Watchdog(turned_s, 0.1, end=ended.append)
    dog.start()
    assert asked.wait(10)
    dog.close()
    assert not ended


def test_a_watch_that_is_over_ends_nothing() -> None:
    ended: list[int] = []
    dog = Watchdog(lambda: 99.0, 0.2, end=ended.append)
    dog.close()
    dog.start()
    threading.Event().wait(0.3)
    assert not ended
