"""The environment of fresh goods: N shelves in step, each of a good drawn by chance, whose true demand is not quite as told."""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from models.pricing.env import Outcomes, Period
from models.pricing.fresh import AHEAD, WEEK, Goods, Situation, pass_day
from models.pricing.fresh_state import WIDTH, assemble
from models.pricing.market import Bools, Floats, Ints
from models.pricing.shelf import units_asked

EPISODE_DAYS = 28
MOST_ASKED = 500.0  # mean units a day
WANDERS = 0.1  # share of the level's error that is new each day


@dataclass(frozen=True)
class Demand:
    """How far N shelves' true demand lies from what is told of it: `level` and `elasticity` (N,) factors."""

    level: Floats
    elasticity: Floats


class FreshShelves:
    """N shelves of `goods` under `prices` (A,) over list price, ascending.

    Episodes start on any day with any stock and last EPISODE_DAYS; they stop without an end, so that what is worth something
    the day after counts. Each has a demand model of its own, drawn within the errors of what is told: `certain` leaves
    them out. Who asks for more than the ceiling asks the ceiling. Rewards charge a unit when it is ordered, and
    `waste_weight` unit costs for one thrown away beside its disposal.
    """

    def __init__(
        self, goods: Goods, prices: Floats, count: int, *, seed: int, waste_weight: float, certain: bool = False
    ) -> None:
        self.goods, self.prices, self.count = goods, prices, count
        self.rng = np.random.default_rng(seed)
        self.waste_weight = waste_weight
        self._certain = certain
        self.allowed: Bools = np.ones((len(prices), len(prices)), dtype=np.bool_)
        whole = np.zeros(count, dtype=np.int64)
        self.good, self.day, self.left, self.b = (whole.copy() for _ in range(4))
        self.stock: Ints = np.zeros((count, goods.ages), dtype=np.int64)
        self.coming = whole.copy()
        self.true = Demand(np.ones(count), np.ones(count))
        self._of = goods.rows(self.good)
        self.restart(np.arange(count))

    @property
    def width(self) -> int:
        """Numbers in a state."""
        return WIDTH + len(self.prices)

    def restart(self, rows: Ints) -> None:
        """New episodes on the shelves `rows`."""
        rng, count = self.rng, len(rows)
        self.good[rows] = rng.integers(0, len(self.goods), count)
        self.day[rows] = rng.integers(0, WEEK * 3, count)
        self.left[rows] = rng.integers(EPISODE_DAYS // 2, EPISODE_DAYS + 1, count)
        self.b[rows] = np.abs(self.prices - 1.0).argmin()
        self._of = self.goods.rows(self.good)
        of = self.goods.rows(self.good[rows])
        total = rng.integers(0, np.maximum(of.up_to, 1) + 1)
        ages = rng.dirichlet(np.ones(self.goods.ages), count) * (np.arange(self.goods.ages) < of.life[:, None])
        share = ages / ages.sum(axis=1, keepdims=True)
        units = np.floor(share * total[:, None]).astype(np.int64)
        units[np.arange(count), of.life - 1] += total - units.sum(axis=1)
        self.stock[rows] = units
        self.coming[rows] = np.where(of.lead > 1, rng.integers(0, of.up_to - total + 1), 0)
        self.true.level[rows] = self._drawn(of.level_error)
        self.true.elasticity[rows] = self._drawn(of.elasticity_error)

    def fill(self, good: Ints) -> None:
        """Shelves of the goods of numbers `good` (N,), each filled up to its order level, which do not start anew."""
        self.good, self._of = good, self.goods.rows(good)
        self.day = self.rng.integers(0, WEEK * 3, self.count)
        self.left = np.full(self.count, np.iinfo(np.int64).max)
        self.stock = np.zeros_like(self.stock)
        self.stock[np.arange(self.count), self._of.life - 1] = self._of.up_to
        self.coming = np.zeros(self.count, dtype=np.int64)
        self.true = Demand(self._drawn(self._of.level_error), self._drawn(self._of.elasticity_error))

    @property
    def ceiling(self) -> Floats:
        """Over list price, of each shelf (N,)."""
        return self._of.ceiling

    @property
    def cost(self) -> Floats:
        """Of a unit over list price, of each shelf (N,)."""
        return self._of.cost

    def _drawn(self, error: Floats) -> Floats:
        """Factors around 1 (not in the mean of their logs: a forecast tells the mean)."""
        if self._certain:
            return np.ones(len(error))
        return np.asarray(np.exp(error * self.rng.standard_normal(len(error)) - error**2 / 2))

    def situation(self) -> Situation:
        """Where the shelves stand this morning."""
        of = self._of
        days = (self.day[:, None] + np.arange(AHEAD)) % WEEK
        mean = of.level[:, None] * np.take_along_axis(of.week, days, axis=1)
        return Situation(
            mean, of.elasticity, of.elasticity_error, of.dispersion, of.cost, of.disposal, of.ceiling, of.life, of.lead, of.up_to,
            of.scale, self.stock, self.coming, -(self.day + self.good) % of.every, self.prices[self.b], self.day % WEEK,
        )  # fmt: skip

    def observe(self, rows: Ints | None = None) -> npt.NDArray[np.float32]:
        """States (N, WIDTH + A) of the shelves `rows`, or of all."""
        at = self.situation()
        return assemble(at if rows is None else at.rows(rows), self.prices, self.waste_weight)

    def step(self, actions: Ints) -> Period:
        """A day at the prices of number `actions` (N,)."""
        at = self.situation()
        lived, stock, coming = self._sell(at, actions[:, None])
        self._go_on(actions, stock[:, 0], coming[:, 0])
        return Period(lived.reward[:, 0], lived.sold[:, 0], lived.wasted[:, 0], lived.came[:, 0], lived.ended)

    def outcomes(self) -> Outcomes:
        """A day at every price, from where the shelves stand; they do not move."""
        at, prices = self.situation(), len(self.prices)
        asked = np.broadcast_to(np.arange(prices), (self.count, prices))
        lived, stock, coming = self._sell(at, asked)
        flat = np.repeat(np.arange(self.count), prices)
        tomorrow = (at.weekday[flat] + 1) % WEEK
        mean = np.concatenate([at.mean[:, 1:], at.mean[:, AHEAD - WEEK : AHEAD - WEEK + 1]], axis=1)
        following = replace(
            at.rows(flat),
            mean=mean[flat],
            stock=stock.reshape(len(flat), -1),
            coming=coming.ravel(),
            wait=(at.wait[flat] - 1) % self._of.every[flat],
            before=self.prices[asked.ravel()],
            weekday=tomorrow,
        )
        states = assemble(following, self.prices, self.waste_weight).reshape(self.count, prices, -1)
        self._coming = coming
        return Outcomes(
            lived.reward, np.ones((self.count, prices), dtype=np.bool_), stock, states, self.coming, lived.ended
        )

    def follow(self, actions: Ints, found: Outcomes) -> tuple[Floats, Bools]:
        """Go where `actions` (N,) lead: rewards (N,), which episodes stop."""
        rows = np.arange(self.count)
        self._go_on(actions, found.stock[rows, actions], self._coming[rows, actions])
        return found.reward[rows, actions], self.left == 0

    def _sell(self, at: Situation, actions: Ints) -> tuple[Period, Ints, Ints]:
        """A day at prices of number `actions` (N, K), fields (N, K); the next morning's stock (N, K, L) and what comes after."""
        of, price = self._of, np.minimum(self.prices[actions], self._of.ceiling[:, None])
        mean = at.mean[:, :1] * self.true.level[:, None] * price ** -(of.elasticity * self.true.elasticity)[:, None]
        chance = self.rng.random((self.count, 1))
        most = int(at.stock.sum(axis=1).max())
        asked = units_asked(chance, np.minimum(mean, MOST_ASKED), most, of.dispersion[:, None])
        night = pass_day(of, at.stock, at.coming, asked, at.wait == 0, at.mean[:, 1])
        cost, disposal = of.cost[:, None], of.disposal[:, None]
        money = price * night.sold - cost * night.ordered - (disposal + self.waste_weight * cost) * night.wasted
        ended = np.zeros(self.count, dtype=np.bool_)
        period = Period(money / of.scale[:, None], night.sold, night.wasted, night.ordered, ended)
        return period, night.stock, night.coming

    def _go_on(self, actions: Ints, stock: Ints, coming: Ints) -> None:
        self.stock, self.coming, self.b = stock.copy(), coming.copy(), np.array(actions, dtype=np.int64)
        self.day, self.left = self.day + 1, self.left - 1
        if not self._certain:
            error = self._of.level_error
            keep = np.sqrt(1 - WANDERS)
            away = np.log(self.true.level) + error**2 / 2
            moved = keep * away + np.sqrt(WANDERS) * error * self.rng.standard_normal(self.count)
            self.true = Demand(np.exp(moved - error**2 / 2), self.true.elasticity)
