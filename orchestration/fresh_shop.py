"""Fresh goods of a shop day by day: what is known of them in the morning, and what a day's sales teach about their demand."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date

import numpy as np

from models.pricing.fresh import AHEAD, LEAST_LEVEL, LONGEST_LEAD, MOST_LEVEL, Goods, Situation, scale_of
from models.pricing.fresh_state import expected_sales
from orchestration.fresh_diary import Bools, Floats, Ints
from orchestration.fresh_fit import LEAST_ELASTICITY, MEMORY, MOST_ELASTICITY, FreshDemand, at_least, levels
from sources.twin.books import Books

FORGOTTEN = 0.0015  # of an elasticity, a day: customers change
FARTHEST = 0.5  # that an elasticity moves in a day
Pricer = Callable[[Situation], Floats]  # prices over base price (N,)


@dataclass(frozen=True)
class FreshFacts:
    """Of the P fresh products, (P,) each: `number` in the world's order, `life` in days, `lead` mornings, `every` nights an
    order, `cost` and `disposal` of a unit in money; `ceiling` over base price."""

    number: Ints
    life: Ints
    lead: Ints
    every: Ints
    cost: Floats
    disposal: Floats
    ceiling: Floats


class FreshShop:
    """Knows the demand of its goods and learns from each day. Grids are (S, P) of fresh products."""

    def __init__(self, facts: FreshFacts, demand: FreshDemand, before: Floats | None = None) -> None:
        """before (S, P): prices on the labels until now, in money; none: base prices."""
        self.facts, self.demand, self._before = facts, demand, before
        self._move: Floats | None = None

    def morning(self, books: Books, day: date) -> tuple[Situation, Ints, Ints]:
        """The cells on sale as situations, money over base price, and their stores and products' places (N,)."""
        facts, base = self.facts, books.base[:, self.facts.number]
        # The usual price of what was never on sale is today's.
        self.demand = replace(self.demand, usual=np.where(np.isnan(self.demand.usual), base, self.demand.usual))
        demand = self.demand
        store, place = np.nonzero(books.on_sale[:, facts.number])
        weekday = day.weekday()
        mean = [
            demand.mean(base, (weekday + ahead) % 7, books.discount[ahead][:, facts.number])[store, place]
            for ahead in range(AHEAD)
        ]
        listed = base[store, place]
        before = listed if self._before is None else self._before[store, place]
        stock = books.stock[store, facts.number[place]]
        # Columns by days left: what is oldest of a good of L days expires tonight after L - 1 nights.
        left = np.zeros((len(store), int(facts.life.max())), dtype=np.int64)
        life = facts.life[place]
        for column in range(left.shape[1]):
            nights = life - 1 - column
            rows = np.flatnonzero(nights >= 0)
            left[rows, column] = stock[rows, nights[rows]]
        level = np.clip(demand.level[store, place], LEAST_LEVEL, MOST_LEVEL)
        at = Situation(
            mean=np.clip(np.stack(mean, axis=1), LEAST_LEVEL, 10 * MOST_LEVEL),
            elasticity=demand.elasticity[place],
            elasticity_error=demand.error[place],
            dispersion=np.full(len(store), demand.shape),
            cost=facts.cost[place] / listed,
            disposal=facts.disposal[place] / listed,
            ceiling=facts.ceiling[place],
            life=life,
            lead=np.minimum(facts.lead[place], LONGEST_LEAD),
            up_to=books.levels[store, facts.number[place]],
            scale=scale_of(level),
            stock=left,
            coming=np.where(facts.lead[place] > 1, books.coming[store, facts.number[place]], 0),
            wait=books.wait[store, facts.number[place]],
            before=np.clip(before / listed, 0.01, 100.0),
            weekday=np.full(len(store), weekday),
        )
        return at, store, place

    def prices(self, books: Books, day: date, pricer: Pricer) -> Floats:
        """Prices in money (S, all products), NaN where the shop's plain rule holds. A promotion's price is promised: no dearer."""
        at, store, place = self.morning(books, day)
        number = self.facts.number[place]
        asked = np.maximum(np.round(np.minimum(pricer(at), at.ceiling) * books.base[store, number], 2), 0.01)
        promised = books.discount[0][store, number] > 0
        planned = books.planned()[store, number]
        prices = np.full(books.base.shape, np.nan)
        prices[store, number] = np.where(promised, np.minimum(asked, planned), asked)
        return prices

    def expected_takings(self, books: Books, day: date, price: Floats) -> float:
        """Takings that the shop expects of a day at `price` (S, all products), in money."""
        at, store, place = self.morning(books, day)
        number = self.facts.number[place]
        asked, listed = price[store, number], books.base[store, number]
        mean = at.mean[:, 0] * (asked / listed) ** -at.elasticity
        sold = expected_sales(mean, mean + mean**2 / at.dispersion, at.stock.sum(axis=1).astype(np.float64))
        return float((asked * sold).sum())

    def learn(self, books: Books, day: date, price: Floats, sold: Ints, sold_out: Bools) -> None:
        """From a day's prices, units sold and what sold out, (S, all products) each."""
        own = self.facts.number
        on_sale, asked = books.on_sale[:, own], price[:, own]
        self._before = asked
        factor = self.demand.factor(asked, day.weekday(), books.discount[0][:, own])
        mean, units = self.demand.level * factor, sold[:, own].astype(np.float64)
        wanted = np.where(sold_out[:, own], at_least(mean, self.demand.shape, units), units)
        self._learn_elasticity(asked, mean, np.where(on_sale, wanted - mean, 0.0))
        taken = MEMORY * self.demand.taken + np.where(on_sale, wanted, 0.0)
        met = MEMORY * self.demand.met + np.where(on_sale, factor, 0.0)
        self.demand = replace(self.demand, taken=taken, met=met, level=levels(taken, met, self.demand.category))

    def _learn_elasticity(self, asked: Floats, mean: Floats, more: Floats) -> None:
        """A step of the Kalman filter of each product's elasticity: `more` units (S, P) than `mean` came at prices `asked`. A
        cell's prices count as far as they lie off its own usual ones, for its level holds the rest."""
        demand = self.demand
        move = np.log(asked / demand.usual)
        self._move = move if self._move is None else self._move
        off = np.where(more != 0, move - self._move, 0.0)
        self._move = MEMORY * self._move + (1.0 - MEMORY) * move
        say = np.where(more != 0, demand.shape / (demand.shape + mean), 0.0)  # of a unit, beside a Poisson one's
        told = (say * mean * off**2).sum(axis=0)
        score = -(say * more * off).sum(axis=0)
        variance = 1.0 / (1.0 / np.square((demand.error + FORGOTTEN) * demand.elasticity) + told)
        step = np.clip(variance * score, -FARTHEST, FARTHEST)
        elasticity = np.clip(demand.elasticity + step, LEAST_ELASTICITY, MOST_ELASTICITY)
        self.demand = replace(demand, elasticity=elasticity, error=np.sqrt(variance) / elasticity)

    def goods(self, books: Books, day: date) -> Goods:
        """What a network learns on: the cells on sale as they stand."""
        at, store, place = self.morning(books, day)
        week = self.demand.week[:, self.demand.category][store, place]
        level = at.mean[:, 0] / np.maximum(week[:, day.weekday()], 1e-9)
        promoted = books.discount[0][:, self.facts.number][store, place] > 0
        level = np.where(promoted, level / self.demand.uplift[place], level)
        return Goods(
            level=np.clip(level, LEAST_LEVEL, MOST_LEVEL),
            week=week,
            level_error=np.full(len(store), self.demand.level_error),
            elasticity=at.elasticity,
            elasticity_error=at.elasticity_error,
            dispersion=at.dispersion,
            cost=at.cost,
            disposal=at.disposal,
            ceiling=at.ceiling,
            life=at.life,
            lead=at.lead,
            every=self.facts.every[place],
            up_to=at.up_to,
        )
