"""Did the units arrive in the planned shares? If not, something other than chance sorted them, and no effect is to be read.

Two checks: Pearson's chi-square, for one look that was planned; and the sequential multinomial test of Lindon and Malek,
"Anytime-valid inference for multinomial count data" (NeurIPS 2022), valid however often one looks. The latter holds
against the planned shares a Dirichlet mixture centred on them:

    BF_n = G(c) / G(c + n) prod_a G(c s_a + n_a) / G(c s_a) / prod_a s_a^n_a,   p_n = min over looks of 1 / BF_n,

with planned shares s, counts n and concentration c; BF is a martingale of mean 1 under them, so p errs rarely (Ville).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from models.experiments.moments import Float

MIN_EXPECTED = 5  # units expected in every arm, below which the chi-square distribution is no good approximation


class SampleRatioError(ValueError):
    """Counts or shares that cannot be checked; the message names them and the bound."""


@dataclass(frozen=True)
class RatioCheck:
    """chi_square and its p-value at the last look; p_always (looks,), which never rises; counts and expected (A,)."""

    counts: Float
    expected: Float
    chi_square: float
    p_fixed: float
    p_always: Float

    def alarm(self, alpha: float) -> bool:
        """True if the sequential check refuses the planned shares at level `alpha`."""
        return bool(self.p_always[-1] <= alpha)


def check_ratio(counts: npt.NDArray[Any], shares: npt.NDArray[Any], *, concentration: float = 10_000) -> RatioCheck:
    """Check running counts (looks, A), or those of one look (A,), against planned shares (A,).

    SampleRatioError for negative or falling counts, shares that are not positive or do not sum to 1, or too few units.
    """
    looks = np.atleast_2d(np.asarray(counts, dtype=np.float64))
    planned = np.asarray(shares, dtype=np.float64)
    if planned.ndim != 1 or looks.ndim != 2 or looks.shape[1] != planned.size or planned.size < 2:
        raise SampleRatioError(f"counts {looks.shape}, shares {planned.shape}: expected (looks, A) and (A,), A >= 2")
    if np.any(planned <= 0) or abs(float(planned.sum()) - 1) > 1e-9:
        raise SampleRatioError(f"shares {planned.tolist()} sum to {planned.sum()}: expected positive shares, sum 1")
    if not np.isfinite(looks).all() or np.any(looks < 0) or np.any(np.diff(looks, axis=0) < 0):
        raise SampleRatioError("counts: expected non-negative running counts that never fall: sum them over looks")
    if not concentration > 0:
        raise SampleRatioError(f"concentration {concentration}: expected more than 0")
    expected = looks[-1].sum() * planned
    if expected.min() < MIN_EXPECTED:
        raise SampleRatioError(
            f"counts {looks[-1].tolist()}: {expected.min():.1f} units are expected in an arm, at least {MIN_EXPECTED} "
            "are needed: wait for more"
        )
    from scipy.special import chdtrc, gammaln

    statistic = float(np.sum((looks[-1] - expected) ** 2 / expected))
    prior = concentration * planned
    log_factor = (
        gammaln(concentration)
        - gammaln(concentration + looks.sum(axis=1))
        + np.sum(gammaln(prior + looks) - gammaln(prior) - looks * np.log(planned), axis=1)
    )
    p_always = np.minimum.accumulate(np.exp(np.minimum(-log_factor, 0.0)))
    return RatioCheck(looks[-1], expected, statistic, float(chdtrc(planned.size - 1, statistic)), p_always)
