"""The gate's fast way against Great Expectations over the rows themselves, rule by rule."""

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import ibis
import numpy as np
import pandas as pd
import pytest

from data_checks.contracts import load_contract
from data_checks.decisions import Decisions
from data_checks.gate import judge
from data_checks.suites import native_suite, suite_on_facts, validate

ROWS = 100_000


def bench() -> ModuleType:
    path = Path(__file__).parents[1] / "bench" / "gate_speed.py"
    spec = importlib.util.spec_from_file_location("bench_gate_speed", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def holding(rows: pd.DataFrame, products: pd.DataFrame) -> dict[str, pd.Series]:
    """The expression rules of the transaction contract, written by hand in pandas: True, False, or None."""
    sold, recorded, kind = rows["sold_at"], rows["recorded_at"], rows["kind"]
    no_copy = rows["_class"] == "row"

    def known(holds: pd.Series, *operands: pd.Series) -> pd.Series:
        both = np.logical_and.reduce([no_copy, *(operand.notna().to_numpy() for operand in operands)])
        return holds.astype(object).where(both, None)

    list_price = rows["product_id"].map(products.set_index("product_id")["list_price"])
    names_original = rows["original_transaction_id"].notna() | rows["original_line_no"].notna()
    return {
        "recorded_after_sold": known(recorded >= sold, recorded, sold),
        "recorded_within_7_days": known(recorded <= sold + pd.Timedelta(days=7), recorded, sold),
        "price_near_list": known(
            (rows["unit_price"] >= 0.05 * list_price) & (rows["unit_price"] <= 5 * list_price),
            rows["unit_price"],
            list_price,
        ),
        "return_matches_sale": known(kind != "return", kind),
        "sale_names_no_original": known(~((kind == "sale") & names_original)),
        "cancelled_at_most_sold": known(rows["cancelled_units"] <= rows["units"], rows["units"]),
        "cancelled_same_day_at_most_cancelled": known(rows["cancelled_same_day_units"] <= rows["cancelled_units"]),
        "sold_on_is_day_of_sale": known(pd.to_datetime(rows["sold_on"]) == sold.dt.normalize(), sold),
    }


@pytest.mark.parametrize("dirt", [0.005, 0.03])
def test_facts_equal_native_great_expectations_on_every_rule(dirt: float) -> None:
    contract = load_contract("transactions")
    made = bench().tables(ROWS, dirt=dirt, seed=7)
    con = ibis.duckdb.connect()
    references = {name: ibis.memtable(made[name]) for name in ("stores", "products")}
    gate = judge(ibis.memtable(made["transactions"]), contract, references=references, decisions=Decisions(), con=con)

    rows = made["transactions"].to_pandas()
    rows = rows[rows["_class"].isin(["row", "duplicate"])].reset_index(drop=True)
    for tag in ("_repaired", "_type_errors"):
        rows[tag] = rows[tag].fillna("")
    for rule_id, holds in holding(rows, made["products"].to_pandas()).items():
        rows[f"holds:{rule_id}"] = holds
    keys = {name: made[name][f"{name[:-1]}_id"].to_pylist() for name in references}
    native = validate(native_suite(contract, keys), rows)

    by_rule = {r["expectation_config"]["meta"]["rule_id"]: r for r in native["results"]}
    fast = {r["expectation_config"]["meta"]["rule_id"]: r for r in gate.validation["results"]}
    assert set(by_rule) == {rule.rule_id for rule in contract.rules}
    differences = []
    for fact in gate.facts:
        row_level = by_rule[fact.rule_id]
        result = row_level["result"]
        judged = result["element_count"] - result.get("missing_count", 0)
        if fact.kind == "required":  # there a missing value is what fails
            judged = result["element_count"]
        expected = (judged, result["unexpected_count"], row_level["success"])
        got = (fact.rows, fact.failing, fast[fact.rule_id]["success"])
        if expected != got:
            differences.append((fact.rule_id, expected, got))
    assert not differences
    assert gate.success is (all(r["success"] for r in native["results"]))
    # The comparison is worth something only if the batch breaks (nearly) everything that can be broken.
    untouched = {fact.rule_id for fact in gate.facts if not fact.failing}
    assert untouched <= {
        "type:line_no", "type:recorded_at", "type:original_line_no", "type:cancelled_units",
        "type:cancelled_same_day_units", "type:sold_on", "required:kind", "required:cancelled_units",
        "required:cancelled_same_day_units", "required:sold_on", "between:line_no", "between:cancelled_units",
        "between:cancelled_same_day_units",
    }  # fmt: skip


def test_verdict_follows_each_rule_alone() -> None:
    """A fraction just above tolerance fails exactly its own rule."""
    contract = load_contract("transactions")
    frame = pd.DataFrame([{"rows": 10, **{rule.rule_id: rule.tolerated_fraction for rule in contract.rules}}])
    assert validate(suite_on_facts(contract), frame)["success"] is True
    for rule in contract.rules[::6]:
        worse = frame.copy()
        worse[rule.rule_id] += 1e-9
        result = validate(suite_on_facts(contract), worse)
        failed = [r["expectation_config"]["meta"]["rule_id"] for r in result["results"] if not r["success"]]
        assert failed == [rule.rule_id]


def test_a_rule_left_out_of_the_facts_fails_the_suite() -> None:
    contract = load_contract("stores")
    frame = pd.DataFrame([{"rows": 1, **{rule.rule_id: 0.0 for rule in contract.rules}}])
    assert validate(suite_on_facts(contract), frame)["success"] is True
    assert validate(suite_on_facts(contract), frame.drop(columns="unique:primary_key"))["success"] is False


def test_an_empty_table_fails_only_where_its_source_provides_it() -> None:
    contract = load_contract("stores")
    frame = pd.DataFrame([{"rows": 0, **{rule.rule_id: 0.0 for rule in contract.rules}}])
    assert validate(suite_on_facts(contract), frame)["success"] is False
    assert validate(suite_on_facts(contract, provided=False), frame)["success"] is True


def test_forbidden_pattern_knows_broken_encodings_and_spares_real_letters() -> None:
    pattern = re.compile(load_contract("transactions").rule("pattern:receipt_text").forbidden_pattern or "")
    broken = ["Café", "Müsli", "Straße", "10 €", "“x”", "šunka"]
    for text in broken:
        mangled = text.encode("utf-8").decode("cp1252", errors="replace")
        assert pattern.search(mangled), mangled
        assert not pattern.search(text), text
    assert not pattern.search("PÃO DE AÇÚCAR")
