"""The plan of base prices: the chain's price list, the stores that differ from it, and when each price is announced.

The plan says the plain rule of `base_prices`. A decided price of a day stands above it on that day and changes no plan.
"""

from dataclasses import dataclass, fields

import numpy as np

from sources.twin.arrays import Bools, Floats, Ints
from sources.twin.catalogue import Catalogue
from sources.twin.keyed_random import KeyedRandom
from sources.twin.params import TwinParams
from sources.twin.promotions import ALL_STORES, base_prices, price_revision

CHAIN_FACTOR = 1.0  # stores with this price factor keep the chain's list


@dataclass(frozen=True)
class PricePlans:
    """Planned base prices as columns (N,): days since 1970, `store` ALL_STORES or a store number."""

    product: Ints
    store: Ints
    valid_from: Ints
    announced: Ints
    base_price: Floats

    def joined(self, *others: "PricePlans") -> "PricePlans":
        """These plans and then the others."""
        whole = (self, *others)
        return PricePlans(*(np.concatenate([getattr(each, f.name) for each in whole]) for f in fields(self)))


class PriceList:
    """What the chain announces of its base prices, `promotions.price_notice_days` before they come into force."""

    def __init__(self, params: TwinParams, random: KeyedRandom, catalogue: Catalogue) -> None:
        self._params = params
        self._random = random
        self._catalogue = catalogue
        self._notice = params.promotions.price_notice_days
        self._differs = catalogue.stores.price_factor != CHAIN_FACTOR

    def announced(self, day: int) -> PricePlans:
        """Prices announced on a day: those of one day, `price_notice_days` ahead."""
        return self._beginning(day + self._notice)

    def announced_by(self, day: int) -> PricePlans:
        """Prices in force on a day, as if they began on it, and all announced by then that begin later."""
        later = (self._beginning(at) for at in range(day + 1, day + self._notice + 1))
        return self._beginning(day, in_force=True).joined(*later)

    def _beginning(self, day: int, *, in_force: bool = False) -> PricePlans:
        """Prices that begin on a day: where they are revised, where sales begin, and `in_force` where there is one."""
        products = self._catalogue.products
        moved = price_revision(self._params, self._random, day) != price_revision(self._params, self._random, day - 1)
        moved = moved | in_force
        listed = np.flatnonzero((products.launched == day) | (moved & _on_sale(self._catalogue, day)))
        active = self._catalogue.active(day)
        begun = active & (moved[None, :] | ~self._catalogue.active(day - 1)) & self._differs[:, None]
        store, product = np.nonzero(begun)
        factors = np.array([CHAIN_FACTOR, *self._catalogue.stores.price_factor])
        price = base_prices(self._params, self._random, factors, products, day)
        stores = np.concatenate([np.full(listed.shape, ALL_STORES), store])
        sold = np.concatenate([listed, product])
        # The chain's list is row 0, store s row s + 1.
        rows = np.where(stores == ALL_STORES, 0, stores + 1)
        begins = np.full(sold.shape, day)
        return PricePlans(sold, stores, begins, begins - self._notice, price[rows, sold])


def _on_sale(catalogue: Catalogue, day: int) -> Bools:
    """Products (P,) on sale on a day."""
    return np.asarray((catalogue.products.launched <= day) & (day <= catalogue.products.ended))
