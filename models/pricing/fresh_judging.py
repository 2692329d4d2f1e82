"""What a policy for fresh goods brings on simulated shelves, within the errors of what is told of demand."""

from dataclasses import dataclass

import numpy as np

from models.pricing.fresh import Goods
from models.pricing.fresh_env import FreshShelves
from models.pricing.fresh_rules import FreshPolicy
from models.pricing.market import Floats, Ints

SETTLING_DAYS = 14


@dataclass(frozen=True)
class FreshPath:
    """Some shelves over D days, (D, N) each: `price` over list price, units in `stock` of the morning and `wasted` at night."""

    price: Floats
    stock: Ints
    wasted: Ints


@dataclass(frozen=True)
class FreshLived:
    """Means a shelf and day, money over list price: `takings`, `margin` of what was sold, `shrink` what was thrown away had
    cost, `sold`, `wasted` and `ordered` units. `gross` (N,) gross margin of each shelf: takings less what goods sold or thrown
    away had cost; `took` (N,) its takings. `path` (A,) share of days that each price was asked."""

    takings: float
    margin: float
    shrink: float
    sold: float
    wasted: float
    ordered: float
    gross: Floats
    took: Floats
    path: Floats

    @property
    def gross_margin(self) -> float:
        """A shelf and day, over list price."""
        return self.margin - self.shrink

    @property
    def waste(self) -> float:
        """Share of what was sold or thrown away that was thrown away."""
        return self.wasted / max(self.sold + self.wasted, 1e-9)

    @property
    def price(self) -> float:
        """Mean price a unit, over list price."""
        return self.takings / max(self.sold, 1e-9)


def live_fresh(
    goods: Goods, prices: Floats, policy: FreshPolicy, *, shelves: int, days: int, seed: int, certain: bool = False
) -> FreshLived:
    """Simulate `shelves` shelves, every good as often, over `days` days after SETTLING_DAYS; one seed gives every policy the
    same goods, demand and customers. `certain`: demand is as told."""
    world = FreshShelves(goods, prices, shelves, seed=seed, waste_weight=0.0, certain=certain)
    world.fill(np.arange(shelves) % len(goods))
    sums = np.zeros(6)
    gross, taken, path = np.zeros(shelves), np.zeros(shelves), np.zeros(len(prices))
    for day in range(SETTLING_DAYS + days):
        asked = _asked(world, prices, policy)
        cost, top = world.cost, world.ceiling
        lived = world.step(asked)
        if day >= SETTLING_DAYS:
            took, bought, lost = np.minimum(prices[asked], top) * lived.sold, cost * lived.sold, cost * lived.wasted
            sums += [each.sum() for each in (took, took - bought, lost, lived.sold, lived.wasted, lived.came)]
            gross += took - bought - lost
            taken += took
            path += np.bincount(asked, minlength=len(prices))
    takings, margin, shrink, sold, wasted, ordered = (float(each) for each in sums / (shelves * days))
    return FreshLived(takings, margin, shrink, sold, wasted, ordered, gross / days, taken / days, path / path.sum())


def follow_fresh(goods: Goods, prices: Floats, policy: FreshPolicy, chosen: Ints, *, days: int, seed: int) -> FreshPath:
    """One shelf each of the goods of numbers `chosen` (N,), day by day after SETTLING_DAYS."""
    world = FreshShelves(goods, prices, len(chosen), seed=seed, waste_weight=0.0)
    world.fill(chosen)
    price, stock, wasted = [], [], []
    for day in range(SETTLING_DAYS + days):
        asked, held, top = _asked(world, prices, policy), world.stock.sum(axis=1), world.ceiling
        lived = world.step(asked)
        if day >= SETTLING_DAYS:
            price.append(np.minimum(prices[asked], top))
            stock.append(held)
            wasted.append(lived.wasted)
    return FreshPath(np.array(price), np.array(stock), np.array(wasted))


def _asked(world: FreshShelves, prices: Floats, policy: FreshPolicy) -> Ints:
    """Number of the price (N,) that the policy asks, none above the ceiling."""
    wanted = np.minimum(policy.choose(world.situation()), world.ceiling)
    return np.asarray(np.abs(prices[None, :] - wanted[:, None]).argmin(axis=1))
