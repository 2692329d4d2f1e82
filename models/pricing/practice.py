"""What a shop did in the past, simulated: a rule with some exploration, and the log that it leaves.

A log tells what another policy would have earned only where it tried other prices and kept the chances of each. Both kinds
here do: `EpsilonGreedy` tries any price now and then, `Softmax` those near the rule's own more often.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from models.common.protocols import DataError
from models.pricing.baselines import Policy
from models.pricing.env import Shelves
from models.pricing.logged import PROPENSITIES, STOCK
from models.pricing.market import FACTORS, Floats, Ints, Market
from models.pricing.requests import PEOPLE, simulated_people
from models.pricing.shelf import deliver
from models.pricing.state import Reading

if TYPE_CHECKING:
    import pyarrow as pa


class Practice(Protocol):
    """Asks prices by chance, and knows the chances."""

    @property
    def name(self) -> str: ...

    def chances(self, at: Reading) -> Floats:
        """Chance (N, A) of each price in N situations; 0 where the largest change closes it; rows sum to 1."""


@dataclass(frozen=True)
class EpsilonGreedy:
    """The rule's price, but on a share `epsilon` of decisions any price that is open, all alike."""

    market: Market
    rule: Policy
    epsilon: float

    def __post_init__(self) -> None:
        if not 0 <= self.epsilon <= 1:
            raise DataError(f"epsilon {self.epsilon}: expected a share from 0 to 1")

    @property
    def name(self) -> str:
        """The rule's, and how much is tried."""
        return f"{self.rule.name}, {self.epsilon:.0%} any price"

    def chances(self, at: Reading) -> Floats:
        """Chances (N, A)."""
        open_ = self.market.allowed[at.b]
        found = self.epsilon * open_ / open_.sum(axis=1, keepdims=True)
        found[np.arange(len(at.t)), asked(self.market, self.rule, at)] += 1.0 - self.epsilon
        return np.asarray(found)


@dataclass(frozen=True)
class Softmax:
    """Open prices by exp(-|price - the rule's| / (width x list price)): the wider, the more is tried."""

    market: Market
    rule: Policy
    width: float

    def __post_init__(self) -> None:
        if not 0.001 <= self.width <= 100:
            raise DataError(f"width {self.width}: expected 0.001 to 100 times list price")

    @property
    def name(self) -> str:
        """The rule's, and how much is tried."""
        return f"{self.rule.name}, softmax {self.width:g}"

    def chances(self, at: Reading) -> Floats:
        """Chances (N, A)."""
        market = self.market
        away = np.abs(market.prices[None, :] - market.prices[asked(market, self.rule, at)][:, None])
        found = np.where(market.allowed[at.b], np.exp(-away / (self.width * market.list_price)), 0.0)
        return np.asarray(found / found.sum(axis=1, keepdims=True))


def asked(market: Market, policy: Policy, at: Reading) -> Ints:
    """Number (N,) of the price that a policy's wish becomes where the largest change binds."""
    return np.asarray(market.nearest[at.b, policy.choose(at)])


def simulated_log(market: Market, practice: Practice, *, episodes: int, seed: int) -> "pa.Table":
    """The table `logged_prices` (see `logged.read_log`) of so many whole episodes from the market's start.

    The same market, practice and seed give the same table. DataError for fewer than one episode.
    """
    import pyarrow as pa

    if episodes < 1:
        raise DataError(f"episodes {episodes}: expected 1 or more")
    days, draws = (int(each) for each in np.random.SeedSequence(seed).generate_state(2))
    shelves, rng = Shelves(market, episodes, seed=days), np.random.default_rng(draws)
    rows = np.arange(episodes)
    people = simulated_people([name for name in FACTORS if _moves(market, name)], episodes)
    _, came = deliver(market.stock, market.delivered[0], market.up_to[0], market.room)
    parts: dict[str, list[npt.NDArray[Any]]] = {}
    for t in range(market.periods):
        at = shelves.reading()
        chances = practice.chances(at)
        steps = chances.cumsum(axis=1)
        actions = (rng.random(episodes)[:, None] * steps[:, -1:] > steps).sum(axis=1)
        found: dict[str, npt.NDArray[Any]] = {
            "episode": rows,
            "period": at.t,
            **{name: market.chain.shown[at.e, FACTORS.index(name)] for name in FACTORS if _moves(market, name)},
            **({} if people is None else {PEOPLE: people}),
            STOCK: at.stock,
            "before": market.prices[at.b],
            "price": market.prices[actions],
            PROPENSITIES: chances,
        }
        lived = shelves.step(actions)
        first = market.unit_cost * float(came) if t == 0 else 0.0
        found |= {"sold": lived.sold, "wasted": lived.wasted, "money": lived.reward * market.scale - first}
        for name, column in found.items():
            parts.setdefault(name, []).append(column.copy())
    columns = {name: np.concatenate(each) for name, each in parts.items()}
    return pa.table(
        {
            name: pa.array(column)
            if column.ndim == 1
            else pa.FixedSizeListArray.from_arrays(pa.array(column.ravel()), column.shape[1])
            for name, column in columns.items()
        }
    )


def _moves(market: Market, name: str) -> bool:
    return not np.isnan(market.chain.shown[0, FACTORS.index(name)])
