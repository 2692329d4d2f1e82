"""Training: both parts without the validation items, the weights of the mix on these, then both parts on all but the test."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from models.common.artifact import Manifest, write_artifact
from models.common.protocols import ProgressCallback, silent
from models.common.report import Report
from models.recommender.config import Config
from models.recommender.data import Dataset
from models.recommender.histories import Histories
from models.recommender.linear import attribute_rows, fit_item_weights
from models.recommender.mixing import CHUNK_CUSTOMERS, FIRST, choose_mix
from models.recommender.predict import ARRAYS, ENCODER, MODEL, RANKER, SOCIAL, Predictor
from models.recommender.ranker import Ranker, fit_ranker
from models.recommender.requests import MAX_ITEMS
from models.recommender.sequence import fit_sequences
from models.recommender.social_choice import choose_social
from models.recommender.spec import FORMAT_VERSION, Mix, ModelSpec

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
    """Train without the test items; the same data, config and seed give the same bytes.

    What ranks the parts' answers must not have been told by them: weights and ranker learn on the validation items from
    parts that were fitted without these, and are kept when the parts are fitted again with them.
    Where friends are known, what they took is learned of in `social_choice`.
    """
    from safetensors.numpy import save

    first = _parts(data, data.train, cfg, seed, _part(on_progress, "to choose weights: ", 0.0, 0.42))
    on_progress("choosing weights", 0.42)
    mix, reached = choose_mix(Predictor(_spec(data, cfg, FIRST), first), data, cfg, seed=seed)
    ranker = _ranker(Predictor(_spec(data, cfg, mix), first), data, cfg, seed, _part(on_progress, "", 0.45, 0.55))
    spec = _spec(data, cfg, mix, candidates=cfg.ranker_candidates if ranker else 0)
    told = {} if ranker is None else {RANKER: ranker.graph}
    social = choose_social(Predictor(spec, first | told), data, cfg, seed=seed)
    files = _parts(data, data.known, cfg, seed, _part(on_progress, "", 0.55, 1.0)) | told
    if social is not None:
        files[SOCIAL] = save(social.arrays())
    on_progress("trained", 1.0)
    return Trained(cfg, spec, files, data.fingerprint, data.trained_until, seed, reached)


def _spec(data: Dataset, cfg: Config, mix: Mix, *, candidates: int = 0) -> ModelSpec:
    return ModelSpec(
        format_version=FORMAT_VERSION,
        items=tuple(data.items.tolist()),
        categories=tuple(data.categories.tolist()) if (data.categories != "").any() else (),
        mix=mix,
        linear_floor=cfg.linear_floor,
        candidates=candidates,
        attributes=data.attributes.shape[1],
        query_decay=cfg.linear_query_decay,
        max_length=cfg.max_length,
    )


def _parts(
    data: Dataset, histories: Histories, cfg: Config, seed: int, on_progress: ProgressCallback
) -> dict[str, bytes]:
    """Both parts on some histories, as files of an artifact."""
    from safetensors.numpy import save

    on_progress("regression of items on items", 0.0)
    weights, attributes = fit_item_weights(data, histories, cfg), attribute_rows(data)
    network = fit_sequences(
        data, histories, cfg, seed=seed, on_progress=lambda stage, done: on_progress(stage, 0.3 + 0.7 * done)
    )
    arrays = {
        "vectors": network.vectors,
        "counts": np.bincount(histories.items, minlength=len(data.items)).astype(np.int64),
    }
    for name, rows in (("linear", weights), ("attributes", attributes)):
        arrays |= {f"{name}_starts": rows.starts, f"{name}_targets": rows.targets, f"{name}_values": rows.values}
    return {ARRAYS: save(arrays), ENCODER: network.encoder}


def _ranker(
    predictor: Predictor, data: Dataset, cfg: Config, seed: int, on_progress: ProgressCallback
) -> Ranker | None:
    """The ranker told by the validation items; None where the configuration wants none or they are too few."""
    if not cfg.ranker_epochs:
        return None
    rng = np.random.default_rng(seed)
    some = np.sort(rng.permutation(len(data.judged))[: cfg.mix_customers])
    found = []
    for first in range(0, len(some), CHUNK_CUSTOMERS):
        theirs = data.train.take(data.judged[some[first : first + CHUNK_CUSTOMERS]])
        found.append(predictor.candidates(theirs, predictor.parts(theirs), cfg.ranker_candidates))
    items, features = (np.concatenate(each) for each in zip(*found, strict=True))
    return fit_ranker(features, items, data.validation_items[some], cfg, seed=seed, on_progress=on_progress)


def _part(on_progress: ProgressCallback, prefix: str, first: float, last: float) -> ProgressCallback:
    """Progress of a part of the job, told as that of the whole."""

    def tell(stage: str, fraction: float) -> None:
        on_progress(f"{prefix}{stage}", first + (last - first) * fraction)

    return tell
