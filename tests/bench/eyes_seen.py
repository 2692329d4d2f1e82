"""Clips of the twin as the base checkpoint sees their pictures, in 8 bits as on a box, in a shop that it has not seen.

The gallery holds each product's photos and labelled crops of the shop's own scenes; the temperature of names is fitted on others.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from eyes_detections import observed

from edge.int8 import BACKBONE, WHOLE, quantise
from models.common.sessions import open_session
from models.detector.boxes import IMAGENET_MEAN, IMAGENET_STD, Tensor, letterbox, to_tensor
from models.detector.naming import fit_naming
from models.detector.networks import DetectorConfig, Gallery, GalleryNamer, NamerConfig, YoloDetector
from models.detector.observed import NamedDetections, Recording
from models.detector.predict import unit
from orchestration.package_crops import CropsConfig, draw_crops
from sources.twin.cameras.params import CameraParams
from sources.twin.cameras.studio import Studio
from sources.twin.cameras.truth import Event

if TYPE_CHECKING:
    from models.common.pictures import Pixels

SHOP_SCENES, FITTING_SCENES, CALIBRATING = 12, 3, 8
PHOTOS, BATCH = 5, 16
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
    from models.detector.embedder_weights import embedder_onnx, read_weights
    from models.detector.finder import finder_onnx
    from models.detector.finder_weights import read_finder
    from models.detector.parts import BASE

    look, name = DetectorConfig(), NamerConfig()
    drawn = CropsConfig(
        side=name.side, products=products, shelves=SHOP_SCENES, counters=0, photographed=1, photos=PHOTOS
    )
    known = draw_crops(studio, drawn, np.random.default_rng(0))
    others = drawn.model_copy(update={"shelves": FITTING_SCENES, "photos": 0, "first_scene": SHOP_SCENES})
    held = draw_crops(studio, others, np.random.default_rng(1))
    scenes = [picture.pixels for k in range(CALIBRATING) for picture in studio.shelf_scene(k).seen.pictures]
    squares = [{"images": to_tensor([letterbox(pixels, look.side)[0]])} for pixels in scenes]
    crops = [{"crops": fed} for fed in _batches(known.pixels[: BATCH * CALIBRATING])]
    finder = finder_onnx(read_finder(BASE / "finder.safetensors"), look.side)
    embedder = embedder_onnx(read_weights(BASE / "embedder.safetensors"), name.side)
    finds = open_session(quantise(finder, squares, WHOLE).model)
    embeds = open_session(quantise(embedder, crops, BACKBONE).model)

    def vectors(pixels: np.ndarray) -> Tensor:
        return unit(np.concatenate([np.asarray(embeds.run(None, {"crops": fed})[0]) for fed in _batches(pixels)]))

    gallery = Gallery(vectors(known.pixels), [f"{product:04d}" for product in known.product])
    number = np.array([int(each) for each in gallery.products])
    fitted = fit_naming(
        gallery.similarities(vectors(held.pixels)), np.searchsorted(number, held.product), known_lost=0.005
    )
    if fitted is None:
        raise ValueError(f"{len(held.product)} crops are too few to fit a temperature")
    return Eyes(YoloDetector(finds, look), GalleryNamer(embeds, gallery, name), fitted.temperature, number)


def _batches(pixels: np.ndarray) -> Iterator[Tensor]:
    for first in range(0, len(pixels), BATCH):
        yield to_tensor(list(pixels[first : first + BATCH]), IMAGENET_MEAN, IMAGENET_STD)


def seen(seed: int, world_seed: int, clips: int, products: int) -> Iterator[tuple[Recording, Sequence[Event]]]:
    """Clips as the base checkpoint sees their pictures, in 8 bits as on a box, and their true events."""
    studio = Studio(CameraParams(products=products), seed, world_seed=world_seed)
    eyes = shop_eyes(studio, products)
    for number in range(clips):
        clip = studio.clip(number)
        found = eyes.look((picture.pixels for picture in clip.seen.pictures), products)
        yield observed(clip, studio.appearances, found), clip.truth.events
