"""Whether effects are worth having: two small forests on the same rows, with and without, judged on the validation periods."""

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from models.forecaster.config import Config
from models.forecaster.effects import Effects
from models.forecaster.effects_fit import fit_effects, fit_lasting
from models.forecaster.effects_newton import FitRows
from models.forecaster.effects_values import AGE, Targets
from models.forecaster.model import Loss, binned, fit_booster, mean_params, predict_booster, relabelled, unbinned
from models.forecaster.rows import Assembler, Ints, Kind, ModelRows, mean_rows, sample
from models.forecaster.series import known_series

Places = tuple[Ints, Ints]  # pair (M,) and column of the target (M,)
MAX_ROWS = 400_000  # rows of the fit: memory and seconds grow with them
LASTING_ROWS = 60_000  # rows by which it is told what lasts
# A launch climbs for weeks, which a fit would take for growth of the product, and carry on.
LAUNCH_PERIODS = 60
FROM_THE_START = 28  # a series that begins within so many periods of the table may be as old as can be
MIN_SETTLED = 0.2  # share of the targets that must lie beyond a launch for the others to be left out
PROBE_ROWS = 30_000
PROBE_RATES = 6.0  # most trees of a small forest times their rate
PROBE_STOPPING = 10
PROBE_WATCHED = 20_000  # validation rows that tell when to stop: putting all down every tree took longer than the trees
MIN_HELD = 500  # validation rows by which effects are judged; with fewer there are none
MIN_GAIN = 0.005  # of the deviance of the trees without them
# What effects leave to the trees takes fewer rows to learn: on four worlds of the twin 60,000 gave the quantiles the losses that
# 100,000 gave them (q10 0.352, q50 0.976, q90 0.544 in the mean, and 0.353, 0.978, 0.544).
LEFT_ROWS = 60_000
MOST_LOSS = 0.05  # of their squared error: effects that please the many small at the cost of the large stay out


@dataclass(frozen=True)
class Choice:
    """The effects or None, the training and validation rows in units of their divisor, and a note for a reader.

    renewed: the same effects, fitted on to the cutoff: those of the forecasts to come. bins: some of the rows as XGBoost
    trains on them, where there are any.
    """

    effects: Effects | None
    renewed: Effects | None
    rows: ModelRows
    valid: ModelRows | None
    note: str
    bins: Any = None


def choose_effects(
    assembler: Assembler,
    pool: Places,
    before: npt.NDArray[np.bool_],
    training: Places,
    held: Places,
    rows: ModelRows,
    valid: ModelRows | None,
    *,
    cfg: Config,
    kind: Kind,
    seed: int,
) -> Choice:
    """Fit effects, and keep them if trees forecast the rows of `valid` better with them.

    Only of whole units. Where sales are a currency they are the sum of many units and next to free of noise: of Rossmann's
    (42 days from 2015-05-09) small forests liked effects, deviance 98.7 instead of 102.8, but of the whole ones that
    learn four hundred trees the error was 0.110 with them and 0.103 without.

    pool: all targets; before: those that come before the validation periods, (M,); training, held: where `rows` and
    `valid` come from. Every target period of every series is fitted on once, from the origin nearest to it, which knows
    most of what was planned for it.
    """
    began = time.perf_counter()
    loss = kind.loss
    daily_units = assembler.cfg.frequency == "daily" and kind.counts and loss == "poisson"
    if not daily_units or valid is None or valid[1].size < MIN_HELD:
        return _none(rows, valid, "no effects were fitted: they are for units a day")
    if known_series(assembler.panel.state, assembler.panel.series) is None:
        return _none(rows, valid, "no effects were fitted: product and store do not tell one series from another")
    rng = np.random.default_rng(seed)
    settled = pool[0][before], pool[1][before]
    effects = fit_effects(_fit_rows(assembler, _once_each(assembler, settled, rng)))
    some = sample(np.arange(settled[0].size), LASTING_ROWS, rng)
    effects = fit_lasting(effects, _fit_rows(assembler, (settled[0][some], settled[1][some])))
    seconds = time.perf_counter() - began
    part = sample(np.arange(rows[1].size), PROBE_ROWS, rng)
    left = sample(np.arange(rows[1].size), LEFT_ROWS, rng)
    watched = sample(np.arange(valid[1].size), PROBE_WATCHED, rng)

    def multiplied(some: ModelRows, places: Places, at: Ints | None = None) -> ModelRows:
        if at is not None:
            some, places = _taken(some, at), (places[0][at], places[1][at])
        return _multiplied(some, effects, _targets(assembler, places))

    probe = _taken(rows, part)
    forests = _Forests(cfg, loss, seed, binned(mean_rows(probe, loss), None, cfg.threads)[0])
    valid_with = multiplied(valid, held)
    without = forests.judged(probe, valid, watched)
    found = forests.judged(multiplied(rows, training, part), valid_with, watched)
    said = (
        f"deviance on the validation periods {without[0]:.4g} without effects, {found[0]:.4g} with them; root mean "
        f"squared error {without[1] ** 0.5:.4g} and {found[1] ** 0.5:.4g}; fitted in {seconds:.1f} s"
    )
    if found[0] > (1.0 - MIN_GAIN) * without[0] or found[1] > (1.0 + MOST_LOSS) * without[1]:
        return Choice(None, None, rows, valid, f"effects buy nothing: {said}", forests.matrix)
    renewed = fit_effects(_fit_rows(assembler, _once_each(assembler, pool, rng)), begin=effects)
    note = f"effects of {len(effects.columns)} columns: {said}"
    return Choice(effects, renewed, multiplied(rows, training, left), valid_with, note, forests.matrix)


def _none(rows: ModelRows, valid: ModelRows | None, note: str) -> Choice:
    return Choice(None, None, rows, valid, note)


def _once_each(assembler: Assembler, pool: Places, rng: np.random.Generator) -> Places:
    """Every target period of every series once, from the nearest origin before it."""
    panel = assembler.panel
    order = np.lexsort((panel.period, panel.series))
    same = panel.series[order[1:]] == panel.series[order[:-1]]
    next_origin = np.full(order.size, np.iinfo(np.int64).max)
    next_origin[order[:-1][same]] = panel.period[order[1:][same]]
    near = panel.period[pool[0]] + pool[1] + 1 <= next_origin[pool[0]]
    places = pool[0][near], pool[1][near]
    chosen = sample(np.flatnonzero(_settled(assembler, places)), MAX_ROWS, rng)
    return places[0][chosen], places[1][chosen]


def _settled(assembler: Assembler, places: Places) -> npt.NDArray[np.bool_]:
    """Whether a target lies beyond the launch of its series, (M,); all of them where hardly any would be left."""
    panel, (pair, column) = assembler.panel, places
    if AGE not in panel.state:
        return np.ones(pair.size, dtype=bool)
    age = np.asarray(panel.state[AGE], dtype=np.float64)
    launched = panel.period - age > FROM_THE_START  # not where the age is unknown
    settled = ~(launched[pair] & (age[pair] + column + 1 < LAUNCH_PERIODS))
    return settled if settled.mean() >= MIN_SETTLED else np.ones(pair.size, dtype=bool)


def _targets(assembler: Assembler, places: Places) -> Targets:
    panel, (pair, column) = assembler.panel, places
    level = np.maximum(np.asarray(panel.state["scale"], dtype=np.float64), assembler.floor)
    return Targets(panel.state, panel.known_future, panel.origin, pair, column + 1, level[pair])


def _fit_rows(assembler: Assembler, places: Places) -> FitRows:
    pair, column = places
    targets = _targets(assembler, places)
    return FitRows(**vars(targets), value=assembler.target[pair, column], short=assembler.short[pair, column])


def _multiplied(rows: ModelRows, effects: Effects, targets: Targets) -> ModelRows:
    X, value, scale, short = rows
    return X, value, scale * np.exp(effects.log_factor(targets, scale)), short


def _taken(rows: ModelRows, part: Ints) -> ModelRows:
    X, value, scale, short = rows
    return X[part], value[part], scale[part], short[part]


@dataclass(frozen=True)
class _Forests:
    """Small forests on the same rows, which are binned once; targets and weights are those of each."""

    cfg: Config
    loss: Loss
    seed: int
    matrix: Any

    def judged(self, train: ModelRows, test: ModelRows, watched: Ints) -> tuple[float, float]:
        """Mean Poisson deviance and mean squared error of one on the rows of `test` that are not short.

        It stops growing by those of `test` at `watched`.
        """
        X, value, scale, short = test
        told: npt.NDArray[np.bool_] = ~short
        own, held = mean_rows(train, self.loss), mean_rows(_taken(test, watched), self.loss)
        trees = max(5, round(PROBE_RATES / self.cfg.learning_rate))
        booster, _ = fit_booster(
            mean_params(self.cfg, self.loss, own, self.seed),
            own,
            held,
            trees=trees,
            early_stopping=PROBE_STOPPING,
            matrices=(relabelled(self.matrix, own), unbinned(held, self.cfg.threads)),
        )
        mean = np.maximum(predict_booster(booster, X[told], self.cfg.threads) * scale[told], 1e-9)
        wanted = value[told]
        fit = np.where(wanted > 0, wanted * np.log(np.maximum(wanted, 1e-9) / mean), 0.0) - (wanted - mean)
        return float(2.0 * fit.mean()), float(np.mean((wanted - mean) ** 2))
