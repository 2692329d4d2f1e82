"""Follows `champion.json`: opens a new champion beside the running one and swaps a reference; no request notices."""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from serving.release import FileStats, Pointer, ReleaseError, file_stats, read_pointer

logger = logging.getLogger("storeloop.serving")
C = TypeVar("C")
RETRY_S = 30.0


@dataclass(frozen=True)
class Doors(Generic[C]):
    """What a bot brings so that its releases can be followed.

    `open_champion(folder, pointer)` verifies, warms up and self-tests, or raises; `degrade(running, folder, pointer,
    why)` gives what answers when the model must not (the running champion without its model, or the release's
    fallback alone), None when there is nothing.
    """

    open_champion: Callable[[Path, Pointer], C]
    degrade: Callable[[C | None, Path, Pointer, str], C | None]
    on_change: Callable[["ChampionLoader[C]"], None]


class ChampionLoader(Generic[C]):
    """The champion of one bot. `current` is replaced whole, so that a request that read it keeps what it read."""

    def __init__(self, pointer_file: Path, doors: Doors[C], *, poll_s: float) -> None:
        self._file, self._doors, self._poll_s = pointer_file, doors, poll_s
        self._seen: tuple[Pointer, FileStats] | None = None
        self._retry_at = 0.0
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self.current: C | None = None
        self.problem: str | None = None
        self.swaps = 0
        self.refusals = 0

    def start(self) -> None:
        """Look once, then keep looking in a thread of its own until `stop`."""
        self.poll()
        self._thread = threading.Thread(target=self._follow, name="champion-loader", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread; a load in progress is waited for."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def poll(self) -> None:
        """One look at the pointer and at the files behind it."""
        try:
            pointer = read_pointer(self._file)
        except ReleaseError as error:
            self._note(str(error))
            return
        folder = self._file.parent / pointer.release
        try:
            seen = (pointer, file_stats(folder))
        except (OSError, ReleaseError) as error:
            seen = (pointer, ())
            logger.warning("%s: %s", folder, error)
        known = seen == self._seen
        if known and (self.problem is None or time.monotonic() < self._retry_at):
            return
        self._take(pointer, folder, seen)

    def _take(self, pointer: Pointer, folder: Path, seen: tuple[Pointer, FileStats]) -> None:
        answers = self._seen is not None and self._seen[0] == pointer and self.problem is None
        self._seen = seen
        try:
            champion = self._doors.open_champion(folder, pointer)
        except Exception as error:  # whatever a broken release raises, the service goes on with what it has
            self._refuse(pointer, folder, error, running_is_altered=answers)
            return
        if self.current is not None:
            self.swaps += 1
        self.current = champion
        self.problem = None
        logger.info("champion %s (registry version %s) answers", pointer.artifact_id, pointer.registry_version)
        self._doors.on_change(self)

    def _refuse(self, pointer: Pointer, folder: Path, error: Exception, *, running_is_altered: bool) -> None:
        self._retry_at = time.monotonic() + RETRY_S
        why = f"champion {pointer.artifact_id} refused: {error}"
        self.refusals += 1
        if self.current is None or running_is_altered:
            self.current = self._doors.degrade(self.current, folder, pointer, why)
        self._note(why)

    def _note(self, problem: str) -> None:
        if problem != self.problem:
            logger.error("%s", problem)
        self.problem = problem
        self._doors.on_change(self)

    def _follow(self) -> None:
        while not self._stop.wait(self._poll_s):
            try:
                self.poll()
            except Exception:  # the thread must outlive any single bad look
                logger.exception("looking at %s failed; trying again in %s s", self._file, self._poll_s)
