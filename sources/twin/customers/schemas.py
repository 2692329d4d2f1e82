"""Columns of the tables of customers and their online shop."""

import pyarrow as pa

_TEXT, _WHOLE, _REAL, _FLAG, _DATE, _TIME = (
    pa.string(),
    pa.int64(),
    pa.float64(),
    pa.bool_(),
    pa.date32(),
    pa.timestamp("us"),
)

ONLINE_SCHEMAS: dict[str, pa.Schema] = {
    "customers": pa.schema(
        [
            ("customer_id", _TEXT), ("registered_on", _DATE), ("region", _TEXT), ("home_store_id", _TEXT),
            ("birth_year", _WHOLE), ("device", _TEXT), ("marketing_consent", _FLAG),
        ]
    ),
    "friendships": pa.schema([("customer_id", _TEXT), ("friend_id", _TEXT), ("since", _DATE)]),
    "sessions": pa.schema(
        [
            ("session_id", _TEXT), ("customer_id", _TEXT), ("started_at", _TIME), ("device", _TEXT), ("region", _TEXT),
        ]
    ),
    "impressions": pa.schema(
        [
            ("impression_id", _TEXT), ("session_id", _TEXT), ("customer_id", _TEXT), ("item_id", _TEXT),
            ("shown_at", _TIME), ("position", _WHOLE), ("policy", _TEXT), ("propensity", _REAL),
        ]
    ),
    "events": pa.schema(
        [
            ("customer_id", _TEXT), ("item_id", _TEXT), ("event_time", _TIME), ("ordinal", _WHOLE), ("kind", _TEXT),
            ("amount", _REAL), ("price", _REAL), ("session_id", _TEXT), ("impression_id", _TEXT),
        ]
    ),
}  # fmt: skip
ONLINE_STATIC = frozenset({"customers", "friendships"})
ONLINE_DAILY = frozenset(ONLINE_SCHEMAS) - ONLINE_STATIC
