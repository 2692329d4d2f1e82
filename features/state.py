"""State of a series at the end of a period, as one Ibis expression over the days that its origin can see."""

from collections.abc import Sequence
from datetime import date
from typing import Any

import ibis
import ibis.expr.types as ir

from features.feature_spec import FeatureSpec, Frequency
from features.sales import PERIOD_DAYS
from features.state_days import GROUP_KEYS, KEYED_GROUPS, entity, group_days, group_number, series_days
from features.state_registry import STATE_FEATURES, requested_features, state_feature_names
from features.state_tables import TABLE_DAYS, Sight, StateTables
from features.state_windows import Windows, rolled

__all__ = [
    "LOOKBACK_DAYS",
    "STATE_FEATURES",
    "TABLE_DAYS",
    "FeatureSpec",
    "StateTables",
    "state_feature_names",
    "state_features",
]

# A year of 52 whole weeks and the quarter before it. Nothing older is read; what goes back further (the age of a
# series) is told by `series.started_on`.
LOOKBACK_DAYS = max(TABLE_DAYS.values())


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
    sight = Sight.of(origins, tables.sales, step)
    rows = series_days(tables, sight)
    result = _present(tables, sight, origins)
    for name, part in rolled(rows, sight.origins, windows.requests, key="series_id", step=step).items():
        result = _with(result, part, "series_id", name, key="series_id")
    if windows.groups.kinds:
        groups = group_days(rows, tables, sorted(windows.groups.kinds), sight)
        for name, part in rolled(groups, sight.origins, windows.groups, key="entity", step=step).items():
            for kind in sorted(windows.groups.kinds):
                result = _with(result, part, f"{kind}_entity", f"{kind}_{name}", key="entity")
    values = {each.name: each.value.cast("float64") for each in features}
    names = state_feature_names(frequency, tables.provided)
    return result.select("series_id", "origin", **{name: values[name] for name in names})


def _present(tables: StateTables, sight: Sight, origins: Sequence[date] | ir.Table | None) -> ir.Table:
    """(series_id, origin) pairs with the names of their groups and the ages that `series` tells."""
    series = tables.series
    pairs = sight.rows(tables.sales, "period_start", 1).select("series_id", origin="day")
    pairs = pairs.semi_join(sight.origins, "origin")
    if isinstance(origins, ir.Table) and "series_id" in origins.columns:
        pairs = pairs.semi_join(origins.select("series_id", "origin"), ["series_id", "origin"])
    first = {
        kind: series.group_by(f"{kind}_id").agg(**{f"{kind}_started": series.started_on.min()})
        for kind in ("product", "store")
    }
    home = series.select("series_id", "store_id", "product_id", "category", "region", "started_on")
    pairs = pairs.left_join(home, "series_id").drop("series_id_right")
    for kind, started in first.items():
        pairs = pairs.left_join(started, f"{kind}_id").drop(f"{kind}_id_right")

    def age(since: Any) -> Any:
        return ibis.ifelse(since.notnull(), ibis.greatest(pairs.origin.delta(since, unit="day"), 0), ibis.null("int64"))

    return pairs.select(
        "series_id",
        "origin",
        age_periods=age(pairs.started_on) // sight.step + 1,
        product_age=age(pairs.product_started),
        store_age=age(pairs.store_started),
        **{f"{kind}_entity": entity(kind, pairs) for kind in GROUP_KEYS},
        **{f"{kind}_key": group_number(pairs[GROUP_KEYS[kind][0]]) for kind in KEYED_GROUPS},
    )


def _with(rows: ir.Table, part: ir.Table, ours: str, name: str, *, key: str) -> ir.Table:
    """Left join of one pass, whose struct is called `name`."""
    renamed = part.select(**{f"{name}_key": part[key], f"{name}_origin": part.origin, name: part[part.columns[-1]]})
    return rows.left_join(renamed, [rows[ours] == renamed[f"{name}_key"], rows.origin == renamed[f"{name}_origin"]])
