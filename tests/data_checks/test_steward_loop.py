"""Gate, quarantine and steward together: a blocked batch, a decision, and the next run."""

from datetime import date
from pathlib import Path

import ibis
import pyarrow as pa
import pytest

from data_checks.contracts import load_contract
from data_checks.docs_site import build_site
from data_checks.gate import judge
from data_checks.gate_result import GateResult
from data_checks.quarantine import Quarantine
from data_checks.rules import REPAIRED, ROW_CLASS, ROW_KEY, TYPE_ERRORS
from data_checks.validation_history import ValidationHistory

STORES = load_contract("stores")
TAGS = [(name, pa.string()) for name in (ROW_KEY, ROW_CLASS, REPAIRED, TYPE_ERRORS)]


def store(number: int, **changed: object) -> dict[str, object]:
    row = {"store_id": f"S{number}", "store_name": "Harbour", "region": "north", "format": "super", "area_m2": 80.0}
    return {**row, "opened_on": date(2020, 1, 1), ROW_KEY: f"k{number}", ROW_CLASS: "row", **changed}


BATCH = [store(0), store(1, region=None), store(2, area_m2=-1.0), store(3, region=None, area_m2=-1.0)]


def run(home: Path, run_id: str, rows: list[dict[str, object]] = BATCH) -> GateResult:
    """One run as the pipeline does it: judge with the decisions in force, then record what came of it."""
    quarantine = Quarantine(home)
    table = pa.Table.from_pylist(rows, schema=pa.schema([*STORES.arrow_schema(), *TAGS]))
    result = judge(
        ibis.memtable(table), STORES, references={}, decisions=quarantine.decisions("stores"), con=ibis.duckdb.connect()
    )
    quarantine.write("stores", "all", result.failing)
    ValidationHistory(home).record(result, run_id=run_id)
    return result


def status(home: Path) -> dict[str, str]:
    rows = Quarantine(home).rows("stores")
    return dict(zip(rows["_row_key"].to_pylist(), rows["status"].to_pylist(), strict=True))


def good(result: GateResult) -> set[str]:
    return set(result.good.to_pyarrow()["store_id"].to_pylist())


def test_a_release_lets_the_next_run_pass_and_a_reject_keeps_its_row_out(tmp_path):
    first = run(tmp_path, "first")
    assert not first.success
    assert status(tmp_path) == {"k1": "open", "k2": "open", "k3": "open"}
    quarantine = Quarantine(tmp_path)
    quarantine.decide("stores", rule="required:region", verdict="release", reason="region comes later", who="Ada")
    second = run(tmp_path, "second")
    assert not second.success
    assert good(second) == {"S0", "S1"}
    assert status(tmp_path) == {"k1": "released", "k2": "open", "k3": "open"}
    quarantine.decide("stores", rule="between:area_m2", verdict="reject", reason="typing error", who="Bo")
    third = run(tmp_path, "third")
    assert third.success
    assert third.counts["in"] == third.counts["good"] + third.counts["quarantined"] == 4
    assert good(third) == {"S0", "S1"}
    assert status(tmp_path) == {"k1": "released", "k2": "rejected", "k3": "rejected"}
    assert [past.success for past in ValidationHistory(tmp_path).runs("stores")] == [False, False, True]


def test_decisions_hold_for_the_rows_they_were_made_on_and_no_others(tmp_path):
    run(tmp_path, "first")
    Quarantine(tmp_path).decide("stores", every_row=True, verdict="release", reason="agreed", who="Ada")
    assert run(tmp_path, "second").success
    later = run(tmp_path, "third", [*BATCH, store(9, region=None)])
    assert not later.success
    assert later.fact("required:region").failing == 1
    assert status(tmp_path)["k9"] == "open"


def test_a_release_taken_back_blocks_again_until_it_is_a_reject(tmp_path):
    run(tmp_path, "first")
    quarantine = Quarantine(tmp_path)
    quarantine.decide("stores", every_row=True, verdict="release", reason="agreed", who="Ada")
    run(tmp_path, "second")
    quarantine.decide("stores", row_keys=["k1"], verdict="reject", reason="not agreed", who="Bo")
    third = run(tmp_path, "third")
    assert third.success
    assert good(third) == {"S0", "S2", "S3"}


@pytest.mark.parametrize("page", ["index", "table-stores", "expectations-stores"])
def test_the_gates_own_results_are_drawn(tmp_path, page):
    run(tmp_path, "first")
    index = build_site(tmp_path / "site", history=ValidationHistory(tmp_path), quarantine=Quarantine(tmp_path))
    text = (index.parent / f"{page}.html").read_text()
    expected = {
        "index": "✕ Blocked",
        "table-stores": "region is never empty.",
        "expectations-stores": "region is never empty.",
    }
    assert expected[page] in text
