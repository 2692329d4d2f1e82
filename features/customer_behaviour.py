"""Clean tables to what each customer bought, and to one row of plain sums a customer: what profiles are made of.

Visits, clicks and purchases must be of one channel, or shares between them mean nothing: a source with events tells of
its online shop, any other one of its receipts.
"""

import ibis
import ibis.expr.types as ir

PURCHASES = ("customer_id", "item_id", "happened_at", "order_id", "units", "unit_price", "list_price")
BEHAVIOUR = (
    "customer_id", "observed_days", "seen_days", "silent_days", "unbought_days", "visits", "clicks", "carts", "lines",
    "orders", "units", "spend", "priced_lines", "reduced_lines",
)  # fmt: skip
REDUCED = 0.99  # of the list price: below it something was taken off, above it was rounded
_DAY_S = 86_400.0
_TYPES = {
    "customer_id": "string", "item_id": "string", "happened_at": "timestamp(6)", "order_id": "string",
    "units": "float64", "unit_price": "float64", "list_price": "float64",
}  # fmt: skip


def build_customer_purchases(
    *, events: ir.Table | None = None, transactions: ir.Table | None = None, products: ir.Table | None = None
) -> ir.Table:
    """`PURCHASES`: one row a line that a known customer bought, of `events` if they are given, else of `transactions`.

    `order_id` is the session or the receipt; a purchase outside any session is an order of its own. Units that were
    cancelled count as never bought. Without `products` no list price is known.
    """
    if events is not None:
        bought = _of_events(events)
    elif transactions is not None:
        bought = _of_transactions(transactions)
    else:
        return ibis.memtable([], schema=_TYPES)
    if products is None:
        return bought.mutate(list_price=ibis.null("float64")).select(*PURCHASES)
    listed = products.select(listed_id="product_id", list_price=products.list_price.cast("float64"))
    return bought.left_join(listed, bought.item_id == listed.listed_id).select(*PURCHASES)


def build_customer_behaviour(
    purchases: ir.Table,
    *,
    events: ir.Table | None = None,
    sessions: ir.Table | None = None,
    customers: ir.Table | None = None,
) -> ir.Table:
    """`BEHAVIOUR`: one row a customer, of `customers` where given, else of everybody who was ever seen.

    Days are counted to the newest moment of all tables; they begin with the customer's registration, the oldest moment of
    all tables, or, where nobody registers, the first sight of them. `observed_days` reaches from there to the end,
    `seen_days` to the last sight; `silent_days` lie between the last sight and the end, `unbought_days` between the last
    purchase and the end (null if there is none). Without `sessions` every order is a visit. `spend` is in currency.
    """
    moments = [purchases.select("customer_id", at="happened_at")]
    if events is not None:
        known = events.filter(events.customer_id.notnull(), events.event_time.notnull())
        moments.append(known.select("customer_id", at=known.event_time.cast("timestamp(6)")))
    if sessions is not None:
        moments.append(sessions.select("customer_id", at=sessions.started_at.cast("timestamp(6)")))
    seen = moments[0] if len(moments) == 1 else ibis.union(*moments)
    bounds = seen.aggregate(oldest=seen["at"].min(), newest=seen["at"].max())
    sights = seen.group_by("customer_id").aggregate(first_seen=seen["at"].min(), last_seen=seen["at"].max())
    if customers is None:
        base = sights.select("customer_id", registered_at="first_seen")
    else:
        base = customers.select("customer_id", registered_at=customers.registered_on.cast("timestamp(6)"))
    rows = base.cross_join(bounds)
    for part in (sights, _visits(purchases, sessions), _looks(events), _sums(purchases)):
        if part is not None:
            rows = rows.left_join(part, "customer_id").drop("customer_id_right")
    begin = ibis.greatest(rows.registered_at.fill_null(rows.oldest), rows.oldest)
    last = ibis.greatest(rows.last_seen.fill_null(begin), begin)
    counts = {
        name: (rows[name].fill_null(0) if name in rows.columns else ibis.literal(0)).cast("float64")
        for name in BEHAVIOUR[5:]
    }
    return rows.filter(begin <= rows.newest).select(
        "customer_id",
        observed_days=_days(begin, rows.newest),
        seen_days=_days(begin, last),
        silent_days=_days(last, rows.newest),
        unbought_days=_days(rows.last_bought, rows.newest),
        **counts,
    )


def _of_events(events: ir.Table) -> ir.Table:
    paid = events.filter(
        events.kind == "purchase",
        events.customer_id.notnull(),
        events.item_id.notnull(),
        events.event_time.notnull(),
    )
    alone = paid.customer_id + "/" + paid.event_time.cast("string")
    return paid.select(
        "customer_id",
        "item_id",
        happened_at=paid.event_time.cast("timestamp(6)"),
        order_id=paid.session_id.fill_null(alone),
        units=paid.amount.fill_null(1.0).cast("float64"),
        unit_price=paid.price.cast("float64"),
    )


def _of_transactions(lines: ir.Table) -> ir.Table:
    kept = lines.units - lines.cancelled_units.fill_null(0)
    sold = lines.filter(
        lines.kind == "sale", lines.customer_id.notnull(), lines.product_id.notnull(), lines.sold_at.notnull(), kept > 0
    )
    return sold.select(
        "customer_id",
        item_id=sold.product_id,
        happened_at=sold.sold_at.cast("timestamp(6)"),
        order_id=sold.transaction_id,
        units=(sold.units - sold.cancelled_units.fill_null(0)).cast("float64"),
        unit_price=sold.unit_price.cast("float64"),
    )


def _visits(purchases: ir.Table, sessions: ir.Table | None) -> ir.Table:
    if sessions is not None:
        return sessions.group_by("customer_id").aggregate(visits=sessions.count())
    return purchases.group_by("customer_id").aggregate(visits=purchases.order_id.nunique())


def _looks(events: ir.Table | None) -> ir.Table | None:
    if events is None:
        return None
    return events.group_by("customer_id").aggregate(
        clicks=(events.kind == "click").sum(), carts=(events.kind == "cart").sum()
    )


def _sums(purchases: ir.Table) -> ir.Table:
    priced = purchases.unit_price.notnull() & purchases.list_price.notnull() & (purchases.list_price > 0)
    return purchases.group_by("customer_id").aggregate(
        lines=purchases.count(),
        orders=purchases.order_id.nunique(),
        units=purchases.units.sum(),
        spend=(purchases.units * purchases.unit_price).sum(),
        priced_lines=priced.sum(),
        reduced_lines=(priced & (purchases.unit_price < REDUCED * purchases.list_price)).sum(),
        last_bought=purchases.happened_at.max(),
    )


def _days(first: ir.TimestampValue, last: ir.TimestampValue) -> ir.FloatingValue:
    """Days from one moment to another, with their fraction."""
    return (last.epoch_seconds() - first.epoch_seconds()) / _DAY_S
