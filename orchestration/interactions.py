"""From clean tables to `features/interactions` and `features/item_attributes`."""

from collections.abc import Callable
from typing import Any

from orchestration.fingerprints import fingerprint
from orchestration.workspace import Workspace

CODE = ("orchestration/interactions.py", "features/interactions.py")


def build_interactions(workspace: Workspace) -> dict[str, Any]:
    """Write who took which item, in order; of a source that knows no customers an empty table."""
    from features.interactions import build_interactions, empty_interactions

    def make(tables: dict[str, Any]) -> Any:
        return build_interactions(**tables) if tables else empty_interactions()

    return _build(workspace, "interactions", ("events", "transactions"), make, ("customer_id", "place"))


def build_item_attributes(workspace: Workspace) -> dict[str, Any]:
    """Write what is known of every item."""
    from features.interactions import ATTRIBUTES, build_item_attributes

    def make(tables: dict[str, Any]) -> Any:
        return build_item_attributes(**tables)

    return _build(workspace, "item_attributes", ("item_attributes", "products"), make, ATTRIBUTES)


def _build(
    workspace: Workspace,
    name: str,
    sources: tuple[str, ...],
    make: Callable[[dict[str, Any]], Any],
    key: tuple[str, ...],
) -> dict[str, Any]:
    """`features/<name>` from those clean tables that the source has, unless it was made from the very same."""
    lake, provided = workspace.lake, workspace.source.tables
    made_from = fingerprint(code=CODE, inputs={table: lake.content_hash("clean", table) for table in sources})
    version = lake.version("features", name)
    unchanged = version is not None and version.fingerprint == made_from
    if version is None or not unchanged:
        con = workspace.connect()
        rows = make({table: lake.read("clean", table, con) for table in sources if table in provided})
        version = lake.write("features", name, rows, fingerprint=made_from, sort_by=key)
    return {"rows": version.rows, "unchanged": unchanged, "content_hash": version.content_hash}
