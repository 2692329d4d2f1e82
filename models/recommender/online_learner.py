"""The online learner with its journal and snapshots in one folder: killed at any moment, it goes on as if it had not been.

What was learned is a function of the config and of the journal up to a position, nothing else: not of when feedback came,
of how the learner was called, of restarts. A snapshot says both, so recovery is the newest whole snapshot and the journal
from its position on; no example is lost or learned twice. A folder has one learner, whoever else writes to its journal.
"""

import fcntl
import hashlib
import logging
import os
from contextlib import ExitStack
from pathlib import Path

from models.common.protocols import DataError
from models.recommender.online import OnlineRanker, OnlineScorer, State
from models.recommender.online_config import FeedbackConfig, FtrlConfig
from models.recommender.online_features import OnlineFeatures
from models.recommender.online_log import FeedbackLog
from models.recommender.online_snapshots import (
    Snapshot,
    listed,
    newest_snapshot,
    prune,
    write_snapshot,
)

log = logging.getLogger(__name__)


class OnlineLearner:
    """Deliver feedback to `journal` and settle it there; `catch_up` learns what is new; `ranker` scores by it."""

    def __init__(self, folder: Path, features: OnlineFeatures, cfg: FtrlConfig, feedback: FeedbackConfig) -> None:
        """Recover from `folder`, or begin in it. DataError where its snapshots and journal do not fit, saying what to do."""
        self.features, self.cfg, self.feedback = features, cfg, feedback
        self.snapshots = folder / "snapshots"
        self._closing = ExitStack()
        self._closing.callback(os.close, hold(folder / ".lock"))
        self.identity = learner_identity(features, cfg)
        try:
            self.journal = FeedbackLog(folder / "feedback.sqlite", feedback)
            self._closing.callback(self.journal.close)
            found = newest_snapshot(self.snapshots, self.identity, on_broken=_say_broken)
            if found is None and listed(self.snapshots):
                self._need_all_of_the_journal()
            self.position = self.saved_position = found.position if found else 0
            self.ranker = OnlineRanker(features, cfg, found.state if found else None)
            self.catch_up()
        except BaseException:
            self.close()
            raise

    def catch_up(self) -> int:
        """Learn every settled example that was not learned yet, with snapshots on the way; how many there were."""
        first = self.position
        while batch := self.journal.read(self.position, self.feedback.chunk, len(self.features.columns)):
            self.ranker.learn(batch)
            self.position += len(batch)
            if self.position - self.saved_position >= self.feedback.snapshot_every:
                self.save()
        return self.position - first

    def save(self) -> None:
        """Write a snapshot, drop the oldest and what the journal need not hold any more. OSError leaves the old ones."""
        write_snapshot(self.snapshots, Snapshot(self.position, self.identity, self.ranker.state))
        self.saved_position = self.position
        self.journal.compact(prune(self.snapshots, self.feedback.snapshots_kept))

    def state(self) -> State:
        """All that was learned, as named arrays."""
        return self.ranker.state

    def scorer(self) -> OnlineScorer:
        """What was learned up to now, to score with NumPy alone; it does not learn on."""
        return OnlineScorer(self.features, self.cfg, self.ranker.state)

    def close(self) -> None:
        """Let go of the folder; nothing is lost by not calling it, for the system does it for a process that died."""
        self._closing.close()

    def _need_all_of_the_journal(self) -> None:
        try:
            self.journal.read(0, 1, len(self.features.columns))
        except DataError as error:
            raise DataError(
                f"{self.snapshots}: none of {len(listed(self.snapshots))} snapshots is whole and the journal's beginning is "
                "dropped: restore a snapshot from a copy, or begin anew in an empty folder"
            ) from error


def learner_identity(features: OnlineFeatures, cfg: FtrlConfig) -> str:
    """SHA-256 of all that decides what is learned of a journal."""
    return hashlib.sha256(f"{cfg.identity()} {features!r}".encode()).hexdigest()


def _say_broken(path: Path) -> None:
    log.warning("%s: its bytes are not those its name tells; going back to the snapshot before it", path)


def hold(path: Path) -> int:
    """Hold the lock file alone among all processes of this machine; the system frees it when the holder dies."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(handle)
        raise DataError(f"{path}: another learner has this folder; stop it first, or give this one its own") from error
    return handle
