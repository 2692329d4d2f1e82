"""Training: the network on the oldest packages, its thresholds on those that follow."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from models.common.artifact import Manifest, write_artifact
from models.common.protocols import DataError, ProgressCallback, silent
from models.common.report import Report
from models.common.torch_control import onnx_bytes, torch_controlled
from models.inspection.config import Config
from models.inspection.conformal import calibrate
from models.inspection.data import Dataset, Floats, assemble, furthest
from models.inspection.predict import GRAPH, INPUTS, MODEL, OUTPUT, Predictor, log_odds
from models.inspection.spec import FORMAT_VERSION, ModelSpec

if TYPE_CHECKING:
    from models.inspection.model import Inspector

LIBRARIES = ("numpy", "torch")
LEAST_SPREAD = 1e-6
WARM_UP = 0.3  # share of the steps in which the learning rate rises


@dataclass(frozen=True)
class Trained:
    """A trained inspector in memory: what `save` writes."""

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
        side = self.spec.side_px
        return write_artifact(
            folder,
            name="inspection",
            config=self.config,
            files={MODEL: self.spec.model_dump_json(indent=1).encode(), GRAPH: self.graph},
            metrics=report.metric_dicts() if report else (),
            input_schema={
                "pictures": {"shape": ["N", side, side, 3], "type": "uint8"},
                "approved": {"shape": ["B", side, side, 3], "type": "uint8"},
                "readings": {"shape": ["N", 3], "type": "float", "unit": "g, kPa, degrees Celsius"},
            },
            output_schema={
                "decision": {"shape": ["N"], "type": "text"},
                "probability": {"shape": ["N"], "type": "float"},
            },
            data_fingerprint=self.data_fingerprint,
            code_revision=code_revision,
            trained_until=self.trained_until.astype("datetime64[D]").item(),
            seed=self.seed,
            libraries=LIBRARIES,
        )


def train(data: Dataset, cfg: Config, *, seed: int, on_progress: ProgressCallback = silent) -> Trained:
    """The network, fitted before `calibrate_from`, and thresholds set between there and `test_from`; the same data, config and
    seed give the same bytes. DataError where the oldest packages have no sound one or no defect."""
    on_progress("network", 0.0)
    rows = np.arange(data.calibrate_from)
    kind = data.kind[rows]
    if (kind == 0).sum() < 2 or not kind.any():
        raise DataError(
            f"the {len(rows)} packages to train on have {int((kind == 0).sum())} sound ones: two and a defect are needed"
        )
    spread = np.maximum(data.off[rows][kind == 0].std(axis=0), LEAST_SPREAD)
    network = fit(data, cfg, rows, spread, seed=seed, on_progress=on_progress)
    on_progress("graph", 0.93)
    graph = to_graph(network, data.pictures.shape[1], cfg.threads)
    spec = ModelSpec(
        format_version=FORMAT_VERSION,
        kinds=data.kinds,
        side_px=data.pictures.shape[1],
        furthest_px=furthest(cfg, data.pictures.shape[1]),
        spread=(float(spread[0]), float(spread[1]), float(spread[2])),
        pass_below=None,
        reject_above=None,
        miss_level=cfg.miss_level,
        reject_level=cfg.reject_level,
    )
    on_progress("thresholds", 0.95)
    spec = spec.model_copy(update=_thresholds(Predictor(spec, graph), data, cfg))
    on_progress("trained", 1.0)
    return Trained(cfg, spec, graph, data.fingerprint, data.trained_until, seed)


def fit(
    data: Dataset,
    cfg: Config,
    rows: np.ndarray,
    spread: Floats,
    *,
    seed: int,
    on_progress: ProgressCallback = silent,
) -> "Inspector":
    """A network fitted to some rows. Pictures are mirrored together with their approved ones, and moved within the play."""
    import torch
    from torch.nn import functional

    from models.inspection.model import Inspector

    rng = np.random.default_rng(seed)
    with torch_controlled(cfg.threads, seed):
        network = Inspector(len(data.kinds), cfg.width, data.off.shape[1])
        per_epoch = max(1, len(rows) // cfg.batch)
        fastest: Any = torch.optim.AdamW(network.parameters(), lr=cfg.learning_rate, weight_decay=cfg.weight_decay)
        steps = torch.optim.lr_scheduler.OneCycleLR(
            fastest, cfg.learning_rate, total_steps=cfg.epochs * per_epoch, pct_start=WARM_UP
        )
        network.train()
        for epoch in range(cfg.epochs):
            order = rng.permutation(rows)
            for step in range(per_epoch):
                chosen = order[step * cfg.batch : (step + 1) * cfg.batch]
                fed = assemble(data.pictures[chosen], data.approved[data.batch[chosen]], data.off[chosen], spread)
                picture, approved, readings = (torch.from_numpy(fed[name]) for name in INPUTS)
                axes = [axis for axis in (2, 3) if rng.random() < 0.5]
                play = tuple(int(each) for each in rng.integers(-cfg.play_px, cfg.play_px + 1, 2))
                picture, approved = torch.roll(picture.flip(axes), play, (2, 3)), approved.flip(axes)
                loss = functional.cross_entropy(
                    network(picture, approved, readings), torch.from_numpy(data.kind[chosen])
                )
                fastest.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                fastest.step()
                steps.step()
            # Once an epoch: where steps are told to a log that is kept, hearing of each costs as much as taking it.
            on_progress(f"network, epoch {epoch + 1} of {cfg.epochs}", 0.02 + 0.9 * (epoch + 1) / cfg.epochs)
        network.eval()
    return network


def to_graph(network: "Inspector", side: int, threads: int) -> bytes:
    """picture, approved (N, 3, S, S) and readings (N, 3) -> logits (N, K), N free."""
    import torch

    count = torch.export.Dim("N", min=1, max=4_096)
    example = (torch.rand(2, 3, side, side), torch.rand(2, 3, side, side), torch.zeros(2, 3))
    return onnx_bytes(
        network,
        example,
        inputs=list(INPUTS),
        outputs=[OUTPUT],
        shapes={name: {0: count} for name in INPUTS},
        threads=threads,
    )


def _thresholds(model: Predictor, data: Dataset, cfg: Config) -> dict[str, float | None]:
    here = slice(data.calibrate_from, data.test_from)
    scores = log_odds(model.logits(data.pictures[here], data.approved, data.batch[here], data.off[here]))
    found = calibrate(
        scores,
        data.kind[here],
        miss_level=cfg.miss_level,
        reject_level=cfg.reject_level,
        by_kind=cfg.control == "kind",
    )
    told = {"pass_below": found.pass_below, "reject_above": found.reject_above}
    return {name: value if np.isfinite(value) else None for name, value in told.items()}
