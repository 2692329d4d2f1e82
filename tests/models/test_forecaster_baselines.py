"""Baselines and peers: hand-worked forecasts, and what the peers are given."""

from types import ModuleType

import numpy as np
import pytest

from models.forecaster.baselines import moving_mean, phase_mean, season_length, seasonal_naive
from models.forecaster.config import Config
from models.forecaster.data import prepare
from models.forecaster.peers import covariate_history


def all_usable(values: np.ndarray) -> np.ndarray:
    return np.ones(values.shape, dtype=bool)


def test_seasonal_naive_by_hand() -> None:
    values = np.array([[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]])
    found = seasonal_naive(values, all_usable(values), season=3, horizon=5)
    assert found.tolist() == [[5.0, 6.0, 7.0, 5.0, 6.0]]


def test_what_was_closed_or_cut_short_is_looked_past() -> None:
    values = np.array([[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]])
    usable = np.array([[True, True, True, False, True, True]])
    assert seasonal_naive(values, usable, season=3, horizon=3).tolist() == [[1.0, 5.0, 6.0]]
    assert phase_mean(values, usable, season=3, horizon=3).tolist() == [[1.0, 3.5, 4.5]]


def test_a_phase_never_seen_gets_the_moving_mean_and_an_unseen_series_zero() -> None:
    values = np.array([[8.0, 4.0], [1.0, 1.0]])
    usable = np.array([[True, True], [False, False]])
    assert seasonal_naive(values, usable, season=3, horizon=3).tolist() == [[6.0, 8.0, 4.0], [0.0, 0.0, 0.0]]


def test_moving_mean_by_hand() -> None:
    values = np.array([[100.0, 1.0, 3.0], [5.0, np.nan, np.nan]])
    assert moving_mean(values, ~np.isnan(values), periods=2, horizon=2).tolist() == [[2.0, 2.0], [5.0, 5.0]]


@pytest.mark.parametrize(
    ("frequency", "periods", "season"), [("daily", 20, 7), ("weekly", 103, 1), ("weekly", 104, 52)]
)
def test_season_length(frequency: str, periods: int, season: int) -> None:
    assert season_length(frequency, periods) == season


def test_peers_get_the_covariates_of_the_past_as_they_were(synthetic: ModuleType) -> None:
    cfg = Config(horizon=7, max_pairs=2_000)
    shop = synthetic.shop(cfg, n_series=3, n_periods=90)
    data = prepare(shop.tables, cfg)
    assert data.test is not None
    grids = covariate_history(data, data.test)
    first = int(data.panel.period.min()) + 1
    for name, grid in shop.covariates.items():
        np.testing.assert_array_equal(grids[name][:, first : data.test_period], grid[:, first : data.test_period])
        assert np.isnan(grids[name][:, data.test_period :]).all()
