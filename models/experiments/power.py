"""How many units an experiment needs, or what it can find with the units there are, before it starts.

With standard deviation d of a unit's (linearised) outcome, share s of units in the treated arm and N units in all, the
difference of two arms has variance v / N with v = d^2 (1 - rho^2) (1 / s + 1 / (1 - s)), where rho is the correlation with what was
known before the start. A test at one look finds an effect e with probability `power` if e = (z_(1-alpha/2) + z_power) sqrt(v / N).
The always-valid test has its own boundary b_N in place of z_(1-alpha/2): at N units it then finds e with that probability at
the last look already, and earlier looks only add to it; with large effects it stops far earlier.
"""

import math
from dataclasses import dataclass

import numpy as np

from models.experiments.sequential import boundary, check_alpha

MAX_UNITS = 10**12


class PowerError(ValueError):
    """A plan outside its bounds; the message names value, bound and remedy."""


@dataclass(frozen=True)
class Plan:
    """Units of both arms together for a fixed horizon and for a test that may be looked at always; `effect` in the unit of
    the metric, days None where the units a day are unknown."""

    effect: float
    units_fixed: int
    units_always_valid: int
    days_fixed: int | None
    days_always_valid: int | None


def plan(
    *,
    deviation: float,
    effect: float,
    share: float = 0.5,
    rho: float = 0.0,
    alpha: float = 0.05,
    power: float = 0.8,
    units_per_day: float | None = None,
    window_days: int = 1,
) -> Plan:
    """Units needed to find `effect` (unit of the metric, either sign); days include the last unit's window."""
    variance = _variance(deviation, share, rho)
    _check(effect, alpha, power)
    fixed, always = (
        variance * ((_edge(alpha, always_valid=always_valid) + _quantile(power)) / effect) ** 2
        for always_valid in (False, True)
    )
    if not always <= MAX_UNITS:
        raise PowerError(f"effect {effect}: {always:.1e} units are needed, at most {MAX_UNITS:.0e} are planned for")
    units_fixed, units_always = math.ceil(fixed), math.ceil(always)
    return Plan(
        effect,
        units_fixed,
        units_always,
        _days(units_fixed, units_per_day, window_days),
        _days(units_always, units_per_day, window_days),
    )


def detectable(
    *,
    deviation: float,
    units: int,
    share: float = 0.5,
    rho: float = 0.0,
    alpha: float = 0.05,
    power: float = 0.8,
    always_valid: bool = False,
) -> float:
    """Smallest effect, in the unit of the metric, that `units` of both arms together find with probability `power`."""
    if units < 2:
        raise PowerError(f"units {units}: expected at least 2, one in each arm")
    variance = _variance(deviation, share, rho)
    _check(1.0, alpha, power)
    return (_edge(alpha, always_valid=always_valid) + _quantile(power)) * math.sqrt(variance / units)


def _edge(alpha: float, *, always_valid: bool) -> float:
    """Standard errors an estimate must lie from 0; of the always-valid test at the units it is planned for."""
    if not always_valid:
        return _quantile(1 - alpha / 2)
    return float(boundary(np.array(1.0), plan_units=1, alpha=alpha))


def _variance(deviation: float, share: float, rho: float) -> float:
    if not deviation > 0 or not math.isfinite(deviation):
        raise PowerError(f"deviation {deviation}: expected a positive standard deviation of a unit's outcome")
    if not 0 < share < 1:
        raise PowerError(f"share {share}: expected the treated share of units inside (0, 1)")
    if not -1 < rho < 1:
        raise PowerError(f"rho {rho}: expected a correlation inside (-1, 1)")
    return deviation**2 * (1 - rho**2) * (1 / share + 1 / (1 - share))


def _check(effect: float, alpha: float, power: float) -> None:
    check_alpha(alpha)
    if effect == 0 or not math.isfinite(effect):
        raise PowerError(f"effect {effect}: expected a number other than 0: the smallest effect you would act on")
    if not alpha < power < 1:
        raise PowerError(f"power {power}: expected a probability inside (alpha, 1), such as 0.8")


def _days(units: int, units_per_day: float | None, window_days: int) -> int | None:
    if units_per_day is None:
        return None
    if not units_per_day > 0:
        raise PowerError(f"units_per_day {units_per_day}: expected more than 0")
    return math.ceil(units / units_per_day) + window_days - 1


def _quantile(probability: float) -> float:
    from scipy.special import ndtri

    return float(ndtri(probability))
