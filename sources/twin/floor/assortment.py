"""What the shop sells where: gondolas planned once, lanes by product, how products appeal, and what fits where."""

from collections.abc import Sequence

import numpy as np

from sources.twin.arrays import Bools, Floats, Ints
from sources.twin.cameras.clips import Stand
from sources.twin.cameras.handling import Handling
from sources.twin.cameras.planogram import Lane
from sources.twin.cameras.studio import Studio
from sources.twin.floor.params import FloorParams
from sources.twin.keyed_random import KeyedRandom

_MOST_LANES = 3  # of the products that are wanted most


class Assortment:
    """The shop's gondolas: `stands` in order of their number, the `products` planned for each and the `lanes` of each product there;
    of all products P `appeal` (P,), standard normal, and `category` (P,). `home` tells of each product that found room where."""

    def __init__(self, params: FloorParams, studio: Studio, random: KeyedRandom) -> None:
        count = params.cameras.products
        numbers = np.arange(count)
        self.appeal: Floats = random.normal("floor.appeal", numbers)
        self.category: Ints = studio.products.category[:count]
        # Shops put like beside like; within a category products lie in any order.
        order = np.lexsort([random.uniform("floor.order", numbers), self.category])
        self.products: list[list[int]] = []
        self.stands: list[Stand] = []
        most, shelf = params.cameras.clip.clock_offset_s, params.cameras.shelf
        names = [f"{kind}{k + 1}" for kind in "WR" for k in range(shelf.levels)]
        names += [f"C{k + 1}" for k in range(shelf.cameras)]
        for gondola, part in enumerate(np.array_split(order, params.room.gondolas)):
            wanted = 2.0 * np.exp(params.shopping.popularity * self.appeal[part])
            lanes = np.clip(np.round(wanted), 1, _MOST_LANES).astype(np.int64)
            offsets = most * (2 * random.uniform("floor.shelf_clock", gondola, np.arange(len(names))) - 1)
            self.products.append(np.repeat(part, lanes).tolist())
            clocks = dict(zip(names, offsets.tolist(), strict=True))
            self.stands.append(studio.stand(gondola, self.products[-1], clocks))
        self.lanes: list[dict[int, list[Lane]]] = [_by_product(stand.gondola.lanes) for stand in self.stands]
        bare = [Handling(stand.gondola, [], studio.appearances) for stand in self.stands]
        self._fits = [
            np.array([[each.fits(p, lane) for lane in each.gondola.lanes] for p in range(count)]) for each in bare
        ]
        self.home: dict[int, list[int]] = {}
        for gondola, found in enumerate(self.lanes):
            for product in found:
                self.home.setdefault(product, []).append(gondola)

    def demand(self, popularity: float) -> tuple[Ints, Floats]:
        """Products that can be bought (S,) and the share of wishes that each gets (S,)."""
        sold = np.array(sorted(self.home), dtype=np.int64)
        weight = np.exp(popularity * self.appeal[sold])
        return sold, weight / weight.sum()

    def wrong_lanes(self, gondola: int, product: int) -> Sequence[int]:
        """Lanes of a gondola that a product fits into and that are planned for another."""
        fits: Bools = self._fits[gondola][product]
        lanes = self.stands[gondola].gondola.lanes
        return [int(k) for k in np.flatnonzero(fits) if lanes[int(k)].product != product]


def _by_product(lanes: Sequence[Lane]) -> dict[int, list[Lane]]:
    found: dict[int, list[Lane]] = {}
    for lane in lanes:
        found.setdefault(lane.product, []).append(lane)
    return found
