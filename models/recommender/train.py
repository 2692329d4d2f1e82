"""Training: both parts without the validation items, the weights of the mix on these, then both parts on all but the test."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from models.common.artifact import Manifest, write_artifact
from models.common.protocols import ProgressCallback, silent
from models.common.report import Report
from models.recommender.config import Config
from models.recommender.data import Dataset
from models.recommender.histories import Histories
from models.recommender.linear import fit_item_weights
from models.recommender.mixing import FIRST, choose_mix
from models.recommender.predict import ARRAYS, ENCODER, MODEL, Predictor
from models.recommender.requests import MAX_ITEMS
from models.recommender.sequence import fit_sequences
from models.recommender.spec import FORMAT_VERSION, Mix, ModelSpec

if TYPE_CHECKING:
    from collections.abc import Callable

LIBRARIES = ("numpy", "onnx", "scipy", "torch")


@dataclass(frozen=True)
class Trained:
    """A trained recommender in memory: what `save` writes, and the NDCG@10 on the validation items that chose its mix."""

    config: Config
    spec: ModelSpec
    files: Mapping[str, bytes]
    data_fingerprint: str
    trained_until: np.datetime64
    seed: int
    validation_ndcg_10: float

    def predictor(self) -> Predictor:
        """The predictor that `load` would return after `save`: what is evaluated is what is served."""
        return Predictor(self.spec, self.files)

    def save(self, folder: Path, *, report: Report | None = None, code_revision: str = "unknown") -> Manifest:
        """Write the artifact to `folder` (see `models.common.artifact`); a `report` adds its metrics."""
        return write_artifact(
            folder,
            name="recommender",
            config=self.config,
            files={**self.files, MODEL: self.spec.model_dump_json(indent=1).encode()},
            metrics=report.metric_dicts() if report else (),
            input_schema={
                "histories": {"shape": ["N", "any"], "type": "item name"},
                "k": {"type": f"1 to {MAX_ITEMS}"},
            },
            output_schema={
                "items": {"shape": ["N", "k"], "type": "item name"},
                "scores": {"shape": ["N", "k"], "type": "float"},
            },
            data_fingerprint=self.data_fingerprint,
            code_revision=code_revision,
            trained_until=self.trained_until.astype("datetime64[D]").item(),
            seed=self.seed,
            libraries=LIBRARIES,
        )


def train(data: Dataset, cfg: Config, *, seed: int, on_progress: ProgressCallback = silent) -> Trained:
    """Train without the test items; the same data, config and seed give the same bytes."""
    first, files = _fitted(data, data.train, cfg, FIRST, seed, _part(on_progress, "to choose weights: ", 0.0, 0.48))
    on_progress("choosing weights", 0.48)
    mix, reached = choose_mix(Predictor(first, files), data, cfg, seed=seed)
    spec, files = _fitted(data, data.known, cfg, mix, seed, _part(on_progress, "", 0.5, 1.0))
    on_progress("trained", 1.0)
    return Trained(cfg, spec, files, data.fingerprint, data.trained_until, seed, reached)


def _fitted(
    data: Dataset, histories: Histories, cfg: Config, mix: Mix, seed: int, on_progress: "Callable[[str, float], None]"
) -> tuple[ModelSpec, dict[str, bytes]]:
    """Both parts on some histories, as the files of an artifact."""
    from safetensors.numpy import save

    on_progress("regression of items on items", 0.0)
    weights = fit_item_weights(data, histories, cfg)
    network = fit_sequences(
        data, histories, cfg, seed=seed, on_progress=lambda stage, done: on_progress(stage, 0.3 + 0.7 * done)
    )
    arrays = {
        "linear_starts": weights.starts,
        "linear_targets": weights.targets,
        "linear_values": weights.values,
        "vectors": network.vectors,
        "counts": np.bincount(histories.items, minlength=len(data.items)).astype(np.int64),
    }
    spec = ModelSpec(
        format_version=FORMAT_VERSION,
        items=tuple(data.items.tolist()),
        mix=mix,
        linear_floor=cfg.linear_floor,
        query_decay=cfg.linear_query_decay,
        max_length=cfg.max_length,
    )
    return spec, {ARRAYS: save(arrays), ENCODER: network.encoder}


def _part(on_progress: ProgressCallback, prefix: str, first: float, last: float) -> "Callable[[str, float], None]":
    """Progress of a part of the job, told as that of the whole."""
    return lambda stage, done: on_progress(f"{prefix}{stage}", first + (last - first) * done)
