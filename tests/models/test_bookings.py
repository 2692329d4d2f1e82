"""Demand of what is booked ahead: found again where it is known, sold out days and all."""

from dataclasses import replace

import numpy as np
import pytest

from models.common.protocols import DataError
from models.elasticity.bookings import BookingDemand, BookingLog, fit_bookings, strength, strength_so_far, unconstrain

HORIZON, WINDOWS = 6, 1_500
TRUE = BookingDemand(
    theta=np.concatenate([
        np.log([3.0, 2.5, 2.0, 2.0, 2.5, 3.0]), np.log([7.0, 5.0, 3.0]), np.log([1.5, 1.0, 0.6]), [0.5], np.log([2.0]),
        np.log([0.5, 1.5]),
    ]),
    covariance=np.zeros((16, 16)),
    stretch=np.arange(HORIZON) // 2,
    levels=(2, 3),
    shape=8.0,
)  # fmt: skip


def bookings(demand: BookingDemand = TRUE, *, capacity: int = 1_000, seed: int = 3) -> BookingLog:
    """Windows with one fee each, drawn from eight, and a competitor's fee that differs from day to day."""
    rng = np.random.default_rng(seed)
    traits = rng.integers(0, demand.levels, (WINDOWS, 2))
    fee = rng.choice(np.arange(1.0, 9.0), WINDOWS)
    strong = rng.gamma(demand.shape, 1 / demand.shape, WINDOWS)
    left = np.full(WINDOWS, capacity)
    rows = []
    for to_go in range(HORIZON, 0, -1):
        rival = rng.choice([0.7, 1.0, 1.3], WINDOWS)
        at = np.full(WINDOWS, to_go)
        booked = np.minimum(rng.poisson(strong * demand.mean(traits, at, fee, rival)), left)
        rows.append((np.arange(WINDOWS), traits, at, fee, rival, left, booked))
        left = left - booked
    return BookingLog(*(np.concatenate(column) for column in zip(*rows, strict=True)))


@pytest.fixture(scope="module")
def found() -> BookingDemand:
    return fit_bookings(bookings(), levels=TRUE.levels)


def test_a_known_demand_is_found_within_its_errors(found: BookingDemand) -> None:
    error = np.sqrt(np.diag(found.covariance))
    away = np.abs(found.theta - TRUE.theta) / error
    assert away.max() < 4.0 and np.sqrt(np.mean(away**2)) < 1.7
    assert error.max() < 0.25
    assert 6.0 < found.shape < 11.0


def test_selling_out_hides_no_demand() -> None:
    """With 12 slots many windows sell out, the strong ones first: what is booked falls, what is wanted does not."""
    log = bookings(capacity=12)
    assert (log.left == 0).mean() > 0.05
    fitted = fit_bookings(log, levels=TRUE.levels)
    fee, rival = np.full(3, 3.0), np.ones(3)
    at, traits = np.array([1, 3, 6]), np.ones((3, 2), dtype=np.int64)
    mean = TRUE.mean(traits, at, fee, rival)
    assert fitted.mean(traits, at, fee, rival) == pytest.approx(mean, rel=0.12)
    open_ = log.left > 0
    seen = [log.booked[open_ & (log.to_go == 1) & (log.fee == 3.0)].mean(), TRUE.mean(*_rows(log, open_)).mean()]
    assert seen[0] < 0.9 * seen[1], "what was booked late tells too little of what was wanted"


def _rows(log: BookingLog, open_: np.ndarray) -> tuple[np.ndarray, ...]:
    last = open_ & (log.to_go == 1) & (log.fee == 3.0)
    return log.traits[last], log.to_go[last], log.fee[last], log.rival[last]


def test_unconstraining_by_hand() -> None:
    # Poisson with mean 1, at least one: 1 / (1 - 1/e). With two left and one booked nothing was hidden.
    told = unconstrain(np.array([1, 1, 0]), np.array([1, 2, 3]), np.ones(3))
    assert told == pytest.approx([1 / (1 - np.exp(-1)), 1.0, 0.0])


def test_strength_by_hand() -> None:
    assert strength(8.0, np.array([10.0, 0.0]), np.array([5.0, 0.0])) == pytest.approx([18 / 13, 1.0])
    log = BookingLog(
        window=np.array([1, 0, 0]), traits=np.zeros((3, 2), dtype=np.int64), to_go=np.array([2, 1, 2]), fee=np.full(3, 4.0),
        rival=np.ones(3), left=np.array([9, 5, 9]), booked=np.array([1, 0, 4]),
    )  # fmt: skip
    mean = TRUE.mean(log.traits, log.to_go, log.fee, log.rival)[2]
    assert strength_so_far(TRUE, log) == pytest.approx([1.0, (8 + 4) / (8 + mean), 1.0])


def test_means_and_elasticities_by_hand() -> None:
    traits = np.array([[0, 0], [1, 2]])
    means = TRUE.mean(traits, np.array([1, 1]), np.array([7.0, 7.0]), np.array([1.0, 1.0]))
    assert means == pytest.approx([3.0 / 2, 2.0 * 1.5 * 3.0 / 2])
    dearer = TRUE.mean(traits[:1], np.array([5]), np.array([3.0]), np.array([1.21]))
    assert dearer == pytest.approx([2.5 / (1 + np.exp((3.0 - 3.0 * 1.1) / 0.6))])
    # Half pay: elasticity fee / (2 spread).
    assert TRUE.elasticity(7.0)[0][0] == pytest.approx(7.0 / 3.0)
    assert TRUE.steeper(1.5).spread == pytest.approx(TRUE.spread / 1.5)
    assert TRUE.steeper(1.5).elasticity(7.0)[0][0] == pytest.approx(3.5)


def test_errors_of_elasticities_are_those_of_draws(found: BookingDemand) -> None:
    drawn = [each.elasticity(4.0)[0] for each in found.draws(400, np.random.default_rng(1))]
    value, error = found.elasticity(4.0)
    assert np.mean(drawn, axis=0) == pytest.approx(value, rel=0.05)
    assert np.std(drawn, axis=0) == pytest.approx(error, rel=0.2)
    assert TRUE.elasticity(4.0)[0] == pytest.approx(value, abs=4 * error.max())


def test_too_little_is_told() -> None:
    log = bookings()
    with pytest.raises(DataError, match="1 different fees: at least 3 must have been asked"):
        fit_bookings(replace(log, fee=np.full_like(log.fee, 4.0)), levels=TRUE.levels)
    with pytest.raises(DataError, match="0 units booked: at least 100 are needed"):
        fit_bookings(replace(log, booked=np.zeros_like(log.booked)), levels=TRUE.levels)
    with pytest.raises(DataError, match="rival above 0"):
        fit_bookings(replace(log, rival=np.zeros_like(log.rival)), levels=TRUE.levels)
