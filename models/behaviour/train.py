"""Training: the network on the oldest days, the spread of attention on those that follow."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from models.behaviour.config import Config
from models.behaviour.data import Dataset
from models.behaviour.fitting import fit, to_graph
from models.behaviour.predict import GRAPH, MODEL, Predictor
from models.behaviour.spec import FORMAT_VERSION, ModelSpec, ShopSpec
from models.common.artifact import Manifest, write_artifact
from models.common.protocols import DataError, ProgressCallback, silent
from models.common.report import Report

LIBRARIES = ("numpy", "torch")


@dataclass(frozen=True)
class Trained:
    """A trained model of attention and dwell in memory: what `save` writes."""

    config: Config
    spec: ModelSpec
    graph: bytes
    data_fingerprint: str
    trained_until: np.datetime64
    seed: int

    def predictor(self) -> Predictor:
        """The predictor that `load` would return after `save`: what is evaluated is what is served."""
        return Predictor(self.spec, self.graph)

    def save(self, folder: Path, *, report: Report | None = None, code_revision: str = "unknown") -> Manifest:
        """Write the artifact to `folder` (see `models.common.artifact`); a `report` adds its metrics."""
        return write_artifact(
            folder,
            name="behaviour",
            config=self.config,
            files={MODEL: self.spec.model_dump_json(indent=1).encode(), GRAPH: self.graph},
            metrics=report.metric_dicts() if report else (),
            input_schema={
                "fixes": {"shape": ["R", 3], "type": "float", "unit": "s, m, m"},
                "events": {"shape": ["E"], "type": "shelf events of a person, by lane"},
                "mats": {"shape": ["A"], "type": "stirrings of a gondola's mats, by level"},
            },
            output_schema={
                "attention_s": {"shape": ["N", "L"], "type": "float", "unit": "s"},
                "dwell_s": {"shape": ["N", "G"], "type": "float", "unit": "s"},
                "left_s": {"shape": ["N", 3], "type": "float", "unit": "s"},
            },
            data_fingerprint=self.data_fingerprint,
            code_revision=code_revision,
            trained_until=self.trained_until.astype("datetime64[D]").item(),
            seed=self.seed,
            libraries=LIBRARIES,
        )


def train(data: Dataset, cfg: Config, *, seed: int, on_progress: ProgressCallback = silent) -> Trained:
    """The network, fitted before `calibrate_from`, and the spread of attention set between there and `test_from`; the same data,
    config and seed give the same bytes. DataError where nobody stops or looks in the oldest days."""
    on_progress("network", 0.0)
    known = data.steps.path < data.calibrate_from
    if not data.targets.stays[known].any() or not data.targets.looked[known].any():
        raise DataError(f"looks, stops: none in the {data.calibrate_from} oldest paths: annotate more visits")
    network = fit(
        data,
        cfg,
        np.arange(data.calibrate_from),
        seed=seed,
        on_progress=lambda stage, done: on_progress(stage, 0.9 * done),
    )
    on_progress("graph", 0.92)
    spec = ModelSpec(
        format_version=FORMAT_VERSION,
        shop=ShopSpec.of(data.shop),
        zone_m=cfg.zone_m,
        zone_beside_m=cfg.zone_beside_m,
        recency_s=cfg.recency_s,
        together=1.0,
        left_scale_s=data.left_scale_s,
    )
    graph = to_graph(network, data, cfg.threads)
    on_progress("spread", 0.96)
    spec = spec.model_copy(update={"together": _together(Predictor(spec, graph), data)})
    on_progress("trained", 1.0)
    return Trained(cfg, spec, graph, data.fingerprint, data.trained_until, seed)


def _together(model: Predictor, data: Dataset) -> float:
    """How many steps err as one, as later days show it."""
    paths = np.arange(data.calibrate_from, data.test_from)
    told = model.tell(data.steps, paths)
    errors = ((told.attention_s - data.targets.attention_s)[paths] ** 2).sum()
    return float(max(errors / max(told.unrest[paths].sum(), 1e-9), 1e-6))
