"""Every contract file: standard-conform, readable, satisfiable, and each of its rules catches what it is there for."""

import json
from pathlib import Path

import ibis
import jsonschema
import pyarrow as pa
import pytest
import yaml
from open_data_contract_standard.model import OpenDataContractStandard

from data_checks.contracts import (
    CONTRACTS,
    SUFFIX,
    Contract,
    ContractError,
    check_columns,
    conform,
    contract_names,
    load_contract,
    table_names,
)
from data_checks.decisions import Decisions
from data_checks.gate import judge
from data_checks.gate_result import GateResult
from data_checks.rules import Rule
from data_checks.samples import tagged, valid_rows

TABLES = (
    "approved_samples", "attention", "calendar", "covariates", "customers", "events", "floor_devices", "floor_lanes",
    "floor_looks", "floor_mat_activity", "floor_shelf_events", "floor_stops", "floor_tracks", "floor_visits", "friendships",
    "image_labels", "images",
    "impressions", "inspections", "inventory", "item_attributes", "label_classes", "label_issues", "price_plans", "prices",
    "products", "promotions", "sales", "series", "sessions", "shop_bill_lines", "shop_bills", "shop_reviews", "social_heat",
    "stock_movements", "stores", "transactions", "weather",
    "weather_forecast", "wifi_fingerprints", "wifi_scans",
)  # fmt: skip


def judged(contract: Contract, table: pa.Table) -> GateResult:
    con = ibis.duckdb.connect()
    references = {
        lookup.table: ibis.memtable(valid_rows(load_contract(lookup.table), 9))
        for lookup in contract.lookups
        if lookup.table != contract.name
    }
    return judge(ibis.memtable(table), contract, references=references, decisions=Decisions(), con=con)


def test_every_table_has_a_strict_and_a_lenient_contract() -> None:
    assert table_names() == TABLES
    assert set(contract_names()) == {*TABLES, *(f"{table}_raw" for table in TABLES)}


@pytest.mark.parametrize("name", contract_names())
def test_file_keeps_the_standard_and_is_fit_to_read(name: str) -> None:
    document = yaml.safe_load((CONTRACTS / f"{name}{SUFFIX}").read_text(encoding="utf-8"))
    schema = json.loads(OpenDataContractStandard.json_schema())
    errors = [
        f"{list(error.absolute_path)}: {error.message}"
        for error in jsonschema.validators.validator_for(schema)(schema).iter_errors(document)
    ]
    assert not errors
    contract = load_contract(name)
    assert contract.owner and contract.purpose and contract.usage and contract.limitations
    assert all(len(column.description) > 5 for column in contract.columns)
    assert all(column.unit for column in contract.columns if column.type in ("int", "float"))
    assert contract.lenient or contract.rules
    if any(column.unit == "currency" for column in contract.columns):
        assert contract.currency == "EUR"


@pytest.mark.parametrize("table", TABLES)
def test_raw_contract_names_the_same_columns_and_no_rules(table: str) -> None:
    strict, raw = load_contract(table), load_contract(f"{table}_raw")
    made_by_cleaning = {
        "transactions": {"cancelled_units", "cancelled_same_day_units", "sold_on"},
        "sales": {"censored"},
        "events": {"happened_on"},
        "sessions": {"started_on"},
        "impressions": {"shown_on"},
    }.get(table, set())
    added_by_source = {"sales": {"keys"}}.get(table, set())
    assert set(raw.column_names) - added_by_source == set(strict.column_names) - made_by_cleaning
    assert raw.rules == () and raw.lookups == ()
    assert all(field.type == pa.string() for field in raw.arrow_schema())


@pytest.mark.parametrize("table", TABLES)
def test_rows_made_from_a_contract_keep_it(table: str) -> None:
    contract = load_contract(table)
    result = judged(contract, tagged(valid_rows(contract, 5)))
    assert result.success
    assert {fact.rule_id: fact.failing for fact in result.facts} == {rule.rule_id: 0 for rule in contract.rules}
    assert not any(fact.note for fact in result.facts)
    good = result.good.to_pyarrow()
    assert good.schema.equals(contract.arrow_schema())
    assert good.sort_by(contract.primary_key[0]).equals(valid_rows(contract, 5).sort_by(contract.primary_key[0]))


def broken_row(rule: Rule, contract: Contract) -> dict[str, object]:
    """What to write into a valid row so that it breaks the rule."""
    column = rule.columns[0] if rule.columns else ""
    match rule.kind:
        case "required":
            return {column: None}
        case "type":
            return {column: None, "_type_errors": f"other=1; {column}=three"}
        case "duplicate":
            return {"_class": "duplicate"}
        case "allowed":
            return {column: "neither"}
        case "between" if rule.maximum is not None:
            return {column: rule.maximum if rule.strict_maximum else rule.maximum + 1}
        case "between":
            assert rule.minimum is not None
            return {column: rule.minimum if rule.strict_minimum else rule.minimum - 1}
        case "pattern":
            return {column: "CafÃ©"}
        case "repaired":
            return {"_repaired": f"{column}: encoding"}
        case "reference":
            return {column: "nobody"}
    raise AssertionError(rule.kind)


@pytest.mark.parametrize("table", TABLES)
def test_each_rule_catches_the_row_that_breaks_it_and_spares_the_others(table: str) -> None:
    """All rules made from columns at once: row i breaks rule i, the row after the last keeps all."""
    contract = load_contract(table)
    rules = [rule for rule in contract.rules if rule.kind not in ("expression", "unique")]
    rows = tagged(valid_rows(contract, len(rules) + 1))
    columns = {name: rows[name].to_pylist() for name in rows.column_names}
    for i, rule in enumerate(rules):
        for name, value in broken_row(rule, contract).items():
            columns[name][i] = value
    rows = pa.table(columns, schema=rows.schema)
    con = ibis.duckdb.connect()
    references = {
        lookup.table: ibis.memtable(valid_rows(load_contract(lookup.table), len(rules) + 1))
        for lookup in contract.lookups
        if lookup.table != contract.name
    }
    result = judge(ibis.memtable(rows), contract, references=references, decisions=Decisions(), con=con)
    broken_by = {row["_row_key"]: row["rules"] for row in result.failing.to_pylist()}
    for i, rule in enumerate(rules):
        assert rule.rule_id in broken_by[f"key-{i}"], rule.rule_id
        expected = {"type": 1, "required": 2}.get(rule.kind)
        if rule.kind == "required":  # a type failure leaves a null behind
            expected = 1 + (f"type:{rule.column}" in [r.rule_id for r in rules])
        assert result.fact(rule.rule_id).failing == (expected or 1), rule.rule_id
    assert f"key-{len(rules)}" not in broken_by


def test_what_is_known_ahead_is_marked_and_nothing_else() -> None:
    marked = {table: load_contract(table).known_ahead for table in TABLES}
    assert {table: mark for table, mark in marked.items() if mark != "never"} == {
        "calendar": "always",
        "covariates": "known_from",
        "price_plans": "announced_on",
        "promotions": "announced_on",
        "weather_forecast": "issued_on",
    }
    assert {column.known_ahead for column in load_contract("social_heat").columns} == {"never"}


def test_transactions_in_the_words_of_each_library() -> None:
    contract = load_contract("transactions")
    assert contract.primary_key == ("transaction_id", "line_no")
    assert contract.partition_by == "sold_on"
    assert contract.arrow_schema().field("sold_at").type == pa.timestamp("us")
    assert contract.ibis_schema()["units"] == ibis.dtype("int64")
    assert contract.empty().to_pandas().astype(contract.pandas_dtypes()).dtypes["original_line_no"].name == "Int64"
    assert {lookup.table for lookup in contract.lookups} == {"stores", "products"}


@pytest.mark.parametrize(
    ("table", "old", "new", "words"),
    [
        ("stores", "logicalType: number", "logicalType: decimal", ("column area_m2", "'decimal'", "number")),
        ("stores", "physicalType: DATE", "physicalType: TEXT", ("column opened_on", "'TEXT'", "DATE")),
        ("stores", "            value: m2\n", "            value:\n", ("column area_m2", "unit")),
        ("stores", "v3.1.0\nkind", "v2.2.0\nkind", ("apiVersion", "'v2.2.0'", "v3.1.0")),
        ("stores", "name: stores\n", "name: shops\n", ("'shops'", "stores")),
        ("stores", "    value: 0.0\n", "    value: 7\n", ("toleratedFraction", "7", "between 0 and 1")),
        ("stores", "    value: never\n", "    value: soon\n", ("knownAhead", "'soon'")),
        ("stores", "        primaryKey: true\n", "", ("primaryKey",)),
        ("products", "list_price < unit_cost", "list_price < unit_costs", ("price_covers_cost", "unit_costs")),
        ("products", "WHERE list_price < unit_cost", "", ("price_covers_cost", "WHERE")),
        ("products", "list_price < unit_cost", "list_price < (unit_cost", ("price_covers_cost", "no valid SQL")),
        ("products", "        unit: percent\n        mustBeLessOrEqualTo: 5\n", "", ("price_covers_cost", "percent")),
        ("transactions", "= ${table}.product_id", "> ${table}.product_id", ("price_near_list", "equal columns")),
        ("transactions", "products.list_price OR", "supplier.list_price OR", ("price_near_list", "supplier")),
        ("transactions", "to: stores.store_id", "to: store_id", ("relationships.to", "table.column")),
        ("transactions", "name: cancelled_at_most_sold", "name: recorded_after_sold", ("recorded_after_sold", "own")),
    ],
)  # fmt: skip
def test_a_wrong_contract_is_refused_by_file_field_value_and_remedy(
    tmp_path: Path, table: str, old: str, new: str, words: tuple[str, ...]
) -> None:
    text = (CONTRACTS / f"{table}{SUFFIX}").read_text(encoding="utf-8")
    assert old in text
    (tmp_path / f"{table}{SUFFIX}").write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(ContractError) as refused:
        load_contract(table, tmp_path)
    for word in (f"{table}{SUFFIX}", *words):
        assert word in str(refused.value)


def test_a_sql_rule_without_its_query_is_refused(tmp_path: Path) -> None:
    document = yaml.safe_load((CONTRACTS / f"products{SUFFIX}").read_text(encoding="utf-8"))
    del next(check for check in document["schema"][0]["quality"] if check.get("type") == "sql")["query"]
    (tmp_path / f"products{SUFFIX}").write_text(yaml.safe_dump(document), encoding="utf-8")
    with pytest.raises(ContractError, match="price_covers_cost: query"):
        load_contract("products", tmp_path)


def test_an_unknown_contract_names_those_there_are() -> None:
    with pytest.raises(ContractError, match="transactions_raw"):
        load_contract("transaction")


def test_raw_delivery_is_completed_and_ordered() -> None:
    contract = load_contract("sales_raw")
    given = pa.table(
        {"unit": ["units"], "value": [3], "period_start": ["2025-01-06"], "keys": ["{}"], "series_id": ["a"]}
    )
    table = conform(given.to_reader(), contract).read_all()
    assert table.column_names == list(contract.column_names)
    assert table["open"].to_pylist() == [None]
    assert table["value"].type == pa.int64()  # types stay as delivered


def test_raw_delivery_with_missing_and_unknown_columns_is_refused() -> None:
    contract = load_contract("sales_raw")
    given = pa.table(
        {"series_id": ["a"], "keys": ["{}"], "value": [1.0], "unit": ["units"], "weekday": [1], "promo": [0]}
    )
    with pytest.raises(ContractError) as refused:
        conform(given.to_reader(), contract)
    assert "lacks period_start" in str(refused.value)
    assert "weekday, promo" in str(refused.value)
    check_columns(contract.column_names, contract)
