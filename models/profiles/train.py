"""Training: scaling, the number of segments, their names; then the network of influence on all but the newest days."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from models.common.artifact import Manifest, write_artifact
from models.common.protocols import ProgressCallback, silent
from models.common.report import Report
from models.profiles.behaviour import SUMS, features, told_features, usual
from models.profiles.clusters import Choice, choose, fit_scaling, k_means
from models.profiles.config import Config
from models.profiles.data import Dataset
from models.profiles.follows import count_follows
from models.profiles.influence import fit_influence
from models.profiles.naming import Portrait, names
from models.profiles.predict import MODEL, NETWORK, Predictor
from models.profiles.spec import FORMAT_VERSION, ModelSpec, SegmentSpec

LIBRARIES = ("numpy", "scikit-learn", "torch", "torch-geometric")
EVER = 2**31  # a day after all days


@dataclass(frozen=True)
class Trained:
    """Trained profiles in memory: what `save` writes, and how the number of segments was chosen."""

    config: Config
    spec: ModelSpec
    network: bytes | None
    choice: Choice
    data_fingerprint: str
    trained_until: np.datetime64
    seed: int

    def predictor(self) -> Predictor:
        """The predictor that `load` would return after `save`: what is evaluated is what is served."""
        return Predictor(self.spec, self.network)

    def save(self, folder: Path, *, report: Report | None = None, code_revision: str = "unknown") -> Manifest:
        """Write the artifact to `folder` (see `models.common.artifact`); a `report` adds its metrics."""
        files: dict[str, bytes | Path] = {MODEL: self.spec.model_dump_json(indent=1).encode()}
        if self.network is not None:
            files[NETWORK] = self.network
        return write_artifact(
            folder,
            name="profiles",
            config=self.config,
            files=files,
            metrics=report.metric_dicts() if report else (),
            input_schema={name: {"shape": ["N"], "type": "float"} for name in SUMS},
            output_schema={
                "segment": {"shape": ["N"], "type": "int"},
                "name": {"shape": ["N"], "type": "text"},
                "confidence": {"shape": ["N"], "type": "float in [0, 1]"},
            },
            data_fingerprint=self.data_fingerprint,
            code_revision=code_revision,
            trained_until=self.trained_until.astype("datetime64[D]").item(),
            seed=self.seed,
            libraries=LIBRARIES,
        )


def train(data: Dataset, cfg: Config, *, seed: int, on_progress: ProgressCallback = silent) -> Trained:
    """Segments and influence of the data's customers; the same data, config and seed give the same bytes.

    DataError where fewer than two features vary.
    """
    on_progress("features", 0.0)
    told = usual(data.sums, clicks=cfg.prior_clicks, orders=cfg.prior_orders)
    features_told = told_features(told)
    raw = features(data.sums, told, features_told)
    scaling = fit_scaling(raw, cfg.clip)
    scaled = scaling.apply(raw)
    choice = choose(scaled, cfg, seed=seed, on_progress=lambda stage, done: on_progress(stage, 0.02 + 0.48 * done))
    centers, own = k_means(scaled, choice.clusters, restarts=cfg.restarts, seed=seed)
    network = None
    if len(data.ties) >= cfg.ties_min:
        follows = count_follows(data, cfg.follow_days, -EVER, judged_from(data, cfg))
        network = fit_influence(
            data,
            scaled,
            follows,
            cfg,
            seed=seed,
            on_progress=lambda stage, done: on_progress(stage, 0.5 + 0.5 * done),
        )
    portraits = [
        Portrait(
            dict(zip(features_told, center.tolist(), strict=True)),
            {name: _median(data.sums[name][own == number]) for name in SUMS},
        )
        for number, center in enumerate(centers)
    ]
    segments = tuple(
        SegmentSpec(
            name=name,
            center=tuple(centers[number].tolist()),
            share=float((own == number).mean()),
            median=portrait.median,
        )
        for number, (name, portrait) in enumerate(zip(names(portraits), portraits, strict=True))
    )
    spec = ModelSpec(
        format_version=FORMAT_VERSION,
        usual=told,
        features=features_told,
        center=tuple(scaling.center.tolist()),
        spread=tuple(scaling.spread.tolist()),
        clip=scaling.clip,
        segments=segments,
        choice=choice.reason,
        tried=choice.tried,
        follow_days=cfg.follow_days,
        judged_from=judged_from(data, cfg),
        network=network is not None,
        width=cfg.width,
    )
    on_progress("trained", 1.0)
    return Trained(cfg, spec, network, choice, data.fingerprint, data.trained_until, seed)


def judged_from(data: Dataset, cfg: Config) -> int:
    """First day, since 1970, whose follows training does not see."""
    first, last = int(data.purchases.day.min()), int(data.purchases.day.max())
    return last + 1 - round(cfg.judged_share * (last + 1 - first))


def _median(values: np.ndarray) -> float:
    """Median of those that are known; of none -1, which no sum is."""
    known = values[~np.isnan(values)]
    return float(np.median(known)) if known.size else -1.0
