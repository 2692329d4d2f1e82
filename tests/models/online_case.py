"""A small stream of impressions and clicks, batch by batch, and the learner of it; also the process that the tests kill."""

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from models.recommender.online_config import FeedbackConfig, FtrlConfig
from models.recommender.online_features import OnlineFeatures
from models.recommender.online_learner import OnlineLearner
from models.recommender.online_log import Impressions

FEATURES = OnlineFeatures(("item", "device", "hour"), (("item", "device"),))
CONFIG = FtrlConfig(bits=12, half_life_events=2_000, forget_every_events=700)
FEEDBACK = FeedbackConfig(label_wait_s=60, remember_s=10_000, snapshot_every=300, chunk=128)
BATCHES, SIZE = 40, 60
SECOND = 1_000_000
MINUTE = 60 * SECOND
END = (BATCHES + 100) * MINUTE


@dataclass(frozen=True)
class Delivery:
    """A minute of impressions, and the clicks that arrive in it: most on them, some late, some on the minute before."""

    shown: Impressions
    clicked: list[str]
    clicked_us: np.ndarray


def deliveries(seed: int = 0) -> list[Delivery]:
    """The whole stream in the order of event time."""
    rng = np.random.default_rng(seed)
    shown, clicks = [], []
    for minute in range(BATCHES):
        columns = {
            "item": rng.integers(0, 50, SIZE),
            "device": rng.integers(0, 4, SIZE),
            "hour": rng.integers(0, 24, SIZE),
        }
        times = np.sort(minute * MINUTE + rng.integers(0, MINUTE, SIZE))
        ids = [f"i{minute}-{number}" for number in range(SIZE)]
        offset = rng.normal(-1.0, 0.5, SIZE)
        shown.append(Impressions(ids, times, FEATURES.codes(columns), offset, np.ones(SIZE)))
        taken = rng.random(SIZE) < 0.3
        delay = np.where(rng.random(SIZE) < 0.1, 90 * SECOND, rng.integers(0, 60 * SECOND, SIZE))  # one in ten is late
        clicks += [(int(t + d), name) for t, d, name, c in zip(times, delay, ids, taken, strict=True) if c]
    clicks.sort()
    found = []
    for minute in range(BATCHES):
        until = END if minute == BATCHES - 1 else (minute + 1) * MINUTE
        mine = [each for each in clicks if minute * MINUTE <= each[0] < until]
        found.append(
            Delivery(shown[minute], [name for _, name in mine], np.array([t for t, _ in mine], dtype=np.int64))
        )
    return found


def learner(folder: Path) -> OnlineLearner:
    """The learner of the stream."""
    return OnlineLearner(folder, FEATURES, CONFIG, FEEDBACK)


def deliver(to: OnlineLearner, delivery: Delivery) -> None:
    """Both kinds of feedback."""
    to.journal.accept_impressions(delivery.shown)
    to.journal.accept_clicks(delivery.clicked, delivery.clicked_us)


def run(to: OnlineLearner) -> None:
    """The whole stream, each minute twice, settled and learned as it comes. Safe to begin again after a kill."""
    stream = deliveries()
    for number, delivery in enumerate(stream):
        deliver(to, delivery)
        deliver(to, stream[max(0, number - 1)])
        to.journal.settle(number * MINUTE)
        to.catch_up()
    to.journal.settle(END)
    to.catch_up()


if __name__ == "__main__":
    made = learner(Path(sys.argv[1]))
    print("recovered", made.position, flush=True)  # noqa: T201 (the test waits for it)
    while True:  # until it is killed; what came before comes again
        run(made)
        made.save()
