"""Sample-ratio check: hand-worked values, false alarms under peeking, and the imbalance it must find."""

import numpy as np
import pytest

from models.experiments.sample_ratio import SampleRatioError, check_ratio

EVEN = np.array([0.5, 0.5])


def test_values_worked_by_hand() -> None:
    """10 against 0 with prior Beta(1, 1): BF = [10! 0! / 11!] / 0.5^10 = 1024 / 11; chi-square = 2 x (5^2 / 5) = 10."""
    check = check_ratio(np.array([10, 0]), EVEN, concentration=2)
    assert check.p_always[-1] == pytest.approx(11 / 1024)
    assert check.chi_square == pytest.approx(10)
    assert check.p_fixed == pytest.approx(0.0015654, abs=1e-7)  # chi-square with 1 degree of freedom beyond 10


def test_a_one_percent_imbalance_of_a_million_units_is_found() -> None:
    """505,000 to 495,000: A holds 1 % more than planned, ten standard deviations. Balance raises nothing."""
    assert check_ratio(np.array([505_000, 495_000]), EVEN).alarm(0.001)
    balanced = check_ratio(np.array([500_400, 499_600]), EVEN)  # 0.8 standard deviations
    assert not balanced.alarm(0.001) and balanced.p_fixed > 0.4


def test_looking_often_raises_few_alarms_sequentially_and_many_with_chi_square() -> None:
    rng = np.random.default_rng(2)
    shares = np.array([0.5, 0.3, 0.2])
    runs, looks = 400, 50
    arrived = rng.multinomial(2_000, shares, size=(runs, looks)).cumsum(axis=1)
    sequential = np.array([check_ratio(counts, shares).alarm(0.05) for counts in arrived])
    expected = arrived.sum(axis=2, keepdims=True) * shares
    peeking = (((arrived - expected) ** 2 / expected).sum(axis=2).max(axis=1)) > 5.991  # chi-square, 2 df, 5 %
    assert sequential.mean() <= 0.05
    assert peeking.mean() > 0.15


def test_p_never_rises_and_remembers_an_early_alarm() -> None:
    counts = np.array([[700, 300], [1_200, 800], [50_000, 50_000]])
    check = check_ratio(counts, EVEN, concentration=100)
    assert np.all(np.diff(check.p_always) <= 0)
    assert check.alarm(0.001) and check.p_fixed == 1.0


@pytest.mark.parametrize(
    ("counts", "shares", "message"),
    [
        ([50, 50], [0.5, 0.6], "sum to 1.1"),
        ([3, 4], [0.5, 0.5], "3.5 units are expected"),
        ([[60, 40], [50, 60]], [0.5, 0.5], "never fall"),
        ([50, -1], [0.5, 0.5], "non-negative"),
        ([50, 50, 50], [0.5, 0.5], "expected"),
    ],
)
def test_what_cannot_be_checked_is_refused(counts: list[int], shares: list[float], message: str) -> None:
    with pytest.raises(SampleRatioError, match=message):
        check_ratio(np.array(counts), np.array(shares))
