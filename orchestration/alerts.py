"""Alerts: each refusal of the gate once, in a log the stewards own; nothing is sent outside the machine."""

from datetime import UTC, datetime

from data_checks.durable import append_entry, locked
from orchestration.workspace import Workspace


def report_refusals(workspace: Workspace, cursor: str | None) -> tuple[int, str]:
    """Append refusals later than `cursor` (ISO time of the last one reported) to `alerts.jsonl`.

    Returns how many were reported, and the new cursor.
    """
    seen = cursor or ""
    fresh = [entry for entry in workspace.history.refusals() if entry.when > seen]
    folder = workspace.root / "alerts"
    with locked(folder):
        for entry in fresh:
            row = {"when": datetime.now(UTC).isoformat(timespec="seconds"), "table": entry.table, "refused": entry.when}
            append_entry(folder / "alerts.jsonl", row)
    return len(fresh), max([seen, *(entry.when for entry in fresh)])
