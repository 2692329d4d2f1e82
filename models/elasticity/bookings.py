"""Demand of what is booked ahead (slots, seats, rooms), from bookings by day at the fees that were asked.

Mean bookings of a window, k days to go: arrivals_k * traits' effects * share of customers who pay the fee; their willingness to
pay is logistic, by stretches of days to go, and follows the competitor's fee. Poisson pseudo-maximum likelihood (Gourieroux,
Monfort and Trognon 1984) by Fisher scoring; days that sold out are unconstrained by expectation-maximisation (Talluri and
van Ryzin 2004, "The Theory and Practice of Revenue Management", chapter 9.4). Errors are clustered by window, whose own
strength is gamma distributed around 1.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from models.common.protocols import DataError

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
STEPS, TOLERANCE, ROUNDS = 200, 1e-9, 4
LEAST_FEES, LEAST_BOOKED = 3, 100
MOST_LOG = 20.0
PRIOR = (
    1.0  # standard deviation of log willingness and log spread around what the fees suggest: holds what says nothing
)
MOST_SHAPE = 1e4
_EPS = 1e-12


@dataclass(frozen=True)
class BookingLog:
    """N days of windows: number of the `window`; `traits` (N, F) numbers of what moves its level; days `to_go` from 1 on;
    `fee`; competitor's fee over list `rival`; units `left` in the morning; units `booked` that day, all (N,)."""

    window: Ints
    traits: Ints
    to_go: Ints
    fee: Floats
    rival: Floats
    left: Ints
    booked: Ints


@dataclass(frozen=True)
class BookingDemand:
    """A fitted demand of H days to go, B stretches of them, F traits: `theta` (K,) and its `covariance` (K, K); `stretch` (H,)
    number of each day's; `levels` (F,) of each trait; `shape` of the gamma distribution of windows' strengths."""

    theta: Floats
    covariance: Floats
    stretch: Ints
    levels: tuple[int, ...]
    shape: float

    @cached_property
    def arrivals(self) -> Floats:
        """Mean arrivals (H,) for a window of first traits, by days to go from 1 on."""
        return np.exp(self.theta[self._slices[0]])

    @cached_property
    def willingness(self) -> Floats:
        """Fee (B,) that half of the customers pay when the competitor asks list price."""
        return np.exp(self.theta[self._slices[1]])

    @cached_property
    def spread(self) -> Floats:
        """Scale (B,) of the logistic distribution of willingness."""
        return np.exp(self.theta[self._slices[2]])

    @property
    def pull(self) -> float:
        """Power by which willingness follows the competitor's fee."""
        return float(self.theta[self._slices[3]][0])

    @cached_property
    def effects(self) -> tuple[Floats, ...]:
        """Times the arrivals, by trait and number; 1 for number 0."""
        return tuple(np.exp(np.concatenate([[0.0], self.theta[each]])) for each in self._slices[4:])

    def level(self, traits: Ints) -> Floats:
        """Times the arrivals (N,) of windows with traits (N, F)."""
        return np.asarray(np.prod([row[traits[:, f]] for f, row in enumerate(self.effects)], axis=0))

    def mean(self, traits: Ints, to_go: Ints, fee: Floats, rival: Floats) -> Floats:
        """Mean bookings (N,) of a window of strength 1."""
        return np.exp(_log_mean(self, traits, to_go, fee, rival)[0])

    def steeper(self, factor: float) -> "BookingDemand":
        """The same customers, `factor` times as sensitive to fees around what they are willing to pay."""
        theta = self.theta.copy()
        theta[self._slices[2]] -= np.log(factor)
        return replace(self, theta=theta)

    def elasticity(self, fee: float) -> tuple[Floats, Floats]:
        """Own-price elasticity (B,) at a fee, the competitor at list price, and its standard error (delta method)."""
        share = 1.0 / (1.0 + np.exp(np.clip((fee - self.willingness) / self.spread, -500, 500)))
        value = fee * (1.0 - share) / self.spread
        # By the logs of willingness and spread.
        by_middle = -value * share * self.willingness / self.spread
        by_spread = -value + value * share * (self.willingness - fee) / self.spread
        middle, spread = (np.arange(len(self.theta))[self._slices[k]] for k in (1, 2))
        cov = self.covariance
        variance = by_middle**2 * cov[middle, middle] + by_spread**2 * cov[spread, spread]
        variance = variance + 2 * by_middle * by_spread * cov[middle, spread]
        return value, np.sqrt(np.maximum(variance, 0.0))

    def draws(self, count: int, rng: np.random.Generator) -> tuple["BookingDemand", ...]:
        """Demands that are as plausible, by the normal approximation."""
        drawn = rng.multivariate_normal(self.theta, self.covariance, size=count, method="cholesky")
        return tuple(replace(self, theta=each) for each in drawn)

    @cached_property
    def _slices(self) -> tuple[slice, ...]:
        days, stretches = len(self.stretch), int(self.stretch.max()) + 1
        sizes = [days, stretches, stretches, 1, *(count - 1 for count in self.levels)]
        ends = np.cumsum([0, *sizes]).tolist()
        return tuple(slice(first, last) for first, last in pairwise(ends))


def fit_bookings(log: BookingLog, *, levels: Sequence[int], stretch_days: int = 2) -> BookingDemand:
    """The demand of a log. `levels` (F,) counts each trait's values; willingness is fitted by stretches of `stretch_days`.

    DataError where the fees vary too little, or too little was booked, to tell anything.
    """
    _check(log)
    days = int(log.to_go.max())
    stretch = np.arange(days) // stretch_days
    open_ = log.left > 0
    kept = BookingLog(*(getattr(log, name)[open_] for name in BookingLog.__dataclass_fields__))
    demand = start = _start(kept, days, stretch, tuple(levels))
    for _ in range(ROUNDS):
        # What is still open late is a window that few wanted: its rows count beside what it has shown to be.
        so_far = strength_so_far(demand, kept)
        demand = _scoring(replace(start, theta=demand.theta), kept, so_far, start.theta)
        demand = replace(demand, shape=_shape(demand, kept))
    return replace(demand, covariance=_clustered(demand, kept, strength_so_far(demand, kept)))


def strength(shape: float, booked: Floats, expected: Floats) -> Floats:
    """Expected strength of windows (N,) of which so many units were booked where `expected` were: the gamma-Poisson posterior."""
    return np.asarray((shape + booked) / (shape + expected))


def strength_so_far(demand: BookingDemand, log: BookingLog) -> Floats:
    """Expected strength of the window of each row (N,), given its rows of earlier days."""
    mean = demand.mean(log.traits, log.to_go, log.fee, log.rival)
    order = np.lexsort((-log.to_go, log.window))
    first = np.flatnonzero(np.diff(log.window[order], prepend=-1))
    rows = np.diff([*first, len(order)])
    known = np.ones(len(order))
    booked, expected = np.zeros(len(first)), np.zeros(len(first))
    for day in range(int(rows.max(initial=0))):
        there = rows > day
        at = order[first[there] + day]
        known[at] = strength(demand.shape, booked[there], expected[there])
        came = unconstrain(log.booked[at], log.left[at], mean[at] * known[at])
        some = log.left[at] > 0
        booked[there] += np.where(some, came, 0.0)
        expected[there] += np.where(some, mean[at], 0.0)
    return known


def unconstrain(booked: Ints, left: Ints, mean: Floats) -> Floats:
    """Units that would have been booked (N,): where all that was left went, those expected beyond."""
    from scipy import stats

    full = booked >= left
    least = np.maximum(left - 1, 0)
    beyond = mean * stats.poisson.sf(least - 1, mean) / np.maximum(stats.poisson.sf(least, mean), _EPS)
    return np.where(full, np.maximum(beyond, booked), booked).astype(np.float64)


def _check(log: BookingLog) -> None:
    fees, booked = len(np.unique(log.fee)), int(log.booked.sum())
    if fees < LEAST_FEES:
        raise DataError(
            f"bookings: {fees} different fees: at least {LEAST_FEES} must have been asked to tell willingness"
        )
    if booked < LEAST_BOOKED:
        raise DataError(f"bookings: {booked} units booked: at least {LEAST_BOOKED} are needed: give a longer history")
    if log.to_go.min() < 1 or log.rival.min() <= 0 or log.fee.min() < 0:
        raise DataError("bookings: to_go must be 1 or more, rival above 0 and fee 0 or more: mend the log")


def _start(log: BookingLog, days: int, stretch: Ints, levels: tuple[int, ...]) -> BookingDemand:
    stretches = int(stretch.max()) + 1
    usual = float(np.mean(log.fee))
    by_day = np.bincount(log.to_go - 1, weights=log.booked, minlength=days)
    count = np.bincount(log.to_go - 1, minlength=days)
    arrivals = np.log(np.maximum(2.0 * by_day / np.maximum(count, 1), 1e-3))
    middle, spread = np.full(stretches, np.log(usual)), np.full(stretches, np.log(usual / 4))
    theta = np.concatenate([arrivals, middle, spread, [0.0], *(np.zeros(each - 1) for each in levels)])
    return BookingDemand(theta, np.zeros((len(theta), len(theta))), stretch, levels, MOST_SHAPE)


def _log_mean(
    demand: BookingDemand, traits: Ints, to_go: Ints, fee: Floats, rival: Floats
) -> tuple[Floats, Floats, Floats]:
    """Log means (N,), the share who pay and willingness over spread."""
    at = demand.stretch[to_go - 1]
    middle = demand.willingness[at] * rival**demand.pull
    odds = np.clip((middle - fee) / demand.spread[at], -500, 500)
    level = np.log(demand.arrivals)[to_go - 1] + np.log(demand.level(traits))
    log_share = -np.logaddexp(0.0, -odds)
    return np.clip(level + log_share, -MOST_LOG, MOST_LOG), np.exp(log_share), middle / demand.spread[at]


def _slopes(demand: BookingDemand, log: BookingLog, share: Floats, steep: Floats) -> Floats:
    """Derivatives (N, K) of log means by `theta`."""
    slopes = np.zeros((len(log.fee), len(demand.theta)))
    rows = np.arange(len(log.fee))
    arrivals, middle, spread, pull, *traits = demand._slices
    at = demand.stretch[log.to_go - 1]
    slopes[rows, arrivals.start + log.to_go - 1] = 1.0
    slopes[rows, middle.start + at] = (1.0 - share) * steep
    slopes[rows, spread.start + at] = -(1.0 - share) * (steep - log.fee / demand.spread[at])
    slopes[:, pull.start] = (1.0 - share) * steep * np.log(log.rival)
    for f, each in enumerate(traits):
        there = log.traits[:, f] > 0
        slopes[rows[there], each.start + log.traits[there, f] - 1] = 1.0
    return slopes


def _scoring(start: BookingDemand, log: BookingLog, so_far: Floats, centre: Floats) -> BookingDemand:
    """Fisher scoring with damping, means times `so_far` (N,); what sold out is unconstrained anew before each step."""
    held, damping, demand = _held(start), 1e-3, start

    def worth_of(demand: BookingDemand, y: Floats) -> float:
        log_mean = _log_mean(demand, log.traits, log.to_go, log.fee, log.rival)[0]
        away = held * (demand.theta - centre) ** 2
        return float((y * log_mean - so_far * np.exp(log_mean)).sum() - 0.5 * away.sum())

    for _ in range(STEPS):
        log_mean, share, steep = _log_mean(demand, log.traits, log.to_go, log.fee, log.rival)
        mean = so_far * np.exp(log_mean)
        y = unconstrain(log.booked, log.left, mean)
        slopes = _slopes(demand, log, share, steep)
        away = centre - demand.theta
        gradient = slopes.T @ (y - mean) + held * away
        curvature = (slopes * mean[:, None]).T @ slopes + np.diag(held)
        worth = worth_of(demand, y)
        while damping < 1e12:
            step = np.linalg.solve(curvature + damping * np.diag(np.diag(curvature) + _EPS), gradient)
            trial = replace(demand, theta=demand.theta + step)
            gain = worth_of(trial, y) - worth
            if gain >= 0:
                break
            damping *= 4
        demand, damping = trial if gain >= 0 else demand, max(damping / 8, 1e-9)
        if gain < TOLERANCE * abs(worth):
            return demand
    raise DataError(f"bookings: no fit within {STEPS} steps: give more history, or fees that vary more")


def _held(start: BookingDemand) -> Floats:
    """Precision (K,) with which `theta` is held to where it starts: willingness and spread alone."""
    held = np.full(len(start.theta), _EPS)
    for each in start._slices[1:3]:
        held[each] = PRIOR**-2
    return held


def _by_window(log: BookingLog, values: Floats) -> Floats:
    """Sums over each window's days."""
    _, number = np.unique(log.window, return_inverse=True)
    return np.asarray(np.bincount(number, weights=values), dtype=np.float64)


def _shape(demand: BookingDemand, log: BookingLog) -> float:
    """Of windows' strengths, by moments: the variance of a window's bookings beyond that of Poisson's."""
    each = demand.mean(log.traits, log.to_go, log.fee, log.rival)
    _, number = np.unique(log.window, return_inverse=True)
    mean, shape, strong = _by_window(log, each), demand.shape, np.ones(len(each))
    for _ in range(ROUNDS):
        booked = _by_window(log, unconstrain(log.booked, log.left, each * strong))
        excess = ((booked - mean) ** 2 - mean).sum() / (mean**2).sum()
        shape = float(1.0 / max(excess, 1.0 / MOST_SHAPE))
        strong = strength(shape, booked, mean)[number]
    return shape


def _clustered(demand: BookingDemand, log: BookingLog, so_far: Floats) -> Floats:
    """Covariance (K, K) that holds under any variance and any dependence within a window."""
    log_mean, share, steep = _log_mean(demand, log.traits, log.to_go, log.fee, log.rival)
    slopes, mean = _slopes(demand, log, share, steep), so_far * np.exp(log_mean)
    scores = slopes * (unconstrain(log.booked, log.left, mean) - mean)[:, None]
    summed = np.stack([_by_window(log, column) for column in scores.T], axis=1)
    bread = np.linalg.inv((slopes * mean[:, None]).T @ slopes + np.diag(_held(demand)))
    found = bread @ (summed.T @ summed) @ bread
    return np.asarray((found + found.T) / 2 + _EPS * np.eye(len(found)))
