"""The environment: N shelves of one market in step.

What happens in a period: the price is asked, customers come, the oldest units go first (unless they pick the newest), what
expired is thrown away, the rest ages; then the next period's delivery arrives and the chain of factors moves.
"""

from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt

from models.pricing.market import Bools, Floats, Ints, Market
from models.pricing.shelf import age, deliver, take, units_asked
from models.pricing.state import Assembler, Reading, width

BOUND = 1e6  # of a state variable; none comes near


@dataclass(frozen=True)
class Outcomes:
    """What the N shelves would have brought at each of A prices, the customers and the next period's factors being the same.

    `reward` (N, A) in `market.scale`; `open` (N, A) prices that the largest change leaves; next `stock` (N, A, L), `states`
    (N, A, WIDTH + A) and `chain` (N,); `ended` (N,).
    """

    reward: Floats
    open: Bools
    stock: Ints
    states: npt.NDArray[np.float32]
    chain: Ints
    ended: Bools


@dataclass(frozen=True)
class Period:
    """A period of N shelves: `reward` in `market.scale`, units sold, thrown away, and come for the next one; which ended."""

    reward: Floats
    sold: Ints
    wasted: Ints
    came: Ints
    ended: Bools


class Shelves:
    """N shelves of a market. `explore` is the share of episodes that start anywhere: at any period, with any stock."""

    def __init__(self, market: Market, count: int, *, seed: int, explore: float = 0.0) -> None:
        self.market = market
        self.count = count
        self.rng = np.random.default_rng(seed)
        self._explore = explore
        self._assembler = Assembler(market)
        self._moves = market.chain.transition.cumsum(axis=1)
        self._moves[:, -1] = 1.0
        self.m, self.t, self.e, self.b = (np.zeros(count, dtype=np.int64) for _ in range(4))
        self.stock = np.zeros((count, market.ages), dtype=np.int64)
        self.restart(np.arange(count))

    def restart(self, rows: Ints) -> None:
        """New episodes on the shelves `rows`."""
        market, rng, count = self.market, self.rng, len(rows)
        anywhere = rng.random(count) < self._explore
        self.m[rows] = rng.integers(0, len(market.mean), count)
        self.t[rows] = np.where(anywhere, rng.integers(0, market.periods, count), 0)
        self.e[rows] = np.where(anywhere, rng.integers(0, len(market.chain.demand), count), market.chain.start)
        self.b[rows] = np.where(anywhere, rng.integers(0, len(market.prices), count), market.list_index)
        total = rng.integers(0, market.room + 1, count)
        units = np.floor(rng.dirichlet(np.ones(market.ages), count) * total[:, None]).astype(np.int64)
        units[:, -1] += total - units.sum(axis=1)
        opening, _ = deliver(market.stock, market.delivered[0], market.up_to[0], market.room)
        self.stock[rows] = np.where(anywhere[:, None], units, opening)

    @property
    def prices(self) -> Floats:
        """(A,) ascending."""
        return self.market.prices

    @property
    def allowed(self) -> Bools:
        """From which price to which (A, A)."""
        return self.market.allowed

    @property
    def width(self) -> int:
        """Numbers in a state."""
        return width(self.market)

    def reading(self, rows: Ints | slice = slice(None)) -> Reading:
        """Where the shelves `rows` stand; of an episode that has ended, in its last period."""
        return Reading(np.minimum(self.t[rows], self.market.periods - 1), self.e[rows], self.b[rows], self.stock[rows])

    def observe(self, rows: Ints | slice = slice(None)) -> npt.NDArray[np.float32]:
        """States (N, WIDTH + A) of the shelves `rows`."""
        return self._assembler.assemble(self.reading(rows))

    def step(self, actions: Ints) -> Period:
        """Sell at the prices of number `actions` (N,), as near as the largest change lets; what has ended waits for `restart`."""
        actions = self.market.nearest[self.b, actions]
        lived, stock = self._sell(self.market.mean[self.m, self.t, self.e, actions][:, None], actions[:, None])
        self._go_on(actions, stock[:, 0], self._next_chain())
        return Period(lived.reward[:, 0], lived.sold[:, 0], lived.wasted[:, 0], lived.came[:, 0], lived.ended)

    def outcomes(self) -> Outcomes:
        """One period at every price, from where the shelves stand; they do not move."""
        market = self.market
        asked = market.nearest[self.b]  # (N, A)
        mean = np.take_along_axis(market.mean[self.m, self.t, self.e], asked, axis=1)
        lived, stock = self._sell(mean, asked)
        chain = self._next_chain()
        prices = len(market.prices)
        now = np.minimum(self.t + 1, market.periods - 1)
        t, e = (np.repeat(each, prices) for each in (now, chain))
        states = self._assembler.assemble(Reading(t, e, asked.ravel(), stock.reshape(len(t), market.ages)))
        return Outcomes(
            lived.reward, market.allowed[self.b], stock, states.reshape(self.count, prices, -1), chain, lived.ended
        )

    def follow(self, actions: Ints, found: Outcomes) -> tuple[Floats, Bools]:
        """Go where `actions` (N,) lead: rewards (N,), which episodes ended."""
        rows = np.arange(self.count)
        self._go_on(self.market.nearest[self.b, actions], found.stock[rows, actions], found.chain)
        return found.reward[rows, actions], found.ended

    def _sell(self, mean: Floats, actions: Ints) -> tuple[Period, Ints]:
        """A period at prices of number `actions` (N, K) under means (N, K), fields (N, K), and the next stock (N, K, L)."""
        market = self.market
        total = self.stock.sum(axis=1, keepdims=True)
        asked = units_asked(self.rng.random((self.count, 1)), mean, int(total.max()), market.dispersion)
        sold = np.minimum(asked, total)
        older, wasted = age(take(self.stock[:, None, :], sold, newest_first=market.newest_first), keeps=market.keeps)
        ended = self.t + 1 >= market.periods
        now = np.minimum(self.t + 1, market.periods - 1)
        fuller, came = deliver(older, market.delivered[now][:, None], market.up_to[now][:, None], market.room)
        came = np.where(ended[:, None], 0, came)
        end = np.where(ended[:, None], market.leftover * older.sum(axis=2), 0.0)
        money = market.prices[actions] * sold - market.disposal_cost * wasted - market.unit_cost * came + end
        stock = np.where(ended[:, None, None], older, fuller)
        return Period(money / market.scale, sold, wasted, came, ended), stock

    def _next_chain(self) -> Ints:
        return np.asarray((self.rng.random(self.count)[:, None] > self._moves[self.e]).sum(axis=1), dtype=np.int64)

    def _go_on(self, actions: Ints, stock: Ints, chain: Ints) -> None:
        self.stock, self.e, self.b = stock.copy(), chain, np.array(actions, dtype=np.int64)
        self.t = self.t + 1


class PricingEnv(gym.Env[npt.NDArray[np.float32], np.int64]):
    """One shelf as Gymnasium knows environments: an action is the number of a price, rewards are money of the market."""

    def __init__(self, market: Market) -> None:
        self._market = market
        self._shelves = Shelves(market, 1, seed=0)
        self.observation_space = gym.spaces.Box(-BOUND, BOUND, (width(market),), np.float32)
        self.action_space = gym.spaces.Discrete(len(market.prices))

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[npt.NDArray[np.float32], dict[str, Any]]:
        """The first period of a new episode."""
        super().reset(seed=seed, options=options)
        self._shelves.rng = self.np_random
        self._shelves.restart(np.zeros(1, dtype=np.int64))
        return self._shelves.observe()[0], {}

    def step(self, action: np.int64) -> tuple[npt.NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        """A period at that price; `info` has the units thrown away."""
        lived = self._shelves.step(np.array([action], dtype=np.int64))
        money = float(lived.reward[0] * self._market.scale)
        return self._shelves.observe()[0], money, bool(lived.ended[0]), False, {"wasted": int(lived.wasted[0])}
