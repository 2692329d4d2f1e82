"""Rates over resamplings: the held-out packages are split at random, thresholds are set on one half and judged on the other.

One split tells one draw of rates that vary; the guarantee is of their mean. Packages of a batch stand in both halves, so that the
halves are exchangeable, as the guarantee asks.
"""

from dataclasses import dataclass

import numpy as np

from models.inspection.conformal import HUMAN, PASS, REJECT, Scores, Thresholds, calibrate
from models.inspection.data import Floats, Ints

RATES = (
    "miss rate",
    "human share",
    "human share of defects",
    "human share of sound",
    "false rejection",
    "right decisions",
)


@dataclass(frozen=True)
class Rates:
    """Of R resamplings: `values` (R, RATES); `misses` (R, K) the miss rate of each kind, NaN where none was there; `defects` (R,)
    unseen defects judged."""

    values: Floats
    misses: Floats
    defects: Ints

    def mean(self, rate: str) -> float:
        """Mean over the resamplings."""
        return float(self.values[:, RATES.index(rate)].mean())

    def error(self, rate: str) -> float:
        """Standard error of that mean."""
        return float(self.values[:, RATES.index(rate)].std(ddof=1) / np.sqrt(len(self.values)))


def resample(
    scores: Scores,
    kind: Ints,
    kinds: int,
    *,
    miss_level: float,
    reject_level: float,
    by_kind: bool,
    resamplings: int,
    rng: np.random.Generator,
) -> Rates:
    """Rates of scores (N,) on packages of `kind` (N,), soundness 0, of so many kinds."""
    values, misses = np.full((resamplings, len(RATES)), np.nan), np.full((resamplings, kinds), np.nan)
    defects = np.zeros(resamplings, dtype=np.int64)
    for round_ in range(resamplings):
        order = rng.permutation(len(scores))
        first, second = order[: len(order) // 2], order[len(order) // 2 :]
        thresholds = calibrate(
            scores[first], kind[first], miss_level=miss_level, reject_level=reject_level, by_kind=by_kind
        )
        values[round_], misses[round_] = judged(thresholds, scores[second], kind[second], kinds)
        defects[round_] = (kind[second] > 0).sum()
    return Rates(values, misses, defects)


def judged(thresholds: Thresholds, scores: Scores, kind: Ints, kinds: int) -> tuple[Floats, Floats]:
    """RATES and the miss rate (K,) of each kind; NaN where there is nothing to take a rate of.

    A package sent to a human is no miss and no false rejection, but it is no right decision either.
    """
    decision = thresholds.decide(scores)
    passed, rejected, asked = (decision == each for each in (PASS, REJECT, HUMAN))
    faulty = kind > 0
    rates = np.array([
        _share(passed, faulty), asked.mean(), _share(asked, faulty), _share(asked, ~faulty), _share(rejected, ~faulty),
        np.where(faulty, rejected, passed).mean(),
    ])  # fmt: skip
    of_kind = np.array([_share(passed, kind == number) if number else np.nan for number in range(kinds)])
    return rates, of_kind


def auroc(scores: Scores, faulty: np.ndarray) -> float:
    """Chance that a defect scores above a sound package, ties counting half (Mann and Whitney 1947); NaN without either."""
    defects = int(faulty.sum())
    if defects in {0, len(scores)}:
        return float("nan")
    _, place, count = np.unique(scores, return_inverse=True, return_counts=True)
    rank = (np.cumsum(count) - (count - 1) / 2)[place]
    return float((rank[faulty].sum() - defects * (defects + 1) / 2) / (defects * (len(scores) - defects)))


def _share(what: np.ndarray, among: np.ndarray) -> float:
    return float(what[among].mean()) if among.any() else float("nan")
