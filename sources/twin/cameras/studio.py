"""The door of the twin's cameras: scenes, clips and photos by number.

The catalogue and its packages hang on `world_seed`, what happens in pictures on `seed` and the number. A model trained on one
seed is judged on another with the same packages, or on a range of numbers that it has not seen.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from sources.base import SourceError
from sources.twin.arrays import Ints
from sources.twin.cameras.appearance import Appearances
from sources.twin.cameras.checkout import checkout_scene, enrol_photos
from sources.twin.cameras.clips import Clip, Stand, clip, clip_of
from sources.twin.cameras.packages import Placed, Wrapping
from sources.twin.cameras.params import CameraParams
from sources.twin.cameras.planogram import plan, stock
from sources.twin.cameras.sensors import Units
from sources.twin.cameras.shelf import shelf_scene
from sources.twin.cameras.story import Story
from sources.twin.cameras.truth import Scene
from sources.twin.catalogue import build_catalogue
from sources.twin.keyed_random import KeyedRandom
from sources.twin.params import TwinParams

_MOST_PHOTOS = 100


class StudioError(SourceError):
    """Asked for what cannot be drawn; the message gives the value, its bound and the remedy."""


class Studio:
    """Draws pictures of a world's products. Anything drawn hangs on params, seeds and number alone, never on what was drawn
    before; one studio keeps its textures, so draw many pictures with one.

    `world` gives the categories the catalogue is made of, so that product ids and names are those of that world's tables.
    """

    def __init__(
        self, params: CameraParams, seed: int, *, world_seed: int | None = None, world: TwinParams | None = None
    ) -> None:
        self.params = params
        self.seed = seed
        self.world_seed = seed if world_seed is None else world_seed
        count = params.products + params.new_products
        stocked = (world or TwinParams()).model_copy(update={"products": count, "stores": 1})
        self.products = build_catalogue(stocked, KeyedRandom(self.world_seed)).products
        self.appearances = Appearances(self.world_seed, self.products)
        self._wrapping = Wrapping(self.appearances)
        self._fine = Wrapping(self.appearances, fine=True)
        self._blank = Wrapping(self.appearances, blank=True)
        self._random = KeyedRandom(seed)

    def shelf_scene(self, number: int, products: Sequence[int] | None = None) -> Scene:
        """Scene `number` of a gondola; `products` stand on it, by default all but the new ones."""
        rng = self._generator("cameras.shelf", number)
        return shelf_scene(self.params, self._wrapping, self._chosen(products), self.products.list_price, rng)

    def checkout_scene(self, number: int, products: Sequence[int] | None = None) -> Scene:
        """Scene `number` of a counter; `products` may lie on it, by default all but the new ones."""
        return checkout_scene(
            self.params, self._wrapping, self._chosen(products), self._generator("cameras.checkout", number)
        )

    def clip(self, number: int, products: Sequence[int] | None = None, *, developed: bool = True) -> Clip:
        """Clip `number` of a customer at a gondola, with the readings of scales and antennas. Where boxes are enough, leave its
        pictures not `developed`: they have no pixels and come faster."""
        rng, chosen = self._generator("cameras.clip", number), self._chosen(products)
        wrapping = self._wrapping if developed else self._blank
        return clip(self.params, wrapping, chosen, self.products.list_price, rng, developed=developed)

    def stand(self, number: int, products: Sequence[int], clocks: Mapping[str, float]) -> Stand:
        """Gondola `number` of a shop, planned for `products`, which stays as it is with the cameras before it. One named several
        times may get several lanes. `clocks` are the offsets of its sensors."""
        rng, chosen = self._generator("cameras.stand", number), self._chosen(products)
        gondola = plan(self.params.shelf, self.appearances, chosen, rng)
        return replace(Stand.drawn(self.params, gondola, rng), clocks=clocks)

    def stocked(self, stand: Stand, products: Sequence[int], *ids: int) -> list[Placed]:
        """Packages as they stand at `stand`, in one way for each key `ids`; those out of place are of `products`."""
        rng, chosen = self._generator("cameras.stocked", *ids), self._chosen(products)
        return stock(stand.gondola, self.params.shelf, self.appearances, chosen, rng)

    def film(self, stand: Stand, story: Story, units: Units, *ids: int, developed: bool = True) -> Clip:
        """The clip of a given story, with noise by key `ids`; `units` are the story's packages in its order, then those elsewhere
        in the shop."""
        wrapping = self._wrapping if developed else self._blank
        rng, prices = self._generator("cameras.film", *ids), self.products.list_price
        return clip_of(self.params, wrapping, stand, story, units, prices, rng, developed=developed)

    def enrol_photos(self, product: int, count: int = 5) -> Scene:
        """`count` photos of one product alone, to enrol it from; the last of five or more shows the package from
        behind. The first four are the same however many are asked for."""
        if not 1 <= count <= _MOST_PHOTOS:
            raise StudioError(f"count = {count} photos lies outside [1, {_MOST_PHOTOS}]; ask for fewer at a time")
        self._chosen([product])
        return enrol_photos(self.params, self._fine, product, count, self._generator("cameras.enrol", product))

    def _chosen(self, products: Sequence[int] | None) -> Ints:
        if products is None:
            return np.arange(self.params.products)
        chosen = np.asarray(products, dtype=np.int64)
        if not chosen.size or chosen.min() < 0 or chosen.max() >= len(self.appearances):
            raise StudioError(
                f"products {chosen.tolist()[:5]} are not numbers in 0 to {len(self.appearances) - 1}; name at least one, or "
                "raise cameras.products or cameras.new_products"
            )
        return chosen

    def _generator(self, domain: str, *ids: int) -> np.random.Generator:
        """What is drawn by a generator of its own for each key, as pictures take too many draws to name each."""
        if min(ids) < 0:
            raise StudioError(f"number {min(ids)} lies below 0; count scenes from 0")
        return np.random.default_rng(int(self._random.bits(domain, *ids)))
