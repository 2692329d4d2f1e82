"""The plan of promotions, promotions that decisions add, and base prices."""

from dataclasses import dataclass, fields

import numpy as np

from sources.twin.arrays import Bools, Floats, Ints
from sources.twin.catalogue import NEVER_ENDS, Products
from sources.twin.keyed_random import KeyedRandom
from sources.twin.params import TwinParams

KINDS = ("price_cut", "multibuy", "clearance")
KIND_UPLIFT = np.array([1.0, 1.3, 0.7])  # times a product's own promotion uplift
SLOT_DAYS = 28
CLEARANCE_DAYS = 14
ALL_STORES = -1
CLEARANCE_SLOT = -1
DECIDED_SLOT = -2
_DISCOUNTS = np.array([0.10, 0.15, 0.20, 0.25, 0.30, 0.40])


@dataclass(frozen=True)
class Promotions:
    """Promotions as columns (N,): days since 1970, `store` ALL_STORES or a store number, `slot` names the promotion."""

    product: Ints
    store: Ints
    slot: Ints
    starts: Ints
    ends: Ints
    announced: Ints
    discount: Floats
    kind: Ints

    @classmethod
    def none(cls) -> "Promotions":
        """No promotions."""
        empty = np.zeros(0, dtype=np.int64)
        return cls(empty, empty, empty, empty, empty, empty, np.zeros(0), empty)

    def where(self, mask: Bools) -> "Promotions":
        """The promotions for which mask (N,) holds."""
        return Promotions(*(getattr(self, f.name)[mask] for f in fields(self)))

    def joined(self, other: "Promotions") -> "Promotions":
        """These promotions and then the others."""
        return Promotions(*(np.concatenate([getattr(self, f.name), getattr(other, f.name)]) for f in fields(self)))

    def on(self, day: int) -> "Promotions":
        """Those that run on a day."""
        return self.where((self.starts <= day) & (day <= self.ends))

    def depth(self, stores: int, products: int) -> Floats:
        """Deepest discount (S, P) of these promotions, 0 where none."""
        return self._deepest(self.discount, stores, products)

    def pull(self, stores: int, products: int) -> Floats:
        """Strongest multiple (S, P) of a product's promotion uplift, 0 where not promoted."""
        return self._deepest(KIND_UPLIFT[self.kind], stores, products)

    def _deepest(self, value: Floats, stores: int, products: int) -> Floats:
        grid = np.zeros((stores, products))
        chain = self.store == ALL_STORES
        everywhere = np.zeros(products)
        np.maximum.at(everywhere, self.product[chain], value[chain])
        np.maximum.at(grid, (self.store[~chain], self.product[~chain]), value[~chain])
        return np.maximum(grid, everywhere[None, :])


def plan_promotions(params: TwinParams, random: KeyedRandom, products: Products, first: int, last: int) -> Promotions:
    """Planned promotions that touch the days first, ..., last.

    In each slot of 28 days a product may be promoted once by the chain, else by single stores of their own accord.
    """
    slots = np.arange(first // SLOT_DAYS - 1, last // SLOT_DAYS + 1)
    product, slot = (a.ravel() for a in np.meshgrid(np.arange(params.products), slots, indexing="ij"))
    chain = random.uniform("promotion.chain", product, slot) < params.promotions.probability
    s = np.arange(params.stores)
    local = random.uniform("promotion.local", product[:, None], slot[:, None], s) < params.promotions.local_probability
    at, store = np.nonzero(local & ~chain[:, None])
    planned = _drawn(params, random, product[chain], slot[chain], np.full(int(chain.sum()), ALL_STORES))
    planned = planned.joined(_drawn(params, random, product[at], slot[at], store))
    kept = (planned.starts >= products.launched[planned.product] + 14) & (
        planned.ends <= products.ended[planned.product] - CLEARANCE_DAYS
    )
    both = planned.where(kept).joined(_clearances(params, random, products))
    return both.where((both.ends >= first) & (both.starts <= last))


def _drawn(params: TwinParams, random: KeyedRandom, product: Ints, slot: Ints, store: Ints) -> Promotions:
    length = np.where(random.uniform("promotion.length", product, slot, store) < 0.6, 7, 14)
    starts = slot * SLOT_DAYS + random.integers("promotion.start", 0, SLOT_DAYS - 14, product, slot, store)
    return Promotions(
        product=product,
        store=store,
        slot=slot,
        starts=starts,
        ends=starts + length - 1,
        announced=starts - _notice(params, random, product, slot, store),
        discount=_DISCOUNTS[random.integers("promotion.discount", 0, len(_DISCOUNTS), product, slot, store)],
        kind=(random.uniform("promotion.kind", product, slot, store) < 0.3).astype(np.int64),
    )


def _notice(params: TwinParams, random: KeyedRandom, product: Ints, slot: Ints, store: Ints) -> Ints:
    low = params.promotions.announce_min_days
    high = max(low, params.promotions.announce_max_days)
    return random.integers("promotion.notice", low, high + 1, product, slot, store)


def _clearances(params: TwinParams, random: KeyedRandom, products: Products) -> Promotions:
    """A product that ends is cleared in all stores over its last days."""
    ending = np.flatnonzero(products.ended < NEVER_ENDS)
    slot = np.full(ending.shape, CLEARANCE_SLOT)
    starts = products.ended[ending] - CLEARANCE_DAYS + 1
    return Promotions(
        product=ending,
        store=np.full(ending.shape, ALL_STORES),
        slot=slot,
        starts=starts,
        ends=products.ended[ending],
        announced=starts - _notice(params, random, ending, slot, slot),
        discount=np.full(ending.shape, 0.4),
        kind=np.full(ending.shape, KINDS.index("clearance")),
    )


def price_revision(params: TwinParams, random: KeyedRandom, day: int) -> Ints:
    """Number (P,) of the revision of each product's base price that is in force on a day."""
    p = np.arange(params.products)
    every = params.promotions.price_revision_days
    return np.asarray((day + random.integers("price.phase", 0, every, p)) // every)


def base_prices(params: TwinParams, random: KeyedRandom, factor: Floats, products: Products, day: int) -> Floats:
    """Regular prices (S, P) of a day: list price by price factor (S,), revised now and then, rounded to cents."""
    p = np.arange(params.products)
    move = 2.0 * random.uniform("price.move", p, price_revision(params, random, day)) - 1.0
    revised = products.list_price * (1.0 + params.promotions.price_revision_spread * move)
    return np.maximum(np.round(factor[:, None] * revised[None, :], 2), 0.01)


def shelf_prices(base: Floats, depth: Floats) -> Floats:
    """Prices (S, P) after promotion, rounded to cents and never below one cent."""
    return np.maximum(np.round(base * (1.0 - depth), 2), 0.01)
