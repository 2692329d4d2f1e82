"""What one fusion is given: pictures, names and readings of a window, no more of each than `models.detector.observed` takes.

Boxes (N, 4), M products of a window out of P of the shelf.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from edge.eyes.sensors import SensorLog
from edge.eyes.shelf_spec import PRODUCTS_AT_ONCE, ShelfSpec
from models.detector.observed import Floats, NamedDetections, Recording

Shares = Mapping[str | None, float]  # of belief in products; what is left over any may have
_LEAST_SHARE = 1e-3  # of what is left over: nothing is ever ruled out by one name
_HEARD = 0.5  # what a read tag counts beside a name's share: some come from the next aisle


@dataclass(frozen=True, eq=False)
class Picture:
    """Boxes of one camera at a second, and what is believed of each: names alone, for numbers over P products would fill a box."""

    second: float
    camera: str
    boxes: Floats
    names: Sequence[Shares]


@dataclass(frozen=True, eq=False)
class FusionWindow:
    """A recording that begins at the second `first`; its products are numbered as in `products` (M,)."""

    first: float
    products: tuple[str, ...]
    recording: Recording


def window_of(spec: ShelfSpec, pictures: Sequence[Picture], sensors: SensorLog, now: float) -> FusionWindow:
    """The window of `pictures`, which are in the order of their times, that ends `now`."""
    first, cameras = pictures[0].second, list(spec.cameras)
    sensors.read(first, now)
    products = likeliest(spec, pictures, sensors.heard(first, now))
    found = NamedDetections(
        np.repeat(np.arange(len(pictures)), [len(each.boxes) for each in pictures]),
        np.concatenate([each.boxes for each in pictures]),
        log_probs([name for each in pictures for name in each.names], products),
    )
    recording = Recording(
        [spec.cameras[name] for name in cameras],
        np.array([cameras.index(each.camera) for each in pictures]),
        np.array([each.second - first for each in pictures]),
        found,
        spec.shelf_of(products),
        sensors.weights(first, now),
        sensors.tags(first, now, products),
    )
    return FusionWindow(first, products, recording)


def likeliest(spec: ShelfSpec, pictures: Iterable[Picture], heard: Iterable[str]) -> tuple[str, ...]:
    """The `PRODUCTS_AT_ONCE` products that a window may be about: all that are planned here, then those that a box was most
    surely named or whose tag was heard. In the order of the shelf's own numbers; a shelf of fewer products has them all."""
    if len(spec.products) <= PRODUCTS_AT_ONCE:
        return spec.products
    sure: dict[str | None, float] = defaultdict(float, dict.fromkeys(heard, _HEARD))
    for picture in pictures:
        for believed in picture.names:
            for name, share in believed.items():
                sure[name] = max(sure[name], share)
    sure |= dict.fromkeys(spec.planned, np.inf)
    ranked = sorted(spec.products, key=lambda product: -sure.get(product, 0.0))
    kept = frozenset(ranked[:PRODUCTS_AT_ONCE])
    return tuple(product for product in spec.products if product in kept)


def log_probs(names: Sequence[Shares], products: Sequence[str]) -> Floats:
    """Natural logarithms (N, M) of what is believed of each of N items over products; names that are none of them count as not
    known."""
    place = {product: number for number, product in enumerate(products)}
    shares = np.zeros((len(names), len(products)))
    for row, believed in enumerate(names):
        for name, share in believed.items():
            if name is not None and name in place:
                shares[row, place[name]] += share
    left = np.maximum(1 - shares.sum(axis=1, keepdims=True), _LEAST_SHARE)
    shares += left / len(products)
    return np.asarray(np.log(shares / shares.sum(axis=1, keepdims=True)))
