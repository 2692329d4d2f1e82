"""Row of the online learner: events a second that FTRL learns on one core, beside the other libraries on the same events.

`python tests/bench/online_learning.py` prints the mean of three runs of each; Vowpal Wabbit where it is installed.
"""

import importlib.util
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[2])]

from bench_row import BenchContext, BenchResult, BenchRow  # noqa: E402 (the folder of rows is no package)

from models.recommender.online import OnlineEvents, OnlineRanker  # noqa: E402
from models.recommender.online_config import FeedbackConfig, FtrlConfig  # noqa: E402
from models.recommender.online_features import SHOP_FEATURES  # noqa: E402

ASKED = 20_000
OURS, PEER = "ours (River's optimiser)", "River's model, learn_one"
RUNS = 3
BATCH = 256
VALUES = {"score_bucket": 20, "category": 40, "position": 10, "device": 4, "hour": 24, "segment": 6}
CONFIG = FtrlConfig()


def events(count: int, seed: int) -> OnlineEvents:
    """Impressions of 10,000 items, few of which get most, with 14 features each; one in ten is clicked."""
    rng = np.random.default_rng(seed)
    columns = {name: rng.integers(0, values, count) for name, values in VALUES.items()}
    columns["item"] = np.minimum(rng.zipf(1.2, count), 10_000)
    chance = 0.05 + 0.1 * (columns["device"] == columns["category"] % 4)
    return OnlineEvents(
        SHOP_FEATURES.codes(columns), rng.normal(-2, 1, count), rng.random(count) < chance, np.ones(count)
    )


def ours(batch: OnlineEvents) -> None:
    """`OnlineRanker`: hashing, scoring, learning by River's optimiser."""
    OnlineRanker(SHOP_FEATURES, CONFIG).learn(batch)


def vowpal_wabbit(batch: OnlineEvents) -> None:
    """Vowpal Wabbit on lines of names, which it hashes and crosses itself: the way its manual goes."""
    import vowpalwabbit

    spaces = dict(zip(SHOP_FEATURES.columns, "abcdefg", strict=True))
    crosses = " ".join(f"-q {spaces[left]}{spaces[right]}" for left, right in SHOP_FEATURES.crosses)
    learner = vowpalwabbit.Workspace(
        f"--ftrl --ftrl_alpha {CONFIG.alpha} --ftrl_beta {CONFIG.beta} --l1 {CONFIG.l1} --l2 {CONFIG.l2} "
        f"-b {CONFIG.bits} --loss_function logistic --quiet {crosses}"
    )
    for clicked, offset, row in zip(batch.clicked.tolist(), batch.offset.tolist(), batch.codes.tolist(), strict=True):
        words = " ".join(f"|{letter} v{code}" for letter, code in zip(spaces.values(), row, strict=True))
        learner.learn(f"{1 if clicked else -1} 1 {offset:.9g} {words}")


def river_one(batch: OnlineEvents) -> None:
    """River's logistic model, one event at a time, on hashed features. It knows no offset, so its intercept is set to it."""
    learner = _river()
    places = SHOP_FEATURES.places(batch.codes, bits=CONFIG.bits, seed=CONFIG.hash_seed).tolist()
    for row, clicked, offset in zip(places, batch.clicked.tolist(), batch.offset.tolist(), strict=True):
        learner.intercept = offset
        learner.learn_one(dict.fromkeys(row, 1.0), clicked)


def river_many(batch: OnlineEvents) -> None:
    """River by batches: the mean gradient of each is one step, so another algorithm; a dense frame of its features."""
    import pandas as pd

    learner = _river()
    places = SHOP_FEATURES.places(batch.codes, bits=CONFIG.bits, seed=CONFIG.hash_seed)
    for start in range(0, len(batch), BATCH):
        names, at = np.unique(places[start : start + BATCH], return_inverse=True)
        at = at.reshape(-1, places.shape[1])
        frame = np.zeros((len(at), len(names)))
        np.add.at(frame, (np.arange(len(at))[:, None], at), 1.0)
        learner.learn_many(pd.DataFrame(frame, columns=names), pd.Series(batch.clicked[start : start + BATCH]))


def numpy_batches(batch: OnlineEvents) -> None:
    """What hand-written NumPy would reach: events of a batch see the weights before it, their gradients are summed."""
    cfg, size = CONFIG, 1 << CONFIG.bits
    z, n, w = np.zeros(size), np.zeros(size), np.zeros(size)
    places = SHOP_FEATURES.places(batch.codes, bits=cfg.bits, seed=cfg.hash_seed)
    for start in range(0, len(batch), BATCH):
        rows = slice(start, start + BATCH)
        score = batch.offset[rows] + w[places[rows]].sum(axis=1)
        gradient = batch.weight[rows] * (1 / (1 + np.exp(-score)) - batch.clicked[rows])
        at, which = np.unique(places[rows], return_inverse=True)
        each = np.repeat(gradient, places.shape[1])
        total, squares = np.bincount(which.ravel(), each), np.bincount(which.ravel(), each**2)
        grown = n[at] + squares
        z[at] += total - (np.sqrt(grown) - np.sqrt(n[at])) / cfg.alpha * w[at]
        n[at] = grown
        pull = np.sign(z[at]) * np.maximum(np.abs(z[at]) - cfg.l1, 0)
        w[at] = -pull / ((cfg.beta + np.sqrt(grown)) / cfg.alpha + cfg.l2)


def journaled(count: int, folder: Path) -> float:
    """Events a second from delivery to learned: journal, labels, learning, snapshots, all on the disk."""
    from models.recommender.online_learner import OnlineLearner
    from models.recommender.online_log import Impressions

    batch = events(count, seed=0)
    learner = OnlineLearner(folder, SHOP_FEATURES, CONFIG, FeedbackConfig())
    began = time.perf_counter()
    for start in range(0, count, 5_000):
        rows = range(start, min(count, start + 5_000))
        at = np.asarray(rows, dtype=np.int64)
        ids = [f"i{number}" for number in rows]
        learner.journal.accept_impressions(
            Impressions(ids, at * 10_000, batch.codes[at], batch.offset[at], batch.weight[at])
        )
        clicked = at[batch.clicked[at]]
        learner.journal.accept_clicks([f"i{number}" for number in clicked.tolist()], clicked * 10_000)
        learner.journal.settle(2**50 if rows.stop == count else start * 10_000)
        learner.catch_up()
    seconds = time.perf_counter() - began
    learner.close()
    return count / seconds


def measure() -> dict[str, float]:
    """Events a second by name, mean of three runs; as many events for each as take it about a second."""
    learners: dict[str, tuple[Callable[[OnlineEvents], None], int]] = {
        OURS: (ours, 40_000),
        PEER: (river_one, 40_000),
        "River's model, learn_many": (river_many, 20_480),
        "NumPy, batches of 256": (numpy_batches, 200_000),
    }
    if importlib.util.find_spec("vowpalwabbit"):  # no dependency: it was weighed, and River is fast enough
        learners["Vowpal Wabbit"] = (vowpal_wabbit, 80_000)
    found = {}
    for name, (learn, count) in learners.items():
        learn(events(BATCH, seed=99))  # imports
        rates = []
        for seed in range(RUNS):
            batch = events(count, seed)
            began = time.perf_counter()
            learn(batch)
            rates.append(count / (time.perf_counter() - began))
        found[name] = sum(rates) / RUNS
    rates = []
    for _ in range(RUNS):
        with TemporaryDirectory() as folder:
            rates.append(journaled(40_000, Path(folder)))
    return found | {"ours with journal and snapshots": sum(rates) / RUNS}


def _river():
    from river import linear_model, optim

    optimizer = optim.FTRLProximal(alpha=CONFIG.alpha, beta=CONFIG.beta, l1=CONFIG.l1, l2=CONFIG.l2)
    return linear_model.LogisticRegression(optimizer, intercept_lr=0.0)


def _row(context: BenchContext) -> BenchResult:
    found = measure()
    rate = found[OURS]
    others = ", ".join(f"{name} {value:,.0f}" for name, value in found.items() if name != OURS)
    note = f"{len(SHOP_FEATURES)} features an event, one thread, mean of {RUNS}; events/s of {others}"
    return BenchResult(rate, "events/s", PEER, found[PEER], f">= {ASKED:,} events/s", rate >= ASKED, note)


ROWS = [BenchRow("online-learning", "recommender", "FTRL on impressions, one core", _row, rooms=("models",))]

if __name__ == "__main__":
    for name, value in measure().items():
        print(f"{value:12,.0f} events/s  {name}")  # noqa: T201 (a script for people)
