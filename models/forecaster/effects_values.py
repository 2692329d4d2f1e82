"""Values of the columns of effects at M targets: time, waves of the year, weekdays, promotions, prices. numpy alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

Float = npt.NDArray[np.floating[Any]]
Ints = npt.NDArray[np.int64]
RECENT_DAYS = 28  # days of past sales that are held against what the effects expected of them
_LEVELS = (f"level_plain_{RECENT_DAYS}", f"level_{RECENT_DAYS}")
AGE = "age_periods"  # state column: periods since the series began
PRICE, TEMP = "planned_price", "forecast_temp_c"
HEAT = "heat_1"  # state column: how much the category is talked about on the day of the origin, 1 as ever
# Of the logarithm, a day. What a category is talked about is soon forgotten: with 0.7 and 0.8 the error against expected
# demand was the same on three worlds of the twin, 0.1 % below that without.
HEAT_KEPT = 0.8
_YEAR_DAYS = 365.25
LOG_BOUND = 2.0  # of the logarithm of a ratio of levels
PRICE_BOUND = 0.7  # of the logarithm of a ratio of prices
DEEPEST = 0.9
WARMEST = 1.5  # tens of degrees
LEAST_KNOWN = 100  # temperatures by which the year's wave is told


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


@dataclass(frozen=True)
class Frame:
    """What values are told against: the day (since 1970) that years are counted from, and of each pair (N,) a log price and
    the mean temperature of its place, from which the year departs by `wave` times its sine and cosine.
    """

    middle: float
    price: Float
    temp: Float
    wave: tuple[float, float]


def day_of(rows: TargetRows) -> Ints:
    """Day since 1970-01-01 of each target, (M,)."""
    return np.asarray(rows.origin.astype("datetime64[D]").astype(np.int64)[rows.pair] + rows.step)


def ahead_of(rows: TargetRows, name: str) -> Float:
    return np.asarray(rows.known_future[name][rows.pair, rows.step - 1], dtype=np.float64)


def far(rows: TargetRows) -> Float:
    return rows.step / 42.0


def logged(ratio: Float, bound: float = LOG_BOUND) -> Float:
    known = np.isfinite(ratio) & (ratio > 0)
    return np.clip(np.log(np.where(known, ratio, 1.0)), -bound, bound)


def recent_columns(state: Sequence[str]) -> tuple[str, ...]:
    """State columns that tell what was sold lately."""
    found = [name for name in _LEVELS if name in state]
    return (*found, AGE) if found and AGE in state else tuple(found)


def recent_level(state: Mapping[str, Float]) -> Float:
    """Level of the plain days of the last weeks, (N,); where it knows none, that of all their days; NaN where unknown."""
    level = np.full(np.asarray(state["scale"]).shape[0], np.nan)
    for name in _LEVELS:
        if name in state:
            level = np.where(np.isfinite(level), level, state[name])
    return level


def recent_days(state: Mapping[str, Float]) -> Float:
    """Days of the last weeks on which the series was there, (N,)."""
    if AGE not in state:
        return np.full(np.asarray(state["scale"]).shape[0], float(RECENT_DAYS))
    age = np.asarray(state[AGE], dtype=np.float64) + 1.0
    return np.clip(np.where(np.isnan(age), RECENT_DAYS, age), 1.0, RECENT_DAYS)


def years(rows: TargetRows, frame: Frame) -> Float:
    return (day_of(rows) - frame.middle) / _YEAR_DAYS


def yearly(rows: TargetRows, at: int) -> Float:
    """Sine and cosine of the year, and of half a year."""
    return _wave(day_of(rows), at)


def _wave(day: Ints, at: int) -> Float:
    turn = 0.0 if at % 2 == 0 else np.pi / 2.0
    return np.asarray(np.sin(2.0 * np.pi * (at // 2 + 1) / _YEAR_DAYS * day + turn))


def weekday(rows: TargetRows, day: int) -> Float:
    return np.asarray(((day_of(rows) + 3) % 7 == day) - 1.0 / 7.0)  # 1970-01-01 was a Thursday; Monday is 0


def promoted(rows: TargetRows, marks: tuple[str, ...]) -> Float:
    found = np.zeros(rows.pair.shape[0], dtype=bool)
    for name in marks:
        found |= ahead_of(rows, name) > 0
    return found.astype(np.float64)


def depth(rows: TargetRows) -> Float:
    depth = ahead_of(rows, "promo_depth")
    return np.asarray(-np.log1p(-np.clip(np.where(np.isfinite(depth), depth, 0.0), 0.0, DEEPEST)))


def clearance_gone(rows: TargetRows) -> Float:
    """Share of a clearance that has gone by: the last of a product finds fewer and fewer buyers.

    Where another promotion runs beside it the days and lengths known are those of the longest, and so is the share.
    """
    length = np.maximum(ahead_of(rows, "promo_length"), 1.0)
    return np.asarray(ahead_of(rows, "promo_clearance") * ahead_of(rows, "promo_day") / length)


def log_price(prices: Float) -> Float:
    """Logarithm; NaN where a price is unknown or not above 0."""
    return np.log(np.where(np.isfinite(prices) & (prices > 0), prices, np.nan))


def price_change(rows: TargetRows, frame: Frame) -> Float:
    return np.clip(log_price(ahead_of(rows, PRICE)) - frame.price[rows.pair], -PRICE_BOUND, PRICE_BOUND)


def heat_left(rows: TargetRows) -> Float:
    """Logarithm of the social heat that is left of that of the origin, (M,)."""
    return np.asarray(logged(np.asarray(rows.state[HEAT], dtype=np.float64))[rows.pair] * HEAT_KEPT**rows.step)


def warmer(rows: TargetRows, frame: Frame) -> Float:
    """Tens of degrees by which a day is forecast to be warmer than the time of year is at this place."""
    return np.asarray(np.clip((seasonless(rows, frame.wave) - frame.temp[rows.pair]) / 10.0, -WARMEST, WARMEST))


def seasonless(rows: TargetRows, wave: tuple[float, float]) -> Float:
    """The forecast temperature less the wave of the year, (M,)."""
    day = day_of(rows)
    return np.asarray(ahead_of(rows, TEMP) - wave[0] * _wave(day, 0) - wave[1] * _wave(day, 1))


def temperature_wave(rows: TargetRows) -> tuple[float, float]:
    """Sine and cosine of the year by least squares, as far as forecasts reach."""
    temp, day = ahead_of(rows, TEMP), day_of(rows)
    known = np.isfinite(temp)
    if known.sum() < LEAST_KNOWN:
        return 0.0, 0.0
    waves = np.column_stack([_wave(day[known], at) for at in (0, 1)] + [np.ones(int(known.sum()))])
    found = np.linalg.lstsq(waves, temp[known], rcond=None)[0]
    return round(float(found[0]), 3), round(float(found[1]), 3)
