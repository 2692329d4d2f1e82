"""Clips of the twin as the base checkpoint sees their pictures, in 8 bits as on a box, in a shop that it has not seen.

The gallery holds each product's photos and labelled crops of the shop's own scenes; the temperature of names is fitted on others.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from models.common.sessions import open_session
from models.detector.naming import fit_naming
from models.detector.networks import DetectorConfig, Gallery, GalleryNamer, NamerConfig, YoloDetector
from models.detector.observed import NamedDetections, Recording
from orchestration.base_networks import BATCH, base_graphs, in_8_bits, vectors
from orchestration.clip_recordings import observed
from orchestration.package_crops import CropsConfig, draw_crops
from sources.twin.cameras.params import CameraParams
from sources.twin.cameras.studio import Studio
from sources.twin.cameras.truth import Event

if TYPE_CHECKING:
    from models.common.pictures import Pixels

SHOP_SCENES, FITTING_SCENES, CALIBRATING = 12, 3, 8
PHOTOS = 5
LEAST_BELIEVED = 1e-6  # of any product: no name is ruled out


@dataclass(frozen=True)
class Eyes:
    """Finder and namer of a shop, the temperature of its names, and the number of each product of its gallery."""

    finder: YoloDetector
    namer: GalleryNamer
    temperature: float
    product: np.ndarray

    def look(self, pictures: Iterable["Pixels"], products: int) -> NamedDetections:
        """What is found in pictures, with names over so many products."""
        number, boxes, names = [], [np.zeros((0, 4))], [np.zeros((0, products))]
        for picture, pixels in enumerate(pictures):
            found = self.finder.detect(pixels).boxes
            number += [picture] * len(found)
            boxes.append(found)
            names.append(self._log_probs(pixels, found, products))
        return NamedDetections(np.array(number, dtype=np.int64), np.concatenate(boxes), np.concatenate(names))

    def _log_probs(self, pixels: "Pixels", boxes: np.ndarray, products: int) -> np.ndarray:
        likeness = np.full((len(boxes), products), -np.inf)
        similar = self.namer.gallery.similarities(self.namer.embed(pixels, boxes))
        likeness[:, self.product] = similar / self.temperature
        likeness -= likeness.max(axis=1, keepdims=True)
        shares = np.exp(likeness) + LEAST_BELIEVED
        return np.log(shares / shares.sum(axis=1, keepdims=True))


def shop_eyes(studio: Studio, products: int) -> Eyes:
    """Both networks in 8 bits, calibrated on scenes of the shop, with its gallery."""
    look, name = DetectorConfig(), NamerConfig()
    drawn = CropsConfig(
        side=name.side, products=products, shelves=SHOP_SCENES, counters=0, photographed=1, photos=PHOTOS
    )
    known = draw_crops(studio, drawn, np.random.default_rng(0))
    others = drawn.model_copy(update={"shelves": FITTING_SCENES, "photos": 0, "first_scene": SHOP_SCENES})
    held = draw_crops(studio, others, np.random.default_rng(1))
    scenes = [picture.pixels for k in range(CALIBRATING) for picture in studio.shelf_scene(k).seen.pictures]
    finds, embeds = map(open_session, in_8_bits(*base_graphs(), scenes, known.pixels[: BATCH * CALIBRATING]))
    gallery = Gallery(vectors(embeds, known.pixels), [f"{product:04d}" for product in known.product])
    number = np.array([int(each) for each in gallery.products])
    likeness = gallery.similarities(vectors(embeds, held.pixels))
    fitted = fit_naming(likeness, np.searchsorted(number, held.product), known_lost=0.005)
    if fitted is None:
        raise ValueError(f"{len(held.product)} crops are too few to fit a temperature")
    return Eyes(YoloDetector(finds, look), GalleryNamer(embeds, gallery, name), fitted.temperature, number)


def seen(seed: int, world_seed: int, clips: int, products: int) -> Iterator[tuple[Recording, Sequence[Event]]]:
    """Clips as the base checkpoint sees their pictures, in 8 bits as on a box, and their true events."""
    studio = Studio(CameraParams(products=products), seed, world_seed=world_seed)
    eyes = shop_eyes(studio, products)
    for number in range(clips):
        clip = studio.clip(number)
        found = eyes.look((picture.pixels for picture in clip.seen.pictures), products)
        yield observed(clip, studio.appearances, found), clip.truth.events
