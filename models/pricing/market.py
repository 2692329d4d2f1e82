"""A pricing problem as arrays: what the environment simulates, the exact solution enumerates and a state is shown from."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from models.common.protocols import DataError
from models.pricing.instances import CapacityInstance, Factor, FactorName, Instance, PerishableInstance

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
FACTORS: tuple[FactorName, ...] = get_args(FactorName)
NO_TARGET = -1
LEAST_MARGIN = 0.05  # of list price
RETURN = 10.0  # of an episode, as the network sees it
SMALLEST = 1e-9
LEAST_MEAN, MOST_MEAN = 1e-4, 1e6
ALLOWANCE = 1e-9  # of a price step, so that a move of exactly the largest change is allowed


@dataclass(frozen=True)
class Chain:
    """The joint Markov chain of all factors, E states: `shown` (E, len(FACTORS)) values, NaN where there is no such factor;
    `demand` and `willingness` (E,) multipliers; `transition` (E, E); `start` the first period's state."""

    shown: Floats
    demand: Floats
    willingness: Floats
    transition: Floats
    start: int

    @classmethod
    def of(cls, factors: Sequence[Factor]) -> "Chain":
        """The product of independent chains."""
        shown = np.full((1, len(FACTORS)), np.nan)
        demand: Floats = np.ones(1)
        willingness: Floats = np.ones(1)
        transition: Floats = np.ones((1, 1))
        start = 0
        for factor in factors:
            values = np.array([level.value for level in factor.levels])
            shown = np.repeat(shown, len(values), axis=0)
            shown[:, FACTORS.index(factor.name)] = np.tile(values, len(demand))
            demand = np.asarray(np.kron(demand, [level.demand for level in factor.levels]), np.float64)
            willingness = np.asarray(np.kron(willingness, [level.willingness for level in factor.levels]), np.float64)
            transition = np.asarray(np.kron(transition, _moves(factor)), np.float64)
            start = start * len(values) + factor.start
        return cls(shown, demand, willingness, transition, start)


def _moves(factor: Factor) -> Floats:
    if factor.transition is not None:
        rows = np.array(factor.transition)
        return np.asarray(rows / rows.sum(axis=1, keepdims=True))
    count = len(factor.levels)
    if count == 1:
        return np.ones((1, 1))
    other = (1.0 - factor.stay) / (count - 1)
    return np.full((count, count), other) + np.eye(count) * (factor.stay - other)


@dataclass(frozen=True)
class Market:
    """One problem: what is believed of its demand, and M demand models that may be true. T periods, E chain states, A prices
    ascending, L ages.

    `nominal` (T, E, A) expected units as believed, all that a state shows or a rule knows; `mean` (M, T, E, A) expected units
    that customers follow; `elasticity` (T, E) as believed, at list price; `premium` (T,) share of arrivals that belong to the
    segment which pays most. `delivered` (T,) units or `up_to` (T,), NO_TARGET where there is none. Stock is by periods left,
    the column of those that expire first; where `keeps` nothing expires before the end. `allowed` (A, A): from which price to
    which. Money in the instance's currency a unit.
    """

    name: str
    kind: Literal["perishable", "capacity"]
    prices: Floats
    list_price: float
    unit_cost: float
    disposal_cost: float
    leftover: float
    room: int
    keeps: bool
    newest_first: bool
    stock: Ints
    delivered: Ints
    up_to: Ints
    nominal: Floats
    mean: Floats
    elasticity: Floats
    premium: Floats
    dispersion: float | None
    periods_per_day: int
    chain: Chain
    allowed: Bools

    @property
    def periods(self) -> int:
        """T."""
        return int(self.nominal.shape[0])

    @cached_property
    def nearest(self) -> Ints:
        """Number (A, A) of the price that the largest change leaves, nearest to one wanted, coming from another."""
        away = np.abs(self.prices[None, None, :] - self.prices[None, :, None])
        return np.asarray(np.where(self.allowed[:, None, :], away, np.inf).argmin(axis=2))

    def best(self, before: Ints, values: Floats) -> Ints:
        """Number (N,) of the price of the highest value (N, A) that the largest change leaves open."""
        return np.asarray(np.where(self.allowed[before], values, -np.inf).argmax(axis=1))

    @property
    def ages(self) -> int:
        """L."""
        return len(self.stock)

    @property
    def list_index(self) -> int:
        """Number of the list price."""
        return int(np.argmin(np.abs(self.prices - self.list_price)))

    @cached_property
    def scale(self) -> float:
        """Money that rewards are divided by, so that an episode brings about RETURN: the margin of the best price without a
        thought of stock, as far as units go round."""
        money = (self.prices - self.unit_cost) * self.nominal
        best = money.argmax(axis=2)[..., None]
        sold = float(np.take_along_axis(self.nominal, best, axis=2).mean(axis=1).sum())
        gained = float(np.take_along_axis(money, best, axis=2).mean(axis=1).sum())
        units = np.inf if (self.up_to != NO_TARGET).any() else float(self.stock.sum() + self.delivered.sum())
        # Where every price loses, rewards are small, but not without end.
        least = LEAST_MARGIN * self.list_price * min(sold, units)
        return max(gained * min(1.0, units / max(sold, SMALLEST)), least) / RETURN

    def followed_by(self, mean: Floats) -> "Market":
        """The same beliefs, where customers follow other demand models (M, T, E, A)."""
        return replace(self, mean=mean)


def build_market(
    instance: Instance, *, elasticity_factors: Sequence[float] = (1.0,), believed_factor: float = 1.0
) -> Market:
    """The instance as arrays. Customers follow one demand model for each factor that its elasticities are multiplied by, in a
    capacity the inverse of spreads; what is believed is `believed_factor` times as elastic as told."""
    chain = Chain.of(instance.factors)
    prices = np.sort(np.array(instance.prices, dtype=np.float64))
    periods = np.arange(instance.periods)
    if isinstance(instance, PerishableInstance):
        facts, premium = _perishable(instance, periods), np.zeros(instance.periods)
    else:
        facts, premium = _capacity(instance), _premium(instance, periods)
    nominal, elasticity = _demand(instance, chain, prices, periods, believed_factor)
    mean = np.stack([_demand(instance, chain, prices, periods, factor)[0] for factor in elasticity_factors])
    most = max(float(nominal.max()), float(mean.max()))
    if not LEAST_MEAN <= most <= MOST_MEAN:
        raise DataError(
            f"{instance.name}: {most:g} units are expected in its busiest period at its best price, {LEAST_MEAN} to {MOST_MEAN:g} "
            "can be told: mend mean, elasticity or arrivals"
        )
    steps = np.abs(prices[None, :] - prices[:, None])
    largest = np.inf if instance.largest_change is None else instance.largest_change * instance.list_price
    return Market(
        name=instance.name,
        kind=instance.kind,
        prices=prices,
        list_price=instance.list_price,
        unit_cost=instance.unit_cost,
        leftover=instance.leftover,
        nominal=nominal,
        mean=mean,
        elasticity=elasticity,
        premium=premium,
        dispersion=instance.dispersion,
        periods_per_day=instance.periods_per_day,
        chain=chain,
        allowed=steps <= largest + ALLOWANCE * instance.list_price,
        **facts,
    )


def _demand(instance: Instance, chain: Chain, prices: Floats, periods: Ints, factor: float) -> tuple[Floats, Floats]:
    """Mean units (T, E, A) and elasticity at list price (T, E)."""
    if isinstance(instance, PerishableInstance):
        return _perishable_demand(instance, chain, prices, periods, factor)
    return _capacity_demand(instance, chain, prices, periods, factor)


def _perishable(instance: PerishableInstance, periods: Ints) -> dict[str, Any]:
    delivery = instance.delivery
    comes = (periods >= delivery.first) & ((periods - delivery.first) % delivery.every == 0)
    stock = np.zeros(instance.shelf_life, dtype=np.int64)
    stock[: len(instance.stock)] = instance.stock
    return {
        "disposal_cost": instance.disposal_cost,
        "room": instance.room,
        "keeps": False,
        "newest_first": instance.picking == "newest",
        "stock": stock,
        "delivered": np.where(comes, delivery.units or 0, 0),
        "up_to": np.where(comes & (delivery.up_to is not None), delivery.up_to or 0, NO_TARGET),
    }


def _capacity(instance: CapacityInstance) -> dict[str, Any]:
    return {
        "disposal_cost": 0.0,
        "room": instance.capacity,
        "keeps": True,
        "newest_first": False,
        "stock": np.array([instance.capacity]),
        "delivered": np.zeros(instance.periods, dtype=np.int64),
        "up_to": np.full(instance.periods, NO_TARGET),
    }


def _perishable_demand(
    instance: PerishableInstance, chain: Chain, prices: Floats, periods: Ints, factor: float
) -> tuple[Floats, Floats]:
    profile = np.array(instance.profile)[periods % len(instance.profile)]
    level = instance.mean * profile[:, None] * chain.demand[None, :]
    elasticity = instance.elasticity * factor
    seen = prices[None, :] / (instance.list_price * chain.willingness[:, None])
    if instance.response == "power":
        bought = seen**-elasticity
        steep = np.full(len(chain.demand), elasticity)
    else:
        # Half of all visitors would buy at list price; slope such that the elasticity there is as told.
        bought = 2.0 / (1.0 + np.exp(np.clip(2.0 * elasticity * (seen - 1.0), -500, 500)))
        at_list = 1.0 / chain.willingness
        steep = 2.0 * elasticity * at_list / (1.0 + np.exp(np.clip(-2.0 * elasticity * (at_list - 1.0), -500, 500)))
    return level[:, :, None] * bought[None, :, :], np.broadcast_to(steep, level.shape).copy()


def _arrivals(instance: CapacityInstance, periods: Ints) -> Floats:
    """Mean arrivals (K, T) of each segment."""
    rows = [np.array(each.arrivals)[np.minimum(periods, len(each.arrivals) - 1)] for each in instance.segments]
    return np.array(rows)


def _capacity_demand(
    instance: CapacityInstance, chain: Chain, prices: Floats, periods: Ints, factor: float
) -> tuple[Floats, Floats]:
    arrivals = _arrivals(instance, periods)
    mean = np.zeros((len(periods), len(chain.demand), len(prices)))
    slope = np.zeros(mean.shape[:2])
    at_list = np.zeros(mean.shape[:2])
    for row, segment in zip(arrivals, instance.segments, strict=True):
        spread = segment.spread / factor
        level = row[:, None] * chain.demand[None, :]
        middle = segment.willingness * chain.willingness
        buys = 1.0 / (1.0 + np.exp(np.clip((prices[None, :] - middle[:, None]) / spread, -500, 500)))
        mean += level[:, :, None] * buys[None, :, :]
        share = 1.0 / (1.0 + np.exp(np.clip((instance.list_price - middle) / spread, -500, 500)))
        at_list += level * share
        slope += level * share * (1.0 - share) / spread
    steep = np.divide(slope * instance.list_price, at_list, out=np.zeros_like(slope), where=at_list > 0)
    return mean, steep


def _premium(instance: CapacityInstance, periods: Ints) -> Floats:
    """Share (T,) of arrivals that belong to the segment of the highest willingness to pay."""
    arrivals = _arrivals(instance, periods)
    dearest = int(np.argmax([segment.willingness for segment in instance.segments]))
    total = arrivals.sum(axis=0)
    return np.asarray(np.divide(arrivals[dearest], total, out=np.zeros_like(total), where=total > 0))
