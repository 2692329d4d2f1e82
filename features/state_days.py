"""The days behind the state: one row per series and day, one per group and day, with everything known by that day's end."""

from typing import Any

import ibis
import ibis.expr.types as ir

from features.sales import days_later
from features.state_marks import with_marks
from features.state_tables import PROMOTION_ECHO_DAYS, TABLE_DAYS, Sight, StateTables
from features.state_windows import NEAR_DAYS, exact

CELL = ["store_id", "product_id", "day"]
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

KEYED_GROUPS = ("category", "product", "store")  # a model has coefficients of their own for these
KEY_DIGITS = 6  # 24 bits: a whole number that float32 holds too


def group_number(name: Any) -> Any:
    """A number that names a group, the same on every engine and in every run; null where the name is.

    Two of 5,000 names have one number with a probability of one half; they then share what is learnt of them.
    """
    digits = name.hexdigest("md5")
    places = (ibis.literal("0123456789abcdef").find(digits.substr(at, 1)) for at in range(KEY_DIGITS))
    number: Any = ibis.literal(0.0)
    for place in places:
        number = number * 16.0 + place.cast("float64")
    return number


def entity(kind: str, rows: ir.Table) -> Any:
    """Name of the group of this kind that a row belongs to; null where the series does not say."""
    name: Any = ibis.literal(kind)
    for column in GROUP_KEYS[kind]:
        name = name + ":" + rows[column]
    return name


def series_days(tables: StateTables, sight: Sight) -> ir.Table:
    """One row per series and period in sight, with the columns that the windows of series read.

    A closed or missing period has no value: `y` is null. `u` is `y` without stock-outs.
    """
    sales = sight.rows(tables.sales, "period_start", TABLE_DAYS["sales"])
    seen = sales.open & sales.value.notnull()
    sales = sales.select(
        "series_id",
        "day",
        y=_where(seen, sales.value),
        u=_where(seen & ~sales.censored, sales.value),
        short=_where(seen, sales.censored.cast("float64")),
    )
    home = tables.series.select("series_id", "store_id", "product_id", "category", "region", "started_on")
    rows = _with_earlier_days(sales, sight).left_join(home, "series_id").drop("series_id_right")
    rows = rows.mutate(life=rows.day.delta(rows.started_on, unit="day"))
    if tables.promotions is not None:
        rows = _with_promotions(rows, sight.promotions(tables.promotions))
    elif tables.marks is not None:
        rows = with_marks(rows, tables.marks, sight)
    if tables.prices is not None:
        prices = sight.rows(tables.prices, "date", TABLE_DAYS["prices"]).select(*CELL, "price", "base_price")
        rows = _beside(rows, prices, CELL)
        rows = _beside(rows, _moved(prices, CELL, {"price": "price_before"}, sight.step, sight), CELL)
        rows = rows.mutate(price_before=_where(rows.seen_before, rows.price_before))
    if tables.inventory is not None:
        stock = sight.rows(tables.inventory, "date", TABLE_DAYS["inventory"])
        names = ("received", "sold", "wasted", "closing")
        rows = _beside(rows, stock.select(*CELL, **{n: stock[f"{n}_units"].cast("float64") for n in names}), CELL)
    if tables.weather is not None:
        sky = sight.rows(tables.weather, "date", NEAR_DAYS)
        rows = _beside(rows, sky.select("region", "day", temp="temp_c", rain="rain_mm"), ["region", "day"])
    return rows.mutate(**_of_sales(rows), **_of_other_tables(rows, tables))


def group_days(rows: ir.Table, tables: StateTables, kinds: list[str], sight: Sight) -> ir.Table:
    """One row per group and day: `entity`, `day`, totals over the group's series; weather and heat in rows of their own.

    `rows` come from `series_days`.
    """
    shelf = _totals(rows, ["store_id", "category", "region", "day"])
    names = [name for name in _TOTALS if name in shelf.columns]
    outside = {"temp": _MISSING, "rain": _MISSING, "heat": _MISSING}
    wide = [kind for kind in kinds if kind != "product"]
    # Each total is told to all groups that it belongs to at once: the days behind it are then computed once.
    told = shelf.mutate(entity=ibis.array([entity(kind, shelf) for kind in wide]).unnest())
    told = told.filter(told.entity.notnull())
    parts = [told.group_by(["entity", "day"]).agg(**{name: told[name].sum() for name in names})]
    if "product" in kinds:
        product = _totals(rows, ["product_id", "day"]).mutate(entity=lambda t: entity("product", t))
        parts.append(product.filter(product.entity.notnull()))
    parts = [part.select("entity", "day", *names, **outside) for part in parts]
    nothing = dict.fromkeys(names, _MISSING)
    if tables.weather is not None:
        sky = sight.rows(tables.weather, "date", TABLE_DAYS["weather"])
        values = {"temp": sky.temp_c.cast("float64"), "rain": sky.rain_mm.cast("float64"), "heat": _MISSING}
        parts.append(sky.select(entity=entity("region", sky), day="day", **nothing, **values))
    if tables.social_heat is not None:
        talk = sight.rows(tables.social_heat, "date", TABLE_DAYS["social_heat"])
        values = {"temp": _MISSING, "rain": _MISSING, "heat": talk.heat.cast("float64")}
        parts.append(talk.select(entity=entity("category", talk), day="day", **nothing, **values))
    days = ibis.union(*parts) if len(parts) > 1 else parts[0]
    return days.mutate(wet_day=_where(days.rain >= WET_MM, days.rain), heat_square=days.heat * days.heat)


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
    own = strongest(flags.filter(flags.store_id.notnull()), CELL)
    rows = _beside(rows, chain, ["product_id", "day"])
    rows = _beside(rows, own.rename({f"own_{name}": name for name in names}), CELL)
    both = {name: ibis.greatest(rows[name], rows[f"own_{name}"]) for name in names}
    return rows.mutate(**both).drop(*(f"own_{name}" for name in names))


def _with_earlier_days(sales: ir.Table, sight: Sight) -> ir.Table:
    """`y_before` and `seen_before` (whether there was a period before), and `y_week_before`, near the origins.

    Joins of the sales alone: what is joined to them later would be joined once more for each. A window over all days
    takes several times as long.
    """
    keys = ["series_id", "day"]
    marked = sales.select(*keys, "y", there=ibis.literal(True))
    sales = _beside(sales, _moved(marked, keys, {"y": "y_before", "there": "seen_before"}, sight.step, sight), keys)
    if sight.step == 1:
        sales = _beside(sales, _moved(marked, keys, {"y": "y_week_before"}, 7, sight), keys)
    return sales


def _moved(rows: ir.Table, keys: list[str], names: dict[str, str], days: int, sight: Sight) -> ir.Table:
    """Columns `names` (old to new) of the rows near the origins, told of `days` days later."""
    near = sight.rows(rows, "day", NEAR_DAYS + 7)
    return near.select(
        *(key for key in keys if key != "day"),
        day=days_later(near.day, ibis.literal(days)),
        **{new: near[old] for old, new in names.items()},
    )


def _of_sales(rows: ir.Table) -> dict[str, Any]:
    one = ibis.literal(1.0)
    sold, weekend = rows.y > 0, rows.day.day_of_week.index() >= 5
    made: dict[str, Any] = {
        "y_square": rows.y * rows.y,
        "y_cube": rows.y * rows.y * rows.y,
        "positive": _where(sold, rows.y),
        "positive_square": _where(sold, rows.y * rows.y),
        "zero": _where(rows.y.notnull(), (rows.y <= 0).cast("float64")),
        "stockout": _where(rows.short > 0, one),
        "zero_run_start": _where((rows.y <= 0) & (rows.y_before > 0), one),
        "weekend": _where(weekend, rows.y),
        "workday": _where(~weekend, rows.y),
        "started": _where(rows.life == 0, one),
        "early": _where((rows.life >= 0) & (rows.life < EARLY_DAYS), rows.u),
    }
    if "y_week_before" in rows.columns:
        pair = rows.y.notnull() & rows.y_week_before.notnull()
        now, then = _where(pair, rows.y), _where(pair, rows.y_week_before)
        made |= {"ac_now": now, "ac_then": then, "ac_product": now * then}
        made |= {"ac_now_square": now * now, "ac_then_square": then * then}
    return made


def _of_other_tables(rows: ir.Table, tables: StateTables) -> dict[str, Any]:
    one = ibis.literal(1.0)
    made: dict[str, Any] = {}
    if "depth" in rows.columns:
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
            "price_move": _where(rows.price != rows.price_before, one),
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
    return made
