"""One experiment, from units to effects at every look: adjusted and plain, always valid and fixed-horizon."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.common.protocols import DataError, ProgressCallback, silent
from models.experiments.config import Config
from models.experiments.cuped import Effect, compare
from models.experiments.data import Counts, Dataset
from models.experiments.moments import Moments, cell_sums
from models.experiments.placebo import Placebo, deal_again
from models.experiments.sample_ratio import RatioCheck, check_ratio
from models.experiments.sequential import Interval, always_valid, fixed_horizon


@dataclass(frozen=True)
class Track:
    """One way of estimating an effect over D looks: the estimate, its always-valid and its fixed-horizon intervals (D,).

    relative_always and relative_fixed are intervals of the effect as a share of the control's level.
    """

    effect: Effect
    always: Interval
    fixed: Interval
    relative_always: Interval
    relative_fixed: Interval


@dataclass(frozen=True)
class Comparison:
    """An arm beside the control: with covariates (`adjusted`) and without (`plain`); the same where there are none.

    decided: index of the first look at which the always-valid interval of the adjusted effect left 0, None so far.
    """

    arm: str
    control: str
    adjusted: Track
    plain: Track
    decided: int | None


@dataclass(frozen=True)
class Analysis:
    """Everything a report tells: who was compared, on what, what came out, and what may be wrong with it.

    units (A,) assigned, complete (A,) whose window is over; look_days (D,), entry_days (E,) of the ratio check's looks.
    """

    experiment: str
    cfg: Config
    arms: tuple[str, ...]
    covariates: tuple[str, ...]
    units: npt.NDArray[np.int64]
    complete: npt.NDArray[np.int64]
    look_days: npt.NDArray[np.datetime64]
    entry_days: npt.NDArray[np.datetime64]
    comparisons: tuple[Comparison, ...]
    ratio: RatioCheck
    placebo: Placebo | None
    counts: Counts
    fingerprint: str


def analyse(data: Dataset, cfg: Config, *, seed: int, on_progress: ProgressCallback = silent) -> Analysis:
    """Estimate the effect of every arm on the metric at every look; `seed` deals the arms of the placebo runs.

    DataError where no look has `min_units` complete units in each arm.
    """
    on_progress("units and shares", 0.0)
    n_arms, n_looks = len(data.arms), data.look_days.size
    over = data.look >= 0
    columns, look, arm = data.columns[over], data.look[over], data.arm[over]
    moments = cell_sums(columns, look * n_arms + arm, (n_looks, n_arms)).cumulated(0).moments()
    complete = moments.count[-1].astype(np.int64)
    if complete.min() < cfg.min_units:
        raise DataError(
            f"outcomes: {dict(zip(data.arms, complete.tolist(), strict=True))} units have a finished window, at least "
            f"{cfg.min_units} are needed in each arm (Config.min_units): wait for more"
        )
    ratio = check_ratio(data.entry_counts, np.asarray(cfg.planned_shares), concentration=cfg.ratio_concentration)
    on_progress("effects at every look", 0.1)
    comparisons = tuple(_comparison(moments, data.arms, index, cfg) for index in range(1, n_arms))
    placebo = None
    if cfg.placebo_runs:
        placebo = _placebo(data, cfg, np.random.default_rng(seed), on_progress)
    on_progress("done", 1.0)
    return Analysis(
        experiment=data.experiment,
        cfg=cfg,
        arms=data.arms,
        covariates=data.covariates,
        units=np.bincount(data.arm, minlength=n_arms),
        complete=complete,
        look_days=data.look_days,
        entry_days=data.entry_days,
        comparisons=comparisons,
        ratio=ratio,
        placebo=placebo,
        counts=data.counts,
        fingerprint=data.fingerprint,
    )


def _comparison(moments: Moments, arms: tuple[str, ...], treated: int, cfg: Config) -> Comparison:
    pair = moments.count[:, [0, treated]]
    enough = pair.min(axis=1) >= cfg.min_units
    adjusted = _track(compare(moments, treated=treated), enough, cfg)
    plain = _track(compare(moments, treated=treated, adjust=False), enough, cfg)
    left_zero = np.flatnonzero((adjusted.always.low > 0) | (adjusted.always.high < 0))
    return Comparison(arms[treated], arms[0], adjusted, plain, int(left_zero[0]) if left_zero.size else None)


def _track(effect: Effect, enough: npt.NDArray[np.bool_], cfg: Config) -> Track:
    alpha = cfg.alpha_each
    early = np.where(enough, 0.0, np.nan)  # NaN in the error: the look came too early to say anything
    error, relative_error = effect.standard_error + early, effect.relative_standard_error + early
    plan = cfg.plan_units
    return Track(
        effect=effect,
        always=always_valid(effect.estimate, error, effect.units, plan_units=plan, alpha=alpha),
        fixed=fixed_horizon(effect.estimate, error, alpha=alpha),
        relative_always=always_valid(effect.relative, relative_error, effect.units, plan_units=plan, alpha=alpha),
        relative_fixed=fixed_horizon(effect.relative, relative_error, alpha=alpha),
    )


def _placebo(data: Dataset, cfg: Config, rng: np.random.Generator, on_progress: ProgressCallback) -> Placebo:
    units = np.flatnonzero((data.look >= 0) & (data.arm <= 1))
    if units.size > cfg.placebo_units:
        units = np.sort(rng.choice(units, size=cfg.placebo_units, replace=False))
    first, second = cfg.planned_shares[:2]
    return deal_again(
        data.columns[units],
        data.look[units],
        second / (first + second),
        n_looks=data.look_days.size,
        runs=cfg.placebo_runs,
        min_units=cfg.min_units,
        plan_units=cfg.plan_units,
        alpha=cfg.alpha,
        rng=rng,
        told=lambda share: on_progress("placebo runs", 0.1 + 0.85 * share),
    )
