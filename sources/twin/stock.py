"""Stock by age, goods on the way, and the shop's plain replenishment rule."""

from dataclasses import dataclass

import numpy as np

from sources.twin.arrays import Bools, Floats, Ints
from sources.twin.catalogue import Catalogue
from sources.twin.keyed_random import KeyedRandom
from sources.twin.params import TwinParams

LONGEST_AGE_DAYS = 30  # goods that keep longer than this never perish in the twin
FRESH_DAYS = 7  # goods that keep no longer are ordered every day
_PROMOTION_BOOST = 5.0  # the shop's rule of thumb: 20 % off doubles sales


@dataclass
class StockState:
    """All that stock remembers, for A ages and L days of lead.

    `by_age` (S, P, A) units, oldest last; `on_the_way` (L, S, P) units by arrival day modulo L; `usual_sales` (S, P)
    the shop's average daily sales; `stocked` (S, P) cells that had their first stock.
    """

    by_age: Ints
    on_the_way: Ints
    usual_sales: Floats
    stocked: Bools

    def copy(self) -> "StockState":
        """An independent copy."""
        return StockState(self.by_age.copy(), self.on_the_way.copy(), self.usual_sales.copy(), self.stocked.copy())


@dataclass(frozen=True)
class StockDay:
    """What a day did to the stock; grids (S, P) of units. opening + received - sold - wasted = closing."""

    opening: Ints
    received: Ints
    sold: Ints
    wasted: Ints
    closing: Ints
    stocked_out: Bools


class StockKeeper:
    """Receives, sells oldest first, throws away what expired, and orders up to a level."""

    def __init__(self, params: TwinParams, random: KeyedRandom, catalogue: Catalogue) -> None:
        products = catalogue.products
        self._params = params.stock
        self._random = random
        self._products = products
        self._s = np.arange(params.stores)[:, None]
        self._p = np.arange(params.products)[None, :]
        self._guess = catalogue.base * np.exp(0.2 * random.normal("stock.guess", self._s, self._p))
        self._perishes = products.shelf_life_days <= LONGEST_AGE_DAYS
        self._ages = int(products.shelf_life_days[self._perishes].max(initial=1))
        self._lead = np.maximum(products.lead_time_days, 1)
        fresh = products.shelf_life_days <= FRESH_DAYS
        self._review = np.where(fresh, 1, params.stock.review_days)
        # (P,) days that a night's order has to last: from tomorrow to the eve of the next order's arrival.
        self.reach_days: Ints = self._lead + self._review - 1
        # Goods of one supplier are ordered on the same days of a store.
        self._review_phase = random.integers("stock.review", 0, 1 << 16, self._s, products.supplier[None, :])

    def initial(self, active: Bools) -> StockState:
        """State before the first day: active cells hold their order-up-to level, nothing is on the way."""
        shape = self._guess.shape
        by_age = np.zeros((*shape, self._ages), dtype=np.int64)
        by_age[:, :, 0] = np.where(active, self._target(self._guess, np.zeros(shape)), 0)
        lead = int(self._lead.max()) + 1
        return StockState(by_age, np.zeros((lead, *shape), dtype=np.int64), self._guess.copy(), active.copy())

    def trade(self, state: StockState, day: int, demanded: Ints, active: Bools, last_day: Bools) -> StockDay:
        """Carry out one day on `state`; what is left on a cell's last day on sale is written off."""
        opening = state.by_age.sum(axis=2)
        received = np.where(active, self._arrivals(state, day), 0)
        first = active & ~state.stocked
        received = np.where(first, self._target(state.usual_sales, np.zeros(opening.shape)), received)
        state.stocked |= active
        state.by_age[:, :, 0] += received
        available = opening + received
        sold = np.where(active, np.minimum(demanded, available), 0)
        self._take_oldest(state.by_age, sold)
        wasted = self._age(state.by_age)
        if last_day.any():
            wasted = wasted + np.where(last_day, state.by_age.sum(axis=2), 0)
            state.by_age[last_day] = 0
            state.on_the_way[:, last_day] = 0
        return StockDay(opening, received, sold, wasted, available - sold - wasted, active & (sold == available))

    def learn(self, state: StockState, traded: StockDay, active: Bools, promoted: Bools) -> None:
        """Move the shop's sales average; promoted days say nothing, sold-out days can only raise it."""
        weight = self._params.smoothing
        moved = (1.0 - weight) * state.usual_sales + weight * traded.sold
        moved = np.where(traded.stocked_out, np.maximum(moved, state.usual_sales), moved)
        state.usual_sales = np.where(active & ~promoted, moved, state.usual_sales)

    def order(self, state: StockState, day: int, active: Bools, depth: Floats, decided: Floats | None) -> Ints:
        """Place tonight's orders (S, P) and return them; `depth` is the deepest discount the delivery may meet."""
        position = state.by_age.sum(axis=2) + state.on_the_way.sum(axis=0)
        if self._params.expects_spoilage:
            position = position - self._spoils_first(state, day)
        due = (day + self._review_phase) % self._review[None, :] == 0
        plain = np.where(due, np.maximum(self._target(state.usual_sales, depth) - position, 0), 0)
        if decided is not None:
            plain = np.where(np.isnan(decided), plain, np.nan_to_num(decided)).astype(np.int64)
        orders = np.where(active, plain, 0)
        arrival = (day + self._lead) % state.on_the_way.shape[0]
        s, p = np.nonzero(orders)
        state.on_the_way[arrival[p], s, p] += orders[s, p]
        return np.asarray(orders)

    def _spoils_first(self, state: StockState, day: int) -> Ints:
        """Units (S, P) that will spoil before tonight's orders arrive, the shop's usual sales taken off day by day."""
        shelf, usual = state.by_age.copy(), np.floor(state.usual_sales).astype(np.int64)
        lost = np.zeros(usual.shape, dtype=np.int64)
        slots = state.on_the_way.shape[0]
        for ahead in range(1, int(self._lead[self._perishes].max(initial=1))):
            before = (self._lead > ahead)[None, :]
            shelf[:, :, 0] += np.where(before, state.on_the_way[(day + ahead) % slots], 0)
            self._take_oldest(shelf, np.minimum(usual, shelf.sum(axis=2)))
            lost += np.where(before, self._age(shelf), 0)
        return lost

    def this_morning(self, state: StockState, day: int) -> tuple[Ints, Ints, Ints, Ints]:
        """What the shop knows before it opens: stock by age (S, P, A) with today's delivery as ordered, units ordered for
        tomorrow, order levels outside promotions and nights until the next order, (S, P) each."""
        slots = state.on_the_way.shape[0]
        stock = state.by_age.copy()
        stock[:, :, 0] += state.on_the_way[day % slots]
        levels = self._target(state.usual_sales, np.zeros(state.usual_sales.shape))
        return stock, state.on_the_way[(day + 1) % slots].copy(), levels, -(day + self._review_phase) % self._review

    def _target(self, usual: Floats, depth: Floats) -> Ints:
        """Order-up-to level (S, P): cover of lead and review, more before promotions, less for what spoils soon."""
        cover = self.reach_days[None, :] * np.ones_like(usual)
        mean = usual * cover * (1.0 + _PROMOTION_BOOST * depth)
        safety = self._params.safety_z * np.sqrt(1.6 * usual * cover)
        limit = np.where(self._perishes, self._products.shelf_life_days + self._lead - 1, np.inf)[None, :]
        wanted = np.minimum(
            mean + safety, usual * (1.0 + _PROMOTION_BOOST * depth) * limit + self._params.safety_z * np.sqrt(usual)
        )
        return np.maximum(np.ceil(wanted), 1.0).astype(np.int64)

    def _arrivals(self, state: StockState, day: int) -> Ints:
        slot = day % state.on_the_way.shape[0]
        sent = state.on_the_way[slot].copy()
        state.on_the_way[slot] = 0
        keys = (self._s, self._products.supplier[None, :], day)
        short = self._random.uniform("stock.short", *keys) < self._params.short_delivery_share
        share = np.where(short, self._random.uniform("stock.share", *keys), 1.0)
        return np.asarray(np.floor(sent * share + 1e-9)).astype(np.int64)

    @staticmethod
    def _take_oldest(by_age: Ints, sold: Ints) -> None:
        # The newest units stay, as many as are left once newer ones have their place; in place, the grids are large.
        stays = np.cumsum(by_age, axis=2)
        left = stays[:, :, -1] - sold
        np.subtract(by_age, stays, out=stays)
        stays += left[:, :, None]
        np.maximum(stays, 0, out=stays)
        np.minimum(stays, by_age, out=by_age)

    def _age(self, by_age: Ints) -> Ints:
        """Throw away units at the end of their last day, and make the rest a day older; returns units wasted (S, P)."""
        wasted = np.zeros(by_age.shape[:2], dtype=np.int64)
        spoils = np.flatnonzero(self._perishes)
        age = self._products.shelf_life_days[spoils] - 1
        wasted[:, spoils] = by_age[:, spoils, age]
        by_age[:, spoils, age] = 0
        oldest = by_age[:, :, -1].copy()
        by_age[:, :, 1:] = by_age[:, :, :-1]
        by_age[:, :, 0] = 0
        by_age[:, :, -1] += oldest
        return wasted
