"""Whether effects are worth having: two small forests on the same rows, with and without, judged on the validation periods."""

import time
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.forecaster.config import Config
from models.forecaster.effects import Effects
from models.forecaster.effects_fit import FitRows, fit_effects
from models.forecaster.model import Loss, fit_booster, mean_params, predict_booster
from models.forecaster.rows import Assembler, Float, Ints, ModelRows, mean_rows, sample

PROBE_ROWS = 40_000
PROBE_TREES = 80
PROBE_STOPPING = 10
MIN_HELD = 500  # validation rows by which effects are judged; with fewer there are none
MIN_GAIN = 0.005  # of the deviance of the trees without them
MOST_LOSS = 0.005  # of their squared error: effects that please the many small at the cost of the large stay out


@dataclass(frozen=True)
class Choice:
    """The effects or None, the training and validation rows in units of their divisor, and a note for a reader."""

    effects: Effects | None
    rows: ModelRows
    valid: ModelRows | None
    note: str
    seconds: float


def choose_effects(
    assembler: Assembler,
    pairs: tuple[Ints, Ints],
    columns: tuple[Ints, Ints],
    rows: ModelRows,
    valid: ModelRows | None,
    *,
    loss: Loss,
    seed: int,
) -> Choice:
    """Fit effects on `rows`, and keep them if trees forecast the rows of `valid` better with them.

    pairs, columns: of the training and of the validation rows, (M,) and (V,) each.
    """
    began = time.perf_counter()
    if assembler.cfg.frequency != "daily" or loss != "poisson" or valid is None or valid[1].size < MIN_HELD:
        return Choice(
            None, rows, valid, "no effects were fitted: they are for daily values that are never negative", 0.0
        )
    fitted = _fit_rows(assembler, pairs[0], columns[0], rows)
    effects, _ = fit_effects(fitted)
    held = _fit_rows(assembler, pairs[1], columns[1], valid)
    with_effects = (
        _multiplied(rows, effects.log_factor(fitted, fitted.divisor)),
        _multiplied(valid, effects.log_factor(held, held.divisor)),
    )
    part = sample(np.arange(rows[1].size), PROBE_ROWS, np.random.default_rng(seed))
    without, found = (
        _judged(_taken(train, part), test, assembler.cfg, loss, seed) for train, test in ((rows, valid), with_effects)
    )
    said = f"deviance on the validation periods {without[0]:.4g} without effects, {found[0]:.4g} with them"
    seconds = time.perf_counter() - began
    if found[0] > (1.0 - MIN_GAIN) * without[0] or found[1] > (1.0 + MOST_LOSS) * without[1]:
        return Choice(None, rows, valid, f"effects buy nothing: {said}", seconds)
    return Choice(effects, *with_effects, f"effects of {len(effects.columns)} columns: {said}", seconds)


def _fit_rows(assembler: Assembler, pair: Ints, column: Ints, rows: ModelRows) -> FitRows:
    panel = assembler.panel
    _, value, divisor, short = rows
    level = np.maximum(np.asarray(panel.state["scale"], dtype=np.float64), assembler.floor)
    return FitRows(
        pair=pair,
        step=column + 1,
        scale=level[pair],
        divisor=divisor,
        value=value,
        short=short,
        state=panel.state,
        known_future=panel.known_future,
        origin=panel.origin,
    )


def _multiplied(rows: ModelRows, log_factor: Float) -> ModelRows:
    X, value, scale, short = rows
    return X, value, scale * np.exp(log_factor), short


def _taken(rows: ModelRows, part: Ints) -> ModelRows:
    X, value, scale, short = rows
    return X[part], value[part], scale[part], short[part]


def _judged(train: ModelRows, test: ModelRows, cfg: Config, loss: Loss, seed: int) -> tuple[float, float]:
    """Mean Poisson deviance and mean squared error of a small forest on the rows of `test` that are not short."""
    X, value, scale, short = test
    told: npt.NDArray[np.bool_] = ~short
    own, held = mean_rows(train, loss), mean_rows(test, loss)
    params = mean_params(cfg, loss, own, seed)
    booster, _ = fit_booster(params, own, held, trees=PROBE_TREES, early_stopping=PROBE_STOPPING)
    mean = np.maximum(predict_booster(booster, X[told], cfg.threads) * scale[told], 1e-9)
    wanted = value[told]
    fit = np.where(wanted > 0, wanted * np.log(np.maximum(wanted, 1e-9) / mean), 0.0) - (wanted - mean)
    return float(2.0 * fit.mean()), float(np.mean((wanted - mean) ** 2))
