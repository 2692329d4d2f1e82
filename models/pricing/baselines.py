"""Simple pricing rules, each tuned on a grid: what a learned price has to beat.

List price; cost-plus (a fixed price); the price of the highest margin if stock were free; a bid price from the fluid problem,
solved again in every state; for perishables a ladder of discounts by the periods left; for capacity EMSR-b (Belobaba 1989,
1992; Talluri and van Ryzin 2004, "The Theory and Practice of Revenue Management", chapters 2 and 5).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations_with_replacement
from typing import Protocol

import numpy as np

from models.pricing.fluid import Fluid, to_the_end
from models.pricing.market import Floats, Ints, Market
from models.pricing.state import Reading

MULTIPLES = (0.5, 0.7, 0.85, 1.0, 1.15, 1.3, 1.6, 2.0, 2.5, 3.0, 4.0)
COST_SHARES = (0.0, 0.5, 1.0, 1.5)
_EPS = 1e-9


class Policy(Protocol):
    """Chooses prices by number."""

    @property
    def name(self) -> str: ...

    def choose(self, at: Reading) -> Ints:
        """Number of the price (N,) in N situations of the market it was made for."""


@dataclass(frozen=True)
class FixedPrice:
    """One price for ever: list price, or cost-plus."""

    name: str
    number: int

    def choose(self, at: Reading) -> Ints:
        """The price."""
        return np.full(len(at.t), self.number, dtype=np.int64)


@dataclass(frozen=True)
class Myopic:
    """The price with the highest margin now, a unit charged `share` of its cost: blind to stock and to tomorrow."""

    market: Market
    share: float
    name: str = "myopic elasticity"

    @cached_property
    def _table(self) -> Ints:
        margin = self.market.prices - self.share * self.market.unit_cost
        return np.asarray((margin * self.market.nominal).argmax(axis=2))

    def choose(self, at: Reading) -> Ints:
        """The price."""
        return self._table[at.t, at.e]


@dataclass(frozen=True)
class MarkdownLadder:
    """`steps` (K,): the price while the oldest units have 1, 2, ... K or more periods left; the last one without stock."""

    steps: tuple[int, ...]
    name: str = "markdown ladder"

    def choose(self, at: Reading) -> Ints:
        """The price."""
        some = at.stock > 0
        left = np.where(some.any(axis=1), some.argmax(axis=1), len(self.steps) - 1)
        return np.asarray(self.steps, dtype=np.int64)[np.minimum(left, len(self.steps) - 1)]


@dataclass(frozen=True)
class Emsr:
    """EMSR-b: the lowest price whose dearer classes are protected by fewer units than are left; demand times `multiple`.

    `transformed`: fares are marginal revenues, as one price is open to all (Fiig et al. 2010); else classes stand alone.
    """

    market: Market
    multiple: float
    transformed: bool
    name: str = "EMSR-b"

    @cached_property
    def _protected(self) -> Floats:
        """Units (T, E, A) protected for all classes dearer than a price, prices ascending; inf where a price is never open."""
        from scipy import stats

        market = self.market
        wide = 0.0 if market.dispersion is None else 1.0 / market.dispersion
        now = market.nominal[:, :, ::-1] * self.multiple  # dearest first
        joint, variance = to_the_end(market, now), to_the_end(market, now + wide * now**2)
        fares = market.prices[::-1]
        each = np.diff(joint, axis=2, prepend=0.0)
        taken = np.diff(joint * fares, axis=2, prepend=0.0)
        marginal = _falling(taken, each) if self.transformed else np.broadcast_to(fares, each.shape)
        fare = np.cumsum(each * marginal, axis=2) / np.maximum(joint, _EPS)
        ratio = np.clip(marginal[:, :, 1:] / np.maximum(fare[:, :, :-1], _EPS), 1e-6, 1 - 1e-6)
        levels = joint[:, :, :-1] + np.sqrt(variance[:, :, :-1]) * stats.norm.ppf(1.0 - ratio)
        levels = np.where(marginal[:, :, 1:] > 0, np.maximum(levels, 0.0), np.inf)
        levels = np.concatenate([np.full_like(levels[:, :, :1], -1.0), levels], axis=2)
        return np.asarray(np.maximum.accumulate(levels, axis=2)[:, :, ::-1])

    def choose(self, at: Reading) -> Ints:
        """The price."""
        left = at.stock.sum(axis=1)
        return np.asarray((left[:, None] > self._protected[at.t, at.e]).argmax(axis=1), dtype=np.int64)


def _falling(taken: Floats, each: Floats) -> Floats:
    """Marginal revenues (T, E, A) of classes, dearest first: revenue over demand, pooled with the next class where that would
    bring more, so that they fall (the efficient fares of Talluri and van Ryzin 2004)."""
    found = np.empty_like(taken)
    for place in np.ndindex(*taken.shape[:2]):
        blocks: list[list[float]] = []
        for revenue, units in zip(taken[place], np.maximum(each[place], _EPS), strict=True):
            blocks.append([revenue, units, 1])
            while len(blocks) > 1 and blocks[-1][0] * blocks[-2][1] >= blocks[-2][0] * blocks[-1][1]:
                last = blocks.pop()
                blocks[-1] = [a + b for a, b in zip(blocks[-1], last, strict=True)]
        found[place] = np.concatenate([np.full(int(count), revenue / units) for revenue, units, count in blocks])
    return found


@dataclass(frozen=True)
class BidPrice:
    """The price with the highest gain over a bid: the least charge a unit at which what is left, times `multiple`, is enough."""

    fluid: Fluid
    multiple: float
    name: str = "bid price"

    def choose(self, at: Reading) -> Ints:
        """The price."""
        bid = self.fluid.bid(at.t, at.e, at.stock.sum(axis=1) * self.multiple)
        return self.fluid.best[at.t, at.e, bid]


def list_price(market: Market) -> FixedPrice:
    """What is on the label."""
    return FixedPrice("list price", market.list_index)


def candidates(market: Market) -> Iterator[Policy]:
    """Every rule at every point of its grid."""
    fixed = "fixed fare" if market.kind == "capacity" else "cost-plus"
    yield from (FixedPrice(fixed, number) for number in range(len(market.prices)))
    yield from (Myopic(market, share) for share in (COST_SHARES if market.unit_cost else (0.0,)))
    fluid = Fluid(market)
    yield from (BidPrice(fluid, multiple) for multiple in MULTIPLES)
    if market.kind == "capacity":
        yield from (Emsr(market, multiple, transformed) for multiple in MULTIPLES for transformed in (False, True))
    else:
        depth = min(3, market.ages)
        for steps in combinations_with_replacement(range(len(market.prices)), depth):
            yield MarkdownLadder(steps)


def tuned(market: Market, judge: Callable[[Policy], float]) -> dict[str, Policy]:
    """The best of each rule's grid as `judge` values it, with list price, by name."""
    best: dict[str, tuple[float, Policy]] = {}
    for policy in candidates(market):
        value = judge(policy)
        if policy.name not in best or value > best[policy.name][0]:
            best[policy.name] = (value, policy)
    return {"list price": list_price(market), **{name: policy for name, (_, policy) in best.items()}}
