"""The exact dynamic program of a market, and the exact worth of any policy.

Backward over periods, stock vectors that can be reached, chain states and, where the largest change binds, the price before.
Demand beyond the stock is lost; its chances come from the Poisson or negative binomial distribution, the tail gathered at the
last unit. Bellman (1957), "Dynamic Programming"; for perishables with ages Nahmias (1982), "Perishable inventory theory".
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models.common.protocols import DataError
from models.pricing.market import Floats, Ints, Market
from models.pricing.shelf import age, deliver, demand_probabilities, take

MOST_CELLS = 40_000_000  # values of all tables of actions together; beyond, minutes and gigabytes
MOST_PAIRS = 10_000_000  # stock vectors times units asked for, all periods together: 320 MB
UNKNOWN = -1


@dataclass(frozen=True)
class Layer:
    """All stock vectors (S, L) that can stand before period t's price, and what k = 0..K-1 units asked for make of each:
    `sold`, `wasted`, units that then `came`, and the number `after` of the vector in the next layer, all (S, K)."""

    vectors: Ints
    sold: Ints
    wasted: Ints
    came: Ints
    after: Ints

    def number(self, vectors: Ints) -> Ints:
        """Numbers (N,) of stock vectors (N, L), UNKNOWN for those that cannot be reached."""
        return _numbers(self.vectors, vectors)


@dataclass(frozen=True)
class Stocks:
    """The layers of all periods, and the vectors (S, L) that can be left after the last."""

    layers: tuple[Layer, ...]
    left: Ints


@dataclass(frozen=True)
class Solution:
    """Worth of the start in money, and the best price of each situation: of each period (S, E, B), B the price before where
    a largest change binds, else one."""

    value: float
    actions: tuple[Ints, ...]
    stocks: Stocks


def reachable(market: Market) -> Stocks | None:
    """The stock vectors of every period; None where the program does not fit."""
    a_vector = len(market.chain.demand) * len(market.prices) * (1 if market.allowed.all() else len(market.prices))
    opening, _ = deliver(market.stock, market.delivered[0], market.up_to[0], market.room)
    vectors, layers, cells, pairs = opening[None, :], [], 0, 0
    for t in range(market.periods):
        cells += len(vectors) * a_vector
        total = vectors.sum(axis=1)
        moves = len(vectors) * (int(total.max()) + 1)
        pairs += moves
        if cells > MOST_CELLS or pairs > MOST_PAIRS or moves * market.ages > MOST_CELLS:
            return None
        sold = np.minimum(np.arange(total.max() + 1)[None, :], total[:, None])
        older, wasted = age(take(vectors[:, None, :], sold, newest_first=market.newest_first), keeps=market.keeps)
        came = np.zeros_like(sold)
        if t + 1 < market.periods:
            older, came = deliver(older, market.delivered[t + 1], market.up_to[t + 1], market.room)
        flat = older.reshape(-1, market.ages)
        following = np.unique(flat, axis=0)
        after = _numbers(following, flat).reshape(sold.shape)
        layers.append(Layer(vectors, sold, wasted, came, after))
        vectors = following
    return Stocks(tuple(layers), vectors)


def solve(market: Market, stocks: Stocks | None = None) -> Solution | None:
    """The best policy; None where the program does not fit. `market` holds one demand model."""
    found = stocks or reachable(market)
    return None if found is None else _backward(market, found, None)


def worth(market: Market, actions: Sequence[Ints], stocks: Stocks) -> float:
    """Exact expected value from the start of a policy told as in `Solution`.

    A move beyond the largest change is a DataError, for a policy must not promise what a guardrail takes away.
    """
    return _backward(market, stocks, actions).value


def _backward(market: Market, stocks: Stocks, policy: Sequence[Ints] | None) -> Solution:
    if len(market.mean) != 1:
        raise DataError(f"{market.name} holds {len(market.mean)} demand models: solve one member")
    bound = not market.allowed.all()
    open_ = np.where(market.allowed if bound else np.ones((1, len(market.prices)), bool), 0.0, -np.inf)  # (B, A)
    shape = (len(stocks.left), len(market.chain.demand), len(open_))
    value: Floats = np.broadcast_to((market.leftover * stocks.left.sum(axis=1))[:, None, None], shape)
    chosen: list[Ints] = []
    for t in range(market.periods - 1, -1, -1):
        worths = _price_values(market, stocks.layers[t], value, t)  # (S, E, A)
        if policy is None:
            action = (worths[:, :, None, :] + open_).argmax(axis=3)
        else:
            action = np.broadcast_to(policy[t], (*worths.shape[:2], len(open_)))
            if bound:
                _refuse_leaps(market, action)
        value = np.take_along_axis(worths, action, axis=2)
        chosen.append(action)
    _, came = deliver(market.stock, market.delivered[0], market.up_to[0], market.room)
    first = value[0, market.chain.start, market.list_index if bound else 0]
    return Solution(float(first - market.unit_cost * came), tuple(chosen[::-1]), stocks)


def _price_values(market: Market, layer: Layer, value: Floats, t: int) -> Floats:
    """Expected worth (S, E, A) of each price in period t, of what is sold then and all that follows; `value` (S', E, B)."""
    follows = np.einsum("ef,sfb->seb", market.chain.transition, value)
    chances = demand_probabilities(market.mean[0, t], layer.sold.shape[1] - 1, market.dispersion)  # (E, A, K)
    paid = market.disposal_cost * layer.wasted + market.unit_cost * layer.came
    worths = np.empty((len(layer.vectors), *chances.shape[:2]))
    for e in range(worths.shape[1]):
        worths[:, e] = (layer.sold @ chances[e].T) * market.prices
        for b in range(follows.shape[2]):
            at = slice(None) if follows.shape[2] == 1 else slice(b, b + 1)
            worths[:, e, at] += (follows[layer.after, e, b] - paid) @ chances[e, at].T
    return worths


def _refuse_leaps(market: Market, action: Ints) -> None:
    leaps = ~market.allowed[np.arange(action.shape[2])[None, None, :], action]
    if leaps.any():
        s, e, b = (int(each[0]) for each in np.nonzero(leaps))
        raise DataError(
            f"{market.name}: from price {market.prices[b]:g} to {market.prices[action[s, e, b]]:g} is more than the largest "
            "change: limit the policy first"
        )


def _numbers(known: Ints, asked: Ints) -> Ints:
    """Rows of `known` (S, L), sorted, that equal the rows of `asked` (N, L); UNKNOWN where none does."""
    kind = [(f"f{column}", np.int64) for column in range(known.shape[1])]
    rows, wanted = (np.ascontiguousarray(each).view(kind).ravel() for each in (known, asked))
    found = np.minimum(np.searchsorted(rows, wanted), len(rows) - 1)
    return np.where(rows[found] == wanted, found, UNKNOWN)
