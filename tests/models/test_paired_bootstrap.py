"""The bootstrap finds a true difference, stays silent without one, and knows that a block is one observation."""

import numpy as np
import pytest

from models.common.compare import CompareError, paired_bootstrap


def test_a_constant_difference_is_certain() -> None:
    champion = np.linspace(1, 2, 30)
    result = paired_bootstrap(champion - 0.25, champion, np.repeat(np.arange(10), 3), seed=1)
    assert (result.diff, result.low, result.high) == pytest.approx((-0.25, -0.25, -0.25))
    assert result.p == pytest.approx(1 / 2001)
    assert (result.blocks, result.rows) == (10, 30)


def test_blocks_of_unequal_size_are_weighted_by_their_rows() -> None:
    difference = np.array([-1.0, -1.0, -1.0, 5.0])
    result = paired_bootstrap(difference, np.zeros(4), np.array(["a", "a", "a", "b"]), seed=1)
    assert result.diff == pytest.approx(0.5)
    assert (result.low, result.high) == pytest.approx((-1.0, 5.0))


def test_the_interval_has_its_nominal_size_for_independent_rows() -> None:
    rng = np.random.default_rng(0)
    losses = rng.normal(size=400)
    result = paired_bootstrap(losses, np.zeros(400), np.arange(400), seed=2, resamples=4_000)
    assert result.high - result.low == pytest.approx(2 * 1.96 * losses.std() / 20, rel=0.08)


def test_repeating_each_row_in_its_block_does_not_make_it_more_certain() -> None:
    losses = np.random.default_rng(0).normal(0.1, 1, size=60)
    single = paired_bootstrap(losses, np.zeros(60), np.arange(60), seed=2)
    tenfold = paired_bootstrap(np.repeat(losses, 10), np.zeros(600), np.repeat(np.arange(60), 10), seed=2)
    assert (tenfold.low, tenfold.high) == pytest.approx((single.low, single.high))
    assert paired_bootstrap(np.repeat(losses, 10), np.zeros(600), np.arange(600), seed=2).high < single.high


def test_false_alarms_stay_near_their_level() -> None:
    rng = np.random.default_rng(11)
    alarms = 0
    for trial in range(200):
        block = np.repeat(np.arange(40), 5)
        difference = rng.normal(size=40)[block] + rng.normal(size=200)
        alarms += paired_bootstrap(difference, np.zeros(200), block, seed=trial, resamples=400).p < 0.05
    assert alarms <= 22  # 5 % of 200 is 10; 22 is beyond the 99.9th percentile


def test_missing_rows_are_left_out_and_the_seed_decides() -> None:
    challenger, champion = np.array([1.0, np.nan, 3.0]), np.array([2.0, 5.0, 3.5])
    first = paired_bootstrap(challenger, champion, np.arange(3), seed=4)
    assert first.rows == 2
    assert first == paired_bootstrap(challenger, champion, np.arange(3), seed=4)


def test_errors_name_the_bound() -> None:
    with pytest.raises(CompareError, match="1 blocks"):
        paired_bootstrap(np.ones(3), np.zeros(3), np.zeros(3), seed=1)
    with pytest.raises(CompareError, match=r"expected equal \(N,\)"):
        paired_bootstrap(np.ones(3), np.zeros(2), np.zeros(3), seed=1)
    with pytest.raises(CompareError, match=r"confidence 0\.1"):
        paired_bootstrap(np.ones(3), np.zeros(3), np.arange(3), seed=1, confidence=0.1)
