"""What a policy is worth on a market: exactly where the dynamic program fits, else by simulation."""

from dataclasses import dataclass

import numpy as np

from models.pricing.baselines import Policy
from models.pricing.env import Shelves
from models.pricing.exact import Stocks
from models.pricing.market import Floats, Ints, Market
from models.pricing.shelf import deliver
from models.pricing.state import Reading

COUNT = 1_000  # episodes simulated in step


@dataclass(frozen=True)
class Lived:
    """Means over episodes: `money` (K,) of each; units offered, sold and thrown away; mean price a unit; `path` (T,) the mean
    price asked and `left` (T,) the mean stock before each period."""

    money: Floats
    offered: float
    sold: float
    wasted: float
    price: float
    path: Floats
    left: Floats

    @property
    def waste(self) -> float:
        """Share of the units offered that was thrown away."""
        return self.wasted / self.offered if self.offered else 0.0

    @property
    def load(self) -> float:
        """Share of the units offered that was sold."""
        return self.sold / self.offered if self.offered else 0.0


def live(market: Market, policy: Policy, *, episodes: int, seed: int) -> Lived:
    """Simulate whole episodes from the market's start; the same seed gives every policy the same days."""
    parts = [
        _live(market, policy, min(COUNT, episodes - first), seed=seed * 1_000_003 + first)
        for first in range(0, episodes, COUNT)
    ]
    money = np.concatenate([part.money for part in parts])
    weights = [len(part.money) / len(money) for part in parts]

    def mean(name: str) -> Floats:
        return np.asarray(sum(weight * getattr(part, name) for weight, part in zip(weights, parts, strict=True)))

    sold = float(mean("sold"))
    taken = sum(weight * part.price * part.sold for weight, part in zip(weights, parts, strict=True))
    return Lived(
        money, float(mean("offered")), sold, float(mean("wasted")), taken / max(sold, 1e-9), mean("path"), mean("left")
    )


def _live(market: Market, policy: Policy, count: int, *, seed: int) -> Lived:
    shelves = Shelves(market, count, seed=seed)
    opening, came = deliver(market.stock, market.delivered[0], market.up_to[0], market.room)
    money = np.full(count, -market.unit_cost * float(came))
    offered, wasted, sold, taken = float(opening.sum()) * count, 0.0, 0.0, 0.0
    path, left = np.zeros(market.periods), np.zeros(market.periods)
    for t in range(market.periods):
        before = shelves.stock.sum()
        actions = market.nearest[shelves.b, policy.choose(shelves.reading())]
        path[t], left[t] = market.prices[actions].mean(), before / count
        lived = shelves.step(actions)
        money += lived.reward * market.scale
        wasted += float(lived.wasted.sum())
        sold += float(lived.sold.sum())
        taken += float((lived.sold * market.prices[actions]).sum())
        offered += float(lived.came.sum())
    return Lived(money, offered / count, sold / count, wasted / count, taken / max(sold, 1e-9), path, left)


def action_table(market: Market, policy: Policy, stocks: Stocks) -> tuple[Ints, ...]:
    """Actions of a policy in every situation, as in `exact.Solution`, as near as the largest change lets."""
    chain = len(market.chain.demand)
    before = [market.list_index] if market.allowed.all() else range(len(market.prices))
    tables = []
    for t, layer in enumerate(stocks.layers):
        numbers, e = np.divmod(np.arange(len(layer.vectors) * chain), chain)
        stock = layer.vectors[numbers]
        columns = [
            market.nearest[b, policy.choose(Reading(np.full_like(e, t), e, np.full_like(e, b), stock))] for b in before
        ]
        tables.append(np.stack(columns, axis=1).reshape(len(layer.vectors), chain, len(before)))
    return tuple(tables)
