"""Metrics against values worked by hand, and against the published figures of the M4 hourly benchmark."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.common import metrics
from models.common.metrics import MetricError

Y = np.array([[2.0, 4.0, np.nan], [0.0, 1.0, 3.0]])
F = np.array([[1.0, 6.0, 5.0], [0.0, 1.0, np.nan]])


def test_errors_by_hand() -> None:
    # known pairs: (2,1) (4,6) (0,0) (1,1); errors 1, -2, 0, 0
    assert metrics.rmse(Y, F) == pytest.approx(np.sqrt(5 / 4))
    assert metrics.mae(Y, F) == pytest.approx(3 / 4)
    assert metrics.bias(Y, F) == pytest.approx(1 / 7)
    assert metrics.wape(Y, F) == pytest.approx(3 / 7)
    assert metrics.smape(Y, F) == pytest.approx((200 / 3 + 40 + 0 + 0) / 4)
    assert metrics.rmspe(Y, F) == pytest.approx(np.sqrt((0.25 + 0.25 + 0) / 3))


def test_scaled_errors_by_hand() -> None:
    history = np.array([[1.0, 2.0, 4.0, 4.0], [0.0, 0.0, 3.0, 1.0]])
    assert metrics.seasonal_scale(history, 1) == pytest.approx([1.0, 5 / 3])
    assert metrics.seasonal_scale(history, 2) == pytest.approx([2.5, 2.0])
    # RMSSE looks at a series from its first sale on: 3 -> 1 alone for the second one.
    assert metrics.squared_scale(history) == pytest.approx([5 / 3, 4.0])
    actual, forecast = np.array([[5.0, 5.0], [2.0, 2.0]]), np.array([[4.0, 8.0], [2.0, 4.0]])
    assert metrics.mase(actual, forecast, np.array([1.0, 2.0])) == pytest.approx((2.0 + 0.5) / 2)
    assert metrics.rmsse(actual, forecast, np.array([5.0, 2.0])) == pytest.approx((1.0 + 1.0) / 2)


def test_a_series_without_a_scale_is_left_out_not_counted_as_zero() -> None:
    actual, forecast = np.array([[5.0], [2.0]]), np.array([[4.0], [1.0]])
    assert metrics.mase(actual, forecast, np.array([0.5, 0.0])) == pytest.approx(2.0)
    assert np.isnan(metrics.mase(actual, forecast, np.array([0.0, np.nan])))
    assert np.isnan(metrics.seasonal_scale(np.ones((2, 3)), 7)).all()


def test_pinball_by_hand() -> None:
    y, f = np.array([10.0, 10.0]), np.array([8.0, 14.0])
    assert metrics.pinball(y, f, 0.9) == pytest.approx((0.9 * 2 + 0.1 * 4) / 2)
    assert metrics.pinball(y, f, 0.5) == pytest.approx(metrics.mae(y, f) / 2)
    with pytest.raises(MetricError, match=r"level 1\.0"):
        metrics.pinball(y, f, 1.0)


def test_coverage_by_hand() -> None:
    y, low, high = np.array([0.0, 1.0, 5.0, np.nan]), np.array([-0.3, 1.2, 0.0, 0.0]), np.array([0.2, 3.0, 4.0, 9.0])
    assert metrics.coverage(y, low, high) == pytest.approx(1 / 3)
    # spread over one unit: 0 covers [-.3, .2] of [-.5, .5] = .5; 1 covers [1.2, 1.5] = .3; 5 covers none of [4.5, 5.5]
    assert metrics.coverage(y, low, high, jitter=1.0) == pytest.approx((0.5 + 0.3 + 0.0) / 3)


def test_jittered_coverage_of_exact_poisson_quantiles_is_nominal_where_plain_coverage_is_not() -> None:
    rng = np.random.default_rng(3)
    y = rng.poisson(1.2, size=200_000).astype(float)
    jittered = y + rng.random(y.size) - 0.5
    low, high = np.quantile(jittered, [0.1, 0.9])
    assert metrics.coverage(y, np.full_like(y, low), np.full_like(y, high), jitter=1.0) == pytest.approx(0.8, abs=0.004)
    exact_low, exact_high = np.quantile(y, [0.1, 0.9])
    assert metrics.coverage(y, np.full_like(y, exact_low), np.full_like(y, exact_high)) > 0.85


def test_randomised_pit_is_uniform_for_true_quantiles_and_not_for_wrong_ones() -> None:
    rng = np.random.default_rng(5)
    y = rng.poisson(4.0, size=100_000).astype(float)
    levels = np.array([0.1, 0.5, 0.9])
    true = np.quantile(y + rng.random(y.size) - 0.5, levels)
    pit = metrics.randomised_pit(y, np.tile(true, (y.size, 1)), levels, jitter=1.0, rng=rng)
    shares = np.histogram(pit, bins=[0, 0.1, 0.5, 0.9, 1.0])[0] / y.size
    assert shares == pytest.approx([0.1, 0.4, 0.4, 0.1], abs=0.006)
    shifted = metrics.randomised_pit(y, np.tile(true + 2, (y.size, 1)), levels, jitter=1.0, rng=rng)
    assert np.mean(shifted < 0.1) > 0.3


def test_pit_by_hand_without_jitter() -> None:
    quantiles = np.array([[1.0, 2.0, 4.0]] * 4)
    pit = metrics.randomised_pit(
        np.array([1.5, 3.0, 100.0, np.nan]),
        quantiles,
        np.array([0.1, 0.5, 0.9]),
        jitter=0.0,
        rng=np.random.default_rng(0),
    )
    assert pit[:3] == pytest.approx([0.3, 0.7, 1.0])
    assert np.isnan(pit[3])


def test_shapes_and_emptiness_are_named() -> None:
    with pytest.raises(MetricError, match=r"\(2, 3\) and forecast \(3,\)"):
        metrics.rmse(Y, F[0])
    with pytest.raises(MetricError, match="0 of 3"):
        metrics.rmse(np.full(3, np.nan), np.ones(3))
    with pytest.raises(MetricError, match=r"expected \(S, H\)"):
        metrics.mase(Y, F, np.ones(3))


@given(st.lists(st.tuples(st.floats(0, 1e6), st.floats(0, 1e6)), min_size=1, max_size=30))
def test_bounds_hold_for_any_non_negative_series(pairs: list[tuple[float, float]]) -> None:
    y, f = np.array(pairs).T
    assert metrics.mae(y, f) <= metrics.rmse(y, f) * (1 + 1e-9) + 1e-9
    assert 0.0 <= metrics.smape(y, f) <= 200.0 * (1 + 1e-12)
    assert metrics.rmse(y, y) == 0.0


def test_seasonal_naive_in_m4s_measures_by_hand() -> None:
    """Two series, season 2, horizon 2: sMAPE over all points, MASE by series and then over series (M4's definitions)."""
    from models.forecaster.baselines import seasonal_naive

    history = np.array([[10.0, 20.0, 12.0, 26.0], [4.0, 8.0, 4.0, 7.0]])
    forecast = seasonal_naive(history, np.ones(history.shape, dtype=bool), season=2, horizon=2)
    assert forecast.tolist() == [[12.0, 26.0], [4.0, 7.0]]
    actual = np.array([[12.0, 30.0], [6.0, 7.0]])
    # errors 0, 4, 2, 0 over half sums 12, 28, 5, 7
    assert metrics.smape(actual, forecast) == pytest.approx((0 + 100 / 7 + 40 + 0) / 4)
    # in-sample errors of the seasonal naive: (2 + 6) / 2 = 4 and (0 + 1) / 2 = 0.5; held-out MAE 2 and 1
    scale = metrics.seasonal_scale(history, 2)
    assert scale.tolist() == [4.0, 0.5]
    assert metrics.mase(actual, forecast, scale) == pytest.approx((2 / 4 + 1 / 0.5) / 2)


@pytest.mark.realdata
def test_seasonal_naive_on_m4_hourly_gives_the_published_figures(real_data: Path) -> None:
    """The oracle of our metrics: sMAPE 13.912 and MASE 1.193 of seasonal naive (Makridakis et al. 2020, M4 hourly)."""
    import pandas as pd

    from models.forecaster.baselines import seasonal_naive

    train = pd.read_parquet(real_data / "m4" / "Hourly-train.parquet").set_index("V1")
    test = pd.read_parquet(real_data / "m4" / "Hourly-test.parquet").set_index("V1").loc[train.index]
    padded = train.to_numpy(dtype=float)  # series of different lengths, padded at the end
    missing = np.isnan(padded).sum(axis=1)
    history = np.stack([np.roll(row, shift) for row, shift in zip(padded, missing, strict=True)])  # ... at the start
    forecast = seasonal_naive(history, ~np.isnan(history), season=24, horizon=48)
    actual = test.to_numpy(dtype=float)
    assert actual.shape == forecast.shape == (414, 48)
    assert round(metrics.smape(actual, forecast), 3) == 13.912
    assert round(metrics.mase(actual, forecast, metrics.seasonal_scale(history, 24)), 3) == 1.193
