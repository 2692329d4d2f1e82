"""Thresholds with a guarantee: conformal risk control of misses, and of sound packages that are rejected.

Angelopoulos, Bates, Fisch, Lei, Schuster 2022, "Conformal Risk Control" (ICLR 2024): a loss in [0, 1] that never rises with the
caution, taken at the least caution whose corrected mean over n calibration packages, (n R + 1) / (n + 1), is at most the level,
has an expectation of at most the level on a new package exchangeable with them. Here the loss is that a defect passes; among
defects it is bounded, whatever their share of the belt.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Scores = npt.NDArray[np.float64]
PASS, REJECT, HUMAN = "pass", "reject", "human"


@dataclass(frozen=True)
class Thresholds:
    """Scores below `pass_below` pass, others above `reject_above` are rejected, the rest go to a human."""

    pass_below: float
    reject_above: float

    def decide(self, scores: Scores) -> npt.NDArray[np.str_]:
        """PASS, REJECT or HUMAN, (N,). A score that is no number goes to a human."""
        return np.where(
            scores < self.pass_below, PASS, np.where((scores > self.reject_above) & ~np.isnan(scores), REJECT, HUMAN)
        )


def pass_threshold(faulty: Scores, level: float) -> float:
    """The highest t such that passing scores below it keeps (misses + 1) / (n + 1) <= level; `faulty` (n,) scores of defects.

    -inf where n is below 1 / level - 1: so few defects guarantee nothing, and nothing passes.
    """
    allowed = int(np.floor(level * (len(faulty) + 1) + 1e-9)) - 1
    if allowed < 0:
        return -np.inf
    # One more than `allowed` lies at or below this score, and strictly below it at most `allowed`.
    return float(np.partition(faulty, allowed)[allowed])


def reject_threshold(sound: Scores, level: float) -> float:
    """The lowest t such that rejecting scores above it keeps (rejected + 1) / (n + 1) <= level among sound packages (n,)."""
    return -pass_threshold(-sound, level)


def calibrate(
    scores: Scores, kind: npt.NDArray[np.int64], *, miss_level: float, reject_level: float, by_kind: bool
) -> Thresholds:
    """Thresholds from packages (n,) of kind 0 where sound.

    `by_kind` takes the lowest of the kinds' own thresholds: a loss falls with its threshold, so each kind's misses are bounded.
    """
    groups = [kind == number for number in np.unique(kind[kind > 0])] if by_kind else [kind > 0]
    lowest = min((pass_threshold(scores[group], miss_level) for group in groups), default=-np.inf)
    return Thresholds(lowest, reject_threshold(scores[kind == 0], reject_level))
