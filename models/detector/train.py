"""Training: finder, embedder and gallery on the training pictures, confidence on those held out for it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
from pydantic import JsonValue

from models.common.artifact import Manifest, write_artifact
from models.common.protocols import DataError, ProgressCallback, silent
from models.common.report import Report
from models.detector.boxes import Tensor
from models.detector.config import Config
from models.detector.data import VAL, Dataset, Ints
from models.detector.gallery import photo_vectors, shop_crops
from models.detector.looking import columns, look_at
from models.detector.naming import LEAST_CROPS, Naming, fit_naming
from models.detector.parts import base_events, make_embedder, make_finder
from models.detector.photos import VIEWS
from models.detector.predict import Predictor
from models.detector.spec import DETECTOR, EMBEDDER, GALLERY, NAME, SPEC, EyesSpec, gallery_bytes

LIBRARIES = ("numpy", "torch", "torchvision", "ultralytics")
INPUT_SCHEMA: Mapping[str, JsonValue] = {"pictures": {"shape": ["H", "W", 3], "type": "uint8"}}
OUTPUT_SCHEMA: Mapping[str, JsonValue] = {
    "box": {"shape": ["N", 4], "type": "float", "unit": "pixel"},
    "score": {"shape": ["N"], "type": "float"},
    "product": {"shape": ["N"], "type": "text"},
    "confidence": {"shape": ["N"], "type": "float"},
}


@dataclass(frozen=True)
class Trained:
    """Trained networks and gallery in memory: what `save` writes."""

    config: Config
    spec: EyesSpec
    detector: bytes
    embedder: bytes
    vectors: Tensor
    data_fingerprint: str
    trained_until: date
    seed: int

    def predictor(self) -> Predictor:
        """The predictor that `load` would return after `save`: what is evaluated is what is served."""
        return Predictor(self.spec, self.detector, self.embedder, self.vectors)

    def save(self, folder: Path, *, report: Report | None = None, code_revision: str = "unknown") -> Manifest:
        """Write the artifact to `folder` (see `models.common.artifact`); a `report` adds its metrics."""
        return write_artifact(
            folder,
            name=NAME,
            config=self.config,
            files={
                SPEC: self.spec.model_dump_json(indent=1).encode(),
                DETECTOR: self.detector,
                EMBEDDER: self.embedder,
                GALLERY: gallery_bytes(self.vectors),
            },
            metrics=report.metric_dicts() if report else (),
            input_schema=INPUT_SCHEMA,
            output_schema=OUTPUT_SCHEMA,
            data_fingerprint=self.data_fingerprint,
            code_revision=code_revision,
            trained_until=self.trained_until,
            seed=self.seed,
            libraries=LIBRARIES,
        )


def train(data: Dataset, cfg: Config, *, seed: int, on_progress: ProgressCallback = silent) -> Trained:
    """Finder and embedder, each from the weights that `cfg` names, the base checkpoint or from scratch; the gallery of photos and
    labelled crops; temperature and least similarity. The same data, config and seed give the same bytes.

    DataError where no product has a photo or a labelled item to be known by.
    """
    on_progress("finder", 0.0)
    finder = make_finder(data, cfg, seed=seed, on_progress=_within(on_progress, "finder", 0.0, 0.45))
    embedder = make_embedder(data, cfg, seed=seed, on_progress=_within(on_progress, "embedder", 0.45, 0.85))
    on_progress("gallery", 0.85)
    blank = _blank(cfg, finder.graph, embedder.graph, embedder.width)
    vectors, products = _gallery(blank, data, cfg)
    spec = EyesSpec(
        detector=cfg.detector,
        namer=cfg.namer,
        products=products,
        finder_from=finder.begun_from,
        embedder_from=embedder.begun_from,
        events=base_events(cfg.events),
    )
    on_progress("confidence", 0.92)
    naming = _naming(Predictor(spec, finder.graph, embedder.graph, vectors), data, cfg)
    if naming is not None:
        namer = cfg.namer.model_copy(
            update={"temperature": naming.temperature, "least_similarity": naming.least_similarity}
        )
        spec = spec.model_copy(update={"namer": namer, "look_alike": naming.look_alike})
    on_progress("trained", 1.0)
    named = _without_folders(cfg)
    return Trained(named, spec, finder.graph, embedder.graph, vectors, data.fingerprint, data.taken_until, seed)


def _within(on_progress: ProgressCallback, name: str, first: float, last: float) -> ProgressCallback:
    def tell(stage: str, fraction: float) -> None:
        on_progress(f"{name}: {stage}", first + (last - first) * fraction)

    return tell


def _blank(cfg: Config, finder: bytes, embedder: bytes, width: int) -> Predictor:
    """A predictor with a gallery of one unit vector: only its embeddings are asked for."""
    spec = EyesSpec(detector=cfg.detector, namer=cfg.namer, products=("nothing",))
    return Predictor(spec, finder, embedder, np.eye(1, width, dtype=np.float32))


def _gallery(model: Predictor, data: Dataset, cfg: Config) -> tuple[Tensor, tuple[str, ...]]:
    """Unit vectors (G, D) and the product of each."""
    photos = data.photos()
    vectors, numbers = [photo_vectors(model, photos, data)], [np.repeat(data.photo_of[photos], VIEWS)]
    for row, boxes in shop_crops(data, cfg.shop_vectors):
        vectors.append(model.embed(data.pixels(row), data.labelled[row].boxes[boxes]))
        numbers.append(data.labelled[row].product[boxes])
    together, product = np.concatenate(vectors), np.concatenate(numbers)
    sound = np.linalg.norm(together, axis=1) > 0  # an embedding of length 0 is like nothing
    if not sound.any():
        raise DataError(
            f"{len(photos)} photos and {cfg.shop_vectors} crops a product: no product has a vector: label items, add photos, "
            "or raise shop_vectors"
        )
    return together[sound], tuple(data.products[number] for number in product[sound])


def _naming(model: Predictor, data: Dataset, cfg: Config) -> Naming | None:
    """Set on what the finder finds in the pictures held out for it; on the labelled boxes where it finds too little."""
    looks = look_at(model, data, data.scenes(VAL), iou=cfg.match_iou)
    embeddings = np.concatenate([look.embeddings[look.hits] for look in looks])
    product = np.concatenate([look.product for look in looks])
    if len(product) < LEAST_CROPS:
        embeddings = np.concatenate([model.embed(data.pixels(look.row), look.labelled.boxes) for look in looks])
        product = np.concatenate([look.labelled.product for look in looks])
    column: Ints = columns(model, data.products)[product]
    known = column >= 0
    return fit_naming(model.gallery.similarities(embeddings[known]), column[known], known_lost=cfg.known_lost)


def _without_folders(cfg: Config) -> Config:
    """An artifact does not tell of the machine it was made on: names of weights, not their folders."""
    starts = {name: getattr(cfg, name) for name in ("finder_start", "embedder_start")}
    return cfg.model_copy(update={name: path and Path(path.name) for name, path in starts.items()})
