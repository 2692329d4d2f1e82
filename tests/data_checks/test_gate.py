"""The gate: who goes on, who is held and why, and what a steward's word changes."""

from pathlib import Path

import ibis
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_checks.contracts import CONTRACTS, SUFFIX, load_contract
from data_checks.decisions import DECISIONS_SCHEMA, Decisions
from data_checks.gate import GateError, judge
from data_checks.gate_result import GateResult
from data_checks.samples import tagged, valid_rows

CON = ibis.duckdb.connect()


def decided(*triples: tuple[str, str, str]) -> Decisions:
    columns = list(zip(*triples, strict=True))
    return Decisions(pa.table([list(column) for column in columns], schema=DECISIONS_SCHEMA))


def changed(rows: pa.Table, changes: dict[tuple[int, str], object]) -> pa.Table:
    columns = {name: rows[name].to_pylist() for name in rows.column_names}
    for (row, name), value in changes.items():
        columns[name][row] = value
    return pa.table(columns, schema=rows.schema)


def judged(
    rows: pa.Table, table: str = "transactions", decisions: Decisions | None = None, without: str = "", **options: bool
) -> GateResult:
    contract = load_contract(table)
    references = {
        lookup.table: ibis.memtable(valid_rows(load_contract(lookup.table), 100))
        for lookup in contract.lookups
        if lookup.table not in (table, without)
    }
    return judge(
        ibis.memtable(rows), contract, references=references, decisions=decisions or Decisions(), con=CON, **options
    )


def lines(count: int = 100, changes: dict[tuple[int, str], object] | None = None) -> pa.Table:
    return changed(tagged(valid_rows(load_contract("transactions"), count)), changes or {})


def good_keys(result: GateResult) -> set[str]:
    return set(result.good.to_pyarrow()["transaction_id"].to_pylist())


def test_rows_are_counted_by_fate_and_good_ones_have_contract_columns_only() -> None:
    rows = lines(
        10,
        {
            (1, "units"): 0,
            (1, "unit_price"): -1.0,
            (2, "_class"): "duplicate",
            (3, "_class"): "matched_cancellation",
            (4, "_class"): "non_merchandise",
            (4, "units"): -5,
            (5, "_repaired"): "receipt_text: encoding",
        },
    )
    result = judged(rows)
    assert result.counts == {
        "in": 10, "good": 6, "quarantined": 1, "duplicates": 1, "matched_cancellations": 1, "non_merchandise": 1,
    }  # fmt: skip
    assert good_keys(result) == {f"transaction_id-{i}" for i in (0, 5, 6, 7, 8, 9)}
    assert result.good.schema() == load_contract("transactions").ibis_schema()
    held = result.quarantined.to_pylist()
    assert [(row["_row_key"], row["rules"]) for row in held] == [
        ("key-1", ["between:units", "between:unit_price", "price_near_list"])
    ]
    assert held[0]["units"] == "0"
    assert '"transaction_id":"transaction_id-1"' in held[0]["raw"]
    # A copy and a repair stand beside it, so that a steward can accept them; what is no merchandise is not judged.
    assert {row["_row_key"]: row["held"] for row in result.failing.to_pylist()} == {
        "key-1": True, "key-2": False, "key-5": False,
    }  # fmt: skip
    assert result.fact("between:units").failing == 1
    assert result.fact("duplicate:row").failing == 1
    assert result.fact("repaired:receipt_text").failing == 1


def test_tolerance_is_a_fraction_of_the_rows_the_rule_applies_to() -> None:
    """units tolerates 2 %: two of a hundred pass, three do not; good rows are the same either way."""
    two = judged(lines(100, {(i, "units"): 0 for i in range(2)}))
    three = judged(lines(100, {(i, "units"): 0 for i in range(3)}))
    assert two.success and two.fact("between:units").failing_fraction == 0.02
    assert not three.success
    assert [fact.rule_id for fact in three.broken_rules] == ["between:units"]
    assert three.counts["good"] == 97
    verdicts = {r["expectation_config"]["meta"]["rule_id"]: r for r in three.validation["results"]}
    assert [rule for rule, result in verdicts.items() if not result["success"]] == ["between:units"]
    assert verdicts["between:units"]["result"]["unexpected_count"] == 3
    assert verdicts["between:units"]["result"]["element_count"] == 100


def test_release_lets_the_batch_pass_and_the_row_go_on() -> None:
    rows = lines(100, {(i, "units"): 0 for i in range(3)})
    result = judged(rows, decisions=decided(("key-0", "between:units", "release")))
    fact = result.fact("between:units")
    assert (fact.failing, fact.released, fact.rejected) == (2, 1, 0)
    assert result.success
    assert result.counts["good"] == 98 and "transaction_id-0" in good_keys(result)
    assert "key-0" not in result.failing["_row_key"].to_pylist()


def test_release_of_one_rule_leaves_the_other_in_force() -> None:
    rows = lines(100, {(0, "units"): 0, (0, "cancelled_units"): -1})
    result = judged(rows, decisions=decided(("key-0", "between:units", "release")))
    assert result.counts["quarantined"] == 1
    assert result.quarantined["rules"].to_pylist() == [
        ["between:units", "between:cancelled_units", "cancelled_same_day_at_most_cancelled"]
    ]
    assert (result.fact("between:units").failing, result.fact("between:cancelled_units").failing) == (0, 1)


def test_reject_keeps_the_row_out_and_out_of_every_failing_count() -> None:
    rows = lines(100, {(i, "units"): 0 for i in range(3)} | {(0, "cancelled_units"): -1})
    result = judged(rows, decisions=decided(("key-0", "between:units", "reject")))
    assert result.success
    assert (result.fact("between:units").failing, result.fact("between:units").rejected) == (2, 1)
    assert (result.fact("between:cancelled_units").failing, result.fact("between:cancelled_units").rejected) == (0, 1)
    assert result.counts["quarantined"] == 3 and "transaction_id-0" not in good_keys(result)
    # Also when the row breaks nothing any more, because the contract has changed since.
    later = judged(lines(100), decisions=decided(("key-0", "between:units", "reject")))
    assert later.counts["quarantined"] == 1 and "transaction_id-0" not in good_keys(later)
    assert later.quarantined["rules"].to_pylist() == [[]]


def test_decisions_on_rows_that_are_not_there_change_nothing() -> None:
    rows = lines(50, {(0, "units"): 0})
    plain = judged(rows)
    told = judged(rows, decisions=decided(("gone", "between:units", "release"), ("key-1", "between:units", "release")))
    assert told.facts == plain.facts and told.counts == plain.counts


def test_copies_above_tolerance_stop_the_table_until_they_are_released() -> None:
    rows = lines(100, {(i, "_class"): "duplicate" for i in range(4)})
    stopped = judged(rows)
    assert [fact.rule_id for fact in stopped.broken_rules] == ["duplicate:row"]
    accepted = judged(rows, decisions=decided(("key-0", "duplicate:row", "release")))
    assert accepted.success
    assert accepted.counts == stopped.counts  # a copy stays a copy


def test_rows_that_share_a_key_are_all_held_but_a_copy_does_not_hold_its_original() -> None:
    same = {(1, "transaction_id"): "transaction_id-0", (1, "line_no"): 0, (1, "sold_on"): None}
    copy = {(3, "transaction_id"): "transaction_id-2", (3, "line_no"): 0, (3, "_class"): "duplicate"}
    result = judged(lines(100, {**same, **copy}))
    assert set(result.quarantined["_row_key"].to_pylist()) == {"key-0", "key-1"}
    assert (result.fact("unique:primary_key").rows, result.fact("unique:primary_key").failing) == (99, 2)
    assert result.counts["duplicates"] == 1


def test_optional_parts_of_a_key_are_equal_when_both_are_missing() -> None:
    rows = tagged(valid_rows(load_contract("events"), 50))
    same = {(1, "customer_id"): "customer_id-0", (1, "item_id"): "item_id-0", (1, "ordinal"): 0}
    result = judged(changed(rows, same), "events")
    assert set(result.quarantined["_row_key"].to_pylist()) == {"key-0", "key-1"}


def test_a_return_that_is_still_a_row_found_no_sale() -> None:
    named = {(row, "kind"): "return" for row in (50, 51, 52, 53)}
    rows = lines(
        100,
        {
            **named,
            (50, "original_transaction_id"): "transaction_id-10",  # names a sale: cleaning found too few units left
            (50, "original_line_no"): 0,
            (52, "_class"): "matched_cancellation",
            (53, "_class"): "duplicate",  # its original is judged
        },
    )
    result = judged(rows)
    assert [(row["_row_key"], row["rules"]) for row in result.quarantined.to_pylist()] == [
        ("key-50", ["return_matches_sale"]),
        ("key-51", ["return_matches_sale"]),
    ]
    assert (result.fact("return_matches_sale").rows, result.fact("return_matches_sale").failing) == (98, 2)
    released = judged(rows, decisions=decided(("key-51", "return_matches_sale", "release")))
    assert released.fact("return_matches_sale").failing == 1
    assert "transaction_id-51" in good_keys(released)


def test_a_rule_may_look_into_its_own_table_and_earlier_batches(tmp_path: Path) -> None:
    text = (CONTRACTS / f"transactions{SUFFIX}").read_text(encoding="utf-8")
    own = """LEFT JOIN ${table} AS original ON original.transaction_id = ${table}.original_transaction_id
          WHERE original_transaction_id IS NOT NULL AND original.kind IS NULL"""
    changed_text = text.replace("WHERE kind = 'return'", own)
    assert changed_text != text
    (tmp_path / f"transactions{SUFFIX}").write_text(changed_text, encoding="utf-8")
    contract = load_contract("transactions", tmp_path)
    rows = lines(
        20,
        {
            **{(row, "kind"): "return" for row in (5, 6, 7)},
            (5, "original_transaction_id"): "transaction_id-1",
            (6, "original_transaction_id"): "old",
            (7, "original_transaction_id"): "nobody",
        },
    )
    earlier = changed(valid_rows(contract, 1), {(0, "transaction_id"): "old"})
    references = {name: ibis.memtable(valid_rows(load_contract(name), 20)) for name in ("stores", "products")}
    alone = judge(ibis.memtable(rows), contract, references=references, decisions=Decisions(), con=CON)
    references["transactions"] = ibis.memtable(earlier)
    together = judge(ibis.memtable(rows), contract, references=references, decisions=Decisions(), con=CON)
    assert alone.quarantined["_row_key"].to_pylist() == ["key-6", "key-7"]
    assert together.quarantined["_row_key"].to_pylist() == ["key-7"]


def test_a_rule_whose_table_the_source_lacks_is_not_judged_and_says_so() -> None:
    result = judged(lines(10, {(0, "product_id"): "nobody"}), without="products")
    fact = result.fact("reference:product_id")
    assert (fact.rows, fact.failing) == (0, 0)
    assert fact.note == "not judged: this source has no table products"
    assert result.fact("price_near_list").note == fact.note
    assert result.success and result.counts["quarantined"] == 0
    assert judged(lines(10, {(0, "product_id"): "nobody"})).counts["quarantined"] == 1


def test_a_table_that_names_a_key_twice_does_not_multiply_rows() -> None:
    contract = load_contract("transactions")
    products = valid_rows(load_contract("products"), 20)
    references = {
        "stores": ibis.memtable(valid_rows(load_contract("stores"), 20)),
        "products": ibis.memtable(pa.concat_tables([products, products])),
    }
    result = judge(ibis.memtable(lines(20)), contract, references=references, decisions=Decisions(), con=CON)
    assert result.fact("reference:product_id").rows == 20
    assert result.counts["good"] == 20


def test_an_empty_table_passes_only_if_its_source_has_none() -> None:
    empty = tagged(load_contract("stores").empty())
    assert not judged(empty, "stores").success
    absent = judged(empty, "stores", provided=False)
    assert absent.success and absent.counts["in"] == 0 and absent.good.count().execute() == 0
    assert judged(tagged(load_contract("promotions").empty()), "promotions").success  # may well have no rows


def test_a_table_without_the_contracts_columns_is_an_error_that_names_them() -> None:
    with pytest.raises(GateError, match=r"without units, _class: tag the table"):
        judged(lines(5).drop_columns(["units", "_class"]))
    text = lines(5).set_column(8, "units", pa.array(["1"] * 5))
    with pytest.raises(GateError, match=r"units \(string instead of int64\)"):
        judged(text)
    with pytest.raises(GateError, match="no_such_class"):
        judged(lines(5, {(0, "_class"): "no_such_class"}))


def test_rows_from_the_engine_and_from_memory_are_judged_alike() -> None:
    rows = lines(30, {(0, "units"): 0, (1, "_class"): "duplicate"})
    con = ibis.duckdb.connect()
    con.con.register("delivered", rows)
    for name in ("stores", "products"):
        con.con.register(name, valid_rows(load_contract(name), 100))
    references = {name: con.table(name) for name in ("stores", "products")}
    contract = load_contract("transactions")
    stored = judge(con.table("delivered"), contract, references=references, decisions=Decisions(), con=con)
    assert stored.facts == judged(rows).facts
    assert stored.failing.equals(judged(rows).failing)
    left = con.con.execute("SELECT table_name FROM duckdb_tables()").fetchall()
    assert left == []  # what the gate keeps while it works is gone


def test_cleaning_is_done_once_however_much_the_gate_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Work still to be done is worked out into one temporary table; what lies in the engine is not copied."""
    con = ibis.duckdb.connect()
    con.con.register("delivered", lines(30))
    lazy = con.table("delivered").mutate(units=ibis.random().ceil().cast("int64") * 0)  # always 0, never a constant
    made: list[str] = []
    create = con.create_table
    monkeypatch.setattr(con, "create_table", lambda name, *args, **kw: made.append(name) or create(name, *args, **kw))
    contract = load_contract("transactions")
    result = judge(lazy, contract, references={}, decisions=Decisions(), con=con)
    assert result.fact("between:units").failing == 30
    worked_out = len(made)
    judge(con.table("delivered"), contract, references={}, decisions=Decisions(), con=con)
    assert (worked_out, len(made) - worked_out) == (2, 1)  # the rows and the masks; the masks alone


@settings(max_examples=15, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["row", "row", "row", "duplicate", "matched_cancellation", "non_merchandise"]),
            st.sampled_from([-1, 0, 1, 2, 10**9, None]),
            st.sampled_from(["sale", "return", "gift", None]),
            st.sampled_from(["release", "reject", None, None]),
        ),
        min_size=1,
        max_size=12,
    )
)
def test_no_row_is_lost_or_counted_twice(drawn: list[tuple[str, int | None, str | None, str | None]]) -> None:
    changes: dict[tuple[int, str], object] = {}
    triples = []
    for i, (row_class, units, kind, verdict) in enumerate(drawn):
        changes |= {(i, "_class"): row_class, (i, "units"): units, (i, "kind"): kind}
        if verdict:
            triples.append((f"key-{i}", "between:units", verdict))
    decisions = decided(*triples) if triples else Decisions()
    result = judged(lines(len(drawn), changes), decisions=decisions)
    counts = dict(result.counts)
    assert counts.pop("in") == len(drawn) == sum(counts.values())
    good = good_keys(result)
    assert len(good) == counts["good"]
    held = {key.replace("key", "transaction_id") for key in result.quarantined["_row_key"].to_pylist()}
    assert not held & good
    assert held | good == {f"transaction_id-{i}" for i, row in enumerate(drawn) if row[0] == "row"}
    for fact in result.facts:
        assert 0 <= fact.failing <= fact.rows <= len(drawn)
