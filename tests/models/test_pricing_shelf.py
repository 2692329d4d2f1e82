"""What a period does to a shelf, worked by hand, and demand drawn by inversion beside SciPy's own quantiles."""

import numpy as np
import pytest
from scipy import stats

from models.pricing.market import NO_TARGET
from models.pricing.shelf import age, deliver, demand_probabilities, take, units_asked


def test_the_oldest_units_go_first_unless_customers_pick_the_newest() -> None:
    stock = np.array([[2, 1, 3], [2, 1, 3], [0, 0, 4]])
    units = np.array([4, 0, 4])
    assert take(stock, units, newest_first=False).tolist() == [[0, 0, 2], [2, 1, 3], [0, 0, 0]]
    assert take(stock, units, newest_first=True).tolist() == [[2, 0, 0], [2, 1, 3], [0, 0, 0]]


def test_a_period_later_the_oldest_are_thrown_away_unless_goods_keep() -> None:
    older, wasted = age(np.array([[2, 1, 3]]), keeps=False)
    assert older.tolist() == [[1, 3, 0]] and wasted.tolist() == [2]
    kept, none = age(np.array([[7]]), keeps=True)
    assert kept.tolist() == [[7]] and none.tolist() == [0]


def test_deliveries_come_as_far_as_there_is_room() -> None:
    stock = np.array([[1, 2], [1, 2], [4, 4]])
    fuller, came = deliver(stock, np.array([4, 4, 4]), np.array([NO_TARGET, 5, NO_TARGET]), room=10)
    assert fuller.tolist() == [[1, 6], [1, 4], [4, 6]]
    assert came.tolist() == [4, 2, 2]
    none, came = deliver(stock[2:], np.array([0]), np.array([5]), room=10)  # above the level already
    assert none.tolist() == [[4, 4]] and came.tolist() == [0]


@pytest.mark.parametrize("dispersion", [None, 0.5, 8.0])
def test_chances_of_demand_sum_to_one_and_gather_the_tail(dispersion: float | None) -> None:
    chances = demand_probabilities(np.array([[0.3, 4.0]]), 3, dispersion)
    assert chances.shape == (1, 2, 4)
    np.testing.assert_allclose(chances.sum(axis=2), 1.0)
    law = stats.poisson(4.0) if dispersion is None else stats.nbinom(dispersion, dispersion / (dispersion + 4.0))
    np.testing.assert_allclose(chances[0, 1], [law.pmf(0), law.pmf(1), law.pmf(2), law.sf(2)])


@pytest.mark.parametrize("dispersion", [None, 0.5, 8.0])
def test_drawn_demand_is_the_quantile_and_falls_with_the_mean(dispersion: float | None) -> None:
    rng = np.random.default_rng(0)
    chance = rng.random((500, 1))
    mean = np.tile([9.0, 4.0, 0.7, 0.0], (500, 1))
    asked = units_asked(chance, mean, 1_000, dispersion)
    for column, m in enumerate(mean[0, :3]):
        law = stats.poisson(m) if dispersion is None else stats.nbinom(dispersion, dispersion / (dispersion + m))
        np.testing.assert_array_equal(asked[:, column], law.ppf(chance[:, 0]))
    assert (asked[:, 3] == 0).all()
    assert (np.diff(asked, axis=1) <= 0).all(), "one customer buys more because it got dearer"
    assert units_asked(np.array([[0.999]]), np.array([[50.0]]), 5, None).tolist() == [[5]]


@pytest.mark.parametrize(("mean", "dispersion"), [(760.0, None), (1e5, None), (1_000.0, 1e4), (3_000.0, 2.0)])
def test_many_customers_are_drawn_as_well(mean: float, dispersion: float | None) -> None:
    """exp(-760) is no number any more: drawn by SciPy's quantiles there."""
    chance = np.random.default_rng(1).random((4_000, 1))
    asked = units_asked(chance, np.full((4_000, 2), [mean, 2.0]), 10**6, dispersion)
    variance = mean if dispersion is None else mean + mean**2 / dispersion
    assert asked[:, 0].mean() == pytest.approx(mean, abs=5 * np.sqrt(variance / 4_000))
    assert asked[:, 0].std() == pytest.approx(np.sqrt(variance), rel=0.1)
    assert asked[:, 1].mean() == pytest.approx(2.0, abs=0.3)
