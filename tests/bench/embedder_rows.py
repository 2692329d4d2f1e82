"""Rows of naming packages by the base checkpoint alone: a world, scenes and light that it has not seen, 20 products new to the shop.

Asked is what the base finder finds, by two cameras of known place for each scene. The gallery holds each product's five photos
and labelled crops of the shop's own scenes; new products have photos alone. Every crop is named: nothing abstains.
"""

import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from bench_row import BenchContext, BenchResult, BenchRow

from models.detector.networks import NamerConfig

if TYPE_CHECKING:
    from recognition import Found

    from models.detector.embedder_weights import EmbedderWeights
    from orchestration.package_crops import Crops

Name: TypeAlias = Callable[["Crops", "Found"], np.ndarray]  # a gallery, and what is asked -> products (N,)

PRODUCTS, NEW, PHOTOS = 200, 20, 5
SHOP_CROPS, SHOP_COUNTERS = 10, 80  # of a product by kind of scene; counters show it from all sides
WORLD, SCENES = 7_200, 97_200  # neither is drawn for the base checkpoint
SHOP_SCENES, UNSEEN_SCENES, FIRST_UNSEEN = 40, 24, 1_000
LEAST_KNOWN, LEAST_NEW, MOST_LOST, MOST_NAIVE = 0.97, 0.95, 0.01, 0.60
BASE = Path(__file__).parents[2] / "models" / "detector" / "base" / "embedder.safetensors"


@dataclass(frozen=True, eq=False)
class Shop:
    """Crops of a world: `photos` of all products, some `shop` crops of each known one, and what is `asked`."""

    photos: "Crops"
    shop: "Crops"
    asked: "Found"

    @property
    def found(self) -> float:
        """Share of the packages that are there."""
        return len(self.asked.labelled) / self.asked.items


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
    from recognition import base_finder, found_boxes

    from orchestration.package_crops import COUNTER, SHELF, CropsConfig, draw_crops
    from sources.twin.cameras.params import CameraParams
    from sources.twin.cameras.studio import Studio

    studio = Studio(CameraParams(products=PRODUCTS, new_products=NEW), SCENES, world_seed=WORLD)
    rng = np.random.default_rng(SCENES)
    cut = partial(CropsConfig, side=side, photographed=1, least_share=0.5)
    everything, known = range(PRODUCTS + NEW), range(PRODUCTS)
    photos = draw_crops(studio, cut(shelves=0, counters=0, photos=PHOTOS), rng, everything)
    shop = draw_crops(studio, cut(shelves=SHOP_SCENES, counters=SHOP_COUNTERS, photos=0), rng, known)
    kept = [
        np.flatnonzero((shop.product == product) & (shop.kind == kind))
        for product in known
        for kind in (SHELF, COUNTER)
    ]
    some = np.concatenate([rng.permutation(rows)[:SHOP_CROPS] for rows in kept])
    numbers = range(FIRST_UNSEEN, FIRST_UNSEEN + UNSEEN_SCENES)
    scenes = chain(
        ((SHELF, studio.shelf_scene(k, everything)) for k in numbers),
        ((COUNTER, studio.checkout_scene(k, everything)) for k in numbers),
    )
    return Shop(photos, shop.where(np.sort(some)), found_boxes(base_finder(), scenes, side))


def judge(name: Name, shop: Shop, *, crops: bool) -> Naming:
    """`name` gives the products of all found boxes by a gallery; `crops`: with the shop's, else with photos alone."""
    from orchestration.package_crops import SHELF, joined

    gallery, rows = joined([shop.photos, shop.shop]) if crops else shop.photos, shop.asked.labelled
    asked = shop.asked.crops.where(rows)
    is_known = asked.product < PRODUCTS
    right = name(gallery, shop.asked)[rows] == asked.product
    before = name(gallery.where(gallery.product < PRODUCTS), shop.asked)[rows] == asked.product
    grains = {"known": is_known, "new": ~is_known}
    clear = {grain: float(right[of & (asked.share >= 0.5)].mean()) for grain, of in grains.items()}
    shelf = {grain: float(right[of & (asked.kind == SHELF)].mean()) for grain, of in grains.items()}
    return Naming(
        float(right[is_known].mean()), float(before[is_known].mean()), float(right[~is_known].mean()), clear, shelf
    )


def by_embedder(weights: "EmbedderWeights", side: int) -> dict[str, Name]:
    """Names by the likest vectors of a gallery, `alone` of each box, and `together` by all cameras that see a thing; each picture is
    embedded once."""
    from models.detector.embedder_naming import embeddings
    from models.detector.networks import Gallery

    made: dict[bytes, np.ndarray] = {}

    def vectors(crops: "Crops") -> np.ndarray:
        keys = [each.tobytes() for each in crops.pixels]
        if missing := [row for row, key in enumerate(keys) if key not in made]:
            new = embeddings(weights, crops.pixels[missing], side)
            made.update(zip((keys[row] for row in missing), new, strict=True))
        return np.stack([made[key] for key in keys])

    def name(gallery: "Crops", asked: "Found", *, together: bool) -> np.ndarray:
        known, seen = Gallery(vectors(gallery), [f"{product:04d}" for product in gallery.product]), vectors(asked.crops)
        alike = known.similarities(seen)
        if together:
            alike = by_things(asked, seen, alike)
        return np.array([int(known.products[row]) for row in alike.argmax(axis=1)])

    return {"alone": partial(name, together=False), "together": partial(name, together=True)}


def by_things(asked: "Found", seen: np.ndarray, alike: np.ndarray) -> np.ndarray:
    """Similarities (N, P) of found boxes, the mean over the cameras that see the same thing, as the predictor takes it."""
    from models.detector.together import told_together

    told = np.empty_like(alike)
    for scene in np.unique(asked.scene):
        numbers = np.flatnonzero(asked.scene == scene)
        of = [np.flatnonzero(asked.picture == number) for number in numbers]
        cameras = [asked.cameras[number] for number in numbers]
        boxes, vectors, similar = ([each[rows] for rows in of] for each in (asked.boxes, seen, alike))
        for rows, one in zip(
            of, told_together(cameras, boxes, vectors, similar, NamerConfig().temperature), strict=True
        ):
            told[rows] = one.mean
    return told


def by_colours(gallery: "Crops", asked: "Found") -> np.ndarray:
    """Names by the named naive method."""
    from sources.twin.cameras.naive import HistogramMatcher

    named = np.full(len(asked.picture), -1)
    rows = asked.labelled
    named[rows] = HistogramMatcher(list(gallery.pixels), gallery.product.tolist()).name(list(asked.crops.pixels[rows]))
    return named


def base_checkpoint() -> tuple["EmbedderWeights", int]:
    """Weights, and the side in pixels at which they are asked."""
    from models.detector.embedder_weights import read_weights

    path = Path(os.environ.get("STORELOOP_EMBEDDER_BASE", BASE))
    return read_weights(path), int(json.loads(path.with_suffix(".json").read_text())["side"])


@dataclass(frozen=True)
class Measured:
    """Ours by all cameras with the shop's crops, by each camera alone, by all with photos alone; the naive method with the shop's
    crops; what was asked."""

    ours: Naming
    alone: Naming
    photos: Naming
    naive: Naming
    shop: Shop


def _measured(context: BenchContext) -> Measured:
    del context
    weights, side = base_checkpoint()
    shop, name = draw_shop(side), by_embedder(weights, side)
    return Measured(
        judge(name["together"], shop, crops=True),
        judge(name["alone"], shop, crops=True),
        judge(name["together"], shop, crops=False),
        judge(by_colours, shop, crops=True),
        shop,
    )


def verdict(grain: str, found: Measured) -> BenchResult:
    """Of the `known` products, or of the `new` ones."""
    ours, alone, photos, naive, shop = found.ours, found.alone, found.photos, found.naive, found.shop
    note = (
        f"{len(shop.asked.labelled)} found boxes ({shop.found:.1%} of the packages seen by a quarter at least), "
        f"all {PRODUCTS + NEW} products about; two cameras of known place together: on shelves {ours.shelf[grain]:.1%}, "
        f"of those seen by half {ours.clear[grain]:.1%}; each camera alone {getattr(alone, grain):.1%}, "
        f"on shelves {alone.shelf[grain]:.1%}; "
        f"by {PHOTOS} photos alone known {photos.known:.1%}, new {photos.new:.1%}; lost by the {NEW} new ones {ours.lost:.2%}; "
        f"colour histograms: known {naive.known:.1%}, new {naive.new:.1%}"
    )
    value, peer, least = getattr(ours, grain), getattr(naive, grain), {"known": LEAST_KNOWN, "new": LEAST_NEW}[grain]
    met = value >= least and ours.lost < MOST_LOST and naive.known < MOST_NAIVE
    bound = f">= {least:.0%}, < {MOST_LOST:.0%} lost by the new, histogram < {MOST_NAIVE:.0%}"
    return BenchResult(value, "of boxes named rightly", "colour histogram", peer, bound, met, note)


def _known(context: BenchContext) -> BenchResult:
    return verdict("known", _measured(context))


def _new(context: BenchContext) -> BenchResult:
    return verdict("new", _measured(context))


_ROOMS = ("models", "sources", "orchestration")
ROWS = [
    BenchRow(
        "detector-naming", "detector", "packages of an unseen world named by the base checkpoint", _known, rooms=_ROOMS
    ),
    BenchRow("detector-new-products", "detector", "20 products enrolled from 5 photos", _new, rooms=_ROOMS),
]
