"""Paired comparison of two models on the same held-out periods by a block bootstrap.

Losses of one series (or one day) move together, so whole blocks are drawn, not single rows (Künsch 1989; Efron and
Tibshirani 1993, ch. 8). The statistic is the mean difference of losses, challenger minus champion: below 0 is better.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.floating[Any]]
MIN_BLOCKS = 2


class CompareError(ValueError):
    """Losses that cannot be compared; the message names the shapes or the bound."""


@dataclass(frozen=True)
class BootstrapResult:
    """Mean loss difference (challenger - champion), its interval, and the share of resamples in which it is >= 0."""

    diff: float
    low: float
    high: float
    p: float
    blocks: int
    rows: int


def paired_bootstrap(
    challenger_loss: Array,
    champion_loss: Array,
    blocks: npt.NDArray[Any],
    *,
    seed: int,
    resamples: int = 2_000,
    confidence: float = 0.95,
) -> BootstrapResult:
    """Compare losses (N,) pairwise; `blocks` (N,) names the block of each row (series, or day).

    Rows with NaN are left out. p is one-sided: small means that the challenger is better. CompareError for fewer than
    2 blocks.
    """
    if not challenger_loss.shape == champion_loss.shape == blocks.shape or blocks.ndim != 1:
        raise CompareError(
            f"challenger {challenger_loss.shape}, champion {champion_loss.shape}, blocks {blocks.shape}: "
            "expected equal (N,)"
        )
    if not 0.5 <= confidence < 1.0 or resamples < 100:
        raise CompareError(f"confidence {confidence}, resamples {resamples}: expected [0.5, 1) and at least 100")
    difference = challenger_loss.astype(np.float64) - champion_loss
    known = np.isfinite(difference)
    names, index = np.unique(blocks[known], return_inverse=True)
    if names.size < MIN_BLOCKS:
        raise CompareError(
            f"{names.size} blocks with both losses: expected at least {MIN_BLOCKS}: compare on more series or days"
        )
    total = np.bincount(index, weights=difference[known])
    count = np.bincount(index).astype(np.float64)
    rng = np.random.default_rng(seed)
    means = np.empty(resamples)
    for start in range(0, resamples, 200):  # in slices: 200 x 10,000 blocks stay small in memory
        size = min(200, resamples - start)
        drawn = rng.multinomial(names.size, np.full(names.size, 1.0 / names.size), size=size).astype(np.float64)
        means[start : start + size] = (drawn @ total) / (drawn @ count)
    low, high = np.quantile(means, [(1 - confidence) / 2, (1 + confidence) / 2])
    return BootstrapResult(
        diff=float(total.sum() / count.sum()),
        low=float(low),
        high=float(high),
        p=float((1 + np.sum(means >= 0)) / (1 + resamples)),
        blocks=int(names.size),
        rows=int(known.sum()),
    )
