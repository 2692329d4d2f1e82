"""A batch with too much of one kind of dirt stops all that needs it and nothing else, until a steward has decided."""

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from orchestration.runner import RunOutcome, run
from orchestration.settings import Settings
from orchestration.workspace import Workspace

KINDS = {
    "duplicates": "duplicate:row",
    "missing_keys": "required:",
    "impossible_prices": "price",
    "late_rows": "recorded_within_7_days",
    "wrong_encodings": "receipt_text",
    "unmatched_returns": "return_matches_sale",
}
TARGET = "group:sources,group:gate,group:demand"


def dirty(make_settings: Callable[..., Settings], folder: Path, kind: str) -> Settings:
    params = folder / "twin.yaml"
    params.write_text(yaml.safe_dump({"days": 120, "dirt": {kind: 0.12}}), encoding="utf-8")
    return make_settings(twin_params=params, home=folder / "home")


def downstream(outcome: RunOutcome) -> dict[str, str]:
    return {step: status for step, status in outcome.steps.items() if status != "success"}


@pytest.mark.parametrize("kind", KINDS)
def test_too_much_dirt_stops_what_needs_the_table_alone(
    kind: str, make_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    settings = dirty(make_settings, tmp_path, kind)
    outcome = run(settings, TARGET)
    assert not outcome.success
    assert downstream(outcome) == {"clean__transactions": "failure", "demand": "not run"}
    workspace = Workspace(settings)
    last = workspace.history.runs("transactions")[-1]
    broken = [fact.rule_id for fact in last.facts if fact.failing_fraction > fact.tolerated_fraction]
    assert any(KINDS[kind] in rule for rule in broken), broken
    assert all(rule in outcome.failures["clean__transactions"] for rule in broken)
    assert "storeloop quarantine show transactions" in outcome.failures["clean__transactions"]
    assert workspace.lake.version("clean", "transactions") is None
    assert workspace.lake.version("clean", "inventory") is not None

    for rule in broken:
        workspace.quarantine.decide(
            "transactions", verdict="release", reason="seen with the shop", who="ada", rule=rule
        )
    again = run(settings, TARGET)
    assert again.success, again.failures
    counts = Workspace(settings).history.runs("transactions")[-1].counts
    parts = ("good", "quarantined", "duplicates", "matched_cancellations", "non_merchandise")
    assert counts["in"] == sum(counts[part] for part in parts)


def test_a_rejected_batch_passes_without_its_rows(make_settings: Callable[..., Settings], tmp_path: Path) -> None:
    settings = dirty(make_settings, tmp_path, "impossible_prices")
    assert not run(settings, TARGET).success
    workspace = Workspace(settings)
    held = workspace.quarantine.rows("transactions").num_rows
    workspace.quarantine.decide("transactions", verdict="reject", reason="till was broken", who="ada", every_row=True)
    assert run(settings, TARGET).success
    counts = Workspace(settings).history.runs("transactions")[-1].counts
    assert 0 < counts["quarantined"] <= held
    decision = workspace.quarantine.log("transactions")[-1]
    assert (decision.who, decision.reason, decision.verdict) == ("ada", "till was broken", "reject")
