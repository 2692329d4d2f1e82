"""The table code under measurement: raw transaction lines by day, through cleaning, to 20 features per series and day.

A process of its own (`python table_speed_ours.py RAW OUT MEMORY_GB [lines]`): Ibis on DuckDB, in blocks of days up to
units sold, in blocks of stores from there, so that memory is bounded whatever the number of lines. Prints seconds of
each step and the peak of memory; with `lines`, then writes the tagged lines too, to be compared.
"""

import json
import sys
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import ibis
import ibis.expr.types as ir
import pyarrow.parquet as pq
from peak_memory import peak_bytes

from data_checks.contracts import load_contract
from features.cleaning import ROW, cast_value
from features.cleaning_text import encoding_repairs, repair_column, suspicious_texts
from features.cleaning_transactions import find_returns, tag_transactions
from features.engine import connect
from features.sales import daily_sales, series_id

THREADS = 2
BLOCK_LINES = 4_000_000
BLOCK_CELLS = 2_000_000  # (series, day) cells whose windows are worked out at once
FEATURES = (
    "lag_1", "lag_7", "lag_14", "lag_28", "level_7", "level_28", "std_7", "std_28", "max_28", "min_28", "zero_share_28",
    "mean_nonzero_28", "trend_7_28", "days_since_sale", "age_days", "weekday_level_4", "price_28", "price_position_28",
    "store_level_7", "product_level_7",
)  # fmt: skip


def run(raw: Path, out: Path, memory_gb: float, *, lines: bool) -> dict[str, float]:
    """Features in `out/features`; seconds of each step, and peak memory in GB. `lines`: tagged lines in `out/lines`."""
    began = time.perf_counter()
    con = connect(memory_limit_gb=memory_gb, threads=THREADS, temp_directory=out / "spill")
    contract = load_contract("transactions")
    files = sorted(raw.glob("*.parquet"))
    for folder in ("lines", "totals", "features"):
        (out / folder).mkdir(parents=True)
    con.to_parquet(find_returns(_read(con, files), contract), out / "matches.parquet")
    matches = _read(con, [out / "matches.parquet"])
    matched = time.perf_counter()
    for block in _blocks(files):
        con.to_parquet(_totals(_tagged(con, block, matches, contract)), out / "totals" / block[0].name)
    cleaned = time.perf_counter()
    _by_stores(con, _read(con, sorted((out / "totals").glob("*.parquet"))), out / "features")
    ended = time.perf_counter()
    peak = peak_bytes() / 1e9
    for block in _blocks(files) if lines else ():
        tagged = _tagged(con, block, matches, contract)
        texts = con.to_pyarrow(suspicious_texts(cast_value(_read(con, block).receipt_text, "str")))
        mended = repair_column(tagged, "receipt_text", encoding_repairs(texts["text"].to_pylist()))
        con.to_parquet(mended.select(*contract.column_names, "_class"), out / "lines" / block[0].name)
    steps = {"match": matched - began, "clean": cleaned - matched, "features": ended - cleaned}
    return {**steps, "seconds": ended - began, "peak_gb": peak}


def _read(con: Any, files: list[Path]) -> ir.Table:
    return con.read_parquet([str(file) for file in files], hive_partitioning=False)


def _blocks(files: list[Path]) -> Iterator[list[Path]]:
    block: list[Path] = []
    held = 0
    for file in files:
        rows = pq.read_metadata(file).num_rows
        if block and held + rows > BLOCK_LINES:
            yield block
            block, held = [], 0
        block.append(file)
        held += rows
    if block:
        yield block


def _tagged(con: Any, block: list[Path], matches: ir.Table, contract: Any) -> ir.Table:
    """Lines of some days as the contract types them, with their class and the returns booked."""
    first, last = (ibis.date(file.stem) for file in (block[0], block[-1]))
    here = matches.filter(matches.sold_on.between(first, last) | matches.returned_on.between(first, last))
    return tag_transactions(_read(con, block), contract, matched=here)


def _totals(lines: ir.Table) -> ir.Table:
    """Units kept and money taken per store, product and day, in the columns that `daily_sales` reads."""
    # Whether a line is a sale with a key is asked of the sums: asked of the lines, it would be worked out twice.
    lines = lines.filter(lines["_class"] == ROW)
    is_sale, net = lines.kind == "sale", lines.units - lines.cancelled_same_day_units
    totals = lines.group_by(["store_id", "product_id", "sold_on"]).agg(
        sales=is_sale.sum(),
        units=net.sum(where=is_sale).cast("int64"),
        revenue=(net * lines.unit_price).sum(where=is_sale),
    )
    totals = totals.filter(totals.sales > 0).drop("sales")
    return totals.mutate(kind=ibis.literal("sale"), cancelled_same_day_units=ibis.literal(0, "int64"))


def _by_stores(con: Any, totals: ir.Table, folder: Path) -> None:
    """Features of as many stores at once as their cells allow."""
    last_day = con.to_pyarrow(totals.sold_on.max()).as_py()
    groups = folder.parent / "groups.parquet"
    totals = totals.filter(totals.store_id.notnull(), totals.product_id.notnull(), totals.sold_on.notnull())
    con.to_parquet(_group_levels(totals, last_day), groups)
    series = totals.group_by(["store_id", "product_id"]).agg(first=totals.sold_on.min())
    sizes = series.group_by("store_id").agg(products=series.count(), first=series["first"].min())
    block: list[str] = []
    held = 0
    for size in [*con.to_pyarrow(sizes.order_by("store_id")).to_pylist(), None]:
        cells = 0 if size is None else size["products"] * ((last_day - size["first"]).days + 1)
        if block and (size is None or held + cells > BLOCK_CELLS):
            mine = totals.filter(totals.store_id.isin(block))
            con.to_parquet(features(mine, _read(con, [groups]), last_day), folder / f"{block[0]}.parquet")
            block, held = [], 0
        if size is not None:
            block.append(size["store_id"])
            held += cells


def _group_levels(totals: ir.Table, last_day: date) -> ir.Table:
    """level_7 of the total of each store (product "*") and of each product (store "*")."""
    levels = []
    for column, other in (("product_id", "store_id"), ("store_id", "product_id")):
        sums = totals.group_by([column, "sold_on"]).agg(units=totals.units.sum().cast("int64"))
        sums = sums.mutate(**{other: ibis.literal("*")}, kind=ibis.literal("sale"), cancelled_same_day_units=0)
        tables = daily_sales(sums, end=last_day)
        window = ibis.window(group_by="series_id", order_by="period_start", preceding=6, following=0)
        sales = tables.sales.mutate(level=tables.sales.value.mean().over(window))
        home = tables.series.select(of="series_id", store="store_id", product="product_id")
        sales = sales.inner_join(home, sales.series_id == home.of)
        levels.append(sales.select("store", "product", "level", on="period_start"))
    return levels[0].union(levels[1])


def features(totals: ir.Table, groups: ir.Table, last_day: date) -> ir.Table:
    """FEATURES of each series at the end of each of its days, from what was known then."""
    tables = daily_sales(totals, end=last_day)
    # A number stands for the series wherever millions of cells are sorted and joined.
    number = ibis.row_number().over(ibis.window(order_by=tables.series.series_id)).cast("int32")
    home = tables.series.select(number=number, named="series_id", store="store_id", product="product_id")
    paid = totals.select(
        paid_for=series_id(totals.store_id, totals.product_id), paid_on="sold_on", money="revenue", sold="units"
    )
    cells = tables.sales.left_join(home, tables.sales.series_id == home.named)
    cells = cells.left_join(paid, [cells.series_id == paid.paid_for, cells.period_start == paid.paid_on])
    cells = cells.select(
        "number", "money", day="period_start", y="value",
        positive=cells.value.nullif(0.0), price=cells.money / cells.sold.nullif(0).cast("float64"),
        sold_on=ibis.ifelse(cells.value > 0, cells.period_start, ibis.null("date")),
    )  # fmt: skip

    def last(days: int | None) -> Any:
        before = None if days is None else days - 1
        return ibis.window(group_by="number", order_by="day", preceding=before, following=0)

    ordered = ibis.window(group_by="number", order_by="day")
    made = {f"lag_{days}": cells.y.lag(days).over(ordered) for days in (1, 7, 14, 21, 28)}
    made |= {f"sum_{days}": cells.y.sum().over(last(days)) for days in (7, 28)}
    made |= {f"squares_{days}": (cells.y * cells.y).sum().over(last(days)) for days in (7, 28)}
    made |= {
        "max_28": cells.y.max().over(last(28)),
        "min_28": cells.y.min().over(last(28)),
        "sales_28": cells.positive.count().over(last(28)),
        "money_28": cells.money.sum().over(last(28)),
        "last_sale": cells.sold_on.max().over(last(None)),
        "age_days": ibis.row_number().over(ordered).cast("float64"),
    }
    rows = cells.mutate(**made)
    for days in (7, 28):
        length, total = ibis.least(rows.age_days + 1, float(days)), rows[f"sum_{days}"]
        # Units are whole numbers, so that this difference is exact.
        spread = length * rows[f"squares_{days}"] - total * total
        rows = rows.mutate(
            **{
                f"length_{days}": length,
                f"level_{days}": total / length,
                f"std_{days}": (spread / (length * (length - 1)).nullif(0.0)).sqrt(),
            }
        )
    weekday = [rows.y, rows.lag_7, rows.lag_14, rows.lag_21]
    price = rows.money_28 / rows.sum_28.nullif(0.0)
    rows = rows.mutate(
        zero_share_28=1 - rows.sales_28 / rows.length_28,
        mean_nonzero_28=rows.sum_28 / rows.sales_28.nullif(0),
        trend_7_28=rows.level_7 / rows.level_28.nullif(0.0),
        days_since_sale=rows.day.delta(rows.last_sale, unit="day").cast("float64"),
        weekday_level_4=sum(one.fill_null(0.0) for one in weekday)
        / sum(one.notnull().cast("float64") for one in weekday),
        price_28=price,
        price_position_28=rows.price / price.nullif(0.0),
    )
    rows = rows.left_join(home.rename(of="number"), rows.number == home.number)
    for name, key in {"store_level_7": "store", "product_level_7": "product"}.items():
        group = groups.filter(groups[key] != "*").select(of_group=key, at=groups.on, **{name: groups.level})
        rows = rows.left_join(group, [rows[key] == group.of_group, rows.day == group.at]).drop("of_group", "at")
    return rows.select("day", *FEATURES, series_id="named")


if __name__ == "__main__":
    sys.stdout.write(
        json.dumps(run(Path(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3]), lines="lines" in sys.argv)) + "\n"
    )
