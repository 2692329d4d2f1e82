"""Training: sampled rows before the cutoff, early stopping and conformal calibration on the validation periods."""

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from pydantic import JsonValue

from models.common.artifact import Manifest, write_artifact
from models.common.protocols import DataError, ProgressCallback, silent
from models.common.report import Report
from models.forecaster.blend import Blend, Member
from models.forecaster.blending import blend_on, columns_of, fit_network_member, judged_rows, network_note
from models.forecaster.calibrate import fit_calibration
from models.forecaster.config import QUANTILES, Config
from models.forecaster.data import Dataset
from models.forecaster.effects import covariates_of, state_of
from models.forecaster.effects_choice import choose_effects
from models.forecaster.export import export_boosters
from models.forecaster.model import (
    OUTPUTS,
    Loss,
    binned,
    fit_booster,
    mean_params,
    quantile_params,
)
from models.forecaster.rows import (
    Assembler,
    ModelRows,
    choose,
    joined,
    kind_of,
    mean_rows,
    quantile_rows,
    sample,
)
from models.forecaster.series import keys_of
from models.forecaster.sources import columns_read
from models.forecaster.spec import ModelSpec
from models.forecaster.spreading import fit_spreads

if TYPE_CHECKING:
    from models.forecaster.candidates import Candidate
    from models.forecaster.predict import Predictor

Float = npt.NDArray[np.floating[Any]]
Ints = npt.NDArray[np.int64]
LIBRARIES = ("numpy", "onnx", "onnxmltools", "xgboost-cpu")
MIN_ROWS = 30
MIN_VALIDATION_ROWS = 20
VALIDATION_SHARE = 0.35  # validation rows are bounded by this share of the bound on training rows
PARITY_ROWS = 512
# Of single units a quantile that has not gained for so many times fewer rounds than the mean waits gains no more: of nine
# fits one stopped earlier (41 trees, not 53), and was the better for it.
COUNTS_PATIENCE = 2


@dataclass(frozen=True)
class Trained:
    """A trained forecaster in memory: UBJSON boosters, ONNX graphs and what a predictor must know beside them."""

    config: Config
    spec: ModelSpec
    files: Mapping[str, bytes]
    data_fingerprint: str
    trained_until: np.datetime64
    seed: int
    notes: tuple[str, ...]
    seconds: Mapping[str, float]  # of fitting each member of the blend that is a model

    def predictor(self) -> "Predictor":
        """The predictor that `load` would return after `save`: what is evaluated is what is served."""
        from models.forecaster.predict import Predictor

        return Predictor(self.spec, self.files)

    def contenders(self) -> "tuple[Candidate, ...]":
        """The members of the blend that are models, each alone: what the others add to it; none where there is one."""
        from models.forecaster.candidates import Champion

        blend, predictor = self.spec.blend, self.predictor()
        models: tuple[Member, ...] = ("trees", "network")
        if "network" not in blend.members:
            return ()
        return tuple(Champion(predictor.alone(name), self.seconds[name], f"{name} alone") for name in models)

    def save(self, folder: Path, *, report: Report | None = None, code_revision: str = "unknown") -> Manifest:
        """Write the artifact to `folder` (see `models.common.artifact`); a `report` adds its metrics."""
        spec = self.spec
        grid: list[JsonValue] = ["N", f"H <= {spec.horizon}"]
        return write_artifact(
            folder,
            name="forecaster",
            config=self.config,
            files=self.files,
            metrics=report.metric_dicts() if report else (),
            input_schema={
                "state": {name: {"shape": ["N"], "type": "float"} for name in spec.state_columns},
                "known_future": {name: {"shape": grid, "type": "float"} for name in spec.covariates},
                "origin": {"shape": ["N"], "type": "date"},
            },
            output_schema={output: {"shape": grid, "type": "float", "unit": spec.unit} for output in OUTPUTS},
            data_fingerprint=self.data_fingerprint,
            code_revision=code_revision,
            trained_until=self.trained_until.astype("datetime64[D]").item(),
            seed=self.seed,
            libraries=LIBRARIES,
        )


def train(data: Dataset, cfg: Config, *, seed: int, on_progress: ProgressCallback = silent) -> Trained:
    """Train the four boosters on the pairs before the cutoff; the same data, config and seed give the same bytes.

    No row whose target lies on or after `data.split.test_start` is read. DataError if fewer than 30 rows remain.
    """
    on_progress("choosing training rows", 0.0)
    rng = np.random.default_rng(seed)
    kind = kind_of(data, cfg)
    loss, counts = kind.loss, kind.counts
    target = data.targets(data.panel)
    # What a stock-out left unsold the mean is told as a bound; of the quantiles' rows such days stay out.
    least = data.least(data.panel) if counts and loss == "poisson" else np.full_like(target, np.nan)
    short = least > 0  # at least nothing says nothing
    target = np.where(short, least, target)
    period = data.panel.period[:, None] + np.arange(1, cfg.horizon + 1)  # (N, H) index of the target
    pair, column = np.nonzero(~np.isnan(target) & (period < data.test_period))
    before = period[pair, column] < np.searchsorted(data.periods, data.split.validation_start)
    training = sample(np.flatnonzero(before), cfg.max_rows, rng)
    held = sample(np.flatnonzero(~before), max(MIN_ROWS, int(cfg.max_rows * VALIDATION_SHARE)), rng)
    if training.size < MIN_ROWS:
        raise DataError(
            f"{training.size} training rows (open, uncensored targets before {data.split.validation_start}): at least "
            f"{MIN_ROWS} are needed: give a longer history, more series or a later cutoff"
        )
    assembler = Assembler(data.panel, cfg, kind.floor, target, short)
    trained_on, held_out = (pair[training], column[training]), (pair[held], column[held])
    hurried = cfg.hurried(counts)
    chosen = choose(assembler, *trained_on, hurried, kind, rng=rng, seed=seed)
    names = chosen.names
    on_progress("assembling features", 0.05)
    rows, valid = assembler.rows(*trained_on, names), assembler.rows(*held_out, names) if held.size else None
    began = time.perf_counter()
    choice = choose_effects(
        assembler, (pair, column), before, trained_on, held_out, rows, valid, cfg=hurried, kind=kind, seed=seed
    )
    effects, rows, valid = choice.effects, choice.rows, choice.valid
    boosters, rounds = _fit_all(
        hurried, rows, valid, choice.bins, loss=loss, counts=counts, rng=rng, seed=seed, on_progress=on_progress
    )
    refitted = kind.refits(cfg.refit) and valid is not None
    seconds = {"trees": time.perf_counter() - began}
    network = fit_network_member(
        data, cfg, names, effects, counts=counts, refit=refitted, seed=seed, on_progress=on_progress
    )
    on_progress("weighting the members of the blend", 0.8)
    judged = judged_rows(valid, pair[held], column[held] + 1, network, effects=effects is not None)
    blend, raw = blend_on(judged, boosters, data.panel, loss=loss, threads=cfg.threads) if judged else (Blend(), None)
    on_progress("calibrating the quantiles", 0.85)
    calibration = fit_calibration(raw, judged, counts=counts, rng=rng)
    if refitted and valid is not None:
        # The newest periods tell most of those to come. The quantiles stay: theirs is the fit that was calibrated.
        began = time.perf_counter()
        every = mean_rows(joined(rows, valid), loss)
        params = mean_params(hurried, loss, every, seed)
        boosters["mean"], _ = fit_booster(params, every, None, trees=rounds["mean"], early_stopping=1)
        seconds["trees"] += time.perf_counter() - began
    on_progress("exporting to ONNX", 0.9)
    graphs = export_boosters(boosters, len(names), rows[0][:PARITY_ROWS], cfg.threads)
    if network is not None and "network" in blend.members:
        graphs["network.onnx"], seconds["network"] = network.onnx, network.seconds
    series = network.series if network is not None and "network" in blend.members else None
    columns, covariates = columns_read(names, data.panel.state, data.covariates, cfg.frequency)
    spec = ModelSpec(
        frequency=cfg.frequency,
        horizon=cfg.horizon,
        unit=data.unit,
        counts=counts,
        non_negative=kind.non_negative,
        loss=loss,
        scale_floor=kind.floor,
        state_columns=tuple(
            sorted({*columns, *columns_of(blend, data.panel.state), *state_of(effects), *keys_of(series)})
        ),
        covariates=tuple(sorted({*covariates, *covariates_of(effects)})),
        feature_names=names,
        dropped_features=(*chosen.constant, *chosen.dated, *chosen.weak),
        reference=_rounded(np.nanmedian(rows[0], axis=0)),
        feature_low=_rounded(np.nanmin(rows[0], axis=0)),
        feature_high=_rounded(np.nanmax(rows[0], axis=0)),
        calibration=calibration,
        blend=blend,
        spreads=fit_spreads(raw, judged, calibration, data, counts=counts),
        series=series,
        effects=choice.renewed,
        rounds=rounds,
    )
    on_progress("trained", 1.0)
    ubj = {f"{output}.ubj": bytes(boosters[output].save_raw("ubj")) for output in OUTPUTS}
    return Trained(
        config=cfg,
        spec=spec,
        files={**ubj, **graphs, "model.json": (spec.model_dump_json(indent=1) + "\n").encode()},
        data_fingerprint=data.fingerprint,
        trained_until=data.split.trained_until,
        seed=seed,
        notes=(
            f"{rows[1].size} training and {held.size} validation rows from {len(data.panel)} (series, origin) pairs",
            f"loss of the mean: {loss}; trees: " + ", ".join(f"{name} {count}" for name, count in rounds.items()),
            "the mean was fitted again with the validation rows" if refitted else "the mean saw no validation rows",
            choice.note,
            network_note(network, blend),
            "weights by segment and steps: " + blend.sentence,
            f"{len(names)} features; left out as constant or always missing: {', '.join(chosen.constant) or 'none'}",
            f"left out for they tell the origin, not the series: {', '.join(chosen.dated) or 'none'}",
            f"left out as the weakest beyond {cfg.max_features}: {', '.join(chosen.weak) or 'none'}",
        ),
        seconds=seconds,
    )


def _fit_all(
    cfg: Config,
    rows: ModelRows,
    valid: ModelRows | None,
    bins: Any,
    *,
    loss: Loss,
    counts: bool,
    rng: np.random.Generator,
    seed: int,
    on_progress: ProgressCallback,
) -> tuple[dict[str, Any], dict[str, int]]:
    stop_on = valid if valid is not None and valid[1].size >= MIN_VALIDATION_ROWS else None
    on_progress("fitting mean", 0.1)
    own, held = mean_rows(rows, loss), mean_rows(stop_on, loss) if stop_on else None
    boosters: dict[str, Any] = {}
    rounds: dict[str, int] = {}

    # Bins of some of the rows, where there are any already, will do; they are there for units a day, by the probe of effects.
    matrices = binned(own, held, cfg.threads, like=bins)

    def fit(output: str, params: dict[str, Any], trees: int, early_stopping: int) -> None:
        # Without rows to stop on, a third of the trees is the cautious choice.
        trees = trees if held is not None else max(5, trees // 3)
        boosters[output], rounds[output] = fit_booster(
            params, own, held, trees=trees, early_stopping=early_stopping, matrices=matrices
        )

    fit("mean", mean_params(cfg, loss, own, seed), cfg.trees, cfg.early_stopping)
    own = quantile_rows(rows, counts, cfg.quantile_rows, rng)
    bound = int(cfg.quantile_rows * VALIDATION_SHARE)
    held = quantile_rows(stop_on, counts, bound, rng) if stop_on else None
    # Rows of the mean are among them: of units, where training is to be quick, its bins will do.
    matrices = binned(own, held, cfg.threads, like=matrices[0] if counts else None)
    patience = max(1, cfg.early_stopping // COUNTS_PATIENCE) if counts else cfg.early_stopping
    for index, level in enumerate(QUANTILES):
        on_progress(f"fitting {OUTPUTS[index + 1]}", 0.5 + 0.12 * index)
        fit(OUTPUTS[index + 1], quantile_params(cfg, level, own, seed), cfg.quantile_trees, patience)
    return boosters, rounds


def _rounded(values: Float) -> tuple[float, ...]:
    return tuple(float(value) if math.isfinite(value) else 0.0 for value in values)
