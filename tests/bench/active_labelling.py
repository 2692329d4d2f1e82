"""What a label is worth: an inspection head learns from few labels, chosen by each strategy, on frozen embeddings.

The embeddings are those of another belt's network: its last hidden layer (N, 48), of an inspector that was trained on another
seed's products, batches and labels, and never sees a label of the belt at hand. Beside it a blind one, which has seen no label
at all: what each block of a picture differs by from the approved one, on the pool's 64 principal directions, and the readings.

Everything but the choice is the same for all: first labels, head (logistic regression by scikit-learn), schedule, pool, test.
"""

import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).parent
if __name__ == "__main__":
    sys.path.insert(0, str(HERE.parents[1]))

from models.active_learning.config import Config as Choice  # noqa: E402 (found from the repository's root)
from models.active_learning.selection import pool_of, select  # noqa: E402

LEARNT_SEED, LEARNT = 31, 3_000  # the other belt: none of the seeds that are judged
SIDE_PX, POOL, JUDGED = 64, 2_500, 2_500
ROUNDS = (*range(50, 500, 50), *range(500, 1_500, 100), *range(1_500, POOL + 1, 250))  # labels; the first by chance
DRAWS = 3  # of the first labels, that a curve is the mean of
WITHIN = 0.01
TICKS = [50, 100, 200, 500, 1_000, 2_500]  # of the picture
CHANCE = "random"
STRATEGIES = (CHANCE, "mix", "badge", "margin", "coreset")
LEARNT_EMBEDDING, BLIND_EMBEDDING = "another belt's network", "blind, no label seen"


@dataclass(frozen=True, eq=False)
class Belt:
    """Packages of one seed, half a pool and half judged: embeddings (N, D) by name, `kind` (N,)."""

    embeddings: dict[str, np.ndarray]
    kind: np.ndarray


@dataclass(frozen=True, eq=False)
class Curves:
    """Of one seed and embedding: quality (S,) at `labels` (S,) by strategy, and with every label of the pool."""

    labels: np.ndarray
    quality: dict[str, np.ndarray]
    full: float

    def needed(self, strategy: str) -> float:
        """Labels from which on the quality is, and stays, within a point of that of every label; straight lines between rounds."""
        quality, bar = self.quality[strategy], self.full - WITHIN
        short = np.flatnonzero(quality < bar)
        if not len(short):
            return float(self.labels[0])
        last = int(short[-1])
        if last + 1 == len(quality):
            return float(self.labels[-1])
        return float(np.interp(bar, quality[last : last + 2], self.labels[last : last + 2]))


@cache
def another_belts_network() -> Any:
    """An inspector of LEARNT_SEED without its last layer, and the spread of sound readings there."""
    from models.inspection.config import Config
    from models.inspection.train import LEAST_SPREAD, fit

    data = _packages(LEARNT_SEED, LEARNT)
    spread = np.maximum(data.off[data.kind == 0].std(axis=0), LEAST_SPREAD)
    network = fit(data, Config(), np.arange(len(data.kind)), spread, seed=0)
    network.head = network.head[:-1]
    return network.eval(), spread


def belt(seed: int) -> Belt:
    """A belt of the twin as its parameters are by default, smaller pictures apart."""
    import torch

    from models.inspection.data import assemble
    from models.inspection.peers import differences
    from models.inspection.predict import INPUTS

    data = _packages(seed, POOL + JUDGED)
    network, spread = another_belts_network()
    found = []
    with torch.no_grad():
        for start in range(0, len(data.kind), 128):
            rows = slice(start, start + 128)
            fed = assemble(data.pictures[rows], data.approved[data.batch[rows]], data.off[rows], spread)
            found.append(network(*(torch.from_numpy(fed[name]) for name in INPUTS)).numpy())
    blocks = differences(data, np.arange(len(data.kind))).reshape(len(data.kind), -1)
    felt = _standard(data.off)
    blind = np.column_stack([_principal(blocks, 64), felt, np.abs(felt)])
    learnt = np.concatenate(found).astype(np.float64)
    return Belt({LEARNT_EMBEDDING: _standard(learnt), BLIND_EMBEDDING: _standard(blind)}, data.kind)


def curves(packages: Belt, embedding: str, seed: int, strategies: tuple[str, ...] = STRATEGIES) -> Curves:
    """Learning curves of the strategies until every package of the pool is labelled."""
    seen, kind = packages.embeddings[embedding], packages.kind
    half = len(kind) // 2
    labels = np.array(ROUNDS)
    quality = {
        strategy: np.mean([_learnt(seen, kind, strategy, labels, (seed, draw)) for draw in range(DRAWS)], axis=0)
        for strategy in strategies
    }
    return Curves(labels, quality, right_kinds(head(seen[:half], kind[:half]), seen[half:], kind[half:]))


def head(seen: np.ndarray, kind: np.ndarray) -> Any:
    """Logistic regression on what is labelled."""
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(max_iter=300).fit(seen, kind)


def right_kinds(fitted: Any, seen: np.ndarray, kind: np.ndarray) -> float:
    """Share of right kinds, the mean over kinds (soundness one of them): a rare kind counts as much as a frequent one."""
    right = fitted.predict(seen) == kind
    return float(np.mean([right[kind == number].mean() for number in np.unique(kind)]))


def _learnt(seen: np.ndarray, kind: np.ndarray, strategy: str, labels: np.ndarray, keys: tuple[int, int]) -> np.ndarray:
    """Quality (S,) at each number of labels; the first ones are drawn by the keys alone, whatever the strategy."""
    half = len(kind) // 2
    known = np.zeros(half, bool)
    known[np.random.default_rng(keys).permutation(half)[: labels[0]]] = True
    rng, quality = np.random.default_rng((*keys, 1)), []
    for more in np.diff(labels, append=labels[-1]):
        rows = np.flatnonzero(known)
        fitted = head(seen[rows], kind[rows])
        quality.append(right_kinds(fitted, seen[half:], kind[half:]))
        chances = fitted.predict_proba(seen[:half])
        pool = pool_of(seen[:half], chances, known)
        if more:
            chosen = select(pool, Choice.model_validate({"strategy": strategy, "count": int(more)}), rng)
            known[np.flatnonzero(~known)[chosen]] = True
    return np.array(quality)


def _packages(seed: int, count: int) -> Any:
    from models.inspection.config import Config
    from models.inspection.data import prepare
    from sources.twin.belt.belt import Belt as Line
    from sources.twin.belt.params import BeltParams
    from sources.twin.belt.tables import approved_samples, inspections

    line = Line(BeltParams(size_px=SIDE_PX), seed)
    tables = {"inspections": inspections(line, 0, count), "approved_samples": approved_samples(line, 0, count)}
    return prepare(tables, Config())


def _standard(columns: np.ndarray) -> np.ndarray:
    """Mean 0 and standard deviation 1 over the pool."""
    pool = columns[: len(columns) // 2]
    return (columns - pool.mean(axis=0)) / np.maximum(pool.std(axis=0), 1e-6)


def _principal(columns: np.ndarray, count: int) -> np.ndarray:
    from sklearn.decomposition import PCA

    return PCA(count, random_state=0).fit(columns[: len(columns) // 2]).transform(columns)


def drawn(found: dict[str, list[Curves]]) -> bytes:
    """Curves of each embedding, the mean over the seeds, beside every label and a point below it."""
    from models.common.figures import BAND, CHAMPION, INK, OTHER, figure, png

    colours = {CHANCE: OTHER, "mix": CHAMPION, "badge": INK, "margin": "#5b7db1", "coreset": "#d9a441"}
    picture = figure(5.2 * len(found), 3.8)
    axes = picture.subplots(1, len(found), squeeze=False)[0]
    for axis, (name, seeds) in zip(axes, found.items(), strict=True):
        full = np.mean([each.full for each in seeds])
        axis.axhspan(full - WITHIN, full, color=BAND, alpha=0.6, label="within a point of every label")
        for strategy in seeds[0].quality:
            mean = np.mean([each.quality[strategy] for each in seeds], axis=0)
            axis.plot(seeds[0].labels, mean, color=colours[strategy], label=strategy, linewidth=1.4)
        axis.set_xscale("log")
        axis.set_xticks(TICKS, TICKS)
        axis.minorticks_off()
        axis.set_title(f"{name}; {len(seeds)} belts", fontsize=9)
        axis.set_xlabel("labels")
    axes[0].set_ylabel("right kinds, mean over kinds")
    axes[0].legend(fontsize=8, loc="lower right")
    return png(picture)


if __name__ == "__main__":
    shown = {name: [] for name in (LEARNT_EMBEDDING, BLIND_EMBEDDING)}
    for number in map(int, sys.argv[2:]):
        packages = belt(number)
        for name, rows in shown.items():
            rows.append(curves(packages, name, number))
            told = {strategy: round(rows[-1].needed(strategy)) for strategy in STRATEGIES}
            sys.stdout.write(f"seed {number}, {name}: every label {rows[-1].full:.4f}; needed {told}\n")
            sys.stdout.flush()
    Path(sys.argv[1]).write_bytes(drawn(shown))
