"""Visual inspection in the house: packages of the twin's belt through gate, challenger, evidence page and release."""

from collections.abc import Callable
from pathlib import Path

import pytest

from models.common.report import Report
from models.inspection.samples import read_samples
from orchestration.challengers import read_report
from orchestration.judging import read_verdict
from orchestration.releases import promote_and_publish
from orchestration.runner import run
from orchestration.settings import Settings
from orchestration.workspace import Workspace
from serving.inspection_champion import open_champion
from serving.release import read_pointer
from serving.settings import ServeSettings


@pytest.fixture(scope="module")
def inspected(make_settings: Callable[..., Settings]) -> Workspace:
    """A workspace after one run of the group alone; the bento is another test's."""
    settings = make_settings()
    outcome = run(settings, "+inspection/release")
    assert outcome.success, outcome.failures
    assert outcome.metadata["belt/inspections"]["rows"] == 240  # 3 days of 4 batches of 20
    assert "AUROC (inspection network)" in outcome.metadata["inspection/challenger"]
    assert "data:image/png" in outcome.metadata["inspection/challenger"]["examples"]
    return Workspace(settings)


def test_verdict_and_evidence(inspected: Workspace) -> None:
    verdict = read_verdict(inspected, "inspection")
    rows = {row.name: row for row in verdict.criteria}
    assert {"AUROC", "miss rate", "human share", "latency p99, ms", "size, MB"} <= rows.keys()
    assert rows["miss rate"].passed == (rows["miss rate"].value <= float(rows["miss rate"].bound.removeprefix("<= ")))
    assert verdict.window_start is not None and verdict.window_start.isoformat() == "2024-01-03"
    assert "Judged on 72 packages" in verdict.judged  # the newest 30 % of 240
    report: Report = read_report(inspected, "inspection")
    assert any(row.segment.startswith("severity") for row in report.rows)
    page = (inspected.root / "evidence" / "inspection" / "index.html").read_text(encoding="utf-8")
    for said in ("What moves its decisions", "weight_g", "off nominal", "conformal risk control", "data:image/png"):
        assert said in page


def test_a_release_is_what_a_service_opens(inspected: Workspace) -> None:
    version = inspected.registry.versions("inspection")[-1].version
    promote_and_publish(inspected, "inspection", version, who="test", reason="to see it served", override=True)
    root: Path = inspected.releases / "inspection"
    pointer = read_pointer(root / "champion.json")
    samples = read_samples(root / pointer.release / "samples")
    assert samples.batch_ids == tuple(f"B{number:06d}" for number in range(12))
    assert samples.pictures.shape == (12, 64, 64, 3)
    champion = open_champion(root / pointer.release, pointer, ServeSettings(deadline_ms=10_000))
    assert champion.side_px == 64 and champion.miss_level == 0.1
    with pytest.raises(ValueError, match="there is no model 'inspector'"):
        promote_and_publish(inspected, "inspector", 1, who="test", reason="a wrong name")


def test_nothing_is_made_twice(inspected: Workspace) -> None:
    again = run(inspected.settings, "+inspection/challenger")
    assert again.success
    assert all(again.metadata[asset]["unchanged"] for asset in ("belt/inspections", "inspection/challenger"))


def test_without_a_line_the_group_says_what_is_needed(make_settings: Callable[..., Settings]) -> None:
    outcome = run(make_settings(belt="off"), "+inspection/champion")
    assert outcome.success, outcome.failures
    for asset in ("belt/inspections", "inspection/challenger", "inspection/champion"):
        assert outcome.metadata[asset]["provided"] is False and "STORELOOP_BELT" in outcome.metadata[asset]["remedy"]
