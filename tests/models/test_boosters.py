"""How boosters are fitted: the pace by the kind of values, and rows that several boosters share."""

import numpy as np
import pytest

from models.forecaster.config import Config
from models.forecaster.model import Rows, binned, fit_booster, predict_booster, quantile_params


def test_whole_units_are_learnt_in_haste_and_other_values_are_not() -> None:
    cfg = Config(learning_rate=0.1, quantile_learning_rate=0.12, early_stopping=25, units_haste=2.0)
    units = cfg.hurried(True)
    assert (units.learning_rate, units.quantile_learning_rate) == pytest.approx((0.2, 0.12))
    assert units.early_stopping == 12
    assert cfg.hurried(False) is cfg
    assert Config(learning_rate=0.9).hurried(True).learning_rate == 1.0


def test_boosters_on_shared_rows_are_those_on_rows_of_their_own() -> None:
    rng = np.random.default_rng(3)
    X = rng.normal(size=(4_000, 3)).astype(np.float32)
    X[rng.random(X.shape) < 0.1] = np.nan
    target = np.nan_to_num(X[:, 0]) + rng.normal(size=4_000)
    rows, valid = (Rows(X[part], target[part], np.ones(2_000)) for part in (slice(0, 2_000), slice(2_000, None)))
    cfg = Config()
    shared = binned(rows, valid, cfg.threads)
    for level in (0.1, 0.9):
        params = quantile_params(cfg, level, rows, seed=1)
        own, rounds = fit_booster(params, rows, valid, trees=40, early_stopping=5)
        other, same = fit_booster(params, rows, valid, trees=40, early_stopping=5, matrices=shared)
        assert own.save_raw("ubj") == other.save_raw("ubj")
        assert 1 < rounds == same
        below = target[2_000:] <= predict_booster(other, X[2_000:], cfg.threads)
        assert below.mean() == pytest.approx(level, abs=0.05)
