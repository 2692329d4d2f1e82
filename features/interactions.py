"""Clean events and sale lines to one table of who took which item, in the order in which each customer did."""

import ibis
import ibis.expr.types as ir

COLUMNS = ("customer_id", "item_id", "place", "happened_at", "kind", "amount")
UNTOLD = "interaction"  # kind of an event whose source tells no more
PURCHASE = "purchase"
ATTRIBUTES = ("item_id", "attribute", "value")
OF_PRODUCTS = ("category", "brand")  # columns of products that say what an item is like


def build_interactions(*, events: ir.Table | None = None, transactions: ir.Table | None = None) -> ir.Table:
    """`COLUMNS` of all events and of the sale lines whose customer is known; either table may be absent, not both.

    `place` counts from 0 within a customer, oldest first. What happened at one moment (the lines of one receipt; all
    plays of a source without times) stands in an order that says nothing: by a hash of customer and item, for by item
    number the goods that were listed last would always come last; two lines of one item on one receipt by their amount.
    A line of which all units were cancelled counts as never taken. Errors: ValueError if both tables are absent.
    """
    parts = []
    if events is not None:
        parts.append(_of_events(events))
    if transactions is not None:
        parts.append(_of_transactions(transactions))
    if not parts:
        raise ValueError("neither events nor transactions: a source needs one of them for its customers to be known")
    both = parts[0] if len(parts) == 1 else ibis.union(*parts)
    order = [
        both.happened_at.asc(nulls_first=True),
        both.ordinal.asc(nulls_first=True),
        (both.customer_id + "\x1f" + both.item_id).hexdigest("md5"),
        both.kind,
        both.amount,
    ]
    place = ibis.row_number().over(group_by="customer_id", order_by=order)
    return both.mutate(place=place.cast("int64")).select(*COLUMNS)


def _of_events(events: ir.Table) -> ir.Table:
    named = events.filter(events.customer_id.notnull(), events.item_id.notnull())
    return named.select(
        "customer_id",
        "item_id",
        happened_at=named.event_time.cast("timestamp(6)"),
        ordinal=named.ordinal,
        kind=named.kind.fill_null(UNTOLD),
        amount=named.amount,
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
        ordinal=ibis.null("int64"),
        kind=ibis.literal(PURCHASE),
        amount=(sold.units - sold.cancelled_units.fill_null(0)).cast("float64"),
    )


def empty_interactions() -> ir.Table:
    """No interaction at all: of a source that knows no customers."""
    types = ("string", "string", "int64", "timestamp(6)", "string", "float64")
    return ibis.memtable([], schema=dict(zip(COLUMNS, types, strict=True)))


def build_item_attributes(*, item_attributes: ir.Table | None = None, products: ir.Table | None = None) -> ir.Table:
    """`ATTRIBUTES` of every item, each once: those delivered, and category and brand of the products.

    Of neither table an empty one: items can be recommended by who took them alone.
    """
    parts = []
    if item_attributes is not None:
        parts.append(item_attributes.select(*ATTRIBUTES))
    if products is not None:
        parts += [
            products.select(item_id="product_id", attribute=ibis.literal(name), value=products[name].cast("string"))
            for name in OF_PRODUCTS
        ]
    if not parts:
        return ibis.memtable([], schema=dict.fromkeys(ATTRIBUTES, "string"))
    both = parts[0] if len(parts) == 1 else ibis.union(*parts)
    return both.filter(both.item_id.notnull(), both.value.notnull()).distinct()
