"""The days behind the state: one row per series and day, one per group and day, with everything known by that day's end."""

from dataclasses import dataclass, fields
from typing import Any

import ibis
import ibis.expr.types as ir

from features.sales import days_later
from features.state_windows import exact

PROMOTION_ECHO_DAYS = 7  # how long a promotion's buyers may stay away after it
EARLY_DAYS = 28  # the launch of a series
WET_MM = 1.0
_MISSING = ibis.null("float64")

# A group of series, and the columns of `series` that name it; its rows carry `<kind>:<values>` as entity.
GROUP_KEYS = {
    "chain": (),
    "store": ("store_id",),
    "category": ("category",),
    "region": ("region",),
    "product": ("product_id",),
    "shelf": ("store_id", "category"),
}


@dataclass(frozen=True)
class StateTables:
    """The tables that the state is made of, in the columns of their contracts; None where the source has none."""

    sales: ir.Table
    series: ir.Table
    prices: ir.Table | None = None
    promotions: ir.Table | None = None
    inventory: ir.Table | None = None
    weather: ir.Table | None = None
    social_heat: ir.Table | None = None

    @property
    def provided(self) -> frozenset[str]:
        """Names of the tables that are there."""
        return frozenset(each.name for each in fields(self) if getattr(self, each.name) is not None)


def entity(kind: str, rows: ir.Table) -> Any:
    """Name of the group of this kind that a row belongs to; null where the series does not say."""
    name: Any = ibis.literal(kind)
    for column in GROUP_KEYS[kind]:
        name = name + ":" + rows[column]
    return name


def series_days(tables: StateTables, days: ir.Table, step: int) -> ir.Table:
    """One row per series and period that is in `days` (day), with the columns that the windows of series read.

    A closed or missing period has no value: `y` is null. `u` is `y` without stock-outs.
    """
    sales = tables.sales.rename(day="period_start").semi_join(days, "day")
    home = tables.series.select("series_id", "store_id", "product_id", "category", "region", "started_on")
    rows = sales.left_join(home, "series_id").drop("series_id_right")
    seen = rows.open & rows.value.notnull()
    rows = rows.select(
        "series_id", "store_id", "product_id", "category", "region", "day", "started_on",
        y=_where(seen, rows.value),
        u=_where(seen & ~rows.censored, rows.value),
        short=_where(seen, rows.censored.cast("float64")),
        life=rows.day.delta(rows.started_on, unit="day"),
    )  # fmt: skip
    if tables.promotions is not None:
        rows = _with_promotions(rows, tables.promotions)
    if tables.prices is not None:
        rows = _with_prices(rows, tables.prices)
    if tables.inventory is not None:
        rows = _with_stock(rows, tables.inventory)
    if tables.weather is not None:
        sky = tables.weather.select("region", day="date", temp="temp_c", rain="rain_mm")
        rows = _beside(rows, sky, ["region", "day"])
    return _derived(rows, tables, step)


def group_days(rows: ir.Table, tables: StateTables, kinds: list[str], days: ir.Table) -> ir.Table:
    """One row per group and day: `entity`, `day`, totals over the group's series; weather and heat in rows of their own."""
    shelf = _totals(rows, ["store_id", "category", "region", "day"])
    names = [name for name in _TOTALS if name in shelf.columns]
    by_kind = []
    for kind in kinds:
        source = _totals(rows, ["product_id", "day"]) if kind == "product" else shelf
        named = source.mutate(entity=entity(kind, source))
        named = named.filter(named.entity.notnull())
        by_kind.append(named.group_by(["entity", "day"]).agg(**{name: named[name].sum() for name in names}))
    outside = {"temp": _MISSING, "rain": _MISSING, "heat": _MISSING}
    parts = [part.select("entity", "day", *names, **outside) for part in by_kind]
    nothing = {name: ibis.null("float64") for name in names}
    if tables.weather is not None:
        sky = tables.weather.rename(day="date").semi_join(days, "day")
        values = {"temp": sky.temp_c.cast("float64"), "rain": sky.rain_mm.cast("float64"), "heat": _MISSING}
        parts.append(sky.select(entity=entity("region", sky), day="day", **nothing, **values))
    if tables.social_heat is not None:
        talk = tables.social_heat.rename(day="date").semi_join(days, "day")
        values = {"temp": _MISSING, "rain": _MISSING, "heat": talk.heat.cast("float64")}
        parts.append(talk.select(entity=entity("category", talk), day="day", **nothing, **values))
    return _outside_columns(ibis.union(*parts) if len(parts) > 1 else parts[0])


# Sums over a group's series: name -> the column of the series' rows that is summed (True) or counted (False).
_TOTALS: dict[str, tuple[str, bool]] = {
    "total": ("y", True),
    "seen": ("y", False),
    "short": ("short", True),
    "rows": ("day", False),
    "started": ("started", True),
    "early_sum": ("early", True),
    "early_count": ("early", False),
    "promoted": ("depth", False),
    "lift_sum": ("u_promo", True),
    "lift_count": ("u_promo", False),
    "plain_sum": ("u_plain", True),
    "plain_count": ("u_plain", False),
    "price_sum": ("price", True),
    "price_count": ("price", False),
}


def _totals(rows: ir.Table, keys: list[str]) -> ir.Table:
    """Totals over series; a sum is null where no series of the group is known, so that means over days skip those days."""
    columns = {
        name: exact(rows[column]).sum() if summed else rows[column].count().cast("float64")
        for name, (column, summed) in _TOTALS.items()
        if column in rows.columns
    }
    return rows.group_by(keys).agg(**columns)


def _outside_columns(rows: ir.Table) -> ir.Table:
    return rows.mutate(wet_day=_where(rows.rain >= WET_MM, rows.rain), heat_square=rows.heat * rows.heat)


def _where(condition: Any, value: Any) -> Any:
    return ibis.ifelse(condition, value.cast("float64"), _MISSING)


def _beside(rows: ir.Table, other: ir.Table, keys: list[str]) -> ir.Table:
    """Left join on columns of equal names."""
    return rows.left_join(other, keys).drop(*(f"{key}_right" for key in keys))


def _with_promotions(rows: ir.Table, promotions: ir.Table) -> ir.Table:
    """`depth` (null on plain days), `promo_start`, `multibuy` and `echo` (plain days just after a promotion).

    A day counts as promoted from the day on which the promotion was announced, should that be later than its start.
    """
    length = promotions.ends_on.delta(promotions.starts_on, unit="day") + 1
    spread = promotions.mutate(
        offset=ibis.range(ibis.literal(0, "int64"), (length + PROMOTION_ECHO_DAYS).cast("int64")).unnest(),
        last=length.cast("int64") - 1,
    )
    spread = spread.mutate(day=days_later(spread.starts_on, spread.offset))
    spread = spread.filter(spread.day >= spread.announced_on)
    runs = spread.offset <= spread.last
    flags = spread.select(
        "store_id", "product_id", "day",
        depth=_where(runs, spread.discount_fraction),
        promo_start=_where(spread.day == ibis.greatest(spread.starts_on, spread.announced_on), ibis.literal(1.0)),
        multibuy=_where(runs, (spread.kind == "multibuy").cast("float64")),
        echo=_where(~runs, ibis.literal(1.0)),
    )  # fmt: skip
    names = ("depth", "promo_start", "multibuy", "echo")

    def strongest(some: ir.Table, keys: list[str]) -> ir.Table:
        return some.group_by(keys).agg(**{name: some[name].max() for name in names})

    chain = strongest(flags.filter(flags.store_id.isnull()), ["product_id", "day"])
    own = strongest(flags.filter(flags.store_id.notnull()), ["store_id", "product_id", "day"])
    rows = _beside(rows, chain, ["product_id", "day"])
    rows = _beside(rows, own.rename({f"own_{name}": name for name in names}), ["store_id", "product_id", "day"])
    both = {name: ibis.greatest(rows[name], rows[f"own_{name}"]) for name in names}
    return rows.mutate(**both).drop(*(f"own_{name}" for name in names))


def _with_prices(rows: ir.Table, prices: ir.Table) -> ir.Table:
    paid = prices.select("store_id", "product_id", day="date", price="price", base_price="base_price")
    return _beside(rows, paid, ["store_id", "product_id", "day"])


def _with_stock(rows: ir.Table, inventory: ir.Table) -> ir.Table:
    names = ("received", "sold", "wasted", "closing")
    stock = inventory.select(
        "store_id", "product_id", day="date", **{name: inventory[f"{name}_units"].cast("float64") for name in names}
    )
    return _beside(rows, stock, ["store_id", "product_id", "day"])


def _derived(rows: ir.Table, tables: StateTables, step: int) -> ir.Table:
    """Squares, products and flags; what compares with an earlier day finds it by the order of rows."""
    in_order = ibis.window(group_by=rows.series_id, order_by=rows.day)

    def before(column: Any, days: int) -> Any:
        there = rows.day.delta(rows.day.lag(days // step).over(in_order), unit="day") == days
        return ibis.ifelse(there, column.lag(days // step).over(in_order), _MISSING)

    one = ibis.literal(1.0)
    columns: dict[str, Any] = {"y_day_before": before(rows.y, step)}
    if step == 1:
        columns["y_week_before"] = before(rows.y, 7)
    if tables.prices is not None:
        columns["price_before"] = before(rows.price, 1)
    rows = rows.mutate(**columns)
    sold, weekend = rows.y > 0, rows.day.day_of_week.index() >= 5
    made: dict[str, Any] = {
        "y_square": rows.y * rows.y,
        "y_cube": rows.y * rows.y * rows.y,
        "positive": _where(sold, rows.y),
        "positive_square": _where(sold, rows.y * rows.y),
        "zero": _where(rows.y.notnull(), (rows.y <= 0).cast("float64")),
        "stockout": _where(rows.short > 0, one),
        "zero_run_start": _where((rows.y <= 0) & (rows.y_day_before > 0), one),
        "weekend": _where(weekend, rows.y),
        "workday": _where(~weekend, rows.y),
        "started": _where(rows.life == 0, one),
        "early": _where((rows.life >= 0) & (rows.life < EARLY_DAYS), rows.u),
    }
    if step == 1:
        pair = rows.y.notnull() & rows.y_week_before.notnull()
        now, then = _where(pair, rows.y), _where(pair, rows.y_week_before)
        made |= {"ac_now": now, "ac_then": then, "ac_product": now * then}
        made |= {"ac_now_square": now * now, "ac_then_square": then * then}
    if tables.promotions is not None:
        plain = rows.depth.isnull()
        made |= {
            "u_promo": _where(~plain, rows.u),
            "u_plain": _where(plain & rows.echo.isnull(), rows.u),
            "u_echo": _where(plain & rows.echo.notnull(), rows.u),
            "depth_or_none": rows.depth.fill_null(0.0),
        }
    if tables.prices is not None:
        bought = rows.y.notnull() & rows.price.notnull() & (rows.y > 0)
        made |= {
            "discounted": _where(rows.price.notnull(), (rows.price < rows.base_price * 0.999).cast("float64")),
            "price_move": _where((rows.price != rows.price_before), one),
            "price_bought": _where(bought, rows.y),
            "price_paid": _where(bought, rows.y * rows.price),
        }
    if tables.inventory is not None:
        made |= {
            "delivery": _where(rows.received > 0, one),
            "empty": _where(rows.closing.notnull(), (rows.closing <= 0).cast("float64")),
        }
    if tables.weather is not None:
        pair = rows.u.notnull() & rows.temp.notnull()
        warm, units = _where(pair, rows.temp), _where(pair, rows.u)
        made |= {"warm": warm, "warm_square": warm * warm, "warm_units": units, "warm_product": warm * units}
        made |= {"u_wet": _where(rows.rain >= WET_MM, rows.u), "u_dry": _where(rows.rain < WET_MM, rows.u)}
    return rows.mutate(**made)
