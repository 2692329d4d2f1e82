"""Fresh goods in the twin: a history with a price test, demand fitted from it, and policies judged over the same true days."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING

import numpy as np

from models.pricing.fresh import FREE
from orchestration.fresh_diary import Bools, Floats, Ints, read_diary
from orchestration.fresh_fit import FreshDemand, fit_fresh
from orchestration.fresh_shop import FreshFacts, FreshShop, Pricer
from sources.twin.decisions import Decisions
from sources.twin.params import TwinParams
from sources.twin.stock import FRESH_DAYS, LONGEST_AGE_DAYS
from sources.twin.world import World, WorldState

if TYPE_CHECKING:
    import pyarrow as pa

HISTORY_DAYS, TEST_DAYS, JUDGED_DAYS = 238, 56, 84
TABLES = ("prices", "inventory", "promotions")
TESTED = (0.85, 1.0, 1.15)  # times base price: a shop's test, each product in each store another price each week
# Frozen before anything was judged. Elasticity: such that list price is the best price of a fresh product whose stock is free
# (p / (p - c) at the twin's margins is 3.1; fresh categories have 0.8 of the mean). Safety stock: list price throws away 7 to
# 22 % of a world's fresh goods, in the band below on average. Orders leave out what will have spoilt: goods of a day would
# else come every other day.
BAND = (0.05, 0.15)  # share thrown away at list price over the judged worlds, else they are too easy or too hard
LAID_OVER = {
    "stores": 8,
    "products": 160,
    "demand": {"elasticity": 4.0},
    "stock": {"safety_z": 2.0, "expects_spoilage": True},
}


@dataclass(frozen=True)
class FreshHistory:
    """A world after its history: its state, the facts of its fresh goods and their demand as fitted from observed tables."""

    world: World
    state: WorldState
    first: date
    facts: FreshFacts
    demand: FreshDemand

    def shop(self, demand: FreshDemand | None = None) -> FreshShop:
        """A shop that knows what the history told, or believes otherwise."""
        return FreshShop(self.facts, demand or self.demand)


@dataclass(frozen=True)
class FreshDays:
    """What a policy brought over D days, fresh goods alone: `takings`, `cost` of what was sold and `shrink` of what was thrown
    away (D,) in money; `sold`, `wasted` and `received` (D,) units; `promised` (D,) takings expected each morning. `price` over
    base price, `stock` of the morning and `lost` and `took`, its takings, (D, S, P) of each shelf; `plain` (D, S, P) where it
    was on sale without a promotion."""

    takings: Floats
    cost: Floats
    shrink: Floats
    sold: Floats
    wasted: Floats
    received: Floats
    promised: Floats
    price: Floats
    stock: Ints
    lost: Ints
    took: Floats
    plain: Bools

    @property
    def gross_margin(self) -> float:
        """Takings less what goods sold or thrown away had cost, in money."""
        return float((self.takings - self.cost - self.shrink).sum())

    @property
    def waste(self) -> float:
        """Share of the units received that were thrown away."""
        return float(self.wasted.sum() / self.received.sum())

    @property
    def mean_price(self) -> float:
        """Money a unit."""
        return float(self.takings.sum() / self.sold.sum())


def fresh_params(laid_over: Mapping[str, object] = LAID_OVER) -> TwinParams:
    """The frozen world, as far as it is lived."""
    base = TwinParams.size("demo")
    told = {
        name: getattr(base, name).model_copy(update=value) if isinstance(value, dict) else value
        for name, value in laid_over.items()
    }
    return base.model_copy(update={**told, "days": HISTORY_DAYS + JUDGED_DAYS})


def fresh_history(
    params: TwinParams, seed: int, *, days: int = HISTORY_DAYS, test_days: int = TEST_DAYS
) -> FreshHistory:
    """Live through a history: the plain rule, then a price test in its last days; fit demand from what was observed."""
    import pyarrow as pa

    world = World(params, seed, tables=TABLES, keep_truth=False)
    facts = fresh_facts(world)
    rng = np.random.default_rng([seed, 1])
    seen: dict[str, list[pa.Table]] = {name: [] for name in TABLES}
    tested = np.ones((params.stores, len(facts.number)))
    for number in range(days):
        decisions = None
        if (into := number - (days - test_days)) >= 0:
            if into % 7 == 0:
                tested = rng.choice(TESTED, tested.shape)
            decisions = Decisions(prices=_tested(world, facts, tested))
        made = world.advance(params.start + timedelta(days=number), decisions)
        for name in TABLES:
            seen[name].append(made[name])
    demand = fit_history(world, facts, {name: pa.concat_tables(parts) for name, parts in seen.items()})
    return FreshHistory(world, world.state.copy(), params.start + timedelta(days=days), facts, demand)


def _tested(world: World, facts: FreshFacts, tested: Floats) -> Floats:
    """Prices of a test day: promotions go on."""
    books = world.books(1)
    prices = np.full(books.base.shape, np.nan)
    own = np.ix_(np.arange(len(books.base)), facts.number)
    plain = books.discount[0][own] == 0
    prices[own] = np.where(plain, np.maximum(np.round(books.base[own] * tested, 2), 0.01), np.nan)
    return prices


def fresh_facts(world: World) -> FreshFacts:
    """Of the products that perish, as the tables of products tell them."""
    table = world.static_tables()["products"]
    life, lead = (np.asarray(table[name].to_numpy(), dtype=np.int64) for name in ("shelf_life_days", "lead_time_days"))
    number = np.flatnonzero(life <= LONGEST_AGE_DAYS)
    every = np.where(life <= FRESH_DAYS, 1, world.params.stock.review_days)
    cost = np.asarray(table["unit_cost"].to_numpy(), dtype=np.float64)
    none, free = np.zeros(len(number)), np.full(len(number), FREE)
    lead = np.maximum(lead[number], 1)
    return FreshFacts(number, life[number], lead, every[number], cost[number], none, free)


def fit_history(world: World, facts: FreshFacts, tables: Mapping[str, "pa.Table"]) -> FreshDemand:
    """Demand from the observed tables."""
    static = world.static_tables()
    ids = static["products"]["product_id"].to_pylist()
    kinds = [static["products"]["category"].to_pylist()[number] for number in facts.number]
    names = tuple(sorted(set(kinds)))
    diary = read_diary(tables, static["stores"]["store_id"].to_pylist(), [ids[number] for number in facts.number])
    return fit_fresh(diary, np.array([names.index(kind) for kind in kinds]), names)


def live_in_twin(
    history: FreshHistory, pricer: Pricer | None, *, days: int = JUDGED_DAYS, shop: FreshShop | None = None
) -> FreshDays:
    """The days after the history under a policy; None is the plain rule. Customers are the same under every policy."""
    world, own = history.world, history.facts.number
    world.restore(history.state)
    shop = shop or history.shop()
    rows: list[tuple[float, ...]] = []
    paths: list[tuple[Floats, Ints, Ints, Floats, Bools]] = []
    for number in range(days):
        day = history.first + timedelta(days=number)
        books = world.books()
        prices = None if pricer is None else shop.prices(books, day, pricer)
        asked = books.planned() if prices is None else np.where(np.isnan(prices), books.planned(), prices)
        promised = shop.expected_takings(books, day, asked)
        world.advance(day, Decisions(prices=prices))
        assert world.outcome is not None
        price, stock = world.outcome.price, world.outcome.stock
        shop.learn(books, day, price, stock.sold, stock.stocked_out)
        sold, wasted = stock.sold[:, own], stock.wasted[:, own]
        cost = history.facts.cost
        rows.append(
            (
                float((price[:, own] * sold).sum()),
                float((cost * sold).sum()),
                float(((cost + history.facts.disposal) * wasted).sum()),
                float(sold.sum()),
                float(wasted.sum()),
                float(stock.received[:, own].sum()),
                promised,
            )
        )
        took, plain = price[:, own] * sold, (books.on_sale & (books.discount[0] == 0))[:, own]
        paths.append((price[:, own] / books.base[:, own], books.stock.sum(axis=2)[:, own], wasted, took, plain))
    columns = [np.array(column) for column in zip(*rows, strict=True)]
    return FreshDays(*columns, *(np.stack(part) for part in zip(*paths, strict=True)))
