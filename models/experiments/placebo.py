"""How often the test cries wolf on this very data: deal the arms anew at random, where no effect can be, and analyse again.

The rates stand for the metric's own skew and dependence, which no formula knows; about `alpha` is sound at one look, and no
more than `alpha` over all looks together. Re-randomisation is Fisher's idea (1935); as a check of a platform: Kohavi,
Tang and Xu, Trustworthy Online Controlled Experiments (2020), ch. 19, "the A/A test".
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from models.experiments.cuped import compare
from models.experiments.moments import Float, Ints, cell_sums
from models.experiments.sequential import always_valid, fixed_horizon


@dataclass(frozen=True)
class Placebo:
    """Shares of `runs` in which equal arms were called different: at the last look by the fixed-horizon test, at any look by
    it (peeking), and at any look by the always-valid test."""

    runs: int
    units: int
    looks: int
    fixed: float
    peeking: float
    always: float


def deal_again(
    columns: Float,
    look: Ints,
    share: float,
    *,
    n_looks: int,
    runs: int,
    min_units: int,
    plan_units: float,
    alpha: float,
    rng: np.random.Generator,
    told: Callable[[float], None],
) -> Placebo:
    """Deal N units to two arms `runs` times, a share `share` to the treated one. columns (N, K), look (N,) in 0..n_looks-1."""
    rejected = np.zeros((runs, 3), dtype=bool)
    for run in range(runs):
        arm = (rng.random(look.size) < share).astype(np.int64)
        moments = cell_sums(columns, look * 2 + arm, (n_looks, 2)).cumulated(0).moments()
        effect = compare(moments, treated=1)
        enough = moments.count.min(axis=-1) >= min_units
        p_fixed = np.where(enough, fixed_horizon(effect.estimate, effect.standard_error, alpha=alpha).p, 1.0)
        sequence = always_valid(
            effect.estimate, effect.standard_error, effect.units, plan_units=plan_units, alpha=alpha, first=enough
        )
        rejected[run] = (p_fixed[-1] <= alpha, p_fixed.min() <= alpha, sequence.p[-1] <= alpha)
        told((run + 1) / runs)
    fixed, peeking, always = rejected.mean(axis=0)
    return Placebo(runs, look.size, n_looks, float(fixed), float(peeking), float(always))
