"""What a shop's own records hold in the morning: stock by age, open orders, order levels, prices and promotions announced."""

from dataclasses import dataclass

import numpy as np

from sources.twin.arrays import Bools, Floats, Ints


@dataclass(frozen=True)
class Books:
    """Of S stores and P products: `on_sale` (S, P); `stock` (S, P, A) units by days on the shelf, 0 first, with what was ordered
    for today; `coming` (S, P) ordered for tomorrow; `levels` (S, P) that an order fills up to; `wait` (S, P) nights until one,
    0 tonight; `base` (S, P) price by the list; `discount` (H, S, P) deepest promotion of today and of the days to come as
    announced."""

    on_sale: Bools
    stock: Ints
    coming: Ints
    levels: Ints
    wait: Ints
    base: Floats
    discount: Floats

    def planned(self) -> Floats:
        """Price (S, P) of today by list and promotions."""
        return np.asarray(np.maximum(np.round(self.base * (1.0 - self.discount[0]), 2), 0.01))
