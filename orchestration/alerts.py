"""Alerts: each refusal of a gate or of the shop's books, once, in a log the stewards own; nothing is sent outside the machine."""

from collections.abc import Sequence
from datetime import UTC, datetime

from data_checks.durable import append_entry, locked
from orchestration.workspace import Workspace


def report_refusals(workspace: Workspace, cursor: str | None) -> tuple[int, str]:
    """Append refusals later than `cursor` (ISO time of the last one reported) to `alerts.jsonl`.

    Returns how many were reported, and the new cursor.
    """
    seen = cursor or ""
    fresh = [entry for entry in workspace.history.refusals() if entry.when > seen]
    _append(workspace, [(entry.table, entry.when) for entry in fresh])
    return len(fresh), max([seen, *(entry.when for entry in fresh)])


def report_refusal(workspace: Workspace, check: str) -> None:
    """Append a refusal of this moment, of a check of which no history is kept."""
    _append(workspace, [(check, _now())])


def _append(workspace: Workspace, refusals: Sequence[tuple[str, str]]) -> None:
    """Refusals of tables or checks, each with when it was."""
    folder = workspace.root / "alerts"
    with locked(folder):
        for table, refused in refusals:
            append_entry(folder / "alerts.jsonl", {"when": _now(), "table": table, "refused": refused})


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
