"""Rossmann and UCI Online Retail from raw files to a served, gated forecast, by what the forecaster needs of the graph."""

from collections.abc import Callable
from pathlib import Path

import pytest

from orchestration.challengers import read_report
from orchestration.judging import read_verdict
from orchestration.releases import POINTER
from orchestration.runner import run
from orchestration.settings import Settings
from orchestration.workspace import Workspace
from serving.release import read_pointer, verify

pytestmark = [pytest.mark.realdata, pytest.mark.timeout(1500)]


def whole_way(settings: Settings) -> Workspace:
    outcome = run(settings, "+forecaster/release")
    assert outcome.success, outcome.failures
    workspace = Workspace(settings)
    root = workspace.releases / "forecaster"
    pointer = read_pointer(root / POINTER)
    verify(root / pointer.release, pointer.artifact_id)
    assert read_verdict(workspace, "forecaster").promoted
    return workspace


def test_rossmann(real_data: Path, make_settings: Callable[..., Settings]) -> None:
    workspace = whole_way(make_settings(source=f"rossmann:{real_data}/rossmann"))
    counts = workspace.history.runs("sales")[-1].counts
    assert counts["in"] == counts["good"] == 844_338
    con = workspace.connect()
    sales = workspace.lake.read("gold", "sales", con)
    assert round(sales.value.sum().execute()) == 5_873_180_623
    report = read_report(workspace, "forecaster")
    assert report.value("champion", "rmspe") < 0.9 * report.value("seasonal naive", "rmspe")
    names = workspace.lake.read("gold", "covariates", con).name.to_pyarrow().unique().to_pylist()
    assert not any("customer" in name.lower() for name in names)


def test_online_retail(real_data: Path, make_settings: Callable[..., Settings]) -> None:
    workspace = whole_way(make_settings(source=f"online_retail:{real_data}/online_retail", horizon=28))
    counts = workspace.history.runs("transactions")[-1].counts
    parts = ("good", "quarantined", "duplicates", "matched_cancellations", "non_merchandise")
    assert counts["in"] == 541_909 == sum(counts[part] for part in parts)
    raw = workspace.lake.read("raw", "transactions", workspace.connect())
    invoices = raw.mutate(invoice=(raw.kind == "return").ifelse("C" + raw.transaction_id, raw.transaction_id))
    assert invoices.invoice.nunique().execute() == 25_900
    assert raw.customer_id.nullif("").nunique().execute() == 4_372
    report = read_report(workspace, "forecaster")
    assert report.value("champion", "rmsse") < report.value("seasonal naive", "rmsse")
