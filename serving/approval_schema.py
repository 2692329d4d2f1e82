"""Tables of the file of proposals; one of an older version gets what it lacks."""

import sqlite3

from serving.audit_chain import SCHEMA as AUDIT_SCHEMA
from serving.price_openings import SCHEMA as OPENINGS_SCHEMA

_SCHEMA = (
    """
CREATE TABLE IF NOT EXISTS proposals (
    proposal_id TEXT PRIMARY KEY, market TEXT NOT NULL, item_id TEXT NOT NULL,
    old_price REAL NOT NULL, new_price REAL NOT NULL, wanted REAL NOT NULL, rule TEXT NOT NULL, gain REAL,
    served_by TEXT NOT NULL, artifact_id TEXT NOT NULL, made_s REAL NOT NULL,
    status TEXT NOT NULL, decided_s REAL, decided_by TEXT, reason TEXT, follower TEXT, largest_change REAL
) STRICT""",
    "CREATE TABLE IF NOT EXISTS runs (run TEXT PRIMARY KEY, made_s REAL NOT NULL) STRICT",
    "CREATE INDEX IF NOT EXISTS proposals_by_item ON proposals (market, item_id, status)",
    "CREATE INDEX IF NOT EXISTS proposals_by_status ON proposals (status, made_s)",
    "CREATE INDEX IF NOT EXISTS proposals_by_age ON proposals (made_s)",
)


def prepare(connection: sqlite3.Connection) -> None:
    """Make what is not there, within the caller's transaction."""
    for statement in (*_SCHEMA, *AUDIT_SCHEMA, *OPENINGS_SCHEMA):
        connection.execute(statement)
    if "largest_change" not in {row[1] for row in connection.execute("PRAGMA table_info(proposals)")}:
        connection.execute("ALTER TABLE proposals ADD COLUMN largest_change REAL")
