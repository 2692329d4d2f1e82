"""The service's side of online learning: owns the learner's process and follows the weights that it publishes."""

import logging
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np

from models.common.protocols import DataError
from models.recommender.online import OnlineScorer, State
from models.recommender.online_config import FtrlConfig
from models.recommender.online_learner import hold
from models.recommender.online_published import Published, newest_published
from models.recommender.reweighting import RANKING_FEATURES
from serving.settings import ServeSettings

logger = logging.getLogger("storeloop.serving")
ROOT = Path(__file__).resolve().parents[1]
OWNER_FILE = ".owner.lock"  # held by the one of several workers whose the learner is
RESTART_S = 5.0
PATIENCE_S = 10.0  # for the learner's last snapshot
NOTHING: State = {"place": np.zeros(0, dtype=np.int64), "weight": np.zeros(0), "events": np.zeros(1, dtype=np.int64)}


class OnlinePart:
    """`current` is what was learned last, replaced whole; before anything was learned the offline order stands."""

    def __init__(self, settings: ServeSettings, cfg: FtrlConfig) -> None:
        self._settings, self._cfg = settings, cfg
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._owner: int | None = None
        self._begin_at = 0.0
        self.current = Published(-1, 0, OnlineScorer(RANKING_FEATURES, cfg, NOTHING))
        self.problem: str | None = None

    @property
    def learner(self) -> str:
        """`off` without a folder, else who learns."""
        return "off" if self._settings.online is None else self._settings.learner

    def start(self) -> None:
        """Look once, then follow in a thread of its own until `stop`."""
        if self._settings.online is None:
            return
        self._look(self._settings.online)
        self._thread = threading.Thread(target=self._follow, args=(self._settings.online,), name="online", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread, and the process with a last snapshot."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()
            try:
                self._process.wait(PATIENCE_S)
            except subprocess.TimeoutExpired:
                self._process.kill()  # nothing is lost: the journal has it
                self._process.wait()
        if self._owner is not None:
            os.close(self._owner)
            self._owner = None

    def _follow(self, folder: Path) -> None:
        while True:
            try:
                self._look(folder)
            except Exception as error:  # the thread must outlive any single bad look
                self._note(f"what was learned cannot be read: {error}")
            if self._stop.wait(self._settings.publish_s):
                return

    def _look(self, folder: Path) -> None:
        if self._settings.learner == "process" and self._owns(folder):
            self._keep_running(folder)
        try:
            found = newest_published(folder, RANKING_FEATURES, self._cfg, after=self.current.position)
        except DataError as error:
            self._note(str(error))
            return
        if found is not None:
            self.current = found

    def _owns(self, folder: Path) -> bool:
        """Whether the learner is this worker's; the system frees the lock of one who dies, and another takes over."""
        if self._owner is None:
            try:
                self._owner = hold(folder / OWNER_FILE)
            except DataError:
                return False
        return True

    def _keep_running(self, folder: Path) -> None:
        if self._process is not None:
            ended = self._process.poll()
            if ended is None:
                if time.monotonic() > self._begin_at:  # it has lived for a while
                    self.problem = None
                return
            self._note(f"the learner ended with code {ended}; it is started again every {RESTART_S:g} s")
        if time.monotonic() < self._begin_at:
            return
        self._begin_at = time.monotonic() + RESTART_S
        knobs = (str(self._settings.label_wait_s), str(self._settings.publish_s))
        command = [sys.executable, "-m", "serving.recommender_learner", str(folder.resolve()), *knobs]
        self._process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)

    def _note(self, problem: str) -> None:
        if problem != self.problem:
            logger.error("%s", problem)
        self.problem = problem
