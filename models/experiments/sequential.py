"""Intervals and p-values that hold at every look at once, beside those that hold at one look alone.

Asymptotic confidence sequence of Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas, "Time-uniform central limit theory and
asymptotic confidence sequences" (Annals of Statistics 2024): Robbins' normal mixture (the boundary of the
mixture SPRT; Howard, Ramdas, McAuliffe and Sekhon 2021) around an asymptotically linear estimate. Adjusted and
linearised estimates qualify (same paper; Lindon, Ham, Tingley and Bojinov 2022). With t units and standard error s,

    estimate +- s sqrt(2 (t r^2 + 1) / (t r^2) log(sqrt(t r^2 + 1) / alpha)),

for all t from the first look on, where r sets the t at which the sequence is tightest. Inverted in alpha it is a p-value.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.experiments.moments import Float


class SequentialError(ValueError):
    """A level or plan outside its bounds; the message names value and bound."""


@dataclass(frozen=True)
class Interval:
    """low and high around each estimate, and the p-value of no effect; each field as the estimates, looks last."""

    low: Float
    high: Float
    p: Float


def mixture_scale(plan_units: float, alpha: float) -> float:
    """r for which the sequence is about tightest at `plan_units` units (Waudby-Smith et al., appendix)."""
    check_alpha(alpha)
    if not plan_units > 0:
        raise SequentialError(f"plan_units {plan_units}: expected more than 0: give the units you expect to stop at")
    twice = -2 * math.log(alpha)
    return math.sqrt((twice + math.log(twice) + 1) / plan_units)


def boundary(units: Float, *, plan_units: float, alpha: float) -> Float:
    """Standard errors on each side of the estimate, as `units` (...); the fixed-horizon counterpart is 1.96."""
    spread = np.asarray(units, dtype=np.float64) * mixture_scale(plan_units, alpha) ** 2
    with np.errstate(divide="ignore", invalid="ignore"):
        width = np.sqrt(2 * (spread + 1) / spread * (0.5 * np.log1p(spread) - math.log(alpha)))
    return np.asarray(width)


def always_valid(
    estimate: Float,
    standard_error: Float,
    units: Float,
    *,
    plan_units: float,
    alpha: float,
    first: npt.NDArray[np.bool_] | None = None,
) -> Interval:
    """Intervals valid at all looks together; looks lie along the last axis, p never rises along it.

    Where the standard error is NaN or 0, or `first` (a mask) says that a look came too early, low and high are infinite and
    the look leaves p as it was: nothing can be said.
    """
    sound = np.isfinite(standard_error) & (standard_error > 0)
    if first is not None:
        sound &= first
    spread = np.asarray(units, dtype=np.float64) * mixture_scale(plan_units, alpha) ** 2
    z = np.divide(estimate, standard_error, out=np.zeros_like(estimate), where=sound)
    log_p = 0.5 * np.log1p(spread) - 0.5 * z**2 * spread / (spread + 1)
    p = np.where(sound, np.exp(np.minimum(log_p, 0.0)), 1.0)
    half = boundary(units, plan_units=plan_units, alpha=alpha) * standard_error
    return _interval(estimate, half, np.minimum.accumulate(p, axis=-1), sound)


def fixed_horizon(estimate: Float, standard_error: Float, *, alpha: float) -> Interval:
    """Normal intervals, valid at one look that was chosen beforehand; looking again and again at them misleads."""
    from scipy.special import ndtr, ndtri

    check_alpha(alpha)
    sound = np.isfinite(standard_error) & (standard_error > 0)
    z = np.divide(estimate, standard_error, out=np.zeros_like(estimate), where=sound)
    p = np.where(sound, 2 * ndtr(-np.abs(z)), 1.0)
    return _interval(estimate, -float(ndtri(alpha / 2)) * standard_error, p, sound)


def check_alpha(alpha: float) -> None:
    """Refuse a level outside (0, 0.5)."""
    if not 0 < alpha < 0.5:
        raise SequentialError(f"alpha {alpha}: expected a level inside (0, 0.5), such as 0.05")


def _interval(estimate: Float, half: Float, p: Float, sound: npt.NDArray[np.bool_]) -> Interval:
    return Interval(np.where(sound, estimate - half, -np.inf), np.where(sound, estimate + half, np.inf), p)
