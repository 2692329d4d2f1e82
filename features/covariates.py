"""Builders of the `covariates` table: what is known about a period before it begins, and since when."""

from collections.abc import Mapping
from datetime import date
from typing import Any

import ibis
import ibis.expr.types as ir

from features.sales import days_later, series_id

COVARIATE_COLUMNS = ("scope", "scope_value", "period_start", "name", "value", "known_from")

# The calendar is known for as long as anybody looks ahead.
ALWAYS_KNOWN = date(1970, 1, 1)

# A covariate that is absent is unknown (null), save where absence has a meaning of its own.
_PROMOTION_NAMES = ("promo_depth", "promo_multibuy", "promo_clearance")
COVARIATE_DEFAULTS: Mapping[str, float] = dict.fromkeys(_PROMOTION_NAMES, 0.0)

HOLIDAY_DISTANCE_CAP_DAYS = 14


def build_covariates(
    *,
    calendar: ir.Table | None = None,
    weather_forecast: ir.Table | None = None,
    promotions: ir.Table | None = None,
) -> ir.Table:
    """Union of the covariates of the tables that are given (at least one), in the columns of the contract.

    Observed weather, social heat and the price that was really charged are never here: they are not known ahead. A
    planned price is known through its promotion alone, as `promo_depth` (1 - price / base price).
    """
    parts = []
    if calendar is not None:
        parts.append(calendar_covariates(calendar))
    if weather_forecast is not None:
        parts.append(weather_covariates(weather_forecast))
    if promotions is not None:
        parts.append(promotion_covariates(promotions))
    if not parts:
        raise ValueError("no covariates to build: give calendar, weather_forecast or promotions")
    return ibis.union(*parts) if len(parts) > 1 else parts[0]


def calendar_covariates(calendar: ir.Table) -> ir.Table:
    """Holidays and school breaks for all series.

    Names: `is_holiday`, `is_school_break` (0 or 1), `days_to_holiday`, `days_since_holiday` (days, capped at 14).
    """
    holiday = ibis.ifelse(calendar.is_holiday, calendar.date, ibis.null("date"))
    past = ibis.window(order_by=calendar.date, preceding=None, following=0)
    future = ibis.window(order_by=calendar.date, preceding=0, following=None)
    days = calendar.mutate(last_holiday=holiday.max().over(past), next_holiday=holiday.min().over(future))
    cap = HOLIDAY_DISTANCE_CAP_DAYS
    values = {
        "is_holiday": days.is_holiday.cast("float64"),
        "is_school_break": days.is_school_break.cast("float64"),
        "days_to_holiday": ibis.least(days.next_holiday.delta(days.date, unit="day").fill_null(cap), cap),
        "days_since_holiday": ibis.least(days.date.delta(days.last_holiday, unit="day").fill_null(cap), cap),
    }
    return ibis.union(
        *(
            _rows(
                days,
                scope="all",
                scope_value=ibis.literal("*"),
                period=days.date,
                name=name,
                value=value,
                known_from=ibis.literal(ALWAYS_KNOWN),
            )
            for name, value in values.items()
        )
    )


def weather_covariates(forecast: ir.Table) -> ir.Table:
    """`forecast_temp_c` and `forecast_rain_mm` as issued, known from the day of issue; scope region."""
    return ibis.union(
        *(
            _rows(
                forecast,
                scope="region",
                scope_value=forecast.region,
                period=forecast.date,
                name=name,
                value=forecast[column],
                known_from=forecast.issued_on,
            )
            for name, column in (("forecast_temp_c", "temp_c"), ("forecast_rain_mm", "rain_mm"))
        )
    )


def promotion_covariates(promotions: ir.Table) -> ir.Table:
    """`promo_depth`, `promo_multibuy`, `promo_clearance`; scope product, or series for a store's own promotion.

    `promo_depth` is the deepest discount announced so far for a day, the others say (0 or 1) whether one of its
    promotions is of that kind. A store's own promotion does not hide one that runs in all stores: its rows carry the
    strongest of both, as known on each day of announcement.
    """
    days = promotions.mutate(
        offset=ibis.range(0, promotions.ends_on.delta(promotions.starts_on, unit="day") + 1).unnest()
    )
    columns = ("product_id", "period_start", "known_from", *_PROMOTION_NAMES)
    days = days.select(
        "product_id",
        "store_id",
        period_start=days_later(days.starts_on, days.offset),
        known_from="announced_on",
        promo_depth="discount_fraction",
        promo_multibuy=(days.kind == "multibuy").cast("float64"),
        promo_clearance=(days.kind == "clearance").cast("float64"),
    )
    everywhere = days.filter(days.store_id.isnull()).select(*columns)
    own = days.filter(days.store_id.notnull())
    own_days = own.select(key_store="store_id", key_product="product_id", key_day="period_start").distinct()
    shared = everywhere.inner_join(
        own_days, [everywhere.product_id == own_days.key_product, everywhere.period_start == own_days.key_day]
    ).select(*columns, store_id="key_store")
    in_series = own.select(*columns, "store_id").union(shared)
    by_series = in_series.mutate(scope_value=series_id(in_series.store_id, in_series.product_id))
    return _strongest(everywhere.mutate(scope_value=everywhere.product_id), scope="product").union(
        _strongest(by_series, scope="series")
    )


def _strongest(rows: ir.Table, *, scope: str) -> ir.Table:
    """The largest value announced so far, one row per day of announcement, for each of the promotions' names."""
    announced = rows.group_by(["scope_value", "period_start", "known_from"]).agg(
        **{name: rows[name].max() for name in _PROMOTION_NAMES}
    )
    so_far = ibis.window(
        group_by=[announced.scope_value, announced.period_start],
        order_by=announced.known_from,
        preceding=None,
        following=0,
    )
    return ibis.union(
        *(
            _rows(
                announced,
                scope=scope,
                scope_value=announced.scope_value,
                period=announced.period_start,
                name=name,
                value=announced[name].max().over(so_far),
                known_from=announced.known_from,
            )
            for name in _PROMOTION_NAMES
        )
    )


def _rows(
    table: ir.Table, *, scope: str, scope_value: Any, period: Any, name: str, value: Any, known_from: Any
) -> ir.Table:
    return table.select(
        scope=ibis.literal(scope),
        scope_value=scope_value.cast("string"),
        period_start=period.cast("date"),
        name=ibis.literal(name),
        value=value.cast("float64"),
        known_from=known_from.cast("date"),
    )
