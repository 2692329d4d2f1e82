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
    # The mark of the day before is looked up as that of the day is: a join of the rows with themselves would hold them
    # all in memory.
    rows = _looked_up(_looked_up(rows, told, "mark"), told.mutate(day=days_later(told.day, ibis.literal(1))), "ran")
    nothing = ibis.null("float64")
    began: Any = (rows.mark > 0) & ~(rows.ran.fill_null(0.0) > 0)
    return rows.mutate(
        depth=ibis.ifelse(rows.mark > 0, rows.mark.cast("float64"), nothing),
        promo_start=ibis.ifelse(began, ibis.literal(1.0), nothing),
        multibuy=nothing,
        echo=nothing,
    ).drop("mark", "ran")


def _looked_up(rows: ir.Table, told: ir.Table, name: str) -> ir.Table:
    """`rows` with the value of the narrowest scope that says something of the row's day, called `name`."""
    for scope, key in SCOPES.items():
        own = told.filter(told.scope == scope)
        if key is None:
            rows = rows.left_join(own.select("day", **{f"in_{scope}": own.value}), "day").drop("day_right")
        else:
            own = own.select("day", **{key: own.scope_value, f"in_{scope}": own.value})
            rows = rows.left_join(own, [key, "day"]).drop(f"{key}_right", "day_right")
    value = ibis.coalesce(*(rows[f"in_{scope}"] for scope in reversed(tuple(SCOPES))))
    return rows.mutate(**{name: value}).drop(*(f"in_{scope}" for scope in SCOPES))
