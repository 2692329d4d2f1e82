"""State of a customer at a moment, as one Ibis expression over what the customer did strictly before it."""

from dataclasses import dataclass
from typing import Any

import ibis
import ibis.expr.types as ir

from features.customer_batch import HISTORY, TAKEN
from features.customer_facts import SHOWN, VISIT, CustomerTables, customer_facts, day_number, seconds
from features.customer_registry import (
    CUSTOMER_FEATURES,
    FORGET_DAYS,
    FORGET_PERIODS,
    KIND_WEIGHTS,
    TOP_CATEGORIES,
    WINDOWS,
)

KEY = ["customer_id", "moment"]
DAY_S = 86_400.0
_COUNTED = (
    *(f"{name}_{days}d" for name in ("purchases", "spend") for days in WINDOWS),
    *("clicks_7d", "carts_7d", "shown_7d", "visits_28d"),
)


def customer_state(tables: CustomerTables, moments: ir.Table) -> ir.Table:
    """One row per row of `moments` (customer_id, moment: timestamp): what was known of the customer just before it.

    Nothing at or after the moment moves its row. Columns: customer_id, moment, then CUSTOMER_FEATURES in their order:
    values as floats and texts, null where unknown, the history as an array of item ids. A window of n days is the day
    that the moment ends or lies in, and the n - 1 days before it.
    """
    seen = Seen.of(tables, moments)
    rows = seen.moments
    for part in (_counts(seen), _usual_hour(seen), _affinities(seen), _device(seen, tables), _history(seen)):
        rows = _with(rows, part)
    rows = _with(rows, _friends(seen, tables))
    registered = None if tables.customers is None else seconds(tables.customers.registered_on.cast("timestamp"))
    if registered is not None and tables.customers is not None:
        told = tables.customers.select(known="customer_id", told_device="device", registered=registered)
        rows = rows.left_join(told, rows.customer_id == told.known).drop("known")
        since = ibis.ifelse(rows.registered < rows.moment_second, rows.registered, ibis.null("int64"))
        first = ibis.least(rows.first_second.fill_null(since), since.fill_null(rows.first_second))
        rows = rows.mutate(first_second=first, device=rows.device.fill_null(rows.told_device))
    return _named(rows, tables)


@dataclass(frozen=True)
class Seen:
    """Facts that each moment can see: those of its customer strictly before it, and those without a time."""

    moments: ir.Table  # KEY, moment_second, moment_day
    facts: ir.Table  # KEY, moment_day and the columns of customer_facts

    @classmethod
    def of(cls, tables: CustomerTables, moments: ir.Table) -> "Seen":
        """Join moments and facts."""
        moment = moments.moment.cast("timestamp(6)")
        midnight = (moment == moment.truncate("D")).cast("int64")
        asked = moments.select(
            "customer_id", moment=moment, moment_second=seconds(moment), moment_day=day_number(moment) - midnight
        )
        facts = customer_facts(tables)
        facts = facts.rename(of="customer_id")
        joined = asked.inner_join(
            facts, [asked.customer_id == facts.of, facts["at"].isnull() | (facts["at"] < asked.moment)]
        )
        return cls(asked, joined.drop("of"))


def everybody(tables: CustomerTables, moment: Any) -> ir.Table:
    """Moments of all customers of whom something is known strictly before `moment` (a timestamp)."""
    at = ibis.literal(moment).cast("timestamp(6)")
    facts = customer_facts(tables)
    known = facts.filter(facts["at"].isnull() | (facts["at"] < at)).select("customer_id")
    if tables.customers is not None:
        registered = tables.customers.filter(tables.customers.registered_on.cast("timestamp") < at)
        known = known.union(registered.select("customer_id"))
    return known.distinct().mutate(moment=at)


def _counts(seen: Seen) -> ir.Table:
    facts = seen.facts
    age = facts.moment_day - facts.day
    bought = facts.kind == "purchase"

    def within(kind: Any, days: int) -> Any:
        return facts.count(where=kind & (age < days)).cast("float64")

    last_bought = facts.second.max(where=bought)
    columns = {f"purchases_{n}d": within(bought, n) for n in WINDOWS}
    columns |= {
        f"spend_{n}d": facts.cents.sum(where=bought & (age < n)).fill_null(0).cast("float64") / 100.0 for n in WINDOWS
    }
    columns |= {
        "clicks_7d": within(facts.kind == "click", 7),
        "carts_7d": within(facts.kind == "cart", 7),
        "shown_7d": within(facts.kind == SHOWN, 7),
        "visits_28d": within(facts.kind == VISIT, 28),
        "promoted": within(bought & facts.promoted, 90),
        "purchase_days": facts.day.nunique(where=bought).cast("float64"),
        "last_bought": last_bought,
        "last_second": facts.second.max(),
        "first_second": facts.second.min(),
        "items_taken": facts.item_id.nunique(where=facts.kind.isin(TAKEN)).cast("float64"),
    }
    return facts.group_by(KEY).agg(**columns)


def hours(seen: Seen) -> ir.Table:
    """KEY, hour, n: facts by hour of the day; what was merely shown to a customer counts for nothing."""
    facts = seen.facts.filter(seen.facts.second.notnull(), seen.facts.kind != SHOWN)
    return (
        facts.mutate(hour=(facts.second % 86_400 // 3_600).cast("int64")).group_by([*KEY, "hour"]).agg(n=ibis._.count())
    )


def _usual_hour(seen: Seen) -> ir.Table:
    counted = hours(seen)
    ranked = counted.mutate(place=_place([counted.n.desc(), counted.hour]))
    return ranked.filter(ranked.place == 0).select(*KEY, usual_hour=ranked.hour.cast("float64"))


def periods(seen: Seen) -> ir.Table:
    """KEY, moment_day, category, period, points: what each category collected in each period of FORGET_DAYS."""
    facts = seen.facts.filter(seen.facts.category.notnull(), seen.facts.second.notnull())
    facts = facts.filter(facts.kind.isin(list(KIND_WEIGHTS)))
    points = facts.kind.cases(*KIND_WEIGHTS.items(), else_=0).cast("int64")
    rows = facts.mutate(period=(facts.day // FORGET_DAYS).cast("int64"), points=points)
    rows = rows.filter(rows.moment_day // FORGET_DAYS - rows.period < FORGET_PERIODS)
    return rows.group_by([*KEY, "moment_day", "category", "period"]).agg(points=rows.points.sum())


def _affinities(seen: Seen) -> ir.Table:
    rows = periods(seen)
    age = (rows.moment_day // FORGET_DAYS - rows.period).cast("int64")
    # Whole numbers: a sum of powers of two is exact, in any order.
    weight = rows.points * (ibis.literal(2.0) ** (FORGET_PERIODS - 1 - age)).cast("int64")
    sums = rows.mutate(weight=weight).group_by([*KEY, "category"]).agg(weight=ibis._.weight.sum().cast("int64"))
    total = sums.weight.sum().over(ibis.window(group_by=KEY))
    ranked = sums.mutate(
        share=sums.weight.cast("float64") / total.cast("float64"), place=_place([sums.weight.desc(), sums.category])
    )
    columns: dict[str, Any] = {}
    for place in range(TOP_CATEGORIES):
        at = ranked.place == place
        columns[f"category_{place + 1}"] = ranked.category.max(where=at)
        columns[f"category_share_{place + 1}"] = ranked.share.max(where=at)
    return ranked.group_by(KEY).agg(**columns)


def _device(seen: Seen, tables: CustomerTables) -> ir.Table:
    if tables.sessions is None:
        return seen.moments.select(*KEY, device=ibis.null("string"))
    visits = seen.facts.filter(seen.facts.device.notnull())
    counted = visits.group_by([*KEY, "device"]).agg(n=visits.count())
    ranked = counted.mutate(place=_place([counted.n.desc(), counted.device]))
    return ranked.filter(ranked.place == 0).select(*KEY, "device")


def taken(seen: Seen) -> ir.Table:
    """KEY, item_id, place, behind: items taken, each once by when it was first, and how many were after it."""
    facts = seen.facts.filter(seen.facts.kind.isin(TAKEN), seen.facts.item_id.notnull())
    first = [facts["at"].asc(nulls_first=True), facts.ordinal.asc(nulls_first=True)]
    once = facts.mutate(nth=ibis.row_number().over(group_by=[*KEY, "item_id"], order_by=first))
    once = once.filter(once.nth == 0)
    # What was taken at one moment stands in an order that says nothing, as in features.interactions.
    order = [
        once["at"].asc(nulls_first=True),
        once.ordinal.asc(nulls_first=True),
        (once.customer_id + "\x1f" + once.item_id).hexdigest("md5"),
    ]
    placed = once.mutate(place=_place(order))
    count = placed.count().over(ibis.window(group_by=KEY))
    return placed.select(*KEY, "item_id", "place", behind=(count - 1 - placed.place).cast("int64"))


def in_order(rows: ir.Table, place: str, value: str) -> Any:
    """The texts `value` of a group as an array, by `place`."""
    return ibis.struct({"place": rows[place], "value": rows[value]}).collect()


def _history(seen: Seen) -> ir.Table:
    rows = taken(seen)
    rows = rows.filter(rows.behind < HISTORY)
    listed = rows.group_by(KEY).agg(history=in_order(rows, "place", "item_id"))
    return listed.mutate(history=listed.history.sort().map(lambda each: each["value"]))


def _friends(seen: Seen, tables: CustomerTables) -> ir.Table:
    if tables.friendships is None:
        return seen.moments.select(*KEY, friends=ibis.null("float64"))
    told = tables.friendships.select(of="customer_id", since=tables.friendships.since.cast("timestamp"))
    met = seen.moments.left_join(
        told, [seen.moments.customer_id == told.of, told.since.isnull() | (told.since < seen.moments.moment)]
    )
    return met.group_by(KEY).agg(friends=met.of.count().cast("float64"))


def _named(rows: ir.Table, tables: CustomerTables) -> ir.Table:
    """Features by their names; null where the source lacks their tables, or nothing with a time is known."""
    timed = rows.first_second.notnull()
    values = {name: rows[name].fill_null(0.0) for name in _COUNTED}
    values |= {
        "promotion_share_90d": rows.promoted / rows.purchases_90d.nullif(0.0),
        "purchase_days": rows.purchase_days.fill_null(0.0),
        "days_since_purchase": (rows.moment_second - rows.last_bought).cast("float64") / DAY_S,
        "days_since_seen": (rows.moment_second - rows.last_second).cast("float64") / DAY_S,
        "tenure_days": (rows.moment_second - rows.first_second).cast("float64") / DAY_S,
        "usual_hour": rows.usual_hour,
    }
    made: dict[str, Any] = {name: ibis.ifelse(timed, value, ibis.null("float64")) for name, value in values.items()}
    made |= {"items_taken": rows.items_taken.fill_null(0.0), "friends": rows.friends}
    columns = {}
    for feature in CUSTOMER_FEATURES:
        value = made.get(feature.name)
        value = rows[feature.name] if value is None else value
        there = bool(set(feature.tables) & tables.provided)
        kind = {"value": "float64", "text": "string", "list": "array<string>"}[feature.kind]
        columns[feature.name] = value.cast(kind) if there else ibis.null(kind)
    return rows.select(*KEY, **columns)


def _place(order: list[Any]) -> Any:
    """Place within a moment, 0 first."""
    return ibis.row_number().over(group_by=KEY, order_by=order)


def _with(rows: ir.Table, part: ir.Table) -> ir.Table:
    other = part.rename(part_customer="customer_id", part_moment="moment")
    joined = rows.left_join(other, [rows.customer_id == other.part_customer, rows.moment == other.part_moment])
    return joined.drop("part_customer", "part_moment")
