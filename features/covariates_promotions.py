"""What announced promotions tell of the days to come: the strongest of those announced so far, day by day."""

from typing import Any

import ibis
import ibis.expr.types as ir

from features.known_ahead import PROMOTION_CAP_DAYS
from features.sales import days_later, series_id

# Of several promotions the largest value counts; the distances stand as negative numbers until then.
_RUNNING = ("promo_depth", "promo_multibuy", "promo_clearance", "promo_day", "promo_days_left", "promo_length")
_DISTANCES = ("days_to_next_promo", "days_after_promo")
_NAMES = (*_RUNNING, *_DISTANCES)
_NOTHING = ibis.null("float64")


def promotion_values(promotions: ir.Table) -> dict[str, ir.Table]:
    """Tables by scope (product, series): scope_value, period_start, known_from and a column a name, null where unsaid.

    A value is that of all promotions announced by `known_from`. A store's own promotion does not hide one that runs in
    all stores: the rows of its series carry the strongest of both, as known on each day of announcement.
    """
    days = _days(promotions)
    columns = ("product_id", "period_start", "known_from", *_NAMES)
    everywhere = days.filter(days.store_id.isnull()).select(*columns)
    own = days.filter(days.store_id.notnull())
    own_days = own.select(key_store="store_id", key_product="product_id", key_day="period_start").distinct()
    shared = everywhere.inner_join(
        own_days, [everywhere.product_id == own_days.key_product, everywhere.period_start == own_days.key_day]
    ).select(*columns, store_id="key_store")
    in_series = own.select(*columns, "store_id").union(shared)
    by_series = in_series.mutate(scope_value=series_id(in_series.store_id, in_series.product_id))
    return {
        "product": _strongest(everywhere.mutate(scope_value=everywhere.product_id)),
        "series": _strongest(by_series),
    }


def category_values(promotions: ir.Table, products: ir.Table) -> ir.Table:
    """As one scope of `promotion_values`, for categories: how many promotions run in all stores, and the deepest."""
    chain = promotions.filter(promotions.store_id.isnull())
    named = chain.inner_join(products.select("product_id", "category"), "product_id")
    length = named.ends_on.delta(named.starts_on, unit="day") + 1
    days = named.mutate(offset=ibis.range(ibis.literal(0, "int64"), length.cast("int64")).unnest())
    days = days.mutate(period_start=days_later(days.starts_on, days.offset))
    announced = days.group_by([days.category.name("scope_value"), "period_start", days.announced_on.name("known_from")])
    counted = announced.agg(category_promos=days.count(), category_promo_depth=days.discount_fraction.max())
    so_far = _so_far(counted)
    return counted.select(
        "scope_value",
        "period_start",
        "known_from",
        category_promos=counted.category_promos.sum().over(so_far).cast("float64"),
        category_promo_depth=counted.category_promo_depth.max().over(so_far),
    )


def _days(promotions: ir.Table) -> ir.Table:
    """One row per promotion and day from some weeks before it until some weeks after it."""
    length = promotions.ends_on.delta(promotions.starts_on, unit="day") + 1
    around = PROMOTION_CAP_DAYS - 1
    first, past = ibis.literal(-around, "int64"), (length + around).cast("int64")
    days = promotions.mutate(offset=ibis.range(first, past).unnest(), length=length)
    days = days.mutate(period_start=days_later(days.starts_on, days.offset))
    runs = (days.offset >= 0) & (days.offset < days.length)
    ahead = days.period_start > days.announced_on  # no origin asks for a distance on a day before
    days = days.filter(runs | ahead)
    runs = (days.offset >= 0) & (days.offset < days.length)

    def running(value: Any) -> Any:
        return ibis.ifelse(runs, value.cast("float64"), _NOTHING)

    return days.select(
        "product_id",
        "store_id",
        "period_start",
        known_from="announced_on",
        promo_depth=running(days.discount_fraction),
        promo_multibuy=running(days.kind == "multibuy"),
        promo_clearance=running(days.kind == "clearance"),
        promo_day=running(days.offset + 1),
        promo_days_left=running(days.length - days.offset),
        promo_length=running(days.length),
        days_to_next_promo=ibis.ifelse(days.offset < 0, days.offset.cast("float64"), _NOTHING),
        days_after_promo=ibis.ifelse(
            days.offset >= days.length, (days.length - days.offset - 1).cast("float64"), _NOTHING
        ),
    )


def _so_far(rows: ir.Table) -> Any:
    return ibis.window(
        group_by=[rows.scope_value, rows.period_start], order_by=rows.known_from, preceding=None, following=0
    )


def _strongest(rows: ir.Table) -> ir.Table:
    announced = rows.group_by(["scope_value", "period_start", "known_from"]).agg(
        **{name: rows[name].max() for name in _NAMES}
    )
    so_far = _so_far(announced)
    best = {name: announced[name].max().over(so_far) for name in _NAMES}
    best |= {name: -best[name] for name in _DISTANCES}
    return announced.select("scope_value", "period_start", "known_from", **best)
