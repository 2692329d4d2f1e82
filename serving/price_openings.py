"""Labels at the opening of a day, as far as a store's runs tell them: what is approved on one day adds up to no more than the
largest change. A day is one of UTC."""

import sqlite3
from collections.abc import Iterable

from models.pricing.guardrails import HALF_CENT

DAY_S = 86_400
SCHEMA = (
    "CREATE TABLE IF NOT EXISTS openings (market TEXT NOT NULL, item_id TEXT NOT NULL, day INTEGER NOT NULL, "
    "price REAL NOT NULL, PRIMARY KEY (market, item_id)) STRICT, WITHOUT ROWID",
)
_EPS = 1e-9  # money: half a cent itself is not beyond it


def remember(connection: sqlite3.Connection, labels: Iterable[tuple[str, str, float]], now: float) -> None:
    """Keep the first label of the day of each item (market, item_id, price), within the caller's transaction."""
    connection.executemany(
        "INSERT INTO openings VALUES (?, ?, ?, ?) ON CONFLICT (market, item_id) DO UPDATE SET day = excluded.day, "
        "price = excluded.price WHERE day < excluded.day",
        ((market, item_id, int(now // DAY_S), price) for market, item_id, price in labels),
    )


def too_far(
    connection: sqlite3.Connection, market: str, item_id: str, price: float, most: float, now: float
) -> str | None:
    """Why a price, in money, may not follow the label of today's opening, or None; `most` is the largest change. What no run of
    today has told of has no opening here."""
    row = connection.execute(
        "SELECT price FROM openings WHERE market = ? AND item_id = ? AND day = ?", (market, item_id, int(now // DAY_S))
    ).fetchone()
    if row is None or abs(price - row[0]) <= most + HALF_CENT + _EPS:
        return None
    return (
        f"{item_id}: {price:.2f} lies {abs(price - row[0]):.2f} from today's opening label, {row[0]:.2f}, and the largest change "
        f"of a day is {most:.2f}: reprice tomorrow"
    )
