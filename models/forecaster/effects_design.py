"""What demand is multiplied by on a target day, as columns of a log-linear model: season, trend, promotions, prices.

A retailer has years of days but only one or two Decembers, and few promotions of any one product. Trees learn such
effects slowly and for each series anew; a log-linear model of the same columns learns them from all days and stores
at once (`effects_fit`), and the trees are left with what remains. Columns are centred or 0 on an ordinary day, so that
a coefficient that is not known does nothing. numpy alone.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from models.forecaster.effects_values import (
    HEAT,
    PRICE,
    TEMP,
    Float,
    Frame,
    TargetRows,
    ahead_of,
    clearance_gone,
    depth,
    heat_left,
    price_change,
    promoted,
    warmer,
    weekday,
    yearly,
    years,
)
from models.forecaster.sources import promotion_covariates

T = TypeVar("T")
_PAST = "_year_ago"  # such flags tell of the past, which the waves of the year know
HARMONICS = 1
_CLEARANCE = ("promo_clearance", "promo_day", "promo_length")
WETTEST = 30.0  # mm a day


@dataclass(frozen=True)
class Column:
    """One column: the group of reasons it belongs to, the covariates and state columns it reads, how it is made of M rows."""

    reason: str
    covariates: tuple[str, ...]
    make: Callable[[TargetRows, Frame], Float]
    state: tuple[str, ...] = ()


def design(rows: TargetRows, frame: Frame, columns: Mapping[str, Column], dtype: Any = np.float64) -> npt.NDArray[Any]:
    """The columns (M, K) of M rows; what is unknown is 0."""
    made = np.empty((rows.pair.shape[0], len(columns)), dtype)
    for at, column in enumerate(columns.values()):
        values = np.asarray(column.make(rows, frame), dtype=np.float64)
        known = np.isfinite(values)  # column by column: over the whole, masks and copies took as long as the values
        made[:, at] = values if known.all() else np.where(known, values, 0.0)
    return made


@lru_cache(maxsize=64)
def design_columns(
    covariates: tuple[str, ...], flags: tuple[str, ...], state: tuple[str, ...] = ()
) -> dict[str, Column]:
    """Columns of daily series that can be made of these covariates and state columns, by name and in a fixed order.

    flags: the covariates that are 0 or 1.
    """
    columns = {"trend": Column("trend and horizon", (), years)}
    columns |= {f"yearly_{at}": Column("yearly season", (), _with(yearly, at)) for at in range(2 * HARMONICS)}
    columns |= {f"weekday_{day}": Column("weekly season", (), _with(weekday, day)) for day in range(7)}
    columns |= _promotion_columns(covariates)
    if PRICE in covariates:
        columns["price"] = Column("promotion and price", (PRICE,), price_change)
    columns |= {
        f"flag_{name}": Column(
            "calendar" if "promo" not in name else "promotion and price", (name,), _with(ahead_of, name)
        )
        for name in flags
        if name in covariates and not name.endswith(_PAST)
    }
    if "days_to_holiday" in covariates:
        columns["holiday_in_2"] = Column(
            "calendar", ("days_to_holiday",), lambda rows, _: ahead_of(rows, "days_to_holiday") == 2.0
        )
    if TEMP in covariates:
        columns["warmer"] = Column("weather", (TEMP,), warmer)
    if "forecast_rain_mm" in covariates:
        columns["rain"] = Column(
            "weather",
            ("forecast_rain_mm",),
            lambda rows, _: np.clip(ahead_of(rows, "forecast_rain_mm"), 0.0, WETTEST) / 10.0,
        )
    if HEAT in state:
        columns["heat"] = Column("other covariates", (), lambda rows, _: heat_left(rows), (HEAT,))
    return columns


def is_fine(name: str) -> bool:
    """Whether a product, or a store that is a series, has a coefficient of its own for this column."""
    return name in {"trend", "yearly_0", "yearly_1", "promoted", "depth", "price"} or name.startswith("weekday_")


def of_time(name: str) -> bool:
    """Whether a column moves so slowly that the past of a series tells it, whatever else happened on its days."""
    return name == "trend" or name.startswith("yearly_")


def _promotion_columns(covariates: tuple[str, ...]) -> dict[str, Column]:
    made: dict[str, Column] = {}
    reason = "promotion and price"
    marks = promotion_covariates(covariates)
    if marks:
        made["promoted"] = Column(reason, marks, lambda rows, _: promoted(rows, marks))
    if "promo_depth" in covariates:
        made["depth"] = Column(reason, ("promo_depth",), lambda rows, _: depth(rows))
        made["depth_square"] = Column(reason, ("promo_depth",), lambda rows, _: depth(rows) ** 2)
    if set(_CLEARANCE) <= set(covariates):
        made["clearance_gone"] = Column(reason, _CLEARANCE, lambda rows, _: clearance_gone(rows))
    if "category_promos" in covariates and marks:
        made["rivals"] = Column(
            reason,
            ("category_promos", *marks),
            lambda rows, _: np.log1p(np.clip(ahead_of(rows, "category_promos") - promoted(rows, marks), 0.0, 4.0)),
        )
    return made


def _with(function: Callable[[TargetRows, T], Float], given: T) -> Callable[[TargetRows, Frame], Float]:
    return lambda rows, _: function(rows, given)
