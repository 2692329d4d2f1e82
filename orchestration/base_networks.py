"""The base checkpoint as graphs: at the sides at which they are asked, in 8 bits as a box runs them, and embeddings by a session."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from models.common.pictures import Pixels
    from models.detector.boxes import Tensor

BATCH: Final = 16  # crops at a time


def base_graphs(side: int | None = None) -> tuple[bytes, bytes]:
    """Finder and embedder of the base checkpoint, as ONNX at the sides at which they are asked; `side`: another one of the finder."""
    from models.detector.embedder_weights import embedder_onnx, read_weights
    from models.detector.finder import finder_onnx
    from models.detector.finder_weights import read_finder
    from models.detector.networks import DetectorConfig, NamerConfig
    from models.detector.parts import BASE

    finder = finder_onnx(read_finder(BASE / "finder.safetensors"), side or DetectorConfig().side)
    return finder, embedder_onnx(read_weights(BASE / "embedder.safetensors"), NamerConfig().side)


def in_8_bits(
    finder: bytes, embedder: bytes, scenes: "Sequence[Pixels]", crops: np.ndarray, side: int | None = None
) -> tuple[bytes, bytes]:
    """Both as a box runs them, calibrated on scenes and on crops (N, S, S, 3)."""
    from edge.int8 import BACKBONE, WHOLE, quantise
    from models.detector.boxes import letterbox, to_tensor
    from models.detector.networks import DetectorConfig

    squares = [{"images": to_tensor([letterbox(pixels, side or DetectorConfig().side)[0]])} for pixels in scenes]
    some = [{"crops": fed} for fed in batches(crops)]
    made = quantise(finder, squares, WHOLE), quantise(embedder, some, BACKBONE)
    if not all(each.nodes for each in made):
        raise ValueError("a graph has no part in 8 bits: there is nothing to compare")
    return made[0].model, made[1].model


def vectors(session: Any, crops: np.ndarray) -> "Tensor":
    """Unit embeddings (N, D) of crops (N, S, S, 3) by a session of the embedder's graph."""
    from models.detector.predict import unit

    return unit(np.concatenate([np.asarray(session.run(None, {"crops": fed})[0]) for fed in batches(crops)]))


def batches(crops: np.ndarray) -> "Iterator[Tensor]":
    """Crops (N, S, S, 3) as the embedder takes them, some at a time."""
    from models.detector.boxes import IMAGENET_MEAN, IMAGENET_STD, to_tensor

    for first in range(0, len(crops), BATCH):
        yield to_tensor(list(crops[first : first + BATCH]), IMAGENET_MEAN, IMAGENET_STD)
