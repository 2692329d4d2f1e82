"""Small tables of demand for tests of the state: a dense list of values a series, and what else is known by day."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

import ibis
import pyarrow as pa

from features.engine import connect
from features.state import StateTables, state_features

START = date(2024, 1, 1)  # a Monday
Value = float | None | tuple[float | None, bool, bool]  # value, or (value, open, censored)


def day(number: int) -> date:
    return START + timedelta(days=number)


def table(columns: Mapping[str, pa.DataType], rows: Sequence[tuple[Any, ...]]) -> ibis.Table:
    return ibis.memtable(
        pa.table({name: pa.array([row[i] for row in rows], kind) for i, (name, kind) in enumerate(columns.items())})
    )


TEXT, DAY, REAL, WHOLE, FLAG = pa.string(), pa.date32(), pa.float64(), pa.int64(), pa.bool_()
SALES = {"series_id": TEXT, "period_start": DAY, "value": REAL, "unit": TEXT, "open": FLAG, "censored": FLAG}
SERIES = {"series_id": TEXT, "store_id": TEXT, "product_id": TEXT, "category": TEXT, "region": TEXT, "started_on": DAY}


def sales_rows(values: Mapping[str, Sequence[Value]], first: Mapping[str, int], step: int) -> list[tuple[Any, ...]]:
    rows = []
    for name, line in values.items():
        for i, each in enumerate(line):
            value, is_open, censored = each if isinstance(each, tuple) else (each, True, False)
            rows.append((name, day(step * (first.get(name, 0) + i)), value, "units", is_open, censored))
    return rows


def demand(
    values: Mapping[str, Sequence[Value]],
    *,
    first: Mapping[str, int] | None = None,
    categories: Mapping[str, str] | None = None,
    step: int = 1,
    **others: ibis.Table,
) -> StateTables:
    """`values` by series `<store>/<product>`, from day 0 or day `first[series]` on; all in the north, of tea or so."""
    first = first or {}
    rows = []
    for name in values:
        store, _, product = name.partition("/")
        category = (categories or {}).get(product, "tea")
        rows.append((name, store, product, category, "north", day(step * first.get(name, 0))))
    return StateTables(table(SALES, sales_rows(values, first, step)), table(SERIES, rows), **others)


def promotions(*rows: tuple[str, str | None, int, int, float, str, int]) -> ibis.Table:
    """(product, store or None, first day, last day, discount, kind, day of announcement)."""
    columns = {"product_id": TEXT, "store_id": TEXT, "starts_on": DAY, "ends_on": DAY, "discount_fraction": REAL,
               "kind": TEXT, "announced_on": DAY}  # fmt: skip
    return table(columns, [(p, s, day(a), day(b), depth, kind, day(known)) for p, s, a, b, depth, kind, known in rows])


def prices(lines: Mapping[str, Sequence[tuple[float, float]]]) -> ibis.Table:
    """(base price, price) a day by series, from day 0 on."""
    columns = {"store_id": TEXT, "product_id": TEXT, "date": DAY, "base_price": REAL, "price": REAL}
    rows = [(*name.split("/"), day(i), *pair) for name, line in lines.items() for i, pair in enumerate(line)]
    return table(columns, rows)


def inventory(lines: Mapping[str, Sequence[tuple[int, int, int, int]]]) -> ibis.Table:
    """(received, sold, wasted, closing) a day by series, from day 0 on."""
    columns = {"store_id": TEXT, "product_id": TEXT, "date": DAY, "received_units": WHOLE, "sold_units": WHOLE,
               "wasted_units": WHOLE, "closing_units": WHOLE}  # fmt: skip
    rows = [(*name.split("/"), day(i), *units) for name, line in lines.items() for i, units in enumerate(line)]
    return table(columns, rows)


def weather(temp: Sequence[float], rain: Sequence[float], region: str = "north") -> ibis.Table:
    columns = {"region": TEXT, "date": DAY, "temp_c": REAL, "rain_mm": REAL}
    return table(columns, [(region, day(i), *pair) for i, pair in enumerate(zip(temp, rain, strict=True))])


def social_heat(heat: Sequence[float], category: str = "tea") -> ibis.Table:
    return table({"category": TEXT, "date": DAY, "heat": REAL}, [(category, day(i), h) for i, h in enumerate(heat)])


def states(
    tables: StateTables, frequency: str = "daily", origins: Sequence[date] | ibis.Table | None = None
) -> dict[tuple[str, date], dict[str, Any]]:
    rows = connect(memory_limit_gb=1).to_pyarrow(state_features(tables, frequency=frequency, origins=origins))
    return {(row["series_id"], row["origin"]): row for row in rows.to_pylist()}


def state_at(tables: StateTables, number: int, series: str = "S1/P1", frequency: str = "daily") -> dict[str, Any]:
    """The state of one series at the end of day `number`."""
    return states(tables, frequency, [day(number)])[series, day(number)]
