"""What demand is multiplied by on a target day, as columns of a log-linear model: levels, season, trend, promotions.

A retailer has years of days but only one or two Decembers, and few promotions of any one product. Trees learn such
effects slowly and for each series anew; a log-linear model of the same columns learns them from all days and stores
at once (`effects_fit`), and the trees are left with what remains. Columns are centred or 0 on an ordinary day, so that
a coefficient that is not known does nothing. numpy alone.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from models.forecaster.effects_values import (
    PRICE,
    PRICE_BOUND,
    PRICE_LEVEL,
    PRICE_TREND,
    WINDOWS,
    Float,
    TargetRows,
    ahead_of,
    depth,
    far,
    log_ratio,
    logged,
    own,
    price_change,
    promoted,
    size_of,
    weekday,
    window_columns,
    window_level,
    yearly,
    years_ahead,
)
from models.forecaster.sources import promotion_covariates

T = TypeVar("T")
_OTHER_LEVELS = ("ewm_14", "level_7", "level_uncensored_28")
_TRENDS = ("product_trend_28_91", "category_trend_28_91", "chain_trend_28_91", "store_trend_28_91")
_SHARES = ("censored_share_28", "censored_share_364", "promo_share_28", "promo_share_364")
_PAST = "_year_ago"  # such flags tell of the past, which the levels know
HARMONICS = 2


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
        values = np.asarray(column.make(rows, divisor), dtype=np.float64)
        known = np.isfinite(values)  # column by column: over the whole, masks and copies took as long as the values
        made[:, at] = values if known.all() else np.where(known, values, 0.0)
    return made


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
        f"flag_{name}": Column(
            "calendar" if "promo" not in name else "promotion and price", (), (name,), _with(ahead_of, name)
        )
        for name in flags
        if name in covariates and not name.endswith(_PAST)
    }
    if "days_to_holiday" in covariates:
        columns["holiday_in_2"] = Column(
            "calendar", (), ("days_to_holiday",), lambda rows, _: ahead_of(rows, "days_to_holiday") == 2.0
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
        if read := window_columns(state, days):
            made[f"level_{days}"] = Column("level", read, (), _with(_window_ratio, days))
            made[f"weighed_{days}"] = Column("level", read, (), _with(_weighed_ratio, days))
    for name in _OTHER_LEVELS:
        if name in state:
            made[f"level_{name}"] = Column("level", (name,), (), _with(_level_ratio, name))
    if "level_7" in state:
        made["level_7_by_step"] = Column(
            "level", ("level_7",), (), lambda rows, _: _level_ratio(rows, "level_7") * far(rows)
        )
    for name in _TRENDS:
        if name in state:
            made[f"ratio_{name}"] = Column("trend and horizon", (name,), (), _with(_log_of, name))
    for name in _SHARES:
        if name in state:
            made[f"share_{name}"] = Column("level", (name,), (), _with(own, name))
    return made


def _time_columns(state: tuple[str, ...]) -> dict[str, Column]:
    seen = tuple(name for name in ("age_periods",) if name in state)
    made = {
        "step": Column("trend and horizon", (), (), lambda rows, _: far(rows)),
        "trend": Column("trend and horizon", seen, (), years_ahead),
        # What the divisor knows of the season, noisy as eight values are, is weighed against the weekday of all series.
        "season": Column("weekly season", (), (), lambda rows, divisor: np.log(divisor / rows.scale)),
        "weighed_season": Column(
            "weekly season", (), (), lambda rows, divisor: np.log(divisor / rows.scale) * size_of(rows)
        ),
    }
    for at in range(2 * HARMONICS):
        made[f"yearly_{at}"] = Column("yearly season", seen, (), _with(yearly, at))
    for day in range(7):
        made[f"weekday_{day}"] = Column("weekly season", (), (), _with(weekday, day))
    return made


def _promotion_columns(covariates: tuple[str, ...]) -> dict[str, Column]:
    made: dict[str, Column] = {}
    reason = "promotion and price"
    marks = promotion_covariates(covariates)
    if marks:
        made["promoted"] = Column(reason, (), marks, lambda rows, _: promoted(rows, marks))
    if "promo_depth" in covariates:
        made["depth"] = Column(reason, (), ("promo_depth",), lambda rows, _: depth(rows))
        made["depth_square"] = Column(reason, (), ("promo_depth",), lambda rows, _: depth(rows) ** 2)
    if "category_promos" in covariates and marks:
        made["rivals"] = Column(
            reason,
            (),
            ("category_promos", *marks),
            lambda rows, _: np.log1p(np.clip(ahead_of(rows, "category_promos") - promoted(rows, marks), 0.0, 4.0)),
        )
    return made


def _price_columns(state: tuple[str, ...], covariates: tuple[str, ...]) -> dict[str, Column]:
    """The price at the target against that of the past, where a plan of prices or the past moves tell it."""
    made: dict[str, Column] = {}
    reason = "promotion and price"
    if PRICE in covariates and PRICE_LEVEL in state:
        made["price"] = Column(reason, (PRICE_LEVEL,), (PRICE,), lambda rows, _: price_change(rows, rows.step))
        made["price_now"] = Column(
            reason, (PRICE_LEVEL,), (PRICE,), lambda rows, _: price_change(rows, np.ones_like(rows.step))
        )
    if PRICE_TREND in state:
        made["price_moved"] = Column(
            reason, (PRICE_TREND,), (), lambda rows, _: logged(own(rows, PRICE_TREND), PRICE_BOUND)
        )
    return made


def _with(function: Callable[[TargetRows, T], Float], given: T) -> Callable[[TargetRows, Float], Float]:
    return lambda rows, _: function(rows, given)


def _window_ratio(rows: TargetRows, days: int) -> Float:
    return log_ratio(window_level(rows, days), rows.scale)


def _weighed_ratio(rows: TargetRows, days: int) -> Float:
    return _window_ratio(rows, days) * size_of(rows)


def _level_ratio(rows: TargetRows, name: str) -> Float:
    return log_ratio(own(rows, name), rows.scale)


def _log_of(rows: TargetRows, name: str) -> Float:
    return logged(own(rows, name))


def _bounded(name: str, bound: float) -> Callable[[TargetRows, Float], Float]:
    return lambda rows, _: np.clip(ahead_of(rows, name), -bound, bound) / 10.0
