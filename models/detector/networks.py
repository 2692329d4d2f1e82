"""The two networks of a camera behind small protocols: where items are, and which products they are.

A session is ONNX Runtime's, or whatever answers alike, such as a fake one in a test.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from models.common.pictures import Pixels
from models.detector.boxes import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    Detections,
    Floats,
    Tensor,
    crop,
    decode,
    letterbox,
    to_tensor,
)

SOFTNESS = 0.05  # of the maximum over a product's photos, as a cosine


class Session(Protocol):
    """The part of ONNX Runtime's InferenceSession that is used here."""

    def get_inputs(self) -> Sequence[Any]:
        """Inputs, each with a `name`."""

    def run(self, output_names: Sequence[str] | None, input_feed: dict[str, Any], /) -> Sequence[Any]:
        """Outputs of the graph."""


class Detector(Protocol):
    """Finds items, whatever they are."""

    def detect(self, image: Pixels) -> Detections:
        """Items in a picture (H, W, 3)."""


@dataclass(frozen=True)
class Named:
    """The product of a crop (None: unknown), and how sure that is, in [0, 1]."""

    product: str | None
    confidence: float


class Namer(Protocol):
    """Says which products they are."""

    def name(self, image: Pixels, boxes: Floats) -> list[Named]:
        """One for each of the boxes (N, 4) of a picture (H, W, 3)."""


class DetectorConfig(BaseModel):
    """How the detector's graph is asked."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    side: int = Field(default=640, ge=32, le=4_096, multiple_of=32, description="pixels of the square it takes")
    least_score: float = Field(
        default=0.1, ge=0, le=1, description="boxes scored lower are background; tracks use low ones"
    )
    iou: float = Field(default=0.7, gt=0, le=1, description="overlap beyond which two boxes are one item")
    limit: int = Field(default=300, ge=1, le=3_000, description="items of a picture")


class NamerConfig(BaseModel):
    """How the embedder's graph is asked, and its answer read."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    side: int = Field(
        default=96, ge=16, le=1_024, description="pixels of the square it takes: what the base checkpoint learnt last"
    )
    batch: int = Field(default=16, ge=1, le=256, description="crops at a time: bounds the memory")
    margin: float = Field(default=0.05, ge=0, le=1, description="of a box's size, added on each side")
    least_similarity: float = Field(default=0.5, ge=-1, le=1, description="likeness below which a crop is unknown")
    temperature: float = Field(
        default=0.05, gt=0, le=10, description="of the softmax over products; fitted where it is calibrated"
    )


class YoloDetector:
    """`Detector` by a one-class YOLO graph: (1, 3, S, S) in, (1, 5, N) out."""

    def __init__(self, session: Session, config: DetectorConfig | None = None) -> None:
        self._session, self._config = session, config or DetectorConfig()
        self._input = str(session.get_inputs()[0].name)

    def detect(self, image: Pixels) -> Detections:
        """Best first. ValueError for a graph of another shape."""
        config = self._config
        square, fit = letterbox(image, config.side)
        output = np.asarray(self._session.run(None, {self._input: to_tensor([square])})[0])
        if output.ndim != 3 or output.shape[0] != 1:
            raise ValueError(f"an output of shape {output.shape}, (1, 5, N) is asked: export a detector of one class")
        return decode(output[0], fit, least_score=config.least_score, iou=config.iou, limit=config.limit)


class Gallery:
    """Unit vectors (G, D) of known photos and the product of each (G,). ValueError for other lengths, or vectors not of length 1."""

    def __init__(self, vectors: npt.NDArray[np.floating], products: Sequence[str]) -> None:
        vectors = np.asarray(vectors, dtype=np.float32)
        if vectors.ndim != 2 or len(vectors) != len(products) or not len(products):
            raise ValueError(
                f"{vectors.shape} vectors of {len(products)} products: give one product for each, at least one"
            )
        if not (np.abs(np.linalg.norm(vectors, axis=1) - 1) < 1e-3).all():
            raise ValueError("a vector of the gallery is not of length 1: divide each by its length")
        self.products = tuple(sorted(set(products)))
        number = {product: place for place, product in enumerate(self.products)}
        of = np.array([number[product] for product in products])
        order = np.argsort(of, kind="stable")
        self._vectors, self._first = vectors[order], np.searchsorted(of[order], np.arange(len(self.products)))
        self._photos = np.diff(self._first, append=len(order)).astype(np.float32)

    @property
    def width(self) -> int:
        """D."""
        return int(self._vectors.shape[1])

    @property
    def photos(self) -> int:
        """G."""
        return len(self._vectors)

    def similarities(self, embeddings: npt.NDArray[np.floating]) -> Floats:
        """How like each embedding (N, D) is to each product, (N, P): a soft maximum of its cosines to the product's photos, within
        SOFTNESS * log(photos) below the highest. One stray photo that is like everything tells less than several that agree.

        Embeddings of length 0 are like nothing: 0.
        """
        lengths = np.linalg.norm(embeddings, axis=1, keepdims=True)
        unit = np.divide(embeddings, lengths, out=np.zeros_like(embeddings, dtype=np.float32), where=lengths > 0)
        # Less 1, so that no exponential is above 1; at -1 they are 4e-18, which float32 holds.
        near = np.exp((unit @ self._vectors.T - 1) / np.float32(SOFTNESS))
        mean = np.add.reduceat(near, self._first, axis=1) / self._photos
        return np.asarray(1 + SOFTNESS * np.log(mean.astype(np.float64)))

    def name(self, embeddings: npt.NDArray[np.floating], *, least: float, temperature: float) -> list[Named]:
        """The likest product of each embedding (N, D), unknown below the likeness `least`; confidence by softmax over products.

        ArithmeticError for an embedding that is not finite.
        """
        if not np.isfinite(embeddings).all():
            raise ArithmeticError("an embedding is not finite: keep the former bundle, and look at the picture")
        return self.told(self.similarities(embeddings), least=least, temperature=temperature)

    def told(
        self, similarities: Floats, *, least: float, temperature: float, highest: Floats | None = None
    ) -> list[Named]:
        """As `name`, of likenesses (N, P) to the products; `highest` (N, P): what is asked to reach `least`, where it is not these."""
        weights = np.exp((similarities - similarities.max(axis=1, keepdims=True)) / temperature)
        sure, best = weights.max(axis=1) / weights.sum(axis=1), similarities.argmax(axis=1)
        rows = zip(similarities if highest is None else highest, best.tolist(), sure.tolist(), strict=True)
        return [
            Named(self.products[product] if row[product] >= least else None, confidence)
            for row, product, confidence in rows
        ]


class GalleryNamer:
    """`Namer` by a graph of embeddings, (B, 3, S, S) in and (B, D) out, and a gallery."""

    def __init__(self, session: Session, gallery: Gallery, config: NamerConfig | None = None) -> None:
        self._session, self.gallery, self._config = session, gallery, config or NamerConfig()
        self._input = str(session.get_inputs()[0].name)

    def name(self, image: Pixels, boxes: Floats) -> list[Named]:
        """In the order of the boxes. ValueError for a graph whose embeddings do not fit the gallery."""
        config = self._config
        return self.gallery.name(
            self.embed(image, boxes), least=config.least_similarity, temperature=config.temperature
        )

    def embed(self, image: Pixels, boxes: Floats) -> Tensor:
        """Embeddings (N, D) of what boxes (N, 4) show, as the graph gives them. ValueError as `name`."""
        config, width = self._config, self.gallery.width
        found = np.zeros((len(boxes), width), np.float32)
        for first in range(0, len(boxes), config.batch):
            some = boxes[first : first + config.batch]
            squares = [crop(image, box, config.side, margin=config.margin) for box in some]
            output = np.asarray(
                self._session.run(None, {self._input: to_tensor(squares, IMAGENET_MEAN, IMAGENET_STD)})[0]
            )
            if output.shape != (len(some), width):
                raise ValueError(
                    f"embeddings of shape {output.shape}, ({len(some)}, {width}) fit the gallery: build it again"
                )
            found[first : first + config.batch] = output
        return found
