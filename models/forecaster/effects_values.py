"""Values of the columns of effects at M targets: levels, waves of the year, weekdays, promotions, prices. numpy alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

Float = npt.NDArray[np.floating[Any]]
Ints = npt.NDArray[np.int64]
# Days of a window of past sales and the share of its level in the forecast of an ordinary one: season and trend are
# told as differences from what the windows saw. About what fits on three worlds of the twin gave; each fit weighs anew.
WINDOWS: Mapping[int, float] = {28: 0.2, 91: 0.35, 364: 0.45}
_LEVELS: Mapping[int, tuple[str, ...]] = {
    28: ("level_plain_28", "level_28"),
    91: ("level_plain_91", "level_91"),
    364: ("level_364",),
}
_OF_PROMOTED = ("level_promo_364", "promo_share_364")  # by which the promoted days of a year are taken out
PRICE, PRICE_LEVEL, PRICE_TREND = "planned_price", "covariate_level_planned_price", "base_price_to_mean_91"
_YEAR_DAYS = 365.25
LOG_BOUND = 2.0  # of the logarithm of a ratio of levels
PRICE_BOUND = 0.7  # of the logarithm of a ratio of prices
DEEPEST = 0.9
MOST_PROMOTED = 0.8  # of the days of a year: beyond it the plain ones are too few to tell a level
LEAST_LEVEL = 0.05  # of the level of a series: below it a ratio is noise


class TargetRows(Protocol):
    """M targets: pair and step (M,), the level of their series `scale` (M,), and the N pairs they belong to."""

    @property
    def state(self) -> Mapping[str, Float]: ...
    @property
    def known_future(self) -> Mapping[str, Float]: ...
    @property
    def origin(self) -> npt.NDArray[np.datetime64]: ...
    @property
    def pair(self) -> Ints: ...
    @property
    def step(self) -> Ints: ...
    @property
    def scale(self) -> Float: ...


@dataclass(frozen=True)
class Targets:
    """`TargetRows` as plain arrays: known_future {name: (N, H)}, state {name: (N,)}, origin (N,), the rest (M,)."""

    state: Mapping[str, Float]
    known_future: Mapping[str, Float]
    origin: npt.NDArray[np.datetime64]
    pair: Ints
    step: Ints
    scale: Float


def own(rows: TargetRows, name: str) -> Float:
    return np.asarray(rows.state[name], dtype=np.float64)[rows.pair]


def ahead_of(rows: TargetRows, name: str) -> Float:
    return np.asarray(rows.known_future[name][rows.pair, rows.step - 1], dtype=np.float64)


def far(rows: TargetRows) -> Float:
    return rows.step / 42.0


def size_of(rows: TargetRows) -> Float:
    """From 0 for series that sell next to nothing towards 1: the more is sold, the more a level tells."""
    return np.asarray(rows.scale / (rows.scale + 5.0))


def logged(ratio: Float, bound: float = LOG_BOUND) -> Float:
    known = np.isfinite(ratio) & (ratio > 0)
    return np.clip(np.log(np.where(known, ratio, 1.0)), -bound, bound)


def log_ratio(level: Float, scale: Float) -> Float:
    least = LEAST_LEVEL * scale
    return logged(np.maximum(np.where(np.isfinite(level), level, scale), least) / scale)


def window_columns(state: Sequence[str], days: int) -> tuple[str, ...]:
    found = tuple(name for name in _LEVELS[days] if name in state)
    if days == 364 and found and set(_OF_PROMOTED) <= set(state):
        return (*found, *_OF_PROMOTED)
    return found


def window_level(rows: TargetRows, days: int) -> Float:
    """Level of the plain days of a window, (M,); where it knows none, that of all its days, and else the scale."""
    level = np.full(rows.pair.shape[0], np.nan)
    if days == 364 and set(_OF_PROMOTED) <= set(rows.state):
        promoted, share = (own(rows, name) for name in _OF_PROMOTED)
        with np.errstate(invalid="ignore", divide="ignore"):
            plain = (own(rows, _LEVELS[364][0]) - share * promoted) / (1.0 - share)
        level = np.where((plain > 0) & (share < MOST_PROMOTED), plain, np.nan)
    for name in _LEVELS[days]:
        if name in rows.state:
            level = np.where(np.isfinite(level), level, own(rows, name))
    return np.where(np.isfinite(level), level, rows.scale)


def days_seen(rows: TargetRows, days: int) -> Float:
    """Days of a window in which the series was there, (M,)."""
    if "age_periods" not in rows.state:
        return np.full(rows.pair.shape[0], float(days))
    age = own(rows, "age_periods")
    return np.clip(np.where(np.isfinite(age), age, days), 1.0, days)


def years_ahead(rows: TargetRows, _: Float) -> Float:
    """Years between the middle of what the windows saw and the target."""
    back = sum(weight * days_seen(rows, days) / 2.0 for days, weight in WINDOWS.items())
    return (rows.step + back) / _YEAR_DAYS


def yearly(rows: TargetRows, at: int) -> Float:
    """A wave of the year at the target less its mean over what the windows saw, in closed form."""
    wave = 2.0 * np.pi * (at // 2 + 1) / _YEAR_DAYS
    turn = 0.0 if at % 2 == 0 else np.pi / 2.0  # sine, cosine
    origin = rows.origin.astype("datetime64[D]").astype(np.float64)[rows.pair]
    value = np.sin(wave * (origin + rows.step) + turn)
    for days, weight in WINDOWS.items():
        seen = days_seen(rows, days)
        # The mean of sin(a - w k) for k = 0..n-1 is sin(a - w (n - 1) / 2) sin(n w / 2) / (n sin(w / 2)).
        share = np.sin(seen * wave / 2.0) / (seen * np.sin(wave / 2.0))
        value = value - weight * share * np.sin(wave * (origin - (seen - 1.0) / 2.0) + turn)
    return np.asarray(value)


def weekday(rows: TargetRows, day: int) -> Float:
    target = rows.origin.astype("datetime64[D]").astype(np.int64)[rows.pair] + rows.step
    return np.asarray(((target + 3) % 7 == day) - 1.0 / 7.0)  # 1970-01-01 was a Thursday; Monday is 0


def promoted(rows: TargetRows, marks: tuple[str, ...]) -> Float:
    found = np.zeros(rows.pair.shape[0], dtype=bool)
    for name in marks:
        found |= ahead_of(rows, name) > 0
    return found.astype(np.float64)


def depth(rows: TargetRows) -> Float:
    depth = ahead_of(rows, "promo_depth")
    return np.asarray(-np.log1p(-np.clip(np.where(np.isfinite(depth), depth, 0.0), 0.0, DEEPEST)))


def price_change(rows: TargetRows, step: Ints) -> Float:
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = rows.known_future[PRICE][rows.pair, step - 1] / own(rows, PRICE_LEVEL)
    return logged(np.asarray(ratio, dtype=np.float64), PRICE_BOUND)
