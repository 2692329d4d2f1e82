"""Transaction lines: returns booked against sales by hand-worked cases, fee lines, and the accounting identity."""

from collections import Counter
from datetime import datetime, timedelta
from typing import Any

import ibis
import numpy as np
import pyarrow as pa
import pytest

from data_checks.contracts import load_contract
from features.cleaning import CLASSES
from features.cleaning_transactions import TransactionRules, find_returns, tag_transactions
from features.engine import connect

BY_CUSTOMER = TransactionRules(returns_by="customer_product")
MONDAY = datetime(2024, 1, 1, 12)


@pytest.fixture(scope="module")
def con() -> Any:
    return connect()


def line(ident: str, units: int = 1, day: int = 0, *, kind: str = "sale", **other: Any) -> dict[str, Any]:
    at = str(MONDAY + timedelta(days=day))
    transaction, number = ident.split("/")
    base = {
        "transaction_id": transaction, "line_no": number, "store_id": "S", "product_id": "P", "customer_id": "C",
        "sold_at": at, "recorded_at": at, "kind": kind, "units": str(units), "unit_price": "2.5", "receipt_text": "tea",
        "original_transaction_id": None, "original_line_no": None,
    }  # fmt: skip
    return base | other


def back(ident: str, units: int, day: int, of: str | None = None, **other: Any) -> dict[str, Any]:
    transaction, number = of.split("/") if of else (None, None)
    return line(ident, units, day, kind="return", original_transaction_id=transaction, original_line_no=number, **other)


def tag(
    con: Any, lines: list[dict[str, Any]], rules: TransactionRules | None = None, **other: Any
) -> list[dict[str, Any]]:
    tagged = tag_transactions(raw_table(lines), load_contract("transactions"), rules=rules, **other)
    return con.to_pyarrow(tagged).to_pylist()


def raw_table(lines: list[dict[str, Any]]) -> ibis.Table:
    schema = pa.schema([(name, pa.string()) for name in line("t/1")])
    return ibis.memtable(pa.Table.from_pylist(lines, schema=schema))


def same_day(rows: list[dict[str, Any]]) -> dict[str, int]:
    """Line name -> units returned on the day of sale, of the lines that have any."""
    found = {f"{r['transaction_id']}/{r['line_no']}": r["cancelled_same_day_units"] for r in rows}
    return {name: units for name, units in found.items() if units}


def outcome(rows: list[dict[str, Any]]) -> dict[str, tuple[str, int]]:
    """Line name -> (class, cancelled units)."""
    return {f"{r['transaction_id']}/{r['line_no']}": (r["_class"], r["cancelled_units"]) for r in rows}


def test_partial_return_by_original_line(con: Any) -> None:
    rows = tag(con, [line("a/1", 5), line("a/2", 9), back("r/1", 2, 3, "a/1")])
    assert outcome(rows) == {"a/1": ("row", 2), "a/2": ("row", 0), "r/1": ("matched_cancellation", 0)}


@pytest.mark.parametrize("rules", [None, BY_CUSTOMER])
def test_only_what_came_back_on_the_day_of_sale_is_same_day(con: Any, rules: TransactionRules | None) -> None:
    night = str(MONDAY.replace(hour=23, minute=59))
    morning = str(MONDAY.replace(hour=0) + timedelta(days=1))
    lines = [
        line("a/1", 9),
        back(
            "r/1", 2, 0, "a/1", sold_at=night, recorded_at=str(MONDAY + timedelta(days=3))
        ),  # booked late, all the same
        back("r/2", 3, 1, "a/1", sold_at=morning),
        line("b/1", 4, product_id="Q"),
        back("r/3", 4, 5, "b/1", product_id="Q"),
    ]
    rows = tag(con, lines, rules)
    assert (outcome(rows)["a/1"], outcome(rows)["b/1"]) == (("row", 5), ("row", 4))
    assert same_day(rows) == {"a/1": 2}


def test_a_sale_of_the_same_day_goes_before_an_earlier_one_of_equal_price(con: Any) -> None:
    lines = [line("a/1", 5, 0), line("b/1", 5, 5, unit_price="2.4"), back("r/1", 4, 5)]
    assert same_day(tag(con, lines, BY_CUSTOMER)) == {"b/1": 4}


def test_a_later_return_takes_nothing_from_one_of_the_day_of_sale(con: Any) -> None:
    """r/2 is turned away by b, its favourite, and falls back on a, which r/9 wants whole thirty days later."""
    day = [
        line("a/1", 5, 0, sold_at=str(MONDAY.replace(hour=9))),
        line("b/1", 3, 0, sold_at=str(MONDAY.replace(hour=10))),
        back("r/1", 3, 0),
        back("r/2", 2, 0, sold_at=str(MONDAY.replace(hour=13))),
    ]
    assert same_day(tag(con, day, BY_CUSTOMER)) == {"a/1": 2, "b/1": 3}
    rows = tag(con, [*day, back("r/9", 5, 30)], BY_CUSTOMER)
    assert same_day(rows) == {"a/1": 2, "b/1": 3}
    assert outcome(rows)["r/9"] == ("row", 0)


def test_two_returns_for_one_sale_while_units_last(con: Any) -> None:
    rows = tag(con, [line("a/1", 5), back("r/1", 2, 1, "a/1"), back("r/2", 3, 2, "a/1"), back("r/3", 1, 3, "a/1")])
    assert outcome(rows) == {
        "a/1": ("row", 5),
        "r/1": ("matched_cancellation", 0),
        "r/2": ("matched_cancellation", 0),
        "r/3": ("row", 0),
    }


def test_a_return_that_is_too_large_leaves_room_for_a_later_one_that_fits(con: Any) -> None:
    rows = tag(con, [line("a/1", 3), back("r/1", 2, 1, "a/1"), back("r/2", 2, 2, "a/1"), back("r/3", 1, 3, "a/1")])
    assert outcome(rows) == {
        "a/1": ("row", 3),
        "r/1": ("matched_cancellation", 0),
        "r/2": ("row", 0),
        "r/3": ("matched_cancellation", 0),
    }


@pytest.mark.parametrize(
    "bad_return",
    [
        back("r/1", 1, -1, "a/1"),  # before its sale
        back("r/1", 1, 1, "nowhere/1"),
        back("r/1", 1, 1, "a/1", product_id="Q"),
        back("r/1", 6, 1, "a/1"),  # more than was sold
        back("r/1", 1, 1),  # names no sale, and this source matches by original line alone
        back("r/1", 1, 1, "a/1", sold_at="whenever"),
        back("r/1", 0, 1, "a/1"),
    ],
)
def test_unmatched_returns_stay_rows(con: Any, bad_return: dict[str, Any]) -> None:
    assert outcome(tag(con, [line("a/1", 5), bad_return])) == {"a/1": ("row", 0), "r/1": ("row", 0)}


def test_a_copied_return_counts_once(con: Any) -> None:
    again = back("r/1", 2, 3, "a/1")
    rows = tag(con, [line("a/1", 5), again, dict(again)])
    assert Counter((r["kind"], r["_class"], r["cancelled_units"]) for r in rows) == {
        ("sale", "row", 2): 1,
        ("return", "matched_cancellation", 0): 1,
        ("return", "duplicate", 0): 1,
    }


def test_a_copied_sale_is_cancelled_once(con: Any) -> None:
    rows = tag(con, [line("a/1", 5), line("a/1", 5), back("r/1", 5, 3, "a/1")])
    assert Counter((r["kind"], r["_class"], r["cancelled_units"]) for r in rows) == {
        ("sale", "row", 5): 1,
        ("sale", "duplicate", 0): 1,
        ("return", "matched_cancellation", 0): 1,
    }


def test_without_original_the_latest_earlier_sale_of_the_customer_is_taken(con: Any) -> None:
    lines = [line("a/1", 5, 0), line("b/1", 5, 2), line("c/1", 5, 9), line("d/1", 5, 3, customer_id="other")]
    found = outcome(tag(con, [*lines, back("r/1", 4, 5)], BY_CUSTOMER))
    assert {name for name, (_, cancelled) in found.items() if cancelled} == {"b/1"}
    assert found["r/1"] == ("matched_cancellation", 0)


def test_equal_price_goes_before_later_sale(con: Any) -> None:
    lines = [line("a/1", 5, 0), line("b/1", 5, 2, unit_price="2.4")]
    assert outcome(tag(con, [*lines, back("r/1", 4, 5)], BY_CUSTOMER))["a/1"] == ("row", 4)


def test_a_sale_without_enough_units_left_is_passed_over(con: Any) -> None:
    lines = [
        line("a/1", 5, 0),
        line("b/1", 3, 2),
        back("r/1", 3, 4),
        back("r/2", 2, 5),
        back("r/3", 2, 6),
        back("r/4", 2, 7),
    ]
    assert outcome(tag(con, lines, BY_CUSTOMER)) == {
        "a/1": ("row", 4),
        "b/1": ("row", 3),
        "r/1": ("matched_cancellation", 0),
        "r/2": ("matched_cancellation", 0),
        "r/3": ("matched_cancellation", 0),
        "r/4": ("row", 0),
    }


def test_no_customer_no_match(con: Any) -> None:
    lines = [line("a/1", 5, customer_id=None), back("r/1", 1, 1, customer_id=None)]
    assert outcome(tag(con, lines, BY_CUSTOMER))["r/1"] == ("row", 0)


def test_lines_without_a_receipt_are_booked_too(con: Any) -> None:
    lines = [line("a/1", 5, transaction_id=None), back("r/1", 2, 1, transaction_id=None)]
    rows = tag(con, lines, BY_CUSTOMER)
    assert sorted((r["kind"], r["_class"], r["cancelled_units"]) for r in rows) == [
        ("return", "matched_cancellation", 0), ("sale", "row", 2),
    ]  # fmt: skip


def test_product_ids_in_two_cases_are_one_product(con: Any) -> None:
    rules = TransactionRules(returns_by="customer_product", upper_case_product_ids=True)
    rows = tag(con, [line("a/1", 5, product_id="85123a "), back("r/1", 5, 1, product_id="85123A")], rules)
    assert {r["product_id"] for r in rows} == {"85123A"}
    assert outcome(rows)["a/1"] == ("row", 5)


def test_fee_lines_are_no_merchandise_and_copies_of_them_duplicates(con: Any) -> None:
    rules = TransactionRules(fee_codes=frozenset({"POST", "GIFT*"}))
    codes = ["post", "POST", "POSTER", "gift_0001", None]
    rows = tag(
        con, [line(f"a/{n}", product_id=code) for n, code in enumerate(codes)] + [line("a/0", product_id="post")], rules
    )
    assert sorted((r["line_no"], r["_class"]) for r in rows) == [
        (0, "duplicate"), (0, "non_merchandise"), (1, "non_merchandise"), (2, "row"), (3, "non_merchandise"),
        (4, "row"),
    ]  # fmt: skip


def test_returned_fees_stay_fees(con: Any) -> None:
    rules = TransactionRules(fee_codes=frozenset({"POST"}), returns_by="customer_product")
    rows = tag(con, [line("a/1", product_id="POST"), back("r/1", 1, 1, product_id="POST")], rules)
    assert outcome(rows) == {"a/1": ("non_merchandise", 0), "r/1": ("non_merchandise", 0)}


def test_fee_codes_that_match_nothing_or_everything_are_refused() -> None:
    for code in ("post", " POST", "*", ""):
        with pytest.raises(ValueError, match="fee codes"):
            TransactionRules(fee_codes=frozenset({code}))


def test_the_day_of_sale_is_derived(con: Any) -> None:
    assert [str(row["sold_on"]) for row in tag(con, [line("a/1")])] == ["2024-01-01"]


def generated_dirt() -> list[dict[str, Any]]:
    """640 lines of 60 days, sales and returns of which some name their sale; 40 are copies."""
    rng = np.random.default_rng(7)
    lines: list[dict[str, Any]] = []
    for number in range(600):
        cells = {
            "product_id": f"P{rng.integers(8)}",
            "customer_id": None if rng.random() < 0.2 else f"C{rng.integers(10)}",
            "unit_price": ["2.5", "2.4", "0", "x"][rng.integers(4)],
        }
        if rng.random() < 0.4:
            sales = [one for one in lines if one["kind"] == "sale"]
            original = sales[int(rng.integers(len(sales)))] if sales and rng.random() < 0.7 else None
            of = f"{original['transaction_id']}/{original['line_no']}" if original else None
            cells |= {"product_id": original["product_id"]} if original else {}
            lines.append(back(f"r{number}/1", int(rng.integers(-1, 4)), int(rng.integers(60)), of, **cells))
        else:
            lines.append(line(f"s{number}/1", int(rng.integers(-1, 6)), int(rng.integers(60)), **cells))
    return lines + [dict(lines[int(n)]) for n in rng.integers(len(lines), size=40)]


@pytest.mark.parametrize("rules", [TransactionRules(fee_codes=frozenset({"P7"})), BY_CUSTOMER])
def test_accounting_on_generated_dirt(con: Any, rules: TransactionRules) -> None:
    """Every raw row in one class; units taken back are units cancelled; no sale gives back more than it sold."""
    lines = generated_dirt()
    rows = tag(con, lines, rules)
    assert len(rows) == len(lines) == len({r["_row_key"] for r in rows})
    classes = Counter(r["_class"] for r in rows)
    assert sum(classes[name] for name in CLASSES) == len(lines)
    assert classes["duplicate"] == len(lines) - len({tuple(cells.items()) for cells in lines})
    matched = [r for r in rows if r["_class"] == "matched_cancellation"]
    assert len(matched) > 10
    assert sum(r["units"] for r in matched) == sum(r["cancelled_units"] for r in rows)
    assert all(0 <= r["cancelled_units"] <= max(r["units"] or 0, 0) for r in rows)
    assert all(0 <= r["cancelled_same_day_units"] <= r["cancelled_units"] for r in rows)
    again = tag(con, lines[::-1], rules)
    assert {r["_row_key"]: r for r in again} == {r["_row_key"]: r for r in rows}, "order of delivery must not matter"


@pytest.mark.parametrize("rules", [TransactionRules(), BY_CUSTOMER])
def test_later_lines_move_cancelled_units_but_never_the_same_day_ones(con: Any, rules: TransactionRules) -> None:
    # Few days, products and customers, so that returns of one day compete with those of others.
    lines = [
        one | {"sold_at": str(day), "recorded_at": str(day)}
        for one in generated_dirt()
        if (day := MONDAY + (datetime.fromisoformat(one["sold_at"]) - MONDAY) / 10)
    ]
    whole = {r["_row_key"]: r for r in tag(con, lines, rules)}
    moved = booked = 0
    for days in (2, 4):
        until = str(MONDAY.replace(hour=0) + timedelta(days=days))
        for row in tag(con, [one for one in lines if one["sold_at"] < until], rules):
            later = whole[row["_row_key"]]
            assert row["cancelled_same_day_units"] == later["cancelled_same_day_units"], (days, row)
            booked += row["cancelled_same_day_units"]
            moved += row["cancelled_units"] != later["cancelled_units"]
    assert booked > 10 and moved > 10


@pytest.mark.parametrize("rules", [TransactionRules(fee_codes=frozenset({"P7"})), BY_CUSTOMER])
def test_days_apart_are_tagged_as_among_all_once_the_matches_are_given(con: Any, rules: TransactionRules) -> None:
    lines, contract = generated_dirt(), load_contract("transactions")
    whole = {r["_row_key"]: r for r in tag(con, lines, rules)}
    matched = ibis.memtable(con.to_pyarrow(find_returns(raw_table(lines), contract, rules=rules)))
    assert con.to_pyarrow(matched.count()).as_py() > 10
    blocks: dict[int, list[dict[str, Any]]] = {}
    for one in lines:
        blocks.setdefault(datetime.fromisoformat(one["sold_at"]).day % 3, []).append(one)
    apart = [tag(con, block, rules, matched=matched) for block in blocks.values()]
    assert {r["_row_key"]: r for rows in apart for r in rows} == whole
