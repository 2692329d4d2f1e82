"""What was known ahead at a forecast origin: the latest version of every covariate issued by then, and nothing else."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import ibis
import ibis.expr.types as ir
import pyarrow as pa

from features.covariates import COVARIATE_DEFAULTS
from features.sales import PERIOD_DAYS, days_later

# From the widest scope to the narrowest, with the column of `series` that a scope value is looked up by.
SCOPES: Mapping[str, str | None] = {
    "all": None,
    "region": "region",
    "category": "category",
    "product": "product_id",
    "store": "store_id",
    "series": "series_id",
}


def covariate_names(covariates: ir.Table) -> tuple[str, ...]:
    """Names in the table, sorted (executes a small query): the columns that `known_future` will have."""
    return tuple(sorted(covariates.select("name").distinct().name.to_pyarrow().to_pylist()))


def covariate_scopes(covariates: ir.Table) -> dict[str, frozenset[str]]:
    """Name -> the scopes in which the table states it (executes a small query)."""
    pairs = covariates.select("name", "scope").distinct().to_pyarrow().to_pylist()
    return {name: frozenset(p["scope"] for p in pairs if p["name"] == name) for name in {p["name"] for p in pairs}}


def known_future(
    covariates: ir.Table,
    series: ir.Table,
    origins: ir.Table,
    *,
    horizon: int,
    frequency: str,
    names: Sequence[str],
    scopes: Mapping[str, Collection[str]] | None = None,
    defaults: Mapping[str, float] = COVARIATE_DEFAULTS,
) -> ir.Table:
    """One row per (series_id, origin) of `origins` and step 1..`horizon`, one float column per covariate name.

    The value is the version with the latest `known_from <= origin` (known by the end of period `origin`). Where a name
    has values in several scopes, the narrowest wins: series, store, product, category, region, all. What was not known
    is null, or `defaults[name]` where absence has a meaning. `scopes`, by `covariate_scopes`, spares the looking up of
    names in scopes that do not state them. Columns: series_id, origin, step (int64), period_start, then `names` in their
    order.
    """
    if horizon < 1:
        raise ValueError(f"horizon={horizon}: at least one period must lie ahead")
    days = PERIOD_DAYS[frequency]
    origins = origins.select("series_id", "origin").distinct()
    steps = _steps(origins.select("origin").distinct(), horizon, days)
    known = _as_known(covariates.filter(covariates.name.isin(list(names))), steps)
    rows = origins.join(steps, "origin").select("series_id", "origin", "step", "period_start")
    rows = rows.left_join(
        series.select("series_id", **{f"of_{key}": key for key in SCOPES.values() if key and key != "series_id"}),
        "series_id",
    ).select(
        "series_id", "origin", "step", "period_start", *(f"of_{k}" for k in SCOPES.values() if k and k != "series_id")
    )
    rows = rows.mutate(of_series_id=rows.series_id)
    stated = {scope: [name for name in names if scopes is None or scope in scopes.get(name, ())] for scope in SCOPES}
    for scope, key in SCOPES.items():
        if stated[scope]:
            rows = _join_scope(rows, known, scope, key, stated[scope])
    values = {
        name: ibis.coalesce(
            *(
                rows[f"{scope}_{stated[scope].index(name)}"]
                for scope in reversed(tuple(SCOPES))
                if name in stated[scope]
            ),
            ibis.literal(defaults.get(name), "float64"),
        )
        for name in names
    }
    return rows.select("series_id", "origin", "step", "period_start", **values)


def _steps(origins: ir.Table, horizon: int, period_days: int) -> ir.Table:
    # A table, not an unnested range, of which an engine does not know how long it is: it would then build its hash
    # tables of the many rows rather than of the few that are joined to them.
    counted = ibis.memtable(pa.table({"step": pa.array(range(1, horizon + 1), pa.int64())}))
    steps = origins.cross_join(counted)
    return steps.mutate(period_start=days_later(steps.origin, steps.step * period_days))


def _as_known(covariates: ir.Table, steps: ir.Table) -> ir.Table:
    """(scope, scope_value, origin, step, name, value): the latest version by then, still at the scope's own level."""
    visible = covariates.join(steps, "period_start").filter(lambda t: t.known_from <= t.origin)
    return visible.group_by(["scope", "scope_value", "origin", "step", "name"]).agg(
        value=visible.value.argmax(visible.known_from)
    )


def _join_scope(rows: ir.Table, known: ir.Table, scope: str, key: str | None, names: Sequence[str]) -> ir.Table:
    at_scope = known.filter(known.scope == scope)
    wide = at_scope.group_by(["scope_value", "origin", "step"]).agg(
        **{f"{scope}_{i}": at_scope.value.max(where=at_scope.name == name) for i, name in enumerate(names)}
    )
    wide = wide.rename(wide_value="scope_value", wide_origin="origin", wide_step="step")
    value: Any = ibis.literal("*") if key is None else rows[f"of_{key}"]
    return rows.left_join(
        wide, [value == wide.wide_value, rows.origin == wide.wide_origin, rows.step == wide.wide_step]
    ).drop("wide_value", "wide_origin", "wide_step")
