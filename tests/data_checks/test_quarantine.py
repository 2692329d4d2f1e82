"""The quarantine: hand-worked decisions, batches that come and go, and what is refused."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from quarantine_rows import held_back, status

from data_checks.decisions import Decision, VerdictsInForce
from data_checks.quarantine import Quarantine, QuarantineError

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def pairs(quarantine: Quarantine, table: str = "sales") -> set[tuple[str, str, str]]:
    return {
        (row["_row_key"], row["rule_id"], row["verdict"]) for row in quarantine.decisions(table).verdicts.to_pylist()
    }


def test_fresh_rows_are_open_and_counted_by_rule(quarantine):
    summary = quarantine.summary("sales")
    assert summary.rows == {"open": 3, "released": 0, "rejected": 0, "gone": 0}
    assert summary.open_by_rule == {"price": 2, "units": 2}
    assert len(quarantine.decisions("sales")) == 0


def test_releasing_a_rule_waives_that_rule_alone(quarantine):
    quarantine.decide("sales", rule="price", verdict="release", reason="new price list", who="Ada")
    assert status(quarantine) == {"a": "released", "b": "open", "c": "open"}
    assert quarantine.summary("sales").open_by_rule == {"units": 2}
    assert pairs(quarantine) == {("a", "price", "release"), ("b", "price", "release")}


def test_rejecting_one_rule_keeps_the_whole_row_out(quarantine):
    quarantine.decide("sales", rule="price", verdict="reject", reason="till was broken", who="Ada")
    assert status(quarantine) == {"a": "rejected", "b": "rejected", "c": "open"}


def test_rows_by_key_are_decided_on_every_rule_they_break(quarantine):
    quarantine.decide("sales", row_keys=["b"], verdict="release", reason="checked the receipt", who="Ada")
    assert status(quarantine) == {"a": "open", "b": "released", "c": "open"}
    assert pairs(quarantine) == {("b", "price", "release"), ("b", "units", "release")}


def test_later_decisions_overrule_earlier_ones(quarantine):
    quarantine.decide("sales", every_row=True, verdict="reject", reason="all wrong", who="Ada")
    second = quarantine.decide("sales", rule="units", verdict="release", reason="bulk order", who="Bo")
    assert second.overrules == 2
    assert status(quarantine) == {"a": "rejected", "b": "rejected", "c": "released"}
    quarantine.decide("sales", row_keys=["b"], verdict="release", reason="receipt found", who="Bo")
    assert status(quarantine)["b"] == "released"


def test_a_release_can_be_taken_back_after_its_row_went_on(quarantine):
    quarantine.decide("sales", rule="price", verdict="release", reason="new price list", who="Ada")
    quarantine.write("sales", "all", held_back({"b": ["units"], "c": ["units"]}))
    assert status(quarantine) == {"a": "released", "b": "open", "c": "open"}
    assert quarantine.decide("sales", rule="price", verdict="reject", reason="wrong list", who="Ada").overrules == 1
    assert status(quarantine)["a"] == "rejected"


def test_a_rule_decision_does_not_wave_future_rows_through(quarantine):
    quarantine.decide("sales", rule="price", verdict="release", reason="new price list", who="Ada")
    quarantine.write("sales", "all", held_back({"b": ["units"], "c": ["units"], "d": ["price"]}))
    assert status(quarantine)["d"] == "open"
    assert not any(key == "d" for key, _, _ in pairs(quarantine))


def test_a_released_row_that_breaks_another_rule_is_held_again(quarantine):
    quarantine.decide("sales", row_keys=["a"], verdict="release", reason="checked", who="Ada")
    quarantine.write("sales", "all", held_back({"a": ["price", "reference"]}))
    assert status(quarantine)["a"] == "open"


def test_a_rejected_row_that_breaks_nothing_any_more_can_be_released(quarantine):
    quarantine.decide("sales", row_keys=["a"], verdict="reject", reason="no such price", who="Ada")
    quarantine.write("sales", "all", held_back({"a": []}))
    assert status(quarantine)["a"] == "rejected"
    quarantine.decide("sales", row_keys=["a"], verdict="release", reason="price list came late", who="Ada")
    assert status(quarantine)["a"] == "released"
    assert pairs(quarantine) == {("a", "price", "release")}


def test_rows_that_leave_their_source_stay_as_history(quarantine):
    quarantine.write("sales", "all", held_back({"b": ["price"]}, note=["new column"]))
    rows = {row["_row_key"]: row for row in quarantine.rows("sales").to_pylist()}
    assert {key: row["status"] for key, row in rows.items()} == {"a": "gone", "b": "open", "c": "gone"}
    assert rows["b"]["note"] == "new column"
    assert rows["a"]["note"] is None
    assert json.loads(rows["c"]["raw"]) == {"id": "c"}
    quarantine.write("sales", "all", held_back({}))
    assert status(quarantine) == {"a": "gone", "b": "gone", "c": "gone"}
    quarantine.write("sales", "all", held_back({"c": ["units"]}))
    assert status(quarantine)["c"] == "open"


def test_batches_are_replaced_one_by_one(quarantine):
    quarantine.write("stock", "day=2026-03-01", held_back({"x": ["units"]}))
    quarantine.write("stock", "day=2026-03-02", held_back({"y": ["units"]}))
    quarantine.write("stock", "day=2026-03-02", held_back({"z": ["units"]}))
    assert status(quarantine, "stock") == {"x": "open", "y": "gone", "z": "open"}
    assert quarantine.tables() == ("sales", "stock")


def files(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def test_the_same_run_again_changes_no_byte(quarantine, tmp_path):
    quarantine.write("sales", "all", held_back({"b": ["price"]}))
    before = files(tmp_path)
    quarantine.write("sales", "all", held_back({"b": ["price"]}))
    assert files(tmp_path) == before


def test_row_order_does_not_matter(tmp_path):
    for name, keys in (("one", "abc"), ("two", "cab")):
        Quarantine(tmp_path / name).write("sales", "all", held_back({key: ["price"] for key in keys}))
    assert files(tmp_path / "one") == files(tmp_path / "two")


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"who": "  "}, "the name is empty"),
        ({"reason": "\n"}, "the reason is empty"),
        ({"reason": "x" * 2_001}, "has 2,001 characters: use at most 2,000"),
        ({"who": "Ad\udce9"}, "is no valid text"),
        ({"verdict": "maybe"}, "use release or reject"),
        ({"rule": "colour"}, "rules broken here: price, units"),
        ({"rule": None, "row_keys": ["a", "nope"]}, r"1 row keys are not .*'nope'.*holds 3 rows, such as a, b, c"),
        ({"rule": None, "row_keys": []}, "at least one row key"),
        ({"rule": None}, "either row keys, or one rule, or all"),
        ({"every_row": True}, "either row keys, or one rule, or all"),
    ],
)
def test_unusable_decisions_are_refused_and_leave_no_trace(quarantine, changed, message):
    asked = {"rule": "price", "verdict": "release", "reason": "checked", "who": "Ada", **changed}
    with pytest.raises(QuarantineError, match=message):
        quarantine.decide("sales", **asked)
    assert quarantine.log("sales") == ()


def test_an_unknown_table_names_the_known_ones(quarantine):
    with pytest.raises(QuarantineError, match="no table 'sale' in the quarantine; known: sales"):
        quarantine.decide("sale", every_row=True, verdict="release", reason="x", who="Ada")
    assert len(quarantine.decisions("never_judged")) == 0


@pytest.mark.parametrize("name", ["../sales", "", "a/b", ".hidden", "x" * 101])
def test_names_that_would_leave_the_folder_are_refused(quarantine, name):
    with pytest.raises(QuarantineError, match="name"):
        quarantine.write(name, "all", held_back({"a": ["price"]}))
    with pytest.raises(QuarantineError, match="name"):
        quarantine.write("sales", name, held_back({"a": ["price"]}))
    with pytest.raises(QuarantineError, match="no table"):
        quarantine.rows(name)


def test_unusable_rows_are_refused(quarantine):
    with pytest.raises(QuarantineError, match="1 row keys of 'sales' occur twice"):
        quarantine.write("sales", "all", pa.concat_tables([held_back({"a": ["price"]})] * 2))
    with pytest.raises(QuarantineError, match=r"lack \['raw'\]"):
        quarantine.write("sales", "all", held_back({"a": ["price"]}).drop_columns("raw"))


def test_the_log_says_who_when_why_and_on_what(quarantine):
    quarantine.decide("sales", rule="price", verdict="release", reason=' new\n"list" ✓ ', who=" Zoë ", when=NOON)
    (decision,) = quarantine.log("sales")
    assert decision.headline() == {
        "decision_id": "sales-1",
        "table": "sales",
        "when": "2026-03-01T12:00:00Z",
        "who": "Zoë",
        "verdict": "release",
        "reason": 'new\n"list" ✓',
        "scope": "rule",
        "rule": "price",
        "rows": 2,
        "overrules": 0,
    }
    assert decision.targets == ((("price",), ("a", "b")),)


@given(
    st.lists(st.tuples(st.sampled_from(["release", "reject"]), st.sets(st.sampled_from("abc"), min_size=1)), max_size=6)
)
@settings(max_examples=50)
def test_the_last_verdict_on_a_pair_is_in_force(history):
    log = [
        Decision(
            "x", "sales", "", "Ada", verdict, "r", "rows", None, len(keys), 0, ((("price",), tuple(sorted(keys))),)
        )
        for verdict, keys in history
    ]
    expected = {key: verdict for verdict, keys in history for key in keys}
    in_force = VerdictsInForce(log)
    assert {key: dict(in_force.of(key)) for key in expected} == {key: {"price": v} for key, v in expected.items()}
