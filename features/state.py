"""State of a series at the end of a period, as one Ibis expression over the days that its origin can see."""

from collections.abc import Sequence
from datetime import date

import ibis
import ibis.expr.types as ir
import pyarrow as pa

from features.feature_spec import FeatureSpec, Frequency
from features.sales import PERIOD_DAYS, days_later
from features.state_days import GROUP_KEYS, StateTables, entity, group_days, series_days
from features.state_registry import STATE_FEATURES, requested_features, state_feature_names
from features.state_windows import Windows, rolled

__all__ = [
    "LOOKBACK_DAYS",
    "STATE_FEATURES",
    "FeatureSpec",
    "StateTables",
    "state_feature_names",
    "state_features",
]

# Two years of 52 whole weeks, and a week for what compares a day with one before it. Nothing older is read; what
# goes back further (the age of a series) is told by `series.started_on`.
LOOKBACK_DAYS = 2 * 364 + 7


def state_features(
    tables: StateTables, *, frequency: Frequency, origins: Sequence[date] | ir.Table | None = None
) -> ir.Table:
    """One row per (series_id, origin): what was known of the series at the END of period `origin`.

    A series has a row at the origins at which `sales` has one of it. A closed or missing period is null and counts in
    no mean. `origins` are dates, or a table with `origin` and perhaps `series_id`; None takes every period. Nothing
    older than LOOKBACK_DAYS before an origin, and nothing after it, moves its row. Columns: series_id, origin (date),
    then `state_feature_names(frequency, tables.provided)` as floats; see STATE_FEATURES for meanings and units.
    """
    step = PERIOD_DAYS[frequency]
    windows = Windows(step)
    features = requested_features(windows, tables.provided)
    wanted = _origins(tables.sales, origins)
    days = _days(wanted, step)
    rows = series_days(tables, days, step)
    result = _present(rows, tables.series, origins, wanted, step)
    for part in rolled(rows, wanted, windows.requests, key="series_id", step=step):
        result = _with(result, part, {"series_id": "series_id", "origin": "origin"}, part.columns[2:])
    by_kind = windows.groups.by_kind
    if by_kind:
        groups = group_days(rows, tables, sorted(by_kind), days)
        (whole,) = rolled(groups, wanted, windows.groups, key="entity", step=step)
        for kind, names in sorted(by_kind.items()):
            part = whole.select("entity", "origin", **{f"{kind}__{name}": whole[name] for name in sorted(names)})
            on = {f"{kind}_entity": "entity", "origin": "origin"}
            result = _with(result, part, on, [f"{kind}__{name}" for name in sorted(names)])
    values = {each.name: each.value.cast("float64") for each in features}
    names = state_feature_names(frequency, tables.provided)
    return result.select("series_id", "origin", **{name: values[name] for name in names})


def _origins(sales: ir.Table, origins: Sequence[date] | ir.Table | None) -> ir.Table:
    """The distinct origins, one column `origin`."""
    if origins is None:
        return sales.select(origin="period_start").distinct()
    if isinstance(origins, ir.Table):
        return origins.select("origin").distinct()
    return ibis.memtable(pa.table({"origin": pa.array(sorted(set(origins)), pa.date32())}))


def _days(origins: ir.Table, step: int) -> ir.Table:
    """The distinct days that any of the origins sees, one column `day`."""
    ages = ibis.memtable(pa.table({"age": list(range(0, LOOKBACK_DAYS, step))}))
    spans = origins.cross_join(ages)
    return spans.select(day=days_later(spans.origin, -spans.age)).distinct()


def _present(
    rows: ir.Table, series: ir.Table, origins: Sequence[date] | ir.Table | None, wanted: ir.Table, step: int
) -> ir.Table:
    """(series_id, origin) pairs with the names of their groups and the ages that `series` tells."""
    named = rows.select(
        "series_id", "started_on", "product_id", "store_id", origin="day",
        **{f"{kind}_entity": entity(kind, rows) for kind in GROUP_KEYS},
    ).semi_join(wanted, "origin")  # fmt: skip
    if isinstance(origins, ir.Table) and "series_id" in origins.columns:
        named = named.semi_join(origins.select("series_id", "origin"), ["series_id", "origin"])
    for kind in ("product", "store"):
        key = f"{kind}_id"
        first = series.group_by(key).agg(**{f"{kind}_started": series.started_on.min()})
        named = named.left_join(first, key).drop(f"{key}_right")

    def age(since: ir.Column) -> ir.Column:
        return named.origin.delta(since, unit="day")

    return named.mutate(
        age_periods=ibis.greatest(age(named.started_on) // step, 0) + 1,
        product_age=ibis.greatest(age(named.product_started), 0),
        store_age=ibis.greatest(age(named.store_started), 0),
    )


def _with(rows: ir.Table, part: ir.Table, on: dict[str, str], names: Sequence[str]) -> ir.Table:
    """Left join of one pass, by columns of other names so that none collides."""
    renamed = part.select(**{f"part_{key}": part[key] for key in on.values()}, **{name: part[name] for name in names})
    predicates = [rows[ours] == renamed[f"part_{theirs}"] for ours, theirs in on.items()]
    return rows.left_join(renamed, predicates).drop(*(f"part_{key}" for key in on.values()))
