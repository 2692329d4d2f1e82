"""The shop as attention knows it: where gondolas stand and which product stands in which of their lanes."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Shop:
    """G gondolas: `front` (G, 2) the middles of their front edges, m, `facing` (G, 2) the direction of their customers, `width` (G,).
    L lanes in order of gondola and lane: their `gondola` (L,), `lane` (L,) number there, `level` (L,), `left` and `right` (L,) in m to
    the right of the gondola's middle, `product` (L,) a place in `products`."""

    front: Floats
    facing: Floats
    width: Floats
    gondola: Ints
    lane: Ints
    level: Ints
    left: Floats
    right: Floats
    product: Ints
    products: Sequence[str]

    @property
    def gondolas(self) -> int:
        """How many gondolas there are."""
        return len(self.front)

    @property
    def levels(self) -> int:
        """How many boards a gondola has at most."""
        return int(self.level.max()) + 1

    @cached_property
    def slot(self) -> Ints:
        """Place of each lane among those of its gondola (L,)."""
        first = np.searchsorted(self.gondola, np.arange(self.gondolas))
        return np.asarray(np.arange(len(self.gondola)) - first[self.gondola])

    @cached_property
    def slots(self) -> Ints:
        """Lanes by gondola and slot (G + 1, M), -1 where there is none; the last row is nowhere."""
        slots = np.full((self.gondolas + 1, int(self.slot.max()) + 1), -1, dtype=np.int64)
        slots[self.gondola, self.slot] = np.arange(len(self.gondola))
        return slots

    def lanes_of(self, gondola: Ints, lane: Ints) -> Ints:
        """Lanes (N,) by their gondolas (N,) and numbers there (N,); -1 where the shop has no such lane."""
        own = self.gondola * (1 + int(self.lane.max())) + self.lane
        asked = np.where(lane > self.lane.max(), -1, gondola * (1 + int(self.lane.max())) + lane)
        place = np.minimum(np.searchsorted(own, asked), len(own) - 1)
        return np.asarray(np.where(own[place] == asked, place, -1))

    @cached_property
    def offers(self) -> Ints:
        """Gondola and product (O, 2) of all that is offered: a product's lanes of one gondola are one offer."""
        return np.unique(np.stack([self.gondola, self.product], axis=1), axis=0)

    def of_offers(self, seconds: Floats) -> Floats:
        """Seconds by offer (..., O) from seconds by lane (..., L)."""
        pairs, place = np.unique(np.stack([self.gondola, self.product], axis=1), axis=0, return_inverse=True)
        return np.asarray(seconds @ (place[:, None] == np.arange(len(pairs))))
