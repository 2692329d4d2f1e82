"""From clean events and transactions to `features/interactions`."""

from typing import Any

from orchestration.fingerprints import fingerprint
from orchestration.workspace import Workspace

CODE = ("orchestration/interactions.py", "features/interactions.py")
SOURCES = ("events", "transactions")


def build(workspace: Workspace) -> dict[str, Any]:
    """Write who took which item, in order; of a source that knows no customers an empty table."""
    from features.interactions import build_interactions, empty_interactions

    lake, provided = workspace.lake, workspace.source.tables
    made_from = fingerprint(code=CODE, inputs={name: lake.content_hash("clean", name) for name in SOURCES})
    before = lake.version("features", "interactions")
    unchanged = before is not None and before.fingerprint == made_from
    version = before
    if version is None or not unchanged:
        con = workspace.connect()
        tables = {name: lake.read("clean", name, con) for name in SOURCES if name in provided}
        rows = build_interactions(**tables) if tables else empty_interactions()
        version = lake.write("features", "interactions", rows, fingerprint=made_from, sort_by=("customer_id", "place"))
    return {
        "rows": version.rows,
        "unchanged": unchanged,
        "content_hash": version.content_hash,
    }
