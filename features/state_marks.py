"""Promoted days of a source that tells them as a covariate (Rossmann's `promo`, Favorita's `onpromotion`) without a plan."""

from typing import Any

import ibis
import ibis.expr.types as ir

from features.known_future import SCOPES
from features.sales import days_later
from features.state_tables import TABLE_DAYS, Sight

MARKING = "promo"  # a covariate whose name contains this word marks the days on which its value is above 0


def marks_promotions(name: str) -> bool:
    """Whether a covariate of this name tells which days are promoted."""
    return MARKING in name.lower()


def with_marks(rows: ir.Table, covariates: ir.Table, sight: Sight) -> ir.Table:
    """`rows` with `depth` (the value of the day's mark, null on plain days), `promo_start`, `multibuy` and `echo`.

    Of a mark that is stated in several scopes the narrowest counts, of several marks the largest, and only what was
    known by the day itself. Where promotions alternate by weeks every plain day follows one, so that no day is an echo;
    of multibuys a covariate does not tell. Columns of `covariates` are those of their contract.
    """
    known = covariates.filter(
        covariates.name.lower().contains(MARKING),
        covariates.value.notnull(),
        covariates.known_from <= covariates.period_start,
    )
    stated = sight.rows(known, "period_start", TABLE_DAYS["marks"])
    newest = stated.group_by(["scope", "scope_value", "day", "name"]).agg(value=stated.value.argmax(stated.known_from))
    told = newest.group_by(["scope", "scope_value", "day"]).agg(value=newest.value.max())
    for scope, key in SCOPES.items():
        own = told.filter(told.scope == scope)
        if key is None:
            rows = rows.left_join(own.select("day", **{f"mark_{scope}": own.value}), "day").drop("day_right")
        else:
            own = own.select("day", **{key: own.scope_value, f"mark_{scope}": own.value})
            rows = rows.left_join(own, [key, "day"]).drop(f"{key}_right", "day_right")
    value = ibis.coalesce(*(rows[f"mark_{scope}"] for scope in reversed(tuple(SCOPES))))
    nothing = ibis.null("float64")
    rows = rows.mutate(depth=ibis.ifelse(value > 0, value.cast("float64"), nothing), multibuy=nothing, echo=nothing)
    rows = rows.drop(*(f"mark_{scope}" for scope in SCOPES))
    day_before = rows.filter(rows.depth.notnull()).select(
        "series_id", day=days_later(rows.day, ibis.literal(1)), ran=rows.depth
    )
    rows = rows.left_join(day_before, ["series_id", "day"]).drop("series_id_right", "day_right")
    began: Any = rows.depth.notnull() & rows.ran.isnull()
    return rows.mutate(promo_start=ibis.ifelse(began, ibis.literal(1.0), nothing)).drop("ran")
