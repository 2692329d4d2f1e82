"""What announced price plans tell of the days to come: the base price in force on each of them, as known so far."""

from datetime import date, timedelta

import ibis
import ibis.expr.types as ir

from features.known_ahead import PRICE_AHEAD_DAYS
from features.sales import days_later, series_id

_EPOCH = date(1970, 1, 1)
_DAYS = 1_000_000  # more than any day number


def price_values(plans: ir.Table, first: date, last: date) -> dict[str, ir.Table]:
    """Tables by scope (product, series): scope_value, period_start, known_from and `planned_price`.

    Told for the days from `first` to PRICE_AHEAD_DAYS after `last`, the first and the last day with sales. A value is
    that of the plans announced by `known_from`: of those that have begun by the day the one that begins last, and of two
    for one first day the one announced later. A store's own price lasts until its next own one.
    """
    chain, own = plans.filter(plans.store_id.isnull()), plans.filter(plans.store_id.notnull())
    until = last + timedelta(days=PRICE_AHEAD_DAYS)
    return {
        "product": _in_force(chain.mutate(scope_value=chain.product_id), first, until),
        "series": _in_force(own.mutate(scope_value=series_id(own.store_id, own.product_id)), first, until),
    }


def _in_force(plans: ir.Table, first: date, until: date) -> ir.Table:
    days = _days(plans, first, until)
    # What is announced on one day counts as one plan; `rank` says which of two counts.
    announced = days.group_by(["scope_value", "period_start", "known_from"]).agg(
        price=days.base_price.argmax(days.rank), rank=days.rank.max()
    )
    so_far = ibis.window(
        group_by=[announced.scope_value, announced.period_start],
        order_by=announced.known_from,
        preceding=None,
        following=0,
    )
    return announced.select(
        "scope_value", "period_start", "known_from", planned_price=announced.price.argmax(announced.rank).over(so_far)
    )


def _days(plans: ir.Table, first: date, until: date) -> ir.Table:
    """One row per plan and day on which somebody may take it for the price in force."""
    # Two prices of one day of announcement for one first day: the dearer one, so that no order of rows decides.
    keys = ["scope_value", "valid_from", "announced_on"]
    plans = plans.group_by(keys).agg(base_price=plans.base_price.max())
    later = ibis.window(group_by=plans.scope_value, order_by=[plans.valid_from, plans.announced_on], rows=(1, None))
    # A plan still is the latest one known of days after its successor begins, until the successor is announced; who asks
    # for a day does so PRICE_AHEAD_DAYS before it at most.
    replaced = ibis.greatest(plans.valid_from, days_later(plans.announced_on, ibis.literal(PRICE_AHEAD_DAYS)))
    plans = plans.mutate(replaced=replaced)
    past = ibis.literal(until + timedelta(days=1))
    plans = plans.mutate(
        begins=ibis.greatest(plans.valid_from, ibis.literal(first)),
        ends=ibis.least(plans.replaced.min().over(later).fill_null(past), past),
        rank=plans.valid_from.delta(ibis.literal(_EPOCH), unit="day") * _DAYS
        + plans.announced_on.delta(ibis.literal(_EPOCH), unit="day"),
    )
    plans = plans.filter(plans.ends > plans.begins)
    length = plans.ends.delta(plans.begins, unit="day")
    days = plans.mutate(offset=ibis.range(ibis.literal(0, "int64"), length.cast("int64")).unnest())
    return days.select(
        "scope_value",
        "base_price",
        "rank",
        period_start=days_later(days.begins, days.offset),
        known_from="announced_on",
    )
