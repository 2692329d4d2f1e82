"""The learner's process: settles the journal, learns what is new, publishes the weights, until its input is closed.

`python -m serving.recommender_learner FOLDER LABEL_WAIT_S PUBLISH_S`. A process of its own, because River's optimiser is
Python and would hold the lock that all of the service's threads share; and one that a killed service takes with it, because
the input that the service held closes then.

Time moves as impressions do: the newest of them, whose times the service gave, says which others have waited for a click
long enough. So what is learned follows from what was delivered in which order, not from when a process was killed.
"""

import os
import select
import sys
from pathlib import Path

from models.recommender.online_config import FeedbackConfig, FtrlConfig
from models.recommender.online_learner import OnlineLearner
from models.recommender.online_published import publish
from models.recommender.reweighting import RANKING_FEATURES

FTRL = FtrlConfig()
NICE = 10  # a request comes first


def learn(folder: Path, label_wait_s: float, publish_s: float, closed: int) -> None:
    """Learn in `folder` until the file `closed` ends; then a snapshot, so that the next one begins at once."""
    learner = OnlineLearner(folder, RANKING_FEATURES, FTRL, FeedbackConfig.of_wait(label_wait_s))
    try:
        while True:
            learner.journal.settle(learner.journal.newest_us)
            learner.catch_up()
            publish(folder, learner)
            ready, _, _ = select.select([closed], [], [], publish_s)
            if ready and not os.read(closed, 1):
                break
        if learner.position > learner.saved_position:
            learner.save()
    finally:
        learner.close()


if __name__ == "__main__":
    os.nice(NICE)
    learn(Path(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3]), sys.stdin.fileno())
