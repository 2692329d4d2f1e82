"""Rows of naming packages by the base checkpoint alone: a world, scenes and light that it has not seen, 20 products new to the shop.

Asked is what the base finder finds. The gallery holds each product's five photos and labelled crops of the shop's own
scenes; new products have photos alone. Every crop is named: nothing abstains.
"""

import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from bench_row import BenchContext, BenchResult, BenchRow

if TYPE_CHECKING:
    from models.detector.embedder_weights import EmbedderWeights
    from orchestration.package_crops import Crops

PRODUCTS, NEW, PHOTOS, SHOP_CROPS = 200, 20, 5, 10
WORLD, SCENES = 7_200, 97_200  # neither is drawn for the base checkpoint
SHOP_SCENES, UNSEEN_SCENES, FIRST_UNSEEN = 40, 24, 1_000
LEAST_KNOWN, LEAST_NEW, MOST_LOST, MOST_NAIVE = 0.97, 0.95, 0.01, 0.60
BASE = Path(__file__).parents[2] / "models" / "detector" / "base" / "embedder.safetensors"


@dataclass(frozen=True, eq=False)
class Shop:
    """Crops of a world: `photos` of all products, at most some `shop` crops of each known one, and those `asked`: the share `found` of
    the packages that are there."""

    photos: "Crops"
    shop: "Crops"
    asked: "Crops"
    found: float = 1.0


@dataclass(frozen=True)
class Naming:
    """Shares named rightly of the known products, beside the same without the new ones, and of the new; for each of
    the two also of what is at least half seen (`clear`), and of what stands on shelves (`shelf`)."""

    known: float
    known_before: float
    new: float
    clear: dict[str, float] = field(default_factory=dict)
    shelf: dict[str, float] = field(default_factory=dict)

    @property
    def lost(self) -> float:
        """Share that is named wrongly since the new products are there."""
        return self.known_before - self.known


def draw_shop(side: int) -> Shop:
    """The judged world, cut at a side in pixels."""
    from recognition import base_finder, found_crops

    from orchestration.package_crops import COUNTER, SHELF, CropsConfig, draw_crops, joined
    from sources.twin.cameras.params import CameraParams
    from sources.twin.cameras.studio import Studio

    studio = Studio(CameraParams(products=PRODUCTS, new_products=NEW), SCENES, world_seed=WORLD)
    rng = np.random.default_rng(SCENES)
    cut = partial(CropsConfig, side=side, counters=0, photographed=1)
    everything, known = range(PRODUCTS + NEW), range(PRODUCTS)
    photos = draw_crops(studio, cut(shelves=0, photos=PHOTOS), rng, everything)
    shop = draw_crops(studio, cut(shelves=SHOP_SCENES, photos=0, least_share=0.5), rng, known)
    numbers, finder = range(FIRST_UNSEEN, FIRST_UNSEEN + UNSEEN_SCENES), base_finder()
    shelves, on_shelves = found_crops(
        finder, (studio.shelf_scene(k, everything) for k in numbers), kind=SHELF, side=side
    )
    counters, on_counters = found_crops(
        finder, (studio.checkout_scene(k, everything) for k in numbers), kind=COUNTER, side=side
    )
    asked = joined([shelves, counters])
    kept = [np.flatnonzero(shop.product == product) for product in known]
    some = np.concatenate([rng.permutation(rows)[:SHOP_CROPS] for rows in kept])
    return Shop(photos, shop.where(np.sort(some)), asked, len(asked.product) / (on_shelves + on_counters))


def judge(name: Callable[["Crops", "Crops"], np.ndarray], shop: Shop, *, crops: bool) -> Naming:
    """`name` gives the products of crops (second) by a gallery (first); `crops`: with the shop's, else with photos alone."""
    from orchestration.package_crops import SHELF, joined

    gallery = joined([shop.photos, shop.shop]) if crops else shop.photos
    is_known = shop.asked.product < PRODUCTS
    right = name(gallery, shop.asked) == shop.asked.product
    before = shop.asked.where(is_known)
    alone = name(gallery.where(gallery.product < PRODUCTS), before) == before.product
    grains = {"known": is_known, "new": ~is_known}
    clear = {grain: float(right[rows & (shop.asked.share >= 0.5)].mean()) for grain, rows in grains.items()}
    shelf = {grain: float(right[rows & (shop.asked.kind == SHELF)].mean()) for grain, rows in grains.items()}
    return Naming(float(right[is_known].mean()), float(alone.mean()), float(right[~is_known].mean()), clear, shelf)


def by_embedder(weights: "EmbedderWeights", side: int) -> Callable[["Crops", "Crops"], np.ndarray]:
    """Names by the likest vector of a gallery; each picture is embedded once."""
    from models.detector.embedder_naming import embeddings
    from models.detector.networks import Gallery

    made: dict[bytes, np.ndarray] = {}

    def vectors(crops: "Crops") -> np.ndarray:
        keys = [each.tobytes() for each in crops.pixels]
        if missing := [row for row, key in enumerate(keys) if key not in made]:
            new = embeddings(weights, crops.pixels[missing], side)
            made.update(zip((keys[row] for row in missing), new, strict=True))
        return np.stack([made[key] for key in keys])

    def name(gallery: "Crops", asked: "Crops") -> np.ndarray:
        known = Gallery(vectors(gallery), [f"{product:04d}" for product in gallery.product])
        best = known.similarities(vectors(asked)).argmax(axis=1)
        return np.array([int(known.products[row]) for row in best])

    return name


def by_colours(gallery: "Crops", asked: "Crops") -> np.ndarray:
    """Names by the named naive method."""
    from sources.twin.cameras.naive import HistogramMatcher

    return HistogramMatcher(list(gallery.pixels), gallery.product.tolist()).name(list(asked.pixels))


def base_checkpoint() -> tuple["EmbedderWeights", int]:
    """Weights, and the side in pixels at which they are asked."""
    from models.detector.embedder_weights import read_weights

    path = Path(os.environ.get("STORELOOP_EMBEDDER_BASE", BASE))
    return read_weights(path), int(json.loads(path.with_suffix(".json").read_text())["side"])


def _measured(context: BenchContext) -> tuple[Naming, Naming, Naming, Shop]:
    """Ours with the shop's crops, ours with photos alone, the naive method with the shop's crops; what was asked."""
    del context
    weights, side = base_checkpoint()
    shop = draw_shop(side)
    ours = by_embedder(weights, side)
    return (
        judge(ours, shop, crops=True),
        judge(ours, shop, crops=False),
        judge(by_colours, shop, crops=True),
        shop,
    )


def verdict(grain: str, ours: Naming, photos: Naming, naive: Naming, shop: Shop) -> BenchResult:
    """Of the `known` products, or of the `new` ones."""
    note = (
        f"{len(shop.asked.product)} crops by found boxes ({shop.found:.1%} of the packages seen by a quarter at least), "
        f"all {PRODUCTS + NEW} products about; on shelves {ours.shelf[grain]:.1%}, "
        f"of those seen by half {ours.clear[grain]:.1%}; "
        f"by {PHOTOS} photos alone known {photos.known:.1%}, new {photos.new:.1%}; lost by the {NEW} new ones {ours.lost:.2%}; "
        f"colour histograms: known {naive.known:.1%}, new {naive.new:.1%}"
    )
    value, peer, least = getattr(ours, grain), getattr(naive, grain), {"known": LEAST_KNOWN, "new": LEAST_NEW}[grain]
    met = value >= least and ours.lost < MOST_LOST and naive.known < MOST_NAIVE
    bound = f">= {least:.0%}, < {MOST_LOST:.0%} lost by the new, histogram < {MOST_NAIVE:.0%}"
    return BenchResult(value, "of crops named rightly", "colour histogram", peer, bound, met, note)


def _known(context: BenchContext) -> BenchResult:
    return verdict("known", *_measured(context))


def _new(context: BenchContext) -> BenchResult:
    return verdict("new", *_measured(context))


_ROOMS = ("models", "sources", "orchestration")
ROWS = [
    BenchRow(
        "detector-naming", "detector", "packages of an unseen world named by the base checkpoint", _known, rooms=_ROOMS
    ),
    BenchRow("detector-new-products", "detector", "20 products enrolled from 5 photos", _new, rooms=_ROOMS),
]
