"""Which point of a predictive distribution to state: the one that the error in question is least for (Gneiting 2011)."""

from typing import Any

import numpy as np
import numpy.typing as npt

Float = npt.NDArray[np.floating[Any]]
SPREAD = 2.5631  # standard normal deviations between the 10 % and the 90 % quantile
MAX_SPREAD = 0.3  # log deviation; where the quantiles tell more the distribution is no lognormal one


def relative_point(mean: Float, q10: Float, q90: Float) -> npt.NDArray[np.float64]:
    """The forecast of least expected squared *relative* error, for mean and outer quantiles of one shape.

    ((y - f) / y)^2 is least in expectation for f = E[1/Y] / E[1/Y^2], which lies below the mean, for an error of so many
    euros weighs more on a poor day. Of a lognormal Y of log deviation s it is mean * exp(-2 s^2). Where a quantile is not
    above 0 there is no such shape, and the mean stands.
    """
    low, high = np.asarray(q10, dtype=np.float64), np.asarray(q90, dtype=np.float64)
    shaped = (low > 0) & (high >= low)
    ratio = np.divide(high, low, out=np.ones(high.shape), where=shaped)
    spread = np.minimum(np.log(ratio) / SPREAD, MAX_SPREAD)
    return np.asarray(mean * np.exp(-2.0 * spread**2), dtype=np.float64)
