"""What a stock-out hid: tails of counts worked by hand, and a mean that is found again behind empty shelves."""

import numpy as np
import pytest

from models.forecaster.censoring import CensoredPoisson, at_least, mean_given_at_least, shape_of

POISSON = 1e7  # a negative binomial of so large a shape is a Poisson


def test_tails_of_a_poisson_of_mean_two_worked_by_hand() -> None:
    # P(0) = e^-2, P(1) = 2 e^-2: P(Y >= 2) = 1 - 3 e^-2 and the sum of y P(y) from 2 on is 2 - 2 e^-2.
    k, mean = np.array([0.0, 1.0, 2.0]), np.full(3, 2.0)
    e = np.exp(-2.0)
    assert at_least(k, mean, POISSON) == pytest.approx([1.0, 1 - e, 1 - 3 * e], rel=1e-5)
    told = mean_given_at_least(k, mean, POISSON)
    assert told == pytest.approx([2.0, 2 / (1 - e), (2 - 2 * e) / (1 - 3 * e)], rel=1e-5)


def test_a_geometric_forgets_what_was_sold() -> None:
    # Shape 1 is the geometric distribution: P(Y >= k) = (m / (1 + m))^k and E[Y | Y >= k] = k + m.
    k, mean = np.array([1.0, 4.0, 9.0]), np.full(3, 3.0)
    assert at_least(k, mean, 1.0) == pytest.approx(0.75**k)
    assert mean_given_at_least(k, mean, 1.0) == pytest.approx(k + 3.0)


def test_the_expectation_is_never_below_the_bound_or_the_mean_and_rises_with_both() -> None:
    k = np.repeat([0.0, 1.0, 5.0, 50.0, 5_000.0], 4)
    mean = np.tile([0.01, 1.0, 20.0, 900.0], 5)
    told = mean_given_at_least(k, mean, 8.0)
    assert np.isfinite(told).all()
    assert (told >= np.maximum(k, mean) - 1e-9).all()
    grid = told.reshape(5, 4)
    assert (np.diff(grid, axis=0) >= -1e-9).all()
    assert (np.diff(grid, axis=1) >= -1e-9).all()


def test_the_shape_of_scattered_counts_is_found_again() -> None:
    rng = np.random.default_rng(5)
    mean = rng.uniform(2.0, 40.0, 60_000)
    value = rng.negative_binomial(6.0, 6.0 / (6.0 + mean)).astype(float)
    assert shape_of(value, mean) == pytest.approx(6.0, rel=0.05)
    assert shape_of(mean, mean) == 100.0  # no scatter beyond that of a Poisson


def test_without_short_rows_the_gradient_is_that_of_a_poisson() -> None:
    value, scale, weight = np.array([3.0, 0.0]), np.array([2.0, 1.0]), np.array([1.5, 0.5])
    likelihood = CensoredPoisson(value, scale, weight, np.zeros(2, dtype=bool))
    first, second = likelihood.gradient(np.log([1.0, 0.25]), None)
    assert first == pytest.approx([(1.0 - 1.5) * 1.5, 0.25 * 0.5])
    assert second == pytest.approx(np.array([1.0, 0.25]) * np.exp(0.7) * weight)


def test_a_bound_far_below_the_mean_moves_nothing_and_one_above_it_pulls_up() -> None:
    value, ones = np.array([1.0, 12.0]), np.ones(2)
    likelihood = CensoredPoisson(value, ones, ones, np.array([True, True]), shape=8.0, _round=1)
    first, _ = likelihood.gradient(np.log([40.0, 6.0]), None)
    assert first[0] == pytest.approx(0.0, abs=0.05)
    assert first[1] < -5.0


def test_the_mean_behind_empty_shelves_is_found_again() -> None:
    from models.forecaster.model import Rows, fit_booster, predict_booster

    rng = np.random.default_rng(11)
    group = rng.integers(0, 2, 20_000)
    mean = np.where(group == 1, 12.0, 3.0)
    wanted = rng.negative_binomial(8.0, 8.0 / (8.0 + mean)).astype(float)
    shelf = rng.poisson(1.1 * mean).astype(float) + 1
    short = wanted >= shelf
    sold = np.minimum(wanted, shelf)
    X, ones = group[:, None].astype(np.float32), np.ones(sold.size)
    params = {
        "objective": "count:poisson", "eta": 0.3, "max_depth": 1, "nthread": 1, "base_score": 5.0, "verbosity": 0
    }  # fmt: skip

    def level(rows: Rows) -> np.ndarray:
        booster, _ = fit_booster(params, rows, None, trees=60, early_stopping=1)
        return predict_booster(booster, np.array([[0], [1]], dtype=np.float32), 1)

    found = level(Rows(X, sold, ones, short, ones))
    dropped = level(Rows(X[~short], sold[~short], ones[~short]))
    assert found == pytest.approx([3.0, 12.0], rel=0.04)
    assert (dropped < np.array([3.0, 12.0]) * 0.85).all()  # what leaving them out would say
