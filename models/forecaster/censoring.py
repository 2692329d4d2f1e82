"""Days cut short by a stock-out: what was sold is the least that was wanted, and the mean is fitted so.

Leaving such days out favours days on which little was wanted, for those rarely run out; taking them as they are takes what
was on the shelf for what was wanted. With a count Y of mean m known only as Y >= k, the gradient of the log-likelihood
by log m is E[Y | Y >= k] - m under a Poisson distribution (Terza 1985, A Tobit-type estimator for the censored Poisson
regression model, Economics Letters 18; after Tobin 1958). Sales scatter more widely, so the expectation is taken under
a negative binomial of variance m + m^2 / shape, whose shape the days that did not run out tell.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

Float = npt.NDArray[np.floating[Any]]
Bools = npt.NDArray[np.bool_]
SHAPE_BOUNDS = (0.5, 100.0)
SHAPE_EVERY = 10  # rounds between two looks at the shape
STEP_BOUND = 0.7  # of XGBoost's Poisson objective: its hessian is raised by exp(0.7), which keeps first steps small
RARE = 1e-9  # a tail this thin is rounding
FIRST_SHAPE = 4.0


def at_least(k: Float, mean: Float, shape: float) -> Float:
    """P(Y >= k), (M,), of a negative binomial of `mean` (M,) and variance mean + mean^2 / shape; k (M,) whole units.

    By the incomplete beta function (Abramowitz and Stegun, 26.5.26).
    """
    from scipy.special import betainc

    return np.where(k <= 0, 1.0, betainc(np.maximum(k, 1.0), shape, mean / (mean + shape)))


def mean_given_at_least(k: Float, mean: Float, shape: float) -> Float:
    """E[Y | Y >= k], (M,); never below k or the mean.

    y P(y) of a negative binomial is its mean times P(y - 1) of one with shape + 1 and the same odds, so that the sum over
    y >= k is the mean times a tail. Where Y >= k is next to impossible, k itself is the answer.
    """
    tail = at_least(k, mean, shape)
    shifted = at_least(k - 1.0, mean * (shape + 1.0) / shape, shape + 1.0)
    given = mean * shifted / np.maximum(tail, RARE)
    return np.where(tail > RARE, np.maximum(given, np.maximum(k, mean)), np.maximum(k, mean))


def shape_of(value: Float, mean: Float) -> float:
    """Shape of the negative binomial by the moments of value (M,) around its mean (M,): sum m^2 / sum((y-m)^2 - m)."""
    excess = float(((value - mean) ** 2 - mean).sum())
    return float(np.clip(float((mean**2).sum()) / max(excess, RARE), *SHAPE_BOUNDS))


@dataclass
class CensoredPoisson:
    """Gradient and validation metric of XGBoost's `count:poisson` where some rows only tell the least that was wanted.

    value (M,): units, the least of them where `short` (M,) is True; scale (M,): units of one unit of the target; weight (M,).
    """

    value: Float
    scale: Float
    weight: Float
    short: Bools
    shape: float = FIRST_SHAPE
    _round: int = field(default=0, repr=False)

    def gradient(self, margin: Float, _rows: Any) -> tuple[Float, Float]:
        """First and second derivative (M,) of the loss by the margin (M,), the logarithm of the target's mean."""
        rate = np.exp(margin.astype(np.float64))
        if self._round % SHAPE_EVERY == 0:
            self.shape = shape_of(self.value[~self.short], (rate * self.scale)[~self.short])
        self._round += 1
        wanted = self.value / self.scale
        mean = rate[self.short] * self.scale[self.short]
        wanted[self.short] = mean_given_at_least(self.value[self.short], mean, self.shape) / self.scale[self.short]
        return (rate - wanted) * self.weight, rate * np.exp(STEP_BOUND) * self.weight

    def loss(self, margin: Float, *, value: Float, scale: Float, short: Bools) -> float:
        """Mean negative log-likelihood of other rows, less what no margin moves."""
        mean = np.exp(margin.astype(np.float64)) * scale
        told = mean - value * np.log(np.maximum(mean, RARE))
        told[short] = -np.log(np.maximum(at_least(value[short], mean[short], self.shape), RARE))
        return float(told.mean())
