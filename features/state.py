"""State of a series at the end of a period, as one Ibis expression: window functions over the dense grid of sales."""

from collections.abc import Sequence
from datetime import date
from typing import Any

import ibis
import ibis.expr.types as ir

from features.sales import PERIOD_DAYS, complete_grid
from features.state_registry import (
    LAST_PERIODS,
    LEVEL_DAYS,
    SCALE_FLOOR,
    SEASON_DAYS,
    SEASON_LAST_WEEKS,
    SEASON_WEEKS,
    SHARE_DAYS,
    SPREAD_DAYS,
    STATE_FEATURES,
    YEAR_AGO_BINS,
    YEAR_DAYS,
    FeatureSpec,
    Frequency,
    state_feature_names,
)

__all__ = ["STATE_FEATURES", "FeatureSpec", "state_feature_names", "state_features"]


def state_features(
    sales: ir.Table, *, frequency: Frequency, origins: Sequence[date] | ir.Table | None = None
) -> ir.Table:
    """One row per (series_id, origin): what was known of the series at the END of period `origin`.

    `sales` has the columns of its contract; periods that a series lacks are filled in as closed. A closed or missing
    period is null and counts in no mean. `origins` restricts the rows that come back, after all windows: dates, or a
    table with `origin` and perhaps `series_id`. Columns: series_id, origin (date), then
    `state_feature_names(frequency)` as floats; see STATE_FEATURES for meanings and units.
    """
    grid = _observed(complete_grid(sales, frequency=frequency))
    rolled = grid.mutate(**_rolling(grid, frequency))
    final = rolled.mutate(**_from_rolled(rolled, frequency))
    names = state_feature_names(frequency)
    kept = _restrict(final.rename(origin="period_start"), origins)
    return kept.select("series_id", "origin", *(kept[name].cast("float64").name(name) for name in names))


def _observed(grid: ir.Table) -> ir.Table:
    """The columns that the windows see: `y` open values, `u` those without a stock-out, and row-wise flags."""
    seen = grid.open & grid.value.notnull()
    missing = ibis.null("float64")
    return grid.select(
        "series_id",
        "period_start",
        y=ibis.ifelse(seen, grid.value, missing),
        u=ibis.ifelse(seen & ~grid.censored, grid.value, missing),
        positive=ibis.ifelse(seen & (grid.value > 0), grid.value, missing),
        zero=ibis.ifelse(seen, (grid.value <= 0).cast("float64"), missing),
        short=ibis.ifelse(seen, grid.censored.cast("float64"), missing),
        seen=seen.cast("float64"),
        weekday=grid.period_start.delta(ibis.date(1970, 1, 1), unit="day") % SEASON_DAYS,
    )


def _rolling(grid: ir.Table, frequency: Frequency) -> dict[str, Any]:
    step = PERIOD_DAYS[frequency]

    def last(days: int) -> Any:
        return ibis.window(
            group_by=grid.series_id, order_by=grid.period_start, preceding=max(days // step, 1) - 1, following=0
        )

    ever = ibis.window(group_by=grid.series_id, order_by=grid.period_start, preceding=None, following=0)
    row = ibis.row_number().over(group_by=grid.series_id, order_by=grid.period_start) + 1
    sold_on = ibis.ifelse(grid.positive.notnull(), grid.period_start, ibis.null("date"))
    columns: dict[str, Any] = {
        "age_periods": row,
        "periods_since_sale": grid.period_start.delta(sold_on.max().over(ever), unit="day") // step,
        "median_28": grid.y.median().over(last(28)),
        "mean_nonzero_91": grid.positive.mean().over(last(91)),
    }
    columns |= {f"level_{days}": grid.y.mean().over(last(days)) for days in LEVEL_DAYS}
    for days in SPREAD_DAYS:
        columns[f"level_uncensored_{days}"] = grid.u.mean().over(last(days))
        columns[f"std_{days}"] = grid.y.std(how="sample").over(last(days))
        columns[f"max_{days}"] = grid.y.max().over(last(days))
    for days in SHARE_DAYS:
        columns[f"zero_share_{days}"] = grid.zero.mean().over(last(days))
        columns[f"censored_share_{days}"] = grid.short.mean().over(last(days))
        columns[f"open_share_{days}"] = grid.seen.mean().over(last(days))
    if frequency == "daily":
        same_weekday = ibis.window(
            group_by=[grid.series_id, grid.weekday], order_by=grid.period_start, preceding=SEASON_WEEKS - 1, following=0
        )
        columns["weekday_mean"] = grid.u.mean().over(same_weekday)
    return columns


def _from_rolled(rolled: ir.Table, frequency: Frequency) -> dict[str, Any]:
    """Features that look back at a rolling column, and ratios of rolling columns."""
    step = PERIOD_DAYS[frequency]
    in_order = ibis.window(group_by=rolled.series_id, order_by=rolled.period_start)

    def back(column: Any, periods: int) -> Any:
        return column.lag(periods).over(in_order) if periods else column

    columns: dict[str, Any] = {f"last_{k}": back(rolled.y, k - 1) for k in range(1, LAST_PERIODS[frequency] + 1)}
    for bin_ in range(1, YEAR_AGO_BINS[frequency] + 1):
        # Daily, level_7 ending 364 days before step 7 * bin_ is the mean of that week; weekly, it is the value itself.
        columns[f"year_ago_{bin_}"] = back(rolled.level_7, (YEAR_DAYS - 7 * bin_) // step)
    if frequency == "daily":
        for j in range(SEASON_DAYS):
            ago = SEASON_DAYS - 1 - j
            columns[f"season_mean_{j}"] = back(rolled.weekday_mean, ago)
            columns[f"season_last_{j}"] = ibis.coalesce(
                *(back(rolled.y, ago + SEASON_DAYS * week) for week in range(SEASON_LAST_WEEKS))
            )
    columns |= {
        "trend_7_28": _ratio(rolled.level_7, rolled.level_28),
        "trend_28_28": _ratio(rolled.level_28, back(rolled.level_28, 28 // step)),
        "trend_28_91": _ratio(rolled.level_28, rolled.level_91),
        "trend_year": _ratio(rolled.level_28, back(rolled.level_28, YEAR_DAYS // step)),
        "scale": ibis.greatest(
            ibis.coalesce(rolled.level_28, rolled.level_91, rolled.level_364, 0.0),
            (rolled.level_91 / 2).fill_null(0.0),
            (rolled.level_364 / 4).fill_null(0.0),
            ibis.literal(SCALE_FLOOR),
        ),
    }
    return columns


def _ratio(numerator: Any, denominator: Any) -> Any:
    return numerator / denominator.nullif(0.0)


def _restrict(rows: ir.Table, origins: Sequence[date] | ir.Table | None) -> ir.Table:
    if origins is None:
        return rows
    if isinstance(origins, ir.Table):
        keys = [key for key in ("series_id", "origin") if key in origins.columns]
        return rows.semi_join(origins.select(*keys).distinct(), keys)
    return rows.filter(rows.origin.isin([ibis.literal(each) for each in origins]))
