"""Small tables of customers that tests of this room share, and what is known of them worked out by hand."""

from datetime import date, datetime, timedelta
from typing import Any

import ibis
import pyarrow as pa

from features.customer_facts import CustomerTables

TEXT, TIME, DAY = pa.string(), pa.timestamp("us"), pa.date32()
NOON = datetime(2024, 3, 31, 12)
EVENTS = {
    "customer_id": TEXT,
    "item_id": TEXT,
    "event_time": TIME,
    "ordinal": pa.int64(),
    "kind": TEXT,
    "amount": pa.float64(),
    "price": pa.float64(),
}
LINES = {
    "customer_id": TEXT,
    "product_id": TEXT,
    "store_id": TEXT,
    "kind": TEXT,
    "units": pa.int64(),
    "unit_price": pa.float64(),
    "sold_at": TIME,
}


def table(rows: list[tuple], kinds: dict[str, Any]) -> ibis.Table:
    columns = list(zip(*rows, strict=True)) or [()] * len(kinds)
    return ibis.memtable(pa.table([pa.array(c, k) for c, k in zip(columns, kinds.values(), strict=True)], list(kinds)))


def before(**ago: float) -> datetime:
    """A moment so long before NOON."""
    return NOON - timedelta(**ago)


def events(*rows: tuple) -> ibis.Table:
    """Rows of (customer, item, time, kind, amount, price)."""
    return table([(c, i, t, None, k, a, p) for c, i, t, k, a, p in rows], EVENTS)


def products() -> ibis.Table:
    kinds = {"product_id": TEXT, "category": TEXT}
    return table([("milk", "dairy"), ("brie", "dairy"), ("tea", "drinks"), ("jam", "spreads")], kinds)


def shop() -> CustomerTables:
    """Ann, who does everything; Bob, who registered and stays away; Eve, known to the tills alone."""
    return CustomerTables(
        events=events(
            ("ann", "milk", before(days=2), "click", None, None),
            ("ann", "milk", before(days=2, minutes=-1), "cart", None, None),
            ("ann", "milk", before(days=2, minutes=-2), "purchase", 2.0, 1.25),
            ("ann", "tea", before(days=40), "purchase", 1.0, 3.10),
            ("ann", "jam", NOON, "purchase", 1.0, 9.0),  # at the moment, so after it
        ),
        transactions=table(
            [
                ("ann", "brie", "S1", "sale", 3, 2.0, before(days=7)),  # eight calendar days with today: not in 7
                ("ann", "milk", "S1", "sale", 1, 1.0, before(days=6, hours=12)),  # midnight of the seventh: in
                ("ann", "milk", "S1", "return", 1, 1.0, before(days=5)),
                ("eve", "tea", "S1", "sale", 1, 3.0, before(days=100)),
                (None, "tea", "S1", "sale", 1, 3.0, before(days=1)),
            ],
            LINES,
        ),
        sessions=table(
            [("ann", before(days=2), "app"), ("ann", before(days=1), "mobile"), ("ann", before(days=30), "mobile")],
            {"customer_id": TEXT, "started_at": TIME, "device": TEXT},
        ),
        impressions=table(
            [("ann", "milk", before(days=2)), ("ann", "tea", before(days=2)), ("ann", "tea", before(days=9))],
            {"customer_id": TEXT, "item_id": TEXT, "shown_at": TIME},
        ),
        customers=table(
            [
                ("ann", date(2024, 1, 31), "desktop"),
                ("bob", date(2024, 3, 30), "tablet"),
                ("new", date(2024, 4, 1), None),
            ],
            {"customer_id": TEXT, "registered_on": DAY, "device": TEXT},
        ),
        friendships=table(
            [
                ("ann", "bob", None),
                ("bob", "ann", None),
                ("ann", "eve", date(2024, 3, 31)),
                ("ann", "x", date(2024, 4, 1)),
            ],
            {"customer_id": TEXT, "friend_id": TEXT, "since": DAY},
        ),
        products=products(),
        promotions=table(
            [
                ("milk", None, before(days=3).date(), before(days=1).date()),
                ("milk", "S1", before(days=2).date(), before(days=1).date()),  # two plans promote one purchase once
                ("brie", "S2", before(days=9).date(), NOON.date()),  # in another shop
            ],
            {"product_id": TEXT, "store_id": TEXT, "starts_on": DAY, "ends_on": DAY},
        ),
    )


# Worked out by hand at NOON. Points: dairy 4 + 2 + 1 (the visit of two days ago) + 4 + 4, tea 4 forty days ago.
ANN = {
    "purchases_7d": 2.0,
    "purchases_28d": 3.0,
    "purchases_90d": 4.0,
    "spend_7d": 3.5,
    "spend_28d": 9.5,
    "spend_90d": 12.6,
    "clicks_7d": 1.0,
    "carts_7d": 1.0,
    "shown_7d": 2.0,
    "visits_28d": 2.0,
    "promotion_share_90d": 0.25,
    "purchase_days": 4.0,
    "days_since_purchase": 2 - 2 / 1440,
    "days_since_seen": 1.0,
    "tenure_days": 60.5,
    "items_taken": 3.0,
    "friends": 2.0,
    "usual_hour": 12.0,
    "category_1": "dairy",
    "category_2": "drinks",
    "category_3": None,
    "category_share_3": None,
    "device": "mobile",
    "history": ["tea", "brie", "milk"],
}
