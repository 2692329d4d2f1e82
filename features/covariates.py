"""Builders of the `covariates` table: what is known about a period before it begins, and since when."""

from datetime import date

import ibis
import ibis.expr.types as ir

from features.covariates_calendar import calendar_values
from features.covariates_prices import price_values
from features.covariates_promotions import category_values, promotion_values
from features.known_ahead import COOLING_ABOVE_C, COVARIATE_DEFAULTS, HEATING_BELOW_C, KNOWN_AHEAD
from features.state_windows import exact

__all__ = ["COVARIATE_COLUMNS", "COVARIATE_DEFAULTS", "KNOWN_AHEAD", "build_covariates"]

COVARIATE_COLUMNS = ("scope", "scope_value", "period_start", "name", "value", "known_from")

# The calendar is known for as long as anybody looks ahead.
ALWAYS_KNOWN = date(1970, 1, 1)


def build_covariates(
    *,
    calendar: ir.Table | None = None,
    weather_forecast: ir.Table | None = None,
    promotions: ir.Table | None = None,
    products: ir.Table | None = None,
    price_plans: ir.Table | None = None,
    sales_days: tuple[date, date] | None = None,
) -> ir.Table:
    """Union of the covariates of the tables that are given (at least one), in the columns of the contract.

    Observed weather, social heat and the price that was really charged are never here: they are not known ahead. Of
    prices to come the plan is known: the base price as `planned_price`, and what a promotion takes off it as
    `promo_depth` (1 - price / base price). `products` tells the categories in which promotions run; without it the names
    of scope category are left out. A price holds on every day, so that `price_plans` need `sales_days`, the first and
    the last day of sales: ValueError without them. See KNOWN_AHEAD.
    """
    parts = []
    if calendar is not None:
        parts.append(calendar_covariates(calendar))
    if weather_forecast is not None:
        parts.append(weather_covariates(weather_forecast))
    if promotions is not None:
        parts.append(promotion_covariates(promotions, products))
    if price_plans is not None:
        if sales_days is None:
            raise ValueError("price_plans without sales_days: give the first and the last day that prices are told for")
        parts.append(price_covariates(price_plans, *sales_days))
    if not parts:
        raise ValueError("no covariates to build: give calendar, weather_forecast, promotions or price_plans")
    return ibis.union(*parts) if len(parts) > 1 else parts[0]


def calendar_covariates(calendar: ir.Table) -> ir.Table:
    """The calendar's covariates for all series, known for ever."""
    days, values = calendar_values(calendar)
    wide = days.select(
        period_start="date",
        scope_value=ibis.literal("*"),
        known_from=ibis.literal(ALWAYS_KNOWN),
        **{name: value.cast("float64") for name, value in values.items()},
    )
    return _long(wide, "all")


def weather_covariates(forecast: ir.Table) -> ir.Table:
    """The forecast's covariates as issued, known from the day of issue; scope region."""
    by_issue = [forecast.region, forecast.issued_on]
    whole = ibis.window(group_by=by_issue)
    three = ibis.window(group_by=by_issue, order_by=forecast.date, preceding=2, following=0)
    temp, rain = exact(forecast.temp_c), exact(forecast.rain_mm)
    values = {
        "forecast_temp_c": forecast.temp_c,
        "forecast_rain_mm": forecast.rain_mm,
        "forecast_temp_to_issue": temp - temp.sum().over(whole) / temp.count().over(whole),
        "forecast_temp_mean_3": temp.sum().over(three) / temp.count().over(three),
        "forecast_rain_sum_3": rain.sum().over(three),
        "forecast_heating": ibis.greatest(HEATING_BELOW_C - forecast.temp_c, 0.0),
        "forecast_cooling": ibis.greatest(forecast.temp_c - COOLING_ABOVE_C, 0.0),
        "forecast_lead_days": forecast.date.delta(forecast.issued_on, unit="day"),
    }
    wide = forecast.select(
        period_start="date",
        scope_value="region",
        known_from="issued_on",
        **{name: value.cast("float64") for name, value in values.items()},
    )
    return _long(wide, "region")


def promotion_covariates(promotions: ir.Table, products: ir.Table | None = None) -> ir.Table:
    """The promotions' covariates as announced; scope product, series for a store's own promotion, category."""
    scopes = promotion_values(promotions)
    if products is not None:
        scopes["category"] = category_values(promotions, products)
    return ibis.union(*(_long(wide, scope) for scope, wide in scopes.items()))


def price_covariates(price_plans: ir.Table, first: date, last: date) -> ir.Table:
    """The planned base prices as announced; scope product, series for a store's own price."""
    return ibis.union(*(_long(wide, scope) for scope, wide in price_values(price_plans, first, last).items()))


def _long(wide: ir.Table, scope: str) -> ir.Table:
    """One row per name for every row of `wide` (period_start, scope_value, known_from, a column a name) that says it."""
    keys = ("period_start", "scope_value", "known_from")
    names = [name for name in wide.columns if name not in keys]
    # One pass over the rows for all names: a pair of name and value for each.
    pairs = ibis.array([ibis.struct({"name": ibis.literal(name), "value": wide[name]}) for name in names])
    long = wide.select(*keys, pair=pairs.unnest())
    long = long.select(*keys, name=long.pair["name"], value=long.pair["value"])
    long = long.filter(long.value.notnull())
    return long.select(
        scope=ibis.literal(scope),
        scope_value=long.scope_value.cast("string"),
        period_start=long.period_start.cast("date"),
        name="name",
        value="value",
        known_from=long.known_from.cast("date"),
    )
