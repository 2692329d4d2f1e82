"""A steward's home: three judged tables, one of them blocked, with rows that try to run scripts."""

import json
import shutil
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

sys.path.insert(0, str(Path(__file__).parent))  # the helper beside this file is no package

from quarantine_rows import held_back

from data_checks.contracts import load_contract
from data_checks.docs_site import build_site
from data_checks.gate_result import GateResult, RuleFact
from data_checks.quarantine import Quarantine
from data_checks.validation_history import ValidationHistory

HOSTILE = "<script>document.title='owned'</script><img src=x onerror=alert(1)>\"'"
FIRST_RUN = datetime(2026, 3, 1, 6, tzinfo=UTC)


def failing_rows(rows: list[tuple[str, list[str], dict[str, object], bool]]) -> pa.Table:
    return pa.table(
        {
            "_row_key": pa.array([key for key, _, _, _ in rows], pa.string()),
            "_class": pa.array(["row" if held else "duplicate" for _, _, _, held in rows], pa.string()),
            "held": pa.array([held for _, _, _, held in rows], pa.bool_()),
            "rules": pa.array([rules for _, rules, _, _ in rows], pa.list_(pa.string())),
            "raw": pa.array([json.dumps(raw) for _, _, raw, _ in rows], pa.string()),
        }
    )


def gate_result(table: str, rows_in: int, rows: list[tuple[str, list[str], dict[str, object], bool]]) -> GateResult:
    """What the gate would say of `rows_in` rows of which `rows` fail, by the table's real contract."""
    facts = []
    for rule in load_contract(table).rules:
        failing = sum(rule.rule_id in rules for _, rules, _, _ in rows)
        fact = RuleFact(
            rule_id=rule.rule_id,
            kind=rule.kind,
            column=", ".join(rule.columns),
            description=rule.description,
            rows=rows_in,
            failing=failing,
            released=0,
            rejected=0,
            tolerated_fraction=rule.tolerated_fraction,
            quarantines=rule.quarantines,
        )
        facts.append(fact)
    held = sum(held for _, _, _, held in rows)
    success = all(fact.failing_fraction <= fact.tolerated_fraction for fact in facts)
    results = [
        {
            "expectation_config": {
                "type": "expect_column_max_to_be_between",
                "kwargs": {"column": fact.rule_id, "max_value": fact.tolerated_fraction},
                "meta": {"notes": HOSTILE if fact.failing else ""},
            },
            "success": fact.failing_fraction <= fact.tolerated_fraction,
            "result": {"observed_value": fact.failing_fraction},
            "exception_info": {"raised_exception": False, "exception_message": None},
        }
        for fact in facts
    ]
    return GateResult(
        table=table,
        success=success,
        facts=tuple(facts),
        counts={
            "in": rows_in,
            "good": rows_in - len(rows),
            "quarantined": held,
            "duplicates": len(rows) - held,
            "matched_cancellations": 0,
            "non_merchandise": 0,
        },
        good=None,
        failing=failing_rows(rows),
        validation={"success": success, "results": results},
    )


def bad_sales(number: int) -> list[tuple[str, list[str], dict[str, object], bool]]:
    """`number` failing transaction lines: every third is a copy, the others have no units; the first is hostile."""
    rows = []
    for position in range(number):
        text = HOSTILE if position == 0 else "Oat drink 1 l"
        raw = {
            "transaction_id": f"T{position:05d}",
            "line_no": "1",
            "units": "-3",
            "receipt_text": text,
            "customer_id": None,
        }
        copy = position % 3 == 2
        rules = (
            ["duplicate:row"] if copy else ["between:units"] if position % 2 else ["between:units", "price_near_list"]
        )
        rows.append((f"{position:032x}-0", rules, raw, not copy))
    return rows


def fill_home(home: Path) -> Path:
    """Twelve runs of `transactions` (the last one blocked), one of `stores` and `products`; 61 failing rows now."""
    history, quarantine = ValidationHistory(home), Quarantine(home)
    for run, failing in enumerate([5, 8, 6, 12, 9, 30, 7, 4, 11, 9, 14, 61]):
        result = gate_result("transactions", 1_000, bad_sales(failing))
        history.record(result, run_id=f"run-{run}", when=FIRST_RUN + timedelta(days=run))
        quarantine.write("transactions", "all", result.failing)
    for table, rows in (("stores", 40), ("products", 1_234_567)):
        result = gate_result(table, rows, [])
        history.record(result, run_id="run-11", when=FIRST_RUN + timedelta(days=11))
        quarantine.write(table, "all", result.failing)
    return home


@pytest.fixture
def quarantine(tmp_path: Path) -> Quarantine:
    """Rows a (price), b (price and units), c (units) of `sales`."""
    quarantine = Quarantine(tmp_path)
    quarantine.write("sales", "all", held_back({"a": ["price"], "b": ["price", "units"], "c": ["units"]}))
    return quarantine


@pytest.fixture(scope="session")
def filled_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Such a home, to be read only."""
    return fill_home(tmp_path_factory.mktemp("stewards") / "home")


@pytest.fixture
def steward_home(filled_home: Path, tmp_path: Path) -> Path:
    """A home of one test's own, to be changed."""
    return shutil.copytree(filled_home, tmp_path / "home")


@pytest.fixture(scope="session")
def built_site(filled_home: Path) -> Path:
    """The validation site of such a home, to be read only."""
    history, quarantine = ValidationHistory(filled_home), Quarantine(filled_home)
    return build_site(filled_home.parent / "site", history=history, quarantine=quarantine).parent


@pytest.fixture
def judged() -> Callable[..., GateResult]:
    """Makes a gate result: `judged(table, rows_in, [(key, rules, raw, held), ...])`."""
    return gate_result
