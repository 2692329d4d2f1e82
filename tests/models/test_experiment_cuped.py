"""Differences of means and ratios, with and without covariates: hand-worked values and measured variances."""

import numpy as np
import pytest

from models.experiments.cuped import Effect, compare
from models.experiments.moments import MomentError, cell_sums


def effect(columns: np.ndarray, arm: np.ndarray, *, adjust: bool = True) -> Effect:
    """One experiment: columns (N, K), arm (N,)."""
    return compare(cell_sums(columns, arm, (2,)).moments(), treated=1, adjust=adjust)


def simulated(runs: int, units: int, *, rho: float, share: float, seed: int) -> Effect:
    """`runs` experiments without effect, covariate of correlation rho; each field (runs,)."""
    rng = np.random.default_rng(seed)
    past = rng.standard_normal(runs * units)
    outcome = 5 + rho * past + np.sqrt(1 - rho**2) * rng.standard_normal(runs * units)
    arm = (rng.random(runs * units) < share).astype(np.int64)
    columns = np.stack([outcome, np.ones_like(outcome), 100 + 7 * past], axis=1)
    cell = np.repeat(np.arange(runs), units) * 2 + arm
    return compare(cell_sums(columns, cell, (runs, 2)).moments(), treated=1)


def test_a_difference_of_means_worked_by_hand() -> None:
    """A: 1, 3 (mean 2, variance 2); B: 2, 6 (mean 4, variance 8). Difference 2, standard error sqrt(2/2 + 8/2)."""
    found = effect(np.array([[1.0, 1], [3, 1], [2, 1], [6, 1]]), np.array([0, 0, 1, 1]))
    assert found.estimate == pytest.approx(2)
    assert found.standard_error == pytest.approx(np.sqrt(5))
    assert found.relative == pytest.approx(1.0)
    # Delta method of m1 / m0: (4 + (4/2)^2 x 1) / 2^2 = 2
    assert found.relative_standard_error == pytest.approx(np.sqrt(2))


def test_a_difference_of_ratios_worked_by_hand() -> None:
    """A: N 1, 5, D 1, 3, so R = 6/4 = 1.5 and L = (N - 1.5 D) / 2 = -0.25, 0.25 (variance 0.125).
    B: N 2, 4, D 1, 1, so R = 3 and L = -1, 1 (variance 2). Difference 1.5, error sqrt(0.125/2 + 2/2)."""
    found = effect(np.array([[1.0, 1], [5, 3], [2, 1], [4, 1]]), np.array([0, 0, 1, 1]))
    assert found.estimate == pytest.approx(1.5)
    assert found.standard_error == pytest.approx(np.sqrt(1.0625))


def test_cuped_worked_by_hand() -> None:
    """A: x 0, 1, 2, y 0, 2, 1; B: x 1, 2, 3, y 3, 5, 4. In both arms var x = 2/3, cov = 1/3 (divisor 3): theta = 1/2.

    Estimate (4 - 1) - 1/2 (2 - 1) = 2.5; residual variance 2/3 - 2 x 1/2 x 1/3 + 1/4 x 2/3 = 1/2, error sqrt(1/2 / 2 + 1/2 / 2);
    without x the variance is 2 x 2/3 / 2 = 2/3, so a quarter is saved, which is the squared correlation, (1/2)^2.
    """
    y, x = np.array([0.0, 2, 1, 3, 5, 4]), np.array([0.0, 1, 2, 1, 2, 3])
    columns, arm = np.stack([y, np.ones(6), x], axis=1), np.array([0, 0, 0, 1, 1, 1])
    found = effect(columns, arm)
    assert found.estimate == pytest.approx(2.5)
    assert found.standard_error == pytest.approx(np.sqrt(0.5))
    assert found.variance_reduction == pytest.approx(0.25)
    # Adjusted levels at the pooled mean of x, 1.5: A 1 + 0.25, B 4 - 0.25; B is three times A.
    assert found.control == pytest.approx(1.25)
    assert found.relative == pytest.approx(2.0)
    # (1/4 + 3^2 x 1/4 + (1 - 3)^2 x (theta^2 var x = 1/6) / 6) / 1.25^2, no cross terms as residuals do not move with x
    assert found.relative_standard_error == pytest.approx(np.sqrt((0.25 + 2.25 + 4 / 36) / 1.5625))
    assert effect(columns, arm, adjust=False).estimate == pytest.approx(3.0)


@pytest.mark.parametrize("rho", [0.0, 0.5, 0.8])
def test_variance_falls_by_the_squared_correlation(rho: float) -> None:
    found = simulated(400, 1_000, rho=rho, share=0.5, seed=1)
    assert np.mean(found.variance_reduction) == pytest.approx(rho**2, abs=0.01)
    # The spread of the estimates themselves: variance 4 (1 - rho^2) / n; the standard deviation of 400 draws errs by 3.5 %.
    assert found.estimate.std() == pytest.approx(np.sqrt(4 * (1 - rho**2) / 1_000), rel=0.11)
    assert abs(found.estimate.mean()) < 4 * found.estimate.std() / np.sqrt(400)


def test_unequal_arms_are_not_harmed_by_an_arm_where_the_past_tells_otherwise() -> None:
    """Freedman's trap: the slope is 1 in A (90 % of units) and -1 in B. Pooled by units, theta near 1 would add variance."""
    rng = np.random.default_rng(4)
    past, arm = rng.standard_normal(20_000), (rng.random(20_000) < 0.1).astype(np.int64)
    outcome = np.where(arm == 1, -past, past) + 0.1 * rng.standard_normal(20_000)
    assert effect(np.stack([outcome, np.ones_like(past), past], axis=1), arm).variance_reduction > 0.0


def test_errors_of_a_ratio_are_those_of_its_users() -> None:
    """Clicks per impression with users of different taste: the delta method's error matches the spread over 500 experiments,
    the one that takes impressions for independent is far too small."""
    rng = np.random.default_rng(5)
    runs, units = 500, 400
    size = runs * units
    shown = 1.0 + rng.poisson(20, size)
    taste = rng.beta(1, 4, size)
    clicks = rng.binomial(shown.astype(int), taste).astype(float)
    arm = rng.integers(0, 2, size)
    cell = np.repeat(np.arange(runs), units) * 2 + arm
    past = taste + 0.05 * rng.standard_normal(size)
    columns = np.stack([clicks, shown, past], axis=1)
    moments = cell_sums(columns, cell, (runs, 2)).moments()
    plain, adjusted = (compare(moments, treated=1, adjust=adjust) for adjust in (False, True))
    assert plain.standard_error.mean() == pytest.approx(plain.estimate.std(), rel=0.08)
    assert adjusted.standard_error.mean() == pytest.approx(adjusted.estimate.std(), rel=0.08)
    assert adjusted.relative_standard_error.mean() == pytest.approx(adjusted.relative.std(), rel=0.08)
    assert adjusted.variance_reduction.mean() > 0.6
    rate = clicks.mean() / shown.mean()
    naive = np.sqrt(rate * (1 - rate) * 4 / (units * shown.mean()))
    assert naive < 0.6 * plain.estimate.std()


def test_the_relative_error_holds_for_large_effects_and_unlike_slopes() -> None:
    """B is twice A, 30 % of units, and the past pulls twice as hard there: every term of the influence function counts."""
    rng = np.random.default_rng(7)
    runs, units = 1_500, 600
    size = runs * units
    past = rng.standard_normal(size)
    arm = (rng.random(size) < 0.3).astype(np.int64)
    outcome = (5 + 3 * past) * (1 + arm) + rng.standard_normal(size)
    cell = np.repeat(np.arange(runs), units) * 2 + arm
    found = compare(cell_sums(np.stack([outcome, np.ones(size), past], axis=1), cell, (runs, 2)).moments(), treated=1)
    assert found.relative.mean() == pytest.approx(1.0, abs=0.01)
    # The standard deviation of 1,500 draws errs by 1.8 %. Without the covariates' own terms it would claim 80 % too much.
    assert found.relative_standard_error.mean() == pytest.approx(found.relative.std(), rel=0.055)


def test_repeated_constant_and_huge_covariates_do_no_harm() -> None:
    rng = np.random.default_rng(6)
    past, arm = rng.standard_normal(500), rng.integers(0, 2, 500)
    outcome, one = 1e9 + past + rng.standard_normal(500), np.ones(500)
    alone = effect(np.stack([outcome, one, past], axis=1), arm)
    crowded = effect(np.stack([outcome, one, past, 1e12 + 3 * past, np.full(500, 7.0)], axis=1), arm)
    # 1e12 + 3 past keeps four digits of past behind the comma, no more.
    assert crowded.estimate == pytest.approx(float(alone.estimate), abs=1e-3)
    assert crowded.standard_error == pytest.approx(float(alone.standard_error), rel=1e-3)


def test_an_arm_without_units_is_undefined_not_an_error() -> None:
    found = effect(np.array([[1.0, 1], [3, 1]]), np.array([0, 0]))
    assert np.isnan(found.estimate) and np.isnan(found.standard_error)


def test_rows_that_fit_no_cell_are_refused() -> None:
    with pytest.raises(MomentError, match=r"0\.\.1"):
        cell_sums(np.ones((2, 2)), np.array([0, 2]), (2,))
    with pytest.raises(MomentError, match="expected"):
        cell_sums(np.ones((2, 2)), np.array([0]), (2,))
