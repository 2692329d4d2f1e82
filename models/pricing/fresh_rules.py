"""Simple rules for fresh goods, each tuned on a grid: what a learned price has to beat."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from models.pricing.fresh import Situation
from models.pricing.fresh_state import assemble, gains
from models.pricing.market import Floats
from models.pricing.network import ValueFunction
from models.pricing.shelf import oldest

LIST, FIXED, MYOPIC, LADDER, ROLLOUT = "list price", "cost-plus", "myopic elasticity", "markdown ladder", "rollout"
STEPS = (
    (0.9,), (0.8,), (0.7,), (0.6,), (0.5,), (0.4,), (0.8, 0.9), (0.7, 0.9), (0.6, 0.8), (0.5, 0.8), (0.4, 0.7),
    (0.6, 0.8, 0.9), (0.5, 0.7, 0.9),
)  # fmt: skip


class FreshPolicy(Protocol):
    """Chooses prices."""

    @property
    def name(self) -> str: ...

    def choose(self, at: Situation) -> Floats:
        """Prices over list price (N,) of N shelves."""


@dataclass(frozen=True)
class FixedMultiple:
    """The same multiple of list price for ever: list price, or cost-plus."""

    name: str
    multiple: float

    def choose(self, at: Situation) -> Floats:
        """The multiple."""
        return np.full(len(at.before), self.multiple)


@dataclass(frozen=True)
class MyopicMargin:
    """The price of the highest margin today, blind to stock and to tomorrow."""

    prices: Floats
    name: str = MYOPIC

    def choose(self, at: Situation) -> Floats:
        """The price."""
        margin = (self.prices - at.cost[:, None]) * self.prices ** -at.elasticity[:, None]
        return np.asarray(self.prices[margin.argmax(axis=1)])


@dataclass(frozen=True)
class FreshLadder:
    """`steps` (K,): the price while the oldest units have 1, 2, ... K days left; `top` otherwise."""

    steps: tuple[float, ...]
    top: float
    name: str = LADDER

    def choose(self, at: Situation) -> Floats:
        """The price."""
        left = oldest(at.stock, len(self.steps))
        return np.array([*self.steps, self.top])[np.minimum(left, len(self.steps))]


@dataclass(frozen=True)
class Rollout:
    """The price of the highest gain if from tomorrow on list price is asked."""

    prices: Floats
    waste_weight: float
    name: str = ROLLOUT

    def choose(self, at: Situation) -> Floats:
        """The price."""
        return np.asarray(self.prices[gains(at, self.prices, self.waste_weight)[0].argmax(axis=1)])


@dataclass(frozen=True)
class FreshNetwork:
    """The greedy policy of a network."""

    prices: Floats
    waste_weight: float
    network: ValueFunction
    name: str = "DQN"

    def values(self, at: Situation) -> Floats:
        """Money over list price (N, A) expected of each price, days to come counting less and less."""
        states = assemble(at, self.prices, self.waste_weight)
        return np.asarray(self.network.values(states) * at.scale[:, None], dtype=np.float64)

    def choose(self, at: Situation) -> Floats:
        """The price, the ceiling where it is above."""
        return np.asarray(np.minimum(self.prices[self.values(at).argmax(axis=1)], at.ceiling))


def candidates(prices: Floats) -> Iterator[FreshPolicy]:
    """Every rule at every point of its grid."""
    yield from (FixedMultiple(FIXED, float(each)) for each in prices)
    yield MyopicMargin(prices)
    tops = [float(each) for each in prices if each >= 0.9]
    yield from (FreshLadder(steps, top) for top in tops for steps in ((), *STEPS) if not steps or steps[-1] <= top)
    yield from (Rollout(prices, weight) for weight in (0.0, 0.25, 0.5, 1.0))


def tuned(prices: Floats, judge: Callable[[FreshPolicy], float]) -> dict[str, FreshPolicy]:
    """The best of each rule's grid as `judge` values it, with list price, by name."""
    best: dict[str, tuple[float, FreshPolicy]] = {}
    for policy in candidates(prices):
        value = judge(policy)
        if policy.name not in best or value > best[policy.name][0]:
            best[policy.name] = (value, policy)
    return {LIST: FixedMultiple(LIST, 1.0), **{name: policy for name, (_, policy) in best.items()}}
