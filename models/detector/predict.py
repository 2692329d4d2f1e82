"""Items of pictures, found and named, with numpy, OpenCV, pydantic and ONNX Runtime alone: what a service and an edge box run."""

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from models.common.artifact import ArtifactError, read_file, read_spec
from models.common.pictures import Pixels
from models.common.protocols import InputError
from models.common.sessions import open_session
from models.detector.boxes import Floats, Tensor
from models.detector.model import Item, Recogniser
from models.detector.networks import Gallery, GalleryNamer, YoloDetector
from models.detector.observed import Camera
from models.detector.spec import DETECTOR, EMBEDDER, FORMAT_VERSION, GALLERY, NAME, SPEC, EyesSpec, read_vectors
from models.detector.together import told_together

__all__ = ["DetectorInput", "Item", "Predictor", "Reply", "load"]

MOST_PICTURES = 64  # of a request
LEAST_SIDE, MOST_SIDE = 16, 16_384


@dataclass(frozen=True)
class DetectorInput:
    """Pictures (H, W, 3), RGB in 0..255, each of its own size. `cameras`: where the camera of each stands, all looking at one scene
    at one moment; then a thing is named by all pictures that show it."""

    pictures: Any
    cameras: Sequence[Camera] | None = None


@dataclass(frozen=True)
class Reply:
    """Items of each picture, best-scored first."""

    items: tuple[tuple[Item, ...], ...]


def load(path: Path) -> "Predictor":
    """Verify the artifact in `path` and return its predictor; ArtifactError if anything is not as the manifest says."""
    manifest, spec = read_spec(path, NAME, EyesSpec, SPEC, FORMAT_VERSION)
    detector, embedder, gallery = (read_file(path, manifest, name) for name in (DETECTOR, EMBEDDER, GALLERY))
    return Predictor(spec, detector, embedder, read_vectors(gallery))


class Predictor:
    """Finds and names items; thread-safe, holds no state."""

    def __init__(self, spec: EyesSpec, detector: bytes, embedder: bytes, vectors: Tensor) -> None:
        try:
            self._sessions = open_session(detector), open_session(embedder)
            self._furnish(spec, vectors)
        except Exception as error:  # ONNX Runtime has kinds of its own for bytes that are no graph
            raise ArtifactError(f"the artifact holds no networks that fit together ({error}): train again") from error

    def _furnish(self, spec: EyesSpec, vectors: Tensor) -> None:
        self.spec, self.vectors = spec, vectors
        self.gallery = Gallery(vectors, spec.products)
        self.detector = YoloDetector(self._sessions[0], spec.detector)
        self.namer = GalleryNamer(self._sessions[1], self.gallery, spec.namer)
        self._recogniser = Recogniser(self.detector, self.namer)

    def with_gallery(self, vectors: Tensor, products: Sequence[str]) -> "Predictor":
        """The same networks with another gallery, unit vectors (G, D) of products (G,). ValueError as `Gallery`."""
        other = copy(self)
        other._furnish(self.spec.model_copy(update={"products": tuple(products)}), vectors)
        return other

    def predict(self, request: DetectorInput) -> Reply:
        """Items of every picture. InputError says what is wrong."""
        pictures = checked_pictures(request.pictures, most=MOST_PICTURES)
        if request.cameras is None:
            return Reply(tuple(self._recogniser.items(picture) for picture in pictures))
        if len(request.cameras) != len(pictures):
            raise InputError(
                f"cameras: {len(request.cameras)} for {len(pictures)} pictures: give one for each, or none"
            )
        return Reply(self._together(pictures, request.cameras))

    def _together(self, pictures: Sequence[Pixels], cameras: Sequence[Camera]) -> tuple[tuple[Item, ...], ...]:
        namer = self.spec.namer
        found = [self.detector.detect(picture) for picture in pictures]
        seen = [self.embed(picture, each.boxes) for picture, each in zip(pictures, found, strict=True)]
        alike = [self.gallery.similarities(each) for each in seen]
        told = told_together(cameras, [each.boxes for each in found], seen, alike, namer.temperature)
        items = []
        for each, one in zip(found, told, strict=True):
            # One camera may see little of a thing: that another knows it is enough.
            names = self.gallery.told(
                one.mean, least=namer.least_similarity, temperature=namer.temperature, highest=one.highest
            )
            rows = zip(each.boxes.tolist(), each.scores.tolist(), names, one.thing.tolist(), strict=True)
            items.append(
                tuple(
                    Item((box[0], box[1], box[2], box[3]), score, name.product, name.confidence, thing)
                    for box, score, name, thing in rows
                )
            )
        return tuple(items)

    def embed(self, image: Pixels, boxes: Floats) -> Tensor:
        """Unit embeddings (N, D) of boxes (N, 4) of a picture (H, W, 3)."""
        return unit(self.namer.embed(image, boxes))


def checked_pictures(pictures: Any, *, most: int) -> Sequence[Pixels]:
    """The pictures; InputError names the picture, the value, the bound and the remedy."""
    if not isinstance(pictures, Sequence) or not 1 <= len(pictures) <= most:
        told = f"{len(pictures)} of them" if isinstance(pictures, Sequence) else type(pictures).__name__
        raise InputError(f"pictures: expected a sequence of 1 to {most} pictures, found {told}: ask in parts")
    for number, picture in enumerate(pictures):
        where = f"pictures.{number}"
        if not isinstance(picture, np.ndarray) or picture.dtype != np.uint8:
            found = getattr(picture, "dtype", type(picture).__name__)
            raise InputError(f"{where}: expected an array of uint8, found {found}: decode the file first")
        sides = picture.shape[:2]
        if picture.ndim != 3 or picture.shape[2] != 3 or min(sides) < LEAST_SIDE or max(sides) > MOST_SIDE:
            raise InputError(
                f"{where}: shape {picture.shape}, expected (H, W, 3) of {LEAST_SIDE} to {MOST_SIDE} pixels a side: scale it"
            )
    return pictures


def unit(embeddings: Tensor) -> Tensor:
    """Embeddings (N, D) of length 1; those of length 0 stay."""
    lengths = np.linalg.norm(embeddings, axis=1, keepdims=True)
    return np.asarray(np.divide(embeddings, lengths, out=np.zeros_like(embeddings), where=lengths > 0))
