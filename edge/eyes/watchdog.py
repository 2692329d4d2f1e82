"""A watchdog: a loop that hangs ends the process, so that its supervisor starts the box again; what was stored stays stored."""

import faulthandler
import os
import sys
import threading
import time
from collections.abc import Callable
from typing import Final

HUNG: Final = 70  # exit status, EX_SOFTWARE of sysexits


class Watchdog:
    """Ends the process once the loop has made no turn for `limit_s`; `turned_s()` tells how long ago the last was.

    A thread that hangs in a network cannot be ended from inside. Where every thread stands is written to stderr first.
    """

    def __init__(
        self, turned_s: Callable[[], float], limit_s: float, *, end: Callable[[int], object] = os._exit
    ) -> None:
        self._turned_s, self._limit_s, self._end = turned_s, limit_s, end
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def close(self) -> None:
        """End the watch."""
        self._stop.set()

    def _watch(self) -> None:
        woke = time.monotonic()
        while not self._stop.wait(self._limit_s / 10):
            now = time.monotonic()
            # A machine that slept, or stood still itself, gives the loop its time once more.
            if now - woke < self._limit_s / 2 and (turned_s := self._turned_s()) > self._limit_s:
                sys.stderr.write(
                    f"the loop made no turn for {turned_s:.0f} s, {self._limit_s:.0f} s is the bound: ending\n"
                )
                faulthandler.dump_traceback(all_threads=True)
                self._end(HUNG)
                return
            woke = now
