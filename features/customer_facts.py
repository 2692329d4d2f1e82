"""What customers did, one row a fact: clean events, sale lines, visits and showings, whichever of them a source has."""

from dataclasses import dataclass, fields

import ibis
import ibis.expr.types as ir

from features.customer_batch import TAKEN
from features.interactions import PURCHASE, UNTOLD

VISIT, SHOWN = "visit", "shown"
# Cents, so that sums are whole numbers: equal on every engine, online and offline, in whatever order they are added.
_CENTS = 100


@dataclass(frozen=True)
class CustomerTables:
    """Clean tables as Ibis tables; what a source lacks is None. `profiles` is `features/customer_profiles`."""

    events: ir.Table | None = None
    transactions: ir.Table | None = None
    sessions: ir.Table | None = None
    impressions: ir.Table | None = None
    customers: ir.Table | None = None
    friendships: ir.Table | None = None
    products: ir.Table | None = None
    promotions: ir.Table | None = None

    @property
    def provided(self) -> frozenset[str]:
        """Names of the tables that are there."""
        return frozenset(field.name for field in fields(self) if getattr(self, field.name) is not None)


def customer_facts(tables: CustomerTables) -> ir.Table:
    """One row a fact: customer_id, item_id, kind, at (null where no time is known), ordinal, cents, promoted, device,
    category, and `second` and `day` since 1970 of `at`.

    `kind` is one of `customer_batch.KINDS`, `visit` or `shown`. A purchase counts in full on its day: what comes back
    later is not known then. Errors: ValueError where no table tells of customers.
    """
    parts = [
        make(table)
        for make, table in (
            (_of_events, tables.events),
            (_of_transactions, tables.transactions),
            (_of_sessions, tables.sessions),
            (_of_impressions, tables.impressions),
        )
        if table is not None
    ]
    if not parts:
        raise ValueError("neither events, transactions, sessions nor impressions: no table tells what customers did")
    rows = parts[0] if len(parts) == 1 else ibis.union(*parts)
    rows = rows.mutate(second=seconds(rows["at"]), day=day_number(rows["at"]))
    rows = _with_promotions(rows, tables.promotions)
    if tables.products is None:
        return rows.mutate(category=ibis.null("string"))
    category = tables.products.select(category_item="product_id", category=tables.products.category)
    return rows.left_join(category, rows.item_id == category.category_item).drop("category_item")


def seconds(moment: ir.Value) -> ir.Value:
    """Whole seconds since 1970."""
    return moment.truncate("s").epoch_seconds().cast("int64")


def day_number(moment: ir.Value) -> ir.Value:
    """Days since 1970."""
    return (seconds(moment) // 86_400).cast("int64")


def _fact(rows: ir.Table, **columns: ir.Value | str) -> ir.Table:
    absent = {
        "item_id": ibis.null("string"),
        "ordinal": ibis.null("int64"),
        "cents": ibis.null("int64"),
        "device": ibis.null("string"),
        "store_id": ibis.null("string"),
    }
    given = {name: rows[value] if isinstance(value, str) else value for name, value in columns.items()}
    made = {**absent, **given}
    return rows.select("customer_id", **{name: made[name] for name in sorted(made)})


def _of_events(events: ir.Table) -> ir.Table:
    named = events.filter(events.customer_id.notnull(), events.item_id.notnull())
    kind = named.kind.fill_null(UNTOLD)
    paid = ibis.ifelse(kind == PURCHASE, cents(named.price, named.amount.fill_null(1.0)), ibis.null("int64"))
    return _fact(
        named,
        at=named.event_time.cast("timestamp(6)"),
        item_id="item_id",
        kind=kind,
        ordinal=named.ordinal.cast("int64"),
        cents=paid,
    )


def _of_transactions(lines: ir.Table) -> ir.Table:
    sold = lines.filter(lines.kind == "sale", lines.customer_id.notnull(), lines.product_id.notnull(), lines.units > 0)
    return _fact(
        sold,
        at=sold.sold_at.cast("timestamp(6)"),
        item_id="product_id",
        kind=ibis.literal(PURCHASE),
        cents=cents(sold.unit_price, sold.units),
        store_id="store_id",
    )


def _of_sessions(sessions: ir.Table) -> ir.Table:
    at = sessions.started_at.cast("timestamp(6)")
    return _fact(sessions, at=at, kind=ibis.literal(VISIT), device="device")


def _of_impressions(shown: ir.Table) -> ir.Table:
    return _fact(shown, at=shown.shown_at.cast("timestamp(6)"), item_id="item_id", kind=ibis.literal(SHOWN))


def cents(price: ir.Value, units: ir.Value) -> ir.Value:
    """What was paid in hundredths of the currency, halves up."""
    return (price.cast("float64") * units.cast("float64") * _CENTS + 0.5).floor().cast("int64")


def _with_promotions(rows: ir.Table, promotions: ir.Table | None) -> ir.Table:
    """`promoted`: whether the item of a purchase was on promotion that day, there or everywhere; null without plans."""
    if promotions is None:
        return rows.mutate(promoted=ibis.null("boolean")).drop("store_id")
    bought = rows.filter(rows.kind.isin(TAKEN), rows["at"].notnull()).select("item_id", "store_id", "day").distinct()
    plans = promotions.select(
        "product_id",
        plan_store="store_id",
        first=day_number(promotions.starts_on.cast("timestamp")),
        last=day_number(promotions.ends_on.cast("timestamp")),
    )
    met = bought.inner_join(
        plans,
        [
            bought.item_id == plans.product_id,
            bought.day >= plans.first,
            bought.day <= plans.last,
            plans.plan_store.isnull() | (plans.plan_store == bought.store_id),
        ],
    )
    met = met.select(met_item="item_id", met_store=met.store_id.fill_null(""), met_day="day").distinct()
    joined = rows.left_join(
        met,
        [
            rows.item_id == met.met_item,
            rows.store_id.fill_null("") == met.met_store,
            rows.day == met.met_day,
        ],
    )
    return joined.mutate(promoted=joined.met_item.notnull()).drop("met_item", "met_store", "met_day", "store_id")
