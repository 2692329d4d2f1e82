"""The whole loop on the tiny twin: what a full run leaves behind, and that nothing is done twice."""

import json

import numpy as np
import pytest

from data_checks.contracts import load_contract
from orchestration.catalogue import TABLES
from orchestration.judging import evidence_page, read_verdict
from orchestration.releases import POINTER
from orchestration.runner import run
from orchestration.workspace import Workspace
from serving.release import read_pointer, verify


def test_every_raw_row_is_accounted_for(finished: Workspace) -> None:
    counts = finished.history.runs("transactions")[-1].counts
    parts = ("good", "quarantined", "duplicates", "matched_cancellations", "non_merchandise")
    raw = finished.lake.version("raw", "transactions")
    assert raw is not None
    assert counts["in"] == raw.rows == sum(counts[part] for part in parts)
    assert counts["quarantined"] > 0
    assert counts["duplicates"] > 0
    assert counts["matched_cancellations"] > 0


def test_every_clean_table_has_its_contracts_columns(finished: Workspace) -> None:
    for table in (spec.name for spec in TABLES):
        version = finished.lake.version("clean", table)
        assert version is not None
        assert [name for name, _ in version.columns] == list(load_contract(table).column_names), table


def test_sales_add_up_to_the_clean_lines(finished: Workspace) -> None:
    """Units of the dense table are those of the lines less what came back on the day of sale, to the unit."""
    con = finished.connect()
    lines = finished.lake.read("clean", "transactions", con)
    net = (
        lines.filter(lines.kind == "sale")
        .mutate(net=lambda t: t.units - t.cancelled_same_day_units)
        .net.sum()
        .execute()
    )
    sales = finished.lake.read("gold", "sales", con)
    assert sales.value.sum().execute() == pytest.approx(net)


def test_the_training_join_keeps_every_entity_row(finished: Workspace) -> None:
    order = [("series_id", "ascending"), ("origin", "ascending")]
    names = ("sales_state", "training_state")
    state, joined = (finished.lake.arrow("features", name).sort_by(order) for name in names)
    assert joined.num_rows == state.num_rows
    for name in ("scale", "level_28", "season_mean_3"):
        np.testing.assert_allclose(joined[name].to_numpy(), state[name].to_numpy(), equal_nan=True)


def test_the_champion_beats_its_baseline_and_the_oracle_beats_it(finished: Workspace) -> None:
    verdict = read_verdict(finished, "forecaster")
    assert verdict.promoted
    from orchestration.challengers import read_report

    report = read_report(finished, "forecaster")
    figures = {model: report.value(model, "rmse_expected") for model in ("champion", "seasonal naive", "oracle")}
    assert figures["oracle"] == pytest.approx(0.0)
    assert figures["champion"] < figures["seasonal naive"]
    assert any("lightgbm" in model.lower() for model in report.models())


def test_the_release_is_whole_and_pointed_to(finished: Workspace) -> None:
    root = finished.releases / "forecaster"
    pointer = read_pointer(root / POINTER)
    verify(root / pointer.release, pointer.artifact_id)
    champion = finished.registry.champion("forecaster")
    assert champion is not None
    assert pointer.artifact_id == champion.artifact_id
    assert pointer.registry_version == str(champion.version)


def test_the_evidence_page_stands_alone(finished: Workspace) -> None:
    page = evidence_page(finished, "forecaster", 1).read_text(encoding="utf-8")
    assert "Passed the promotion gate" in page
    assert "http://" not in page
    assert "https://" not in page
    assert page.count("data:image/png;base64,") >= 3
    record = json.loads(evidence_page(finished, "forecaster", 1).with_suffix(".json").read_text(encoding="utf-8"))
    assert record["verdict"]["promoted"] is True


def test_truth_reaches_no_table(finished: Workspace) -> None:
    forbidden = {"expected_units", "demanded_units", "elasticity", "dirt"}
    for layer in ("raw", "clean", "gold", "features"):
        for manifest in (finished.lake.root / layer).glob("*/manifest.json"):
            version = finished.lake.version(layer, manifest.parent.name)  # type: ignore[arg-type]
            assert version is not None
            assert not forbidden & {name for name, _ in version.columns}


def test_a_second_run_changes_nothing(finished: Workspace) -> None:
    before = contents(finished)
    outcome = run(finished.settings, "full")
    assert outcome.success
    assert contents(finished) == before
    redone = [asset for asset, facts in outcome.metadata.items() if facts.get("unchanged") is False]
    assert redone == []
    assert len(finished.registry.versions("forecaster")) == 1


def contents(workspace: Workspace) -> dict[str, str]:
    manifests = sorted(workspace.lake.root.glob("*/*/manifest.json"))
    return {str(path.parent.name): json.loads(path.read_text(encoding="utf-8"))["content_hash"] for path in manifests}
