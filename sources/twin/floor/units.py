"""The packages that stand in the shop on a morning, each with its number, tag and weight.

Every night staff clear the boards and fill them again, so that a morning hangs on its day alone.
"""

from dataclasses import dataclass

import numpy as np

from sources.base import SourceError
from sources.twin.arrays import Bools, Floats, Ints
from sources.twin.cameras.packages import Placed
from sources.twin.cameras.sensors import Units, epc_of
from sources.twin.cameras.studio import Studio
from sources.twin.floor.assortment import Assortment
from sources.twin.keyed_random import KeyedRandom

_MOST = 2**16  # units of a day; serial numbers of tags are below 2^32
_ELSEWHERE = 6  # tags of other gondolas that a shelf's antennas may read


@dataclass(frozen=True, eq=False)
class Morning:
    """Units U of a day: `product`, `gondola`, `alive` (U,), `grams` (U,), `epc`; `stocked` the packages of each gondola, numbered
    from 0, of which the first is unit `first[gondola]`."""

    product: Ints
    gondola: Ints
    alive: Bools
    grams: Floats
    epc: tuple[str, ...]
    stocked: tuple[tuple[Placed, ...], ...]
    first: Ints

    def of(self, units: Ints) -> Units:
        """Some of them, as the cameras' sensors know them."""
        return Units(self.product[units], [self.epc[int(k)] for k in units], self.alive[units], self.grams[units])

    def nearby(self, units: Ints, gondola: int, rng: np.random.Generator) -> Units:
        """A gondola's `units`, and some of other gondolas that its antennas may read."""
        others = np.flatnonzero(self.gondola != gondola)
        some = rng.choice(others, min(_ELSEWHERE, others.size), replace=False)
        # What has been carried here from elsewhere must not appear twice.
        return self.of(np.concatenate([units, some[~np.isin(some, units)]]))


def morning(studio: Studio, assortment: Assortment, random: KeyedRandom, day: int) -> Morning:
    """What stands where when a day begins. Raises `SourceError` for more packages than a day's tags can number."""
    sensors = studio.params.sensors
    stocked = tuple(
        tuple(studio.stocked(stand, assortment.products[gondola], day, gondola))
        for gondola, stand in enumerate(assortment.stands)
    )
    product = np.array([placed.product for packages in stocked for placed in packages], dtype=np.int64)
    count = product.size
    if count > _MOST:
        raise SourceError(f"{count} packages stand in the shop, a day can number {_MOST}; lower floor.room.gondolas")
    unit = np.arange(count)
    catalogue = np.array([studio.appearances[int(p)].weight_g for p in product])
    grams = catalogue * np.exp(sensors.package_spread * random.normal("floor.grams", day, unit))
    alive = random.uniform("floor.tag", day, unit) >= sensors.rfid_dead
    epc = tuple(epc_of(int(p), (day % _MOST) * _MOST + k) for k, p in enumerate(product))
    sizes = np.array([len(packages) for packages in stocked])
    return Morning(
        product, np.repeat(np.arange(len(stocked)), sizes), alive, grams, epc, stocked, np.cumsum(sizes) - sizes
    )
