"""What a source does not have, in words: assets that stand on it say so and succeed, so that the rest of a run goes on."""

from typing import Any

from orchestration.workspace import Workspace

NO_SALES = "a source with sales or transactions is needed"
NOBODY = "a source with events, or transactions that name their customer, is needed"


def no_sales(workspace: Workspace) -> str | None:
    """Why nothing can be forecast for this source; None where something can."""
    return None if workspace.source.tables & {"sales", "transactions"} else NO_SALES


def no_customers(workspace: Workspace) -> str | None:
    """Why nothing can be recommended for this source; None where its tables may hold customers."""
    return None if workspace.source.tables & {"events", "transactions"} else NOBODY


def not_provided(remedy: str) -> dict[str, Any]:
    """Metadata of an asset that had nothing to do."""
    return {"provided": False, "remedy": remedy}
