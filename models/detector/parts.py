"""Finder and embedder as graphs: fitted to a dataset from a start, or a finished graph taken as it is.

What they start from is the user's own file, else our base checkpoint in BASE, else nothing; `begun_from` says which.
"""

from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np

from models.common.protocols import DataError, ProgressCallback, silent
from models.common.sessions import open_session
from models.detector.boxes import Tensor, crop
from models.detector.config import Config
from models.detector.data import TRAIN, Dataset

BASE = Path(__file__).parent / "base"
FINISHED = ".onnx"
SCRATCH = "scratch"


@dataclass(frozen=True)
class Part:
    """A network as an ONNX graph, and what its training began from; `width` of its embeddings, 0 of a finder."""

    graph: bytes
    begun_from: str
    width: int = 0


def make_finder(data: Dataset, cfg: Config, *, seed: int, on_progress: ProgressCallback = silent) -> Part:
    """(1, 3, S, S) -> (1, 5, N)."""
    start = _start(cfg.finder_start, "finder")
    if start is not None and start.suffix == FINISHED:
        return Part(*_finished(start))
    del data, seed, on_progress
    raise DataError("finder: only finished .onnx graphs are taken yet")


def make_embedder(data: Dataset, cfg: Config, *, seed: int, on_progress: ProgressCallback = silent) -> Part:
    """(B, 3, S, S) -> (B, D)."""
    start = _start(cfg.embedder_start, "embedder")
    if start is not None and start.suffix == FINISHED:
        graph, begun_from = _finished(start)
        return Part(graph, begun_from, _width(graph, cfg.namer.side))
    del data, seed, on_progress
    raise DataError("embedder: only finished .onnx graphs are taken yet")


def _start(told: Path | None, name: str) -> Path | None:
    """The file to start from; DataError for one that is told and not there."""
    if told is None:
        base = BASE / f"{name}.safetensors"
        return base if base.is_file() else None
    if not told.is_file():
        raise DataError(
            f"{name}_start: {told} is no file: give the path of weights, or leave it out for the base checkpoint"
        )
    return told


def _finished(path: Path) -> tuple[bytes, str]:
    graph = path.read_bytes()
    return graph, f"graph {path.name}, SHA-256 {sha256(graph).hexdigest()}, taken as it is"


def _width(graph: bytes, side: int) -> int:
    """D, by asking: a graph need not tell its shapes."""
    session = open_session(graph)
    name = str(session.get_inputs()[0].name)
    output = np.asarray(session.run(None, {name: np.zeros((1, 3, side, side), np.float32)})[0])
    if output.ndim != 2 or len(output) != 1:
        raise DataError(f"embedder: an output of shape {output.shape}, (B, D) is asked: export it without its classes")
    return int(output.shape[1])


def training_crops(data: Dataset, side: int, margin: float) -> tuple[Tensor, Tensor]:
    """Squares (N, S, S, 3) uint8 of all labelled items and photos of the training split, and their products (N,)."""
    squares, products = [], []
    for row in data.scenes(TRAIN):
        labelled, pixels = data.labelled[row], data.pixels(int(row))
        for box, product, crowd in zip(labelled.boxes, labelled.product, labelled.crowd, strict=True):
            if not crowd:
                squares.append(crop(pixels, box, side, margin=margin))
                products.append(product)
    for row in data.photos():
        pixels = data.pixels(int(row))
        height, width = pixels.shape[:2]
        squares.append(crop(pixels, np.array([0.0, 0.0, width, height]), side, margin=0))
        products.append(data.photo_of[row])
    return np.array(squares), np.array(products, dtype=np.int64)
