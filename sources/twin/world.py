"""The retailer's world, which acts day by day under decisions and shows what a shop would see."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import pyarrow as pa

from sources.twin.arrays import Bools, Floats, Ints
from sources.twin.books import Books
from sources.twin.catalogue import build_catalogue, day_number
from sources.twin.customers.protocol import RecommendationPolicy
from sources.twin.customers.records import OnlineDay
from sources.twin.customers.schemas import ONLINE_DAILY
from sources.twin.customers.setting import Setting
from sources.twin.customers.shop import OnlineShop
from sources.twin.customers.state import OnlineState
from sources.twin.customers.tables import OnlineTables
from sources.twin.decisions import DecisionError, Decisions, as_promotions, check_decisions
from sources.twin.demand import DayConditions, DemandModel
from sources.twin.dirt import RECORD_SCHEMA, Dirt
from sources.twin.holidays import build_calendar
from sources.twin.keyed_random import KeyedRandom
from sources.twin.lines import PendingReturns, Tills
from sources.twin.params import TwinParams
from sources.twin.price_plans import PriceList
from sources.twin.promotions import Promotions, base_prices, plan_promotions, shelf_prices
from sources.twin.slots.shop import SlotDay, SlotShop
from sources.twin.slots.state import SlotState
from sources.twin.social_heat import SocialHeat
from sources.twin.stock import StockDay, StockKeeper, StockState
from sources.twin.tables import DAILY_TABLES, TableMaker
from sources.twin.truth import EXPECTED_SCHEMA, Truth, planted_effects
from sources.twin.weather import Weather

_PLAN_AHEAD_DAYS = 90


@dataclass
class WorldState:
    """All that a world carries from one day to the next; everything else follows from parameters and seed."""

    next_day: int
    stock: StockState
    pending: PendingReturns
    decided: Promotions
    online: OnlineState
    slots: SlotState

    def copy(self) -> "WorldState":
        """An independent copy, to go back to by `World.restore`."""
        return WorldState(
            self.next_day, self.stock.copy(), self.pending, self.decided, self.online.copy(), self.slots.copy()
        )


@dataclass(frozen=True)
class Outcome:
    """A day in numbers, grids (S, P): what a simulation loop needs without tables.

    `expected`, `demanded` and the two tables of rows are truth, and so is what `online` says it is; `online` is None where
    no table of the online shop is made, `slots` where no delivery slots are offered.
    """

    day: date
    active: Bools
    price: Floats
    expected: Floats
    demanded: Ints
    stock: StockDay
    ordered: Ints
    expected_rows: pa.Table
    dirt_rows: pa.Table
    online: OnlineDay | None = None
    slots: SlotDay | None = None


class World:
    """A world of `params` and `seed`. Days are advanced one by one from `params.start` to `params.last_day`.

    `tables` names the tables to build each day (fewer cost less); `keep_truth` gathers expected demand and dirt for
    `truth()`, which grows with the days: leave it off for the large size and read each day's `outcome` instead.
    """

    def __init__(
        self, params: TwinParams, seed: int, *, tables: Collection[str] = DAILY_TABLES, keep_truth: bool = True
    ) -> None:
        unknown = set(tables) - DAILY_TABLES
        if unknown:
            raise DecisionError(f"tables {sorted(unknown)} are not made day by day; choose from {sorted(DAILY_TABLES)}")
        self.params = params
        self.seed = seed
        random = KeyedRandom(seed)
        self.catalogue = build_catalogue(params, random)
        self.calendar = build_calendar(params.start, params.last_day + timedelta(days=params.calendar_ahead_days))
        self._tables = frozenset(tables)
        self._lives_online = bool(params.online.customers and self._tables & ONLINE_DAILY)
        self._keep_truth = keep_truth
        self._random = random
        self._start, self._end = day_number(params.start), day_number(params.last_day)
        self._weather = Weather(random, params.regions)
        self._heat = SocialHeat(random, params.categories)
        self._plan = plan_promotions(params, random, self.catalogue.products, self._start, self._end + _PLAN_AHEAD_DAYS)
        self._price_list = PriceList(params, random, self.catalogue)
        self._demand = DemandModel(params, random, self.catalogue, self.calendar, self._heat.usual)
        self._keeper = StockKeeper(params, random, self.catalogue)
        self._tills = Tills(params, random, self.catalogue)
        stores, products = self.catalogue.stores, self.catalogue.products
        self._dirt = Dirt(params.dirt, random, stores.ids, products.ids, products.receipt_texts)
        self._maker = TableMaker(self.catalogue, params.regions, params.categories)
        self.online = OnlineShop(params.online, seed, Setting.of_world(params, self.catalogue))
        self._online_maker = OnlineTables(self.online.setting, self.online.people, self.online.network)
        self.slots = SlotShop(params.slots, seed, self._start)
        stock = self._keeper.initial(self.catalogue.active(self._start))
        self.state = WorldState(
            self._start, stock, PendingReturns.none(), Promotions.none(), self.online.state, self.slots.state
        )
        self.outcome: Outcome | None = None
        self._expected: list[pa.Table] = []
        self._dirty: list[pa.Table] = []

    def static_tables(self) -> dict[str, pa.Table]:
        """The tables stores, products and calendar; with an online shop, customers and friendships as of the last day."""
        last = self.params.last_day + timedelta(days=self.params.calendar_ahead_days)
        made = {
            "stores": self._maker.stores(),
            "products": self._maker.products(),
            "calendar": self._maker.calendar(self.calendar, self.params.start, last),
        }
        if self.params.online.customers:
            made["customers"] = self._online_maker.customers(self._end)
            made["friendships"] = self._online_maker.friendships(self._end)
        return made

    def restore(self, state: WorldState) -> None:
        """Go back (or on) to a copied state; truth gathered so far is dropped."""
        self.state = state.copy()
        self.outcome = None
        self._expected, self._dirty = [], []

    def advance(self, day: date, decisions: Decisions | None = None) -> dict[str, pa.Table]:
        """Live through `day` and return its observed tables; days must follow one another.

        Raises `DecisionError` for a day out of turn or a decision that cannot be carried out.
        """
        now = self._check_day(day)
        decided = decisions or Decisions()
        products, stores = self.catalogue.products, self.catalogue.stores
        check_decisions(decided, now, products.list_price, len(stores.ids))
        state = self.state
        # First of all, because fees and a policy's slates may be refused, and then nothing must have changed.
        self.slots.check(decided.slot_fees)
        sold_online = self._live_online(day, decided.policy)
        slots = self._book_slots(day, decided.slot_fees)
        state.decided = state.decided.joined(as_promotions(decided.promotions, now))
        state.decided = state.decided.where(state.decided.ends >= now)
        promotions = self._plan.joined(state.decided)
        running = promotions.on(now)
        shape = (len(stores.ids), len(products.ids))
        active = self.catalogue.active(now)
        base = base_prices(self.params, self._random, stores.price_factor, products, now)
        price = shelf_prices(base, running.depth(*shape))
        planned = price
        if decided.prices is not None:
            price = np.where(np.isnan(decided.prices), price, np.maximum(np.round(decided.prices, 2), 0.01))
            base = np.maximum(base, price)
        exposure = np.zeros(shape) if decided.recommendations is None else np.nan_to_num(decided.recommendations)
        today = np.array([now])
        pull = running.pull(*shape)
        conditions = DayConditions(price, pull, exposure, self._weather.on(today), self._heat.on(today)[:, 0])
        expected = self._demand.expected(now, conditions)
        demanded = self._demand.drawn(now, expected, active)
        traded = self._keeper.trade(state.stock, now, demanded, active, active & (products.ended == now)[None, :])
        # Days marked down tell as little of usual sales as promoted ones.
        self._keeper.learn(state.stock, traded, active, (pull > 0) | (price < planned))
        soon = (
            (promotions.starts <= now + self._keeper.reach_days[promotions.product])
            & (promotions.ends > now + 1)
            & (promotions.announced <= now)
        )
        stays = active & (products.ended > now)[None, :]
        ordered = self._keeper.order(state.stock, now, stays, promotions.where(soon).depth(*shape), decided.orders)
        made, dirt_rows = self._observe(now, conditions, active, base, traded)
        if sold_online is not None:
            made |= self._online_maker.daily(sold_online, self._tables)
        expected_rows = self._expected_rows(now, active, expected, demanded)
        self.outcome = Outcome(
            day, active, price, expected, demanded, traded, ordered, expected_rows, dirt_rows, sold_online, slots
        )
        if self._keep_truth:
            self._expected.append(expected_rows)
            self._dirty.append(dirt_rows)
        state.next_day = now + 1
        return made

    def books(self, ahead: int = 14) -> Books:
        """What the shop's records hold on the morning of the next day, promotions for `ahead` days."""
        now, products, stores = self.state.next_day, self.catalogue.products, self.catalogue.stores
        shape = (len(stores.ids), len(products.ids))
        known = self._plan.where(self._plan.announced <= now).joined(self.state.decided)
        return Books(
            self.catalogue.active(now),
            *self._keeper.this_morning(self.state.stock, now),
            base_prices(self.params, self._random, stores.price_factor, products, now),
            np.stack([known.on(day).depth(*shape) for day in range(now, now + ahead)]),
        )

    def truth(self) -> Truth:
        """Truth about the days advanced so far; needs `keep_truth`."""
        if not self._keep_truth:
            raise DecisionError("this world keeps no truth; build it with keep_truth=True, or read each day's outcome")
        return Truth(
            params=self.params,
            seed=self.seed,
            effects=planted_effects(self.params, self.catalogue),
            expected_demand=pa.concat_tables([EXPECTED_SCHEMA.empty_table(), *self._expected]).combine_chunks(),
            dirt=pa.concat_tables([RECORD_SCHEMA.empty_table(), *self._dirty]).combine_chunks(),
        )

    def _live_online(self, day: date, policy: RecommendationPolicy | None) -> OnlineDay | None:
        """The online shop's day under `policy`, None where no table asks for it."""
        if not self._lives_online:
            if policy is not None:
                raise DecisionError(
                    f"policy {policy.name!r} has no online shop to act in; set online.customers above 0 and make one of "
                    f"the tables {', '.join(sorted(ONLINE_DAILY))}"
                )
            return None
        self.online.state = self.state.online
        lived = self.online.advance(day, policy)
        self.state.online = self.online.state
        return lived

    def _book_slots(self, day: date, fees: Floats | None) -> SlotDay | None:
        """The day's bookings of delivery slots at `fees`, None where none are offered."""
        if not self.params.slots.areas:
            return None
        self.slots.state, self.slots.next_day = self.state.slots, self.state.next_day
        booked = self.slots.advance(day, fees)
        self.state.slots = self.slots.state
        return booked

    def _check_day(self, day: date) -> int:
        now = day_number(day)
        if now != self.state.next_day:
            due = date(1970, 1, 1) + timedelta(days=self.state.next_day)
            raise DecisionError(f"day {day} is out of turn; the world's next day is {due}")
        if now > self._end:
            raise DecisionError(f"day {day} lies after the last day {self.params.last_day}; raise the parameter `days`")
        return now

    def _observe(
        self, now: int, conditions: DayConditions, active: Bools, base: Floats, traded: StockDay
    ) -> tuple[dict[str, pa.Table], pa.Table]:
        """The day's observed tables, and the rows of truth about dirt in them."""
        made: dict[str, pa.Table] = {}
        dirt_rows = RECORD_SCHEMA.empty_table()
        if "weather" in self._tables:
            made["weather"] = self._maker.weather(now, conditions.weather)
        if "weather_forecast" in self._tables:
            made["weather_forecast"] = self._maker.weather_forecast(now, self._weather.forecast(now))
        if "social_heat" in self._tables:
            made["social_heat"] = self._maker.social_heat(now, conditions.heat)
        if "promotions" in self._tables:
            made["promotions"] = self._announced(now)
        if "price_plans" in self._tables:
            listed = self._price_list.announced_by(now) if now == self._start else self._price_list.announced(now)
            made["price_plans"] = self._maker.price_plans(listed)
        if "prices" in self._tables:
            made["prices"] = self._maker.prices(now, active, base, conditions.price)
        if "inventory" in self._tables:
            made["inventory"] = self._maker.inventory(now, active, traded)
        if "transactions" in self._tables:
            lines, comes_back, pending = self._tills.sell(now, traded.sold, conditions.price)
            soiled = self._dirt.soil(now, lines, comes_back)
            due = self.state.pending.due == now
            returned = self._tills.bring_back(now, self.state.pending.where(due))
            self.state.pending = self.state.pending.where(~due).joined(pending)
            made["transactions"] = self._maker.transactions(soiled.lines.joined(returned))
            dirt_rows = soiled.records
        return made, dirt_rows

    def _announced(self, now: int) -> pa.Table:
        """Promotions announced today; on the first day also all that were announced before and still matter."""
        known = self._plan.announced <= now if now == self._start else self._plan.announced == now
        planned = self._plan.where(known)
        decided = self.state.decided.where(self.state.decided.announced == now)
        both = planned.joined(decided)
        return self._maker.promotions(both, both.announced)

    def _expected_rows(self, now: int, active: Bools, expected: Floats, demanded: Ints) -> pa.Table:
        columns = [*self._maker.cells(now, active), pa.array(expected[active]), pa.array(demanded[active])]
        return pa.table(columns, schema=EXPECTED_SCHEMA)
