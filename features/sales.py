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
    lines = transactions.filter(transactions.kind == "sale")
    has_key = lines.store_id.notnull() & lines.product_id.notnull() & lines.sold_on.notnull()
    excluded = (~has_key).sum().fill_null(0)
    keyed = lines.filter(has_key)
    keyed = keyed.mutate(net=ibis.greatest(keyed.units - keyed.cancelled_same_day_units.fill_null(0), 0))
    if end is not None:
        keyed = keyed.filter(keyed.sold_on <= ibis.literal(end))
    sold = keyed.group_by(["store_id", "product_id", "sold_on"]).agg(units=keyed.net.sum())
    seen = sold.select("store_id", "product_id", seen_on="sold_on")
    if inventory is not None:
        stocked = inventory.filter((inventory.opening_units > 0) | (inventory.received_units > 0))
        if end is not None:
            stocked = stocked.filter(stocked.date <= ibis.literal(end))
        seen = seen.union(stocked.select("store_id", "product_id", seen_on="date"))
    spans = _spans(seen, products, end)
    if top_series is not None:
        spans = _best_sellers(spans, sold, top_series)
    return SalesTables(
        sales=_dense_sales(spans, sold, stores, inventory),
        series=_series(spans, products, stores),
        excluded_rows=excluded,
    )


def complete_grid(sales: ir.Table, *, frequency: str) -> ir.Table:
    """Insert the periods a series lacks between its first and its last row, with a null value and not open.

    `sales` has the columns of its contract; the result has the same, one row per series and period.
    """
    step = PERIOD_DAYS[frequency]
    span = sales.group_by("series_id").agg(
        started_on=sales.period_start.min(), last_on=sales.period_start.max(), grid_unit=sales.unit.max()
    )
    grid = _expand(span, step=step).select("series_id", "period_start", "grid_unit")
    found = sales.rename(found_id="series_id", found_on="period_start")
    joined = grid.left_join(found, [grid.series_id == found.found_id, grid.period_start == found.found_on])
    return joined.select(
        "series_id",
        "period_start",
        "value",
        unit=ibis.coalesce(joined.unit, joined.grid_unit),
        open=joined.open.fill_null(False),
        censored=joined.censored.fill_null(False),
    )


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


def _best_sellers(spans: ir.Table, sold: ir.Table, count: int) -> ir.Table:
    volume = sold.group_by([sold.store_id.name("volume_store"), sold.product_id.name("volume_product")]).agg(
        volume=sold.units.sum()
    )
    ranked = spans.left_join(
        volume, [spans.store_id == volume.volume_store, spans.product_id == volume.volume_product]
    ).drop("volume_store", "volume_product")
    # A tie is broken by name, so that the same tables always give the same series.
    ranked = ranked.order_by([ranked.volume.fill_null(0).desc(), ranked.series_id]).limit(count)
    return ranked.drop("volume")


def _expand(spans: ir.Table, *, step: int) -> ir.Table:
    """One row per span and period from `started_on` to `last_on`, with `period_start`."""
    periods = spans.last_on.delta(spans.started_on, unit="day") // step + 1
    rows = spans.mutate(offset=ibis.range(0, periods).unnest())
    return rows.mutate(period_start=days_later(rows.started_on, rows.offset * step))


def _dense_sales(spans: ir.Table, sold: ir.Table, stores: ir.Table | None, inventory: ir.Table | None) -> ir.Table:
    grid = _expand(spans, step=1).select("series_id", "store_id", "product_id", "period_start")
    units = sold.rename(sold_store="store_id", sold_product="product_id")
    grid = grid.left_join(
        units,
        [grid.store_id == units.sold_store, grid.product_id == units.sold_product, grid.period_start == units.sold_on],
    ).select("series_id", "store_id", "product_id", "period_start", "units")
    if inventory is not None:
        stock = inventory.select(
            stock_store="store_id", stock_product="product_id", stock_on="date", stocked_out="stocked_out"
        )
        grid = grid.left_join(
            stock,
            [
                grid.store_id == stock.stock_store,
                grid.product_id == stock.stock_product,
                grid.period_start == stock.stock_on,
            ],
        ).drop("stock_store", "stock_product", "stock_on")
    else:
        grid = grid.mutate(stocked_out=ibis.literal(False))
    if stores is not None:
        opening = stores.select(opening_store="store_id", opened_on="opened_on")
        grid = grid.left_join(opening, grid.store_id == opening.opening_store).drop("opening_store")
        grid = grid.mutate(open=(grid.opened_on <= grid.period_start).fill_null(True))
    else:
        grid = grid.mutate(open=ibis.literal(True))
    return grid.select(
        "series_id",
        "period_start",
        value=grid.units.fill_null(0).cast("float64"),
        unit=ibis.literal("units"),
        open="open",
        censored=grid.stocked_out.fill_null(False),
    )


def _series(spans: ir.Table, products: ir.Table | None, stores: ir.Table | None) -> ir.Table:
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
