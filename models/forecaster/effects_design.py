"""What demand is multiplied by on a target day, as columns of a log-linear model: levels, season, trend, promotions.

A retailer has years of days but only one or two Decembers, and few promotions of any one product. Trees learn such
effects slowly and for each series anew; a log-linear model of the same columns learns them from all days and stores
at once (`effects_fit`), and the trees are left with what remains. Columns are centred or 0 on an ordinary day, so that
a coefficient that is not known does nothing. numpy alone.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from models.forecaster.sources import promotion_covariates

Float = npt.NDArray[np.floating[Any]]
Ints = npt.NDArray[np.int64]
# Days of a window of past sales and the share of its level in the forecast of an ordinary one: season and trend are
# told as differences from what the windows saw. Found on two worlds of the twin; the fit moves the levels themselves.
WINDOWS: dict[int, float] = {28: 0.2, 91: 0.35, 364: 0.45}
_LEVELS: Mapping[int, tuple[str, ...]] = {
    28: ("level_plain_28", "level_28"),
    91: ("level_plain_91", "level_91"),
    364: ("level_364",),
}
_OF_PROMOTED = ("level_promo_364", "promo_share_364")  # by which the promoted days of a year are taken out
_OTHER_LEVELS = ("ewm_14", "level_7", "level_uncensored_28")
_TRENDS = ("product_trend_28_91", "category_trend_28_91", "chain_trend_28_91", "store_trend_28_91")
_SHARES = ("censored_share_28", "censored_share_364", "promo_share_28", "promo_share_364")
_PRICE, _PRICE_LEVEL, _PRICE_TREND = "planned_price", "covariate_level_planned_price", "base_price_to_mean_91"
_YEAR_DAYS = 365.25
_PAST = "_year_ago"  # such flags tell of the past, which the levels know
HARMONICS = 2
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
class Column:
    """One column: the group of reasons it belongs to, what it reads, and how it is made of M rows and their divisor."""

    reason: str
    state: tuple[str, ...]
    covariates: tuple[str, ...]
    make: Callable[[TargetRows, Float], Float]


def design(rows: TargetRows, divisor: Float, columns: Mapping[str, Column]) -> npt.NDArray[np.float64]:
    """The columns (M, K) of M rows whose targets are divided by `divisor` (M,); what is unknown is 0."""
    made = np.empty((rows.pair.shape[0], len(columns)))
    for at, column in enumerate(columns.values()):
        made[:, at] = column.make(rows, divisor)
    return np.nan_to_num(made, copy=False, posinf=0.0, neginf=0.0)


@lru_cache(maxsize=64)
def design_columns(state: tuple[str, ...], covariates: tuple[str, ...], flags: tuple[str, ...]) -> dict[str, Column]:
    """Columns of daily series that can be made of these state columns and covariates, by name and in a fixed order.

    flags: the covariates that are 0 or 1.
    """
    columns = {"one": Column("level", (), (), lambda rows, _: np.ones(rows.pair.shape[0]))}
    columns |= _level_columns(state)
    columns |= _time_columns(state)
    columns |= _promotion_columns(covariates)
    columns |= _price_columns(state, covariates)
    columns |= {
        f"flag_{name}": Column("calendar" if "promo" not in name else "promotion and price", (), (name,), _at(name))
        for name in flags
        if name in covariates and not name.endswith(_PAST)
    }
    if "days_to_holiday" in covariates:
        columns["holiday_in_2"] = Column(
            "calendar", (), ("days_to_holiday",), lambda rows, _: _ahead(rows, "days_to_holiday") == 2.0
        )
    if "forecast_temp_to_issue" in covariates:
        columns["warmer"] = Column("weather", (), ("forecast_temp_to_issue",), _bounded("forecast_temp_to_issue", 15.0))
    if "forecast_rain_mm" in covariates:
        columns["rain"] = Column("weather", (), ("forecast_rain_mm",), _bounded("forecast_rain_mm", 30.0))
    return columns


def is_fine(name: str) -> bool:
    """Whether a product, or a store that is a series, has a coefficient of its own for this column."""
    return name in {"one", "trend", "yearly_0", "yearly_1", "promoted", "depth", "price"} or name.startswith("weekday_")


def is_level(name: str) -> bool:
    """Whether a column tells the series at its origin rather than the target: its coefficients are shared by all."""
    return name.startswith(("level_", "weighed_", "ratio_", "share_", "step"))


def _level_columns(state: tuple[str, ...]) -> dict[str, Column]:
    made: dict[str, Column] = {}
    for days in WINDOWS:
        if read := _window_columns(state, days):

            def level(rows: TargetRows, _: Float, days: int = days) -> Float:
                return _log_ratio(_window_level(rows, days), rows.scale)

            def weighed(rows: TargetRows, _: Float, days: int = days) -> Float:
                return _log_ratio(_window_level(rows, days), rows.scale) * _size(rows)

            made[f"level_{days}"] = Column("level", read, (), level)
            made[f"weighed_{days}"] = Column("level", read, (), weighed)
    for name in _OTHER_LEVELS:
        if name in state:
            made[f"level_{name}"] = Column("level", (name,), (), lambda rows, _, n=name: _log_ratio(_own(rows, n), rows.scale))
    if "level_7" in state:
        made["level_7_by_step"] = Column(
            "level", ("level_7",), (), lambda rows, _: _log_ratio(_own(rows, "level_7"), rows.scale) * _far(rows)
        )
    for name in _TRENDS:
        if name in state:
            made[f"ratio_{name}"] = Column("trend and horizon", (name,), (), lambda rows, _, n=name: _logged(_own(rows, n)))
    for name in _SHARES:
        if name in state:
            made[f"share_{name}"] = Column("level", (name,), (), lambda rows, _, n=name: _own(rows, n))
    return made


def _time_columns(state: tuple[str, ...]) -> dict[str, Column]:
    seen = tuple(name for name in ("age_periods",) if name in state)
    made = {
        "step": Column("trend and horizon", (), (), lambda rows, _: _far(rows)),
        "trend": Column("trend and horizon", seen, (), _trend),
        # What the divisor knows of the season, noisy as eight values are, is weighed against the weekday of all series.
        "season": Column("weekly season", (), (), lambda rows, divisor: np.log(divisor / rows.scale)),
        "weighed_season": Column(
            "weekly season", (), (), lambda rows, divisor: np.log(divisor / rows.scale) * _size(rows)
        ),
    }
    for at in range(2 * HARMONICS):
        made[f"yearly_{at}"] = Column("yearly season", seen, (), lambda rows, _, at=at: _yearly(rows, at))
    for day in range(7):
        made[f"weekday_{day}"] = Column("weekly season", (), (), lambda rows, _, day=day: _weekday(rows, day))
    return made


def _promotion_columns(covariates: tuple[str, ...]) -> dict[str, Column]:
    made: dict[str, Column] = {}
    reason = "promotion and price"
    marks = promotion_covariates(covariates)
    if marks:
        made["promoted"] = Column(reason, (), marks, lambda rows, _: _promoted(rows, marks))
    if "promo_depth" in covariates:
        made["depth"] = Column(reason, (), ("promo_depth",), lambda rows, _: _depth(rows))
        made["depth_square"] = Column(reason, (), ("promo_depth",), lambda rows, _: _depth(rows) ** 2)
    if "category_promos" in covariates and marks:
        made["rivals"] = Column(
            reason,
            (),
            ("category_promos", *marks),
            lambda rows, _: np.log1p(np.clip(_ahead(rows, "category_promos") - _promoted(rows, marks), 0.0, 4.0)),
        )
    return made


def _price_columns(state: tuple[str, ...], covariates: tuple[str, ...]) -> dict[str, Column]:
    """The price at the target against that of the past, where a plan of prices or the past moves tell it."""
    made: dict[str, Column] = {}
    reason = "promotion and price"
    if _PRICE in covariates and _PRICE_LEVEL in state:
        made["price"] = Column(reason, (_PRICE_LEVEL,), (_PRICE,), lambda rows, _: _price_change(rows, rows.step))
        made["price_now"] = Column(
            reason, (_PRICE_LEVEL,), (_PRICE,), lambda rows, _: _price_change(rows, np.ones_like(rows.step))
        )
    if _PRICE_TREND in state:
        made["price_moved"] = Column(reason, (_PRICE_TREND,), (), lambda rows, _: _logged(_own(rows, _PRICE_TREND), PRICE_BOUND))
    return made


def _own(rows: TargetRows, name: str) -> Float:
    return np.asarray(rows.state[name], dtype=np.float64)[rows.pair]


def _ahead(rows: TargetRows, name: str) -> Float:
    return np.asarray(rows.known_future[name][rows.pair, rows.step - 1], dtype=np.float64)


def _at(name: str) -> Callable[[TargetRows, Float], Float]:
    return lambda rows, _: _ahead(rows, name)


def _bounded(name: str, bound: float) -> Callable[[TargetRows, Float], Float]:
    return lambda rows, _: np.clip(_ahead(rows, name), -bound, bound) / 10.0


def _far(rows: TargetRows) -> Float:
    return rows.step / 42.0


def _size(rows: TargetRows) -> Float:
    """From 0 for series that sell next to nothing towards 1: the more is sold, the more a level tells."""
    return np.asarray(rows.scale / (rows.scale + 5.0))


def _logged(ratio: Float, bound: float = LOG_BOUND) -> Float:
    known = np.isfinite(ratio) & (ratio > 0)
    return np.clip(np.log(np.where(known, ratio, 1.0)), -bound, bound)


def _log_ratio(level: Float, scale: Float) -> Float:
    least = LEAST_LEVEL * scale
    return _logged(np.maximum(np.where(np.isfinite(level), level, scale), least) / scale)


def _window_columns(state: Sequence[str], days: int) -> tuple[str, ...]:
    found = tuple(name for name in _LEVELS[days] if name in state)
    if days == 364 and found and set(_OF_PROMOTED) <= set(state):
        return (*found, *_OF_PROMOTED)
    return found


def _window_level(rows: TargetRows, days: int) -> Float:
    """Level of the plain days of a window, (M,); where it knows none, that of all its days, and else the scale."""
    level = np.full(rows.pair.shape[0], np.nan)
    if days == 364 and set(_OF_PROMOTED) <= set(rows.state):
        promoted, share = (_own(rows, name) for name in _OF_PROMOTED)
        with np.errstate(invalid="ignore", divide="ignore"):
            plain = (_own(rows, _LEVELS[364][0]) - share * promoted) / (1.0 - share)
        level = np.where((plain > 0) & (share < MOST_PROMOTED), plain, np.nan)
    for name in _LEVELS[days]:
        if name in rows.state:
            level = np.where(np.isfinite(level), level, _own(rows, name))
    return np.where(np.isfinite(level), level, rows.scale)


def _seen(rows: TargetRows, days: int) -> Float:
    """Days of a window in which the series was there, (M,)."""
    if "age_periods" not in rows.state:
        return np.full(rows.pair.shape[0], float(days))
    age = _own(rows, "age_periods")
    return np.clip(np.where(np.isfinite(age), age, days), 1.0, days)


def _trend(rows: TargetRows, _: Float) -> Float:
    """Years between the middle of what the windows saw and the target."""
    back = sum(weight * _seen(rows, days) / 2.0 for days, weight in WINDOWS.items())
    return (rows.step + back) / _YEAR_DAYS


def _yearly(rows: TargetRows, at: int) -> Float:
    """A wave of the year at the target less its mean over what the windows saw, in closed form."""
    wave = 2.0 * np.pi * (at // 2 + 1) / _YEAR_DAYS
    turn = 0.0 if at % 2 == 0 else np.pi / 2.0  # sine, cosine
    origin = rows.origin.astype("datetime64[D]").astype(np.float64)[rows.pair]
    value = np.sin(wave * (origin + rows.step) + turn)
    for days, weight in WINDOWS.items():
        seen = _seen(rows, days)
        # The mean of sin(a - w k) for k = 0..n-1 is sin(a - w (n - 1) / 2) sin(n w / 2) / (n sin(w / 2)).
        share = np.sin(seen * wave / 2.0) / (seen * np.sin(wave / 2.0))
        value = value - weight * share * np.sin(wave * (origin - (seen - 1.0) / 2.0) + turn)
    return np.asarray(value)


def _weekday(rows: TargetRows, day: int) -> Float:
    target = rows.origin.astype("datetime64[D]").astype(np.int64)[rows.pair] + rows.step
    return ((target + 3) % 7 == day) - 1.0 / 7.0


def _promoted(rows: TargetRows, marks: tuple[str, ...]) -> Float:
    found = np.zeros(rows.pair.shape[0], dtype=bool)
    for name in marks:
        found |= _ahead(rows, name) > 0
    return found.astype(np.float64)


def _depth(rows: TargetRows) -> Float:
    depth = _ahead(rows, "promo_depth")
    return np.asarray(-np.log1p(-np.clip(np.where(np.isfinite(depth), depth, 0.0), 0.0, DEEPEST)))


def _price_change(rows: TargetRows, step: Ints) -> Float:
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = rows.known_future[_PRICE][rows.pair, step - 1] / _own(rows, _PRICE_LEVEL)
    return _logged(np.asarray(ratio, dtype=np.float64), PRICE_BOUND)
