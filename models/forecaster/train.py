"""Training: sampled rows before the cutoff, early stopping and conformal calibration on the validation periods."""

import math
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
from models.forecaster.calibrate import fit_calibration
from models.forecaster.config import Config
from models.forecaster.data import Dataset, FeatureMatrix, Panel, assemble
from models.forecaster.export import export_boosters
from models.forecaster.model import (
    OUTPUTS,
    Loss,
    Rows,
    fit_booster,
    mean_params,
    output_level,
    predict_booster,
    quantile_params,
)
from models.forecaster.selection import Chosen, choose_features
from models.forecaster.sources import columns_read
from models.forecaster.spec import ModelSpec

if TYPE_CHECKING:
    from models.forecaster.predict import Predictor

Float = npt.NDArray[np.floating[Any]]
Ints = npt.NDArray[np.int64]
LIBRARIES = ("numpy", "onnx", "onnxmltools", "xgboost-cpu")
MIN_ROWS = 30
SCALE_FLOOR_QUANTILE = 0.01
MIN_VALIDATION_ROWS = 20
VALIDATION_SHARE = 0.35  # validation rows are bounded by this share of the training bound
PARITY_ROWS = 512
CHOICE_ROWS = 40_000  # rows that features are chosen by


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

    def predictor(self) -> "Predictor":
        """The predictor that `load` would return after `save`: what is evaluated is what is served."""
        from models.forecaster.predict import Predictor

        return Predictor(self.spec, self.files["forecast.onnx"], self.files["mean.onnx"])

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
    counts, non_negative = _value_kind(data)
    loss: Loss = cfg.loss if cfg.loss != "auto" else ("poisson" if non_negative else "squared")
    if loss == "poisson" and not non_negative:
        raise DataError("sales.value: values below 0 with loss='poisson': choose loss='squared' or mend the table")
    # A series that sold nothing lately has next to no scale; its first sale must not look like a thousandfold one.
    floor = 1.0 if counts else float(np.quantile(data.panel.state["scale"], SCALE_FLOOR_QUANTILE))
    target = data.targets(data.panel)
    period = data.panel.period[:, None] + np.arange(1, cfg.horizon + 1)  # (N, H) index of the target
    pair, column = np.nonzero(~np.isnan(target) & (period < data.test_period))
    before = period[pair, column] < np.searchsorted(data.periods, data.split.validation_start)
    training = _sample(np.flatnonzero(before), cfg.max_rows, rng)
    held = _sample(np.flatnonzero(~before), max(MIN_ROWS, int(cfg.max_rows * VALIDATION_SHARE)), rng)
    if training.size < MIN_ROWS:
        raise DataError(
            f"{training.size} training rows (open, uncensored targets before {data.split.validation_start}): at least "
            f"{MIN_ROWS} are needed: give a longer history, more series or a later cutoff"
        )
    assembler = _Assembler(data.panel, cfg, floor, target)
    chosen = _choose(assembler, pair[training], column[training], cfg, loss=loss, rng=rng, seed=seed)
    names = chosen.names
    on_progress("assembling features", 0.05)
    rows = assembler.rows(pair[training], column[training], names)
    valid = assembler.rows(pair[held], column[held], names) if held.size else None
    boosters, rounds = _fit_all(cfg, rows, valid, loss=loss, counts=counts, rng=rng, seed=seed, on_progress=on_progress)
    refitted = _refits(cfg, counts) and valid is not None
    on_progress("calibrating the quantiles", 0.85)
    raw = (
        {output: predict_booster(boosters[output], valid[0], cfg.threads) for output in OUTPUTS[1:]} if valid else None
    )
    calibration = fit_calibration(raw, valid, column[held] + 1, counts=counts, rng=rng)
    on_progress("exporting to ONNX", 0.9)
    onnx = export_boosters(boosters, len(names), rows[0][:PARITY_ROWS], cfg.threads)
    columns, covariates = columns_read(names, data.panel.state, data.covariates, cfg.frequency)
    spec = ModelSpec(
        frequency=cfg.frequency,
        horizon=cfg.horizon,
        unit=data.unit,
        counts=counts,
        non_negative=non_negative,
        loss=loss,
        scale_floor=floor,
        state_columns=columns,
        covariates=covariates,
        feature_names=names,
        dropped_features=(*chosen.constant, *chosen.weak),
        reference=_rounded(np.nanmedian(rows[0], axis=0)),
        feature_low=_rounded(np.nanmin(rows[0], axis=0)),
        feature_high=_rounded(np.nanmax(rows[0], axis=0)),
        calibration=calibration,
        rounds=rounds,
    )
    on_progress("trained", 1.0)
    ubj = {f"{output}.ubj": bytes(boosters[output].save_raw("ubj")) for output in OUTPUTS}
    return Trained(
        config=cfg,
        spec=spec,
        files={**ubj, **onnx, "model.json": (spec.model_dump_json(indent=1) + "\n").encode()},
        data_fingerprint=data.fingerprint,
        trained_until=data.split.trained_until,
        seed=seed,
        notes=(
            f"{training.size} training and {held.size} validation rows from {len(data.panel)} (series, origin) pairs",
            f"loss of the mean: {loss}; trees: " + ", ".join(f"{name} {count}" for name, count in rounds.items()),
            "the mean was fitted again with the validation rows" if refitted else "the mean saw no validation rows",
            f"{len(names)} features; left out as constant or always missing: {', '.join(chosen.constant) or 'none'}",
            f"left out as the weakest beyond {cfg.max_features}: {', '.join(chosen.weak) or 'none'}",
        ),
    )


ModelRows = tuple[npt.NDArray[np.float32], Float, Float]  # X (M, F), value (M,), scale (M,)


def _fit_all(
    cfg: Config,
    rows: ModelRows,
    valid: ModelRows | None,
    *,
    loss: Loss,
    counts: bool,
    rng: np.random.Generator,
    seed: int,
    on_progress: ProgressCallback,
) -> tuple[dict[str, Any], dict[str, int]]:
    boosters: dict[str, Any] = {}
    rounds: dict[str, int] = {}
    stop_on = valid if valid is not None and valid[1].size >= MIN_VALIDATION_ROWS else None
    for index, output in enumerate(OUTPUTS):
        on_progress(f"fitting {output}", 0.1 + 0.4 * (index > 0) + 0.12 * max(index - 1, 0))
        level = output_level(output)
        if level is None:
            own, held = _mean_rows(rows, loss), _mean_rows(stop_on, loss) if stop_on else None
            params, trees = mean_params(cfg, loss, own, seed), cfg.trees
        else:
            own = _quantile_rows(rows, counts, cfg.quantile_rows, rng)
            held = _quantile_rows(stop_on, counts, cfg.quantile_rows, rng) if stop_on else None
            params, trees = quantile_params(cfg, level, own, seed), cfg.quantile_trees
        # Without rows to stop on, a third of the trees is the cautious choice.
        trees = trees if held is not None else max(5, trees // 3)
        boosters[output], rounds[output] = fit_booster(
            params, own, held, trees=trees, early_stopping=cfg.early_stopping
        )
        if level is None and _refits(cfg, counts) and valid is not None:
            # The newest periods tell most of those to come. The quantiles stay: theirs is the fit that was calibrated.
            every = _mean_rows(_joined(rows, valid), loss)
            boosters[output], _ = fit_booster(
                mean_params(cfg, loss, every, seed), every, None, trees=rounds[output], early_stopping=1
            )
    return boosters, rounds


def _refits(cfg: Config, counts: bool) -> bool:
    return not counts if cfg.refit is None else cfg.refit


def _joined(first: ModelRows, second: ModelRows) -> ModelRows:
    X, value, scale = (np.concatenate(pair) for pair in zip(first, second, strict=True))
    return X, value, scale


def _mean_rows(rows: ModelRows, loss: Loss) -> Rows:
    X, value, scale = rows
    weight = scale if loss == "poisson" else np.ones_like(scale)
    return Rows(X, value / scale, weight / weight.mean())


def _quantile_rows(rows: ModelRows, counts: bool, bound: int, rng: np.random.Generator) -> Rows:
    X, value, scale = rows
    kept = _sample(np.arange(value.size), bound, rng)
    jitter = rng.random(kept.size) - 0.5 if counts else 0.0
    return Rows(X[kept], (value[kept] + jitter) / scale[kept], np.ones(kept.size))


@dataclass(frozen=True)
class _Assembler:
    """Rows of the panel by (pair, column of the target) with what all of them share."""

    panel: Panel
    cfg: Config
    floor: float
    target: Float

    def matrix(self, pair: Ints, column: Ints, names: tuple[str, ...] | None = None) -> FeatureMatrix:
        return assemble(
            self.panel.state,
            self.panel.known_future,
            origin=self.panel.origin,
            horizon=self.cfg.horizon,
            frequency=self.cfg.frequency,
            scale_floor=self.floor,
            feature_names=names,
            rows=(pair, column + 1),
        )

    def rows(self, pair: Ints, column: Ints, names: tuple[str, ...]) -> ModelRows:
        matrix = self.matrix(pair, column, names)
        return matrix.X, self.target[pair, column], matrix.scale


def _choose(
    assembler: _Assembler, pair: Ints, column: Ints, cfg: Config, *, loss: Loss, rng: np.random.Generator, seed: int
) -> Chosen:
    """The features to train on, by a sample of the training rows."""
    part = _sample(np.arange(pair.size), CHOICE_ROWS, rng)
    matrix = assembler.matrix(pair[part], column[part])
    rows = (matrix.X, assembler.target[pair[part], column[part]], matrix.scale)
    return choose_features(matrix, _mean_rows(rows, loss), cfg, loss, seed=seed)


def _value_kind(data: Dataset) -> tuple[bool, bool]:
    """(whole units?, never negative?) of the usable values before the cutoff."""
    known = data.values[:, : data.test_period][data.usable[:, : data.test_period]]
    if known.size == 0:
        raise DataError(
            "sales: 0 open, uncensored, known values before the cutoff: check the columns open, censored and value"
        )
    non_negative = bool(known.min() >= 0)
    return data.unit == "units" and non_negative and bool(np.all(known == np.round(known))), non_negative


def _sample(index: Ints, bound: int, rng: np.random.Generator) -> Ints:
    return index if index.size <= bound else np.sort(rng.choice(index, size=bound, replace=False))


def _rounded(values: Float) -> tuple[float, ...]:
    return tuple(float(value) if math.isfinite(value) else 0.0 for value in values)
