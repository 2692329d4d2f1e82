"""Clean transactions to dense daily sales per series, a series being one product in one store."""

from dataclasses import dataclass
from datetime import date
from typing import Any

import ibis
import ibis.expr.types as ir

PERIOD_DAYS = {"daily": 1, "weekly": 7}


@dataclass(frozen=True)
class SalesTables:
    """`sales` and `series` in the columns of their contracts, and how many sale lines had no key to count under."""

    sales: ir.Table
    series: ir.Table
    excluded_rows: Any  # Ibis integer scalar


def daily_sales(
    transactions: ir.Table,
    *,
    products: ir.Table | None = None,
    stores: ir.Table | None = None,
    inventory: ir.Table | None = None,
    top_series: int | None = None,
    end: date | None = None,
) -> SalesTables:
    """Net units per store, product and day, zero-filled from a series' start to its end.

    `transactions` are clean lines; a sale counts `units - cancelled_same_day_units` on the day it was sold, so that a
    later return moves no day that is over. A return counts nowhere else, also one released by a steward. A line
    without store, product or day (released so by a steward) is left out and counted. A series starts at the later of its
    launch and the day it was first sold or stocked, and ends at the earlier of `products.ended_on` and `end` (default:
    the last day in the tables). A stocked-out day is `censored`; without `inventory` no day is. `top_series` keeps
    the best sellers by net units. A day before `stores.opened_on` is not `open`.
    """
    built = daily_units(transactions, inventory)
    spans = series_spans(built.units, products=products, top_series=top_series, end=end)
    grid = _expand(spans)
    return SalesTables(
        sales=_on_grid(grid, built.units, stores),
        series=series_table(spans, products=products, stores=stores),
        excluded_rows=built.excluded_rows,
    )


@dataclass(frozen=True)
class DailyUnits:
    """`units`: (store_id, product_id, day, units, seen, stocked_out), the days on which a product was sold or in stock:
    `units` is null where nothing was sold, `seen` false where it was neither; and sale lines without a key."""

    units: ir.Table
    excluded_rows: Any  # Ibis integer scalar


def daily_units(transactions: ir.Table, inventory: ir.Table | None = None) -> DailyUnits:
    """Net units per store, product and day, and whether it was in stock; each day from the rows of that day alone."""
    lines = transactions.filter(transactions.kind == "sale")
    has_key = lines.store_id.notnull() & lines.product_id.notnull() & lines.sold_on.notnull()
    excluded = (~has_key).sum().fill_null(0)
    keyed = lines.filter(has_key)
    net = ibis.greatest(keyed.units - keyed.cancelled_same_day_units.fill_null(0), 0)
    rows = keyed.select(
        "store_id", "product_id", day="sold_on", units=net, seen=ibis.literal(True), stocked_out=ibis.literal(False)
    )
    if inventory is not None:
        rows = rows.union(
            inventory.select(
                "store_id",
                "product_id",
                day="date",
                units=ibis.null("int64"),
                seen=(inventory.opening_units > 0) | (inventory.received_units > 0),
                stocked_out="stocked_out",
            )
        )
    units = rows.group_by(["store_id", "product_id", "day"]).agg(
        # By way of decimal: DuckDB sums whole numbers to a wider type, which Ibis takes for int64, so that a plain cast
        # would be left out.
        units=rows.units.sum().cast("decimal(38, 0)").cast("int64"),
        seen=rows.seen.any().fill_null(False),
        stocked_out=rows.stocked_out.any().fill_null(False),
    )
    return DailyUnits(units, excluded)


def series_spans(
    units: ir.Table, *, products: ir.Table | None = None, top_series: int | None = None, end: date | None = None
) -> ir.Table:
    """(series_id, store_id, product_id, started_on, last_on, ended_on) of every series; see `daily_sales`."""
    if end is not None:
        units = units.filter(units.day <= ibis.literal(end))
    seen = units.filter(units.seen)
    spans = _spans(seen.select("store_id", "product_id", seen_on="day"), products, end)
    return spans if top_series is None else _best_sellers(spans, units, top_series)


def dense_sales(spans: ir.Table, units: ir.Table, days: ir.Table, *, stores: ir.Table | None = None) -> ir.Table:
    """The rows of `daily_sales` on some days (column `day`), of `units` that hold those days at least."""
    grid = spans.cross_join(days.select(period_start="day"))
    grid = grid.filter(grid.started_on <= grid.period_start, grid.period_start <= grid.last_on)
    return _on_grid(grid, units, stores)


def days_later(day: Any, count: Any) -> Any:
    """The date `count` days after `day` (Ibis expressions).

    DuckDB answers date + interval with a timestamp, which Ibis takes for a date, so that a plain cast would be left out.
    """
    return (day + count.as_interval("D")).cast("timestamp").cast("date")


def series_id(store_id: Any, product_id: Any) -> Any:
    """`<store>/<product>`, the name of a series (string expressions in, string expression out)."""
    return store_id + "/" + product_id


def _spans(seen: ir.Table, products: ir.Table | None, end: date | None) -> ir.Table:
    """(store_id, product_id, started_on, last_on, ended_on) of every series with at least one day."""
    last_day = ibis.literal(end) if end is not None else seen.seen_on.max().as_scalar()
    spans = seen.group_by(["store_id", "product_id"]).agg(first_seen=seen.seen_on.min()).mutate(table_end=last_day)
    if products is not None:
        life = products.select(life_id="product_id", launched_on="launched_on", ended_on="ended_on")
        spans = spans.left_join(life, spans.product_id == life.life_id).drop("life_id")
        spans = spans.mutate(
            started_on=ibis.greatest(spans.first_seen, spans.launched_on.fill_null(spans.first_seen)),
            last_on=ibis.least(spans.table_end, spans.ended_on.fill_null(spans.table_end)),
        )
    else:
        spans = spans.mutate(started_on=spans.first_seen, last_on=spans.table_end, ended_on=ibis.null("date"))
    spans = spans.filter(spans.started_on <= spans.last_on)
    return spans.select(
        "store_id",
        "product_id",
        "started_on",
        "last_on",
        "ended_on",
        series_id=series_id(spans.store_id, spans.product_id),
    )


def _best_sellers(spans: ir.Table, units: ir.Table, count: int) -> ir.Table:
    volume = units.group_by([units.store_id.name("volume_store"), units.product_id.name("volume_product")]).agg(
        volume=units.units.sum()
    )
    ranked = spans.left_join(
        volume, [spans.store_id == volume.volume_store, spans.product_id == volume.volume_product]
    ).drop("volume_store", "volume_product")
    # A tie is broken by name, so that the same tables always give the same series.
    ranked = ranked.order_by([ranked.volume.fill_null(0).desc(), ranked.series_id]).limit(count)
    return ranked.drop("volume")


def _expand(spans: ir.Table) -> ir.Table:
    """One row per span and day from `started_on` to `last_on`, with `period_start`."""
    days = spans.last_on.delta(spans.started_on, unit="day") + 1
    rows = spans.mutate(offset=ibis.range(0, days).unnest())
    return rows.mutate(period_start=days_later(rows.started_on, rows.offset))


def _on_grid(grid: ir.Table, units: ir.Table, stores: ir.Table | None) -> ir.Table:
    """`grid` has series_id, store_id, product_id and period_start."""
    known = units.rename(known_store="store_id", known_product="product_id", known_day="day")
    rows = grid.left_join(
        known,
        [
            grid.store_id == known.known_store,
            grid.product_id == known.known_product,
            grid.period_start == known.known_day,
        ],
    ).select("series_id", "store_id", "period_start", "units", "stocked_out")
    if stores is not None:
        opening = stores.select(opening_store="store_id", opened_on="opened_on")
        rows = rows.left_join(opening, rows.store_id == opening.opening_store).drop("opening_store")
        rows = rows.mutate(open=(rows.opened_on <= rows.period_start).fill_null(True))
    else:
        rows = rows.mutate(open=ibis.literal(True))
    return rows.select(
        "series_id",
        "period_start",
        value=rows.units.fill_null(0).cast("float64"),
        unit=ibis.literal("units"),
        open="open",
        censored=rows.stocked_out.fill_null(False),
    )


def series_table(spans: ir.Table, *, products: ir.Table | None = None, stores: ir.Table | None = None) -> ir.Table:
    """The spans in the columns of the contract `series`."""
    table = spans
    if products is not None:
        named = products.select(named_product="product_id", category="category")
        table = table.left_join(named, table.product_id == named.named_product).drop("named_product")
    else:
        table = table.mutate(category=ibis.null("string"))
    if stores is not None:
        placed = stores.select(placed_store="store_id", region="region")
        table = table.left_join(placed, table.store_id == placed.placed_store).drop("placed_store")
    else:
        table = table.mutate(region=ibis.null("string"))
    return table.select(
        "series_id",
        keys=ibis.literal('{"product_id": "')
        + _json_text(table.product_id)
        + '", "store_id": "'
        + _json_text(table.store_id)
        + '"}',
        store_id="store_id",
        product_id="product_id",
        category="category",
        region="region",
        started_on="started_on",
        ended_on="ended_on",
    )


def _json_text(text: Any) -> Any:
    return text.replace("\\", "\\\\").replace('"', '\\"')
