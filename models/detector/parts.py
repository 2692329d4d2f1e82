"""Finder and embedder as graphs: fitted to a dataset from a start, or a finished graph taken as it is.

What they start from is the user's own file, else our base checkpoint in BASE, else nothing; `begun_from` says which.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import overload

import numpy as np

from models.common.pictures import Pixels
from models.common.protocols import DataError, ProgressCallback, silent
from models.common.sessions import open_session
from models.detector.beliefs import Beliefs
from models.detector.boxes import GREY, crop
from models.detector.config import Config
from models.detector.data import TRAIN, VAL, Dataset, Ints
from models.detector.event_confidence import EventsSpec
from models.detector.gallery import shop_crops
from models.detector.matching import precision_curves
from models.detector.networks import YoloDetector

BASE = Path(__file__).parent / "base"
EVENTS = "events.json"
FINISHED = ".onnx"
LEAST_CROPS = 2  # of a product, to learn what tells it from others
_TOLD = 100  # letters of a file's name: an artifact says in 300 what it began from


@dataclass(frozen=True)
class Part:
    """A network as an ONNX graph, and what its training began from; `width` of its embeddings, 0 of a finder."""

    graph: bytes
    begun_from: str
    width: int = 0


def make_finder(data: Dataset, cfg: Config, *, seed: int, on_progress: ProgressCallback = silent) -> Part:
    """(1, 3, S, S) -> (1, 5, N). Where it is fitted from weights that already find, those stay unless what was fitted finds better in
    the pictures held out. DataError for a start that is no file, ValueError for one that is no weights."""
    start = start_of(cfg.finder_start, "finder")
    if start is not None and start.suffix == FINISHED:
        return Part(*_finished(start))
    from models.detector.finder import finder_onnx, fit_finder
    from models.detector.finder_weights import read_finder

    weights = None if start is None else read_finder(start)
    before = weights if weights is not None and weights.whole else None
    fitted = before is None or cfg.tune in ("finder", "both")
    if fitted:
        rows = data.scenes(TRAIN)
        knobs = cfg.finder.model_copy(update={"side": cfg.detector.side})
        boxes = [data.labelled[row].boxes[~data.labelled[row].crowd] for row in rows]
        weights = fit_finder(_Pictures(data, rows), boxes, knobs, seed=seed, on_progress=on_progress, start=weights)
    if weights is None:
        raise DataError("finder: nothing to start from and nothing fitted")
    graph, begun = finder_onnx(weights, cfg.detector.side, threads=cfg.finder.threads), _begun(start, fitted)
    if fitted and before is not None:
        unfitted = finder_onnx(before, cfg.detector.side, threads=cfg.finder.threads)
        area, area_before = held_out_area(graph, data, cfg), held_out_area(unfitted, data, cfg)
        found = f"mAP50-95 {area:.3f} when fitted, {area_before:.3f} before, in the pictures held out"
        if area <= area_before:
            return Part(unfitted, f"{_begun(start, False)}: {found}")
        begun = f"{begun}: {found}"
    return Part(graph, begun)


def held_out_area(graph: bytes, data: Dataset, cfg: Config) -> float:
    """mAP50-95 of a graph in the pictures that confidence is set on; 0 where nothing right is found, or nothing is to find."""
    finder = YoloDetector(open_session(graph), cfg.detector)
    rows = data.scenes(VAL).tolist()
    labelled = [data.labelled[row] for row in rows]
    if all(each.crowd.all() for each in labelled):
        return 0.0
    curves = precision_curves(
        [finder.detect(data.pixels(row)) for row in rows],
        [each.boxes for each in labelled],
        [each.crowd for each in labelled],
    )
    return float(np.mean([curve.area for curve in curves.values()]))


def make_embedder(data: Dataset, cfg: Config, *, seed: int, on_progress: ProgressCallback = silent) -> Part:
    """(B, 3, S, S) -> (B, D). Errors as `make_finder`."""
    start = start_of(cfg.embedder_start, "embedder")
    if start is not None and start.suffix == FINISHED:
        graph, begun_from = _finished(start)
        return Part(graph, begun_from, _width(graph, cfg.namer.side))
    from models.detector.embedder_train import fit_embedder
    from models.detector.embedder_weights import embedder_onnx, read_weights

    weights = None if start is None else read_weights(start)
    fitted = weights is None or weights.bare or cfg.tune in ("embedder", "both")
    if fitted:
        crops, products = training_crops(data, cfg)
        weights = fit_embedder(crops, products, cfg.embedder, seed=seed, on_progress=on_progress, start=weights)
    if weights is None:
        raise DataError("embedder: nothing to start from and nothing fitted")
    graph = embedder_onnx(weights, cfg.namer.side, threads=cfg.embedder.threads)
    return Part(graph, _begun(start, fitted), weights.width)


def start_of(told: Path | None, name: str) -> Path | None:
    """The file to start from; DataError for one that is told and not there."""
    if told is None:
        base = BASE / f"{name}.safetensors"
        return base if base.is_file() else None
    if not told.is_file():
        raise DataError(
            f"{name}_start: {told} is no file: give the path of weights, or leave it out for the base checkpoint"
        )
    return told


def base_events(beliefs: Beliefs) -> EventsSpec:
    """What events are worth as learnt with the base checkpoint on the twin's clips; nothing where other beliefs are held."""
    kept = BASE / EVENTS
    learnt = EventsSpec.model_validate_json(kept.read_bytes()) if kept.is_file() else EventsSpec()
    return learnt if learnt.beliefs == beliefs else EventsSpec(beliefs=beliefs)


def _finished(path: Path) -> tuple[bytes, str]:
    graph = path.read_bytes()
    return graph, f"graph {path.name[:_TOLD]}, SHA-256 {sha256(graph).hexdigest()}, taken as it is"


def _width(graph: bytes, side: int) -> int:
    """D, by asking: a graph need not tell its shapes."""
    session = open_session(graph)
    name = str(session.get_inputs()[0].name)
    output = np.asarray(session.run(None, {name: np.zeros((1, 3, side, side), np.float32)})[0])
    if output.ndim != 2 or len(output) != 1:
        raise DataError(f"embedder: an output of shape {output.shape}, (B, D) is asked: export it without its classes")
    return int(output.shape[1])


def training_crops(data: Dataset, cfg: Config) -> tuple[Pixels, Ints]:
    """Squares (N, S, S, 3) of labelled items and photos of the training split, and the product (N,) of each, of those products that
    have two at least. As many of each as `cfg.tune_crops`, evenly over the pictures."""
    side = max(stage.side for stage in cfg.embedder.stages)
    squares, products = [], []
    for row, boxes in shop_crops(data, cfg.tune_crops):
        labelled, pixels = data.labelled[row], data.pixels(row)
        squares += [crop(pixels, labelled.boxes[box], side, margin=cfg.namer.margin) for box in boxes]
        products += labelled.product[boxes].tolist()
    for row in data.photos().tolist():
        pixels = data.pixels(row)
        height, width = pixels.shape[:2]
        squares.append(crop(pixels, np.array([0.0, 0.0, width, height]), side, margin=0))
        products.append(int(data.photo_of[row]))
    product = np.array(products, dtype=np.int64)
    kept = np.flatnonzero(np.bincount(product, minlength=len(data.products))[product] >= LEAST_CROPS)
    return np.array([squares[row] for row in kept], dtype=np.uint8).reshape(len(kept), side, side, 3), product[kept]


class _Pictures(Sequence[Pixels]):
    """Pictures of a dataset as they are asked for, what lies in crowds painted out: it is neither item nor background."""

    def __init__(self, data: Dataset, rows: Ints) -> None:
        self._data, self._rows = data, rows

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, number: int) -> Pixels: ...
    @overload
    def __getitem__(self, number: slice) -> Sequence[Pixels]: ...
    def __getitem__(self, number: int | slice) -> Pixels | Sequence[Pixels]:
        if isinstance(number, slice):
            return _Pictures(self._data, self._rows[number])
        row = int(self._rows[number])
        pixels, labelled = self._data.pixels(row), self._data.labelled[row]
        for left, top, right, bottom in np.rint(labelled.boxes[labelled.crowd]).astype(int).clip(min=0).tolist():
            pixels[top:bottom, left:right] = GREY
        return pixels


def _begun(start: Path | None, fitted: bool) -> str:
    if start is None:
        return "scratch, fitted to these pictures"
    digest = sha256(start.read_bytes()).hexdigest()[:16]
    where = "our base checkpoint" if start.parent == BASE else f"the user's file {start.name[:_TOLD]}"
    return f"{where} (SHA-256 {digest}...), {'fitted to these pictures' if fitted else 'as it is'}"
