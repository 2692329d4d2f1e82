"""The point of least relative error: by simulation, in its closed form, and the mean where there is no such shape."""

import numpy as np
import pytest

from models.common.metrics import rmspe
from models.forecaster.functionals import MAX_SPREAD, relative_point

DEVIATION = 0.2


def _lognormal(deviation: float) -> tuple[float, float, float]:
    """mean, q10, q90 of a lognormal with median 100."""
    quantile = 1.281552 * deviation
    return 100 * np.exp(deviation**2 / 2), 100 * np.exp(-quantile), 100 * np.exp(quantile)


def test_of_a_lognormal_it_is_the_closed_form() -> None:
    mean, low, high = _lognormal(DEVIATION)
    found = relative_point(np.array([mean]), np.array([low]), np.array([high]))
    assert found == pytest.approx(100 * np.exp(-1.5 * DEVIATION**2), rel=1e-4)


def test_no_other_multiple_of_the_mean_has_a_lower_rmspe() -> None:
    mean, low, high = _lognormal(DEVIATION)
    sold = 100 * np.random.default_rng(0).lognormal(0.0, DEVIATION, 400_000)
    point = float(relative_point(np.array([mean]), np.array([low]), np.array([high]))[0])
    error = rmspe(sold, np.full(sold.size, point))
    assert error < rmspe(sold, np.full(sold.size, mean)) * 0.97
    assert all(error < rmspe(sold, np.full(sold.size, point * factor)) for factor in (0.97, 0.98, 1.02, 1.03))


def test_without_such_a_shape_the_mean_stands_and_wide_quantiles_are_held_back() -> None:
    mean, low, high = np.array([2.0, 2.0, 2.0]), np.array([-0.3, 0.0, 0.1]), np.array([4.0, 5.0, 9.0])
    assert relative_point(mean, low, high).tolist() == pytest.approx([2.0, 2.0, 2.0 * np.exp(-2 * MAX_SPREAD**2)])
