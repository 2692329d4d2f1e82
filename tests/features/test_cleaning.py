"""Casting and tagging of any table: hand-worked cells, duplicates, stable keys."""

from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from typing import Any

import ibis
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_checks.column_types import TYPE_NAMES
from features.cleaning import CLASSES, IBIS_TYPES, tag_table
from features.engine import connect


@dataclass(frozen=True)
class Column:
    name: str
    type: str


@dataclass(frozen=True)
class Contract:
    columns: tuple[Column, ...]
    primary_key: tuple[str, ...] = ()


CONTRACT = Contract(
    tuple(
        Column(name, kind) for name, kind in zip("sifbdt", ("str", "int", "float", "bool", "date", "ts"), strict=True)
    ),
    ("s",),
)


@cache
def shared_connection() -> Any:
    return connect()


@pytest.fixture(scope="module")
def con() -> Any:
    return shared_connection()


def tagged(con: Any, raw: pa.Table, contract: Contract = CONTRACT) -> list[dict[str, Any]]:
    return con.to_pyarrow(tag_table(ibis.memtable(raw), contract)).to_pylist()


def text_row(**cells: str | None) -> pa.Table:
    names = "sifbdt"
    return pa.table({name: pa.array([cells.get(name)], pa.string()) for name in names})


def test_text_is_trimmed_and_cast(con: Any) -> None:
    raw = text_row(s="  x ", i=" 3 ", f="1.5e2", b="Yes", d="2020-02-29", t="2020-02-29T10:11:12.000013")
    (row,) = tagged(con, raw)
    assert [row[name] for name in "sifbdt"] == [
        "x", 3, 150.0, True, date(2020, 2, 29), datetime(2020, 2, 29, 10, 11, 12, 13),
    ]  # fmt: skip
    assert row["_class"] == "row"
    assert row["_type_errors"] is None


def test_white_space_goes_at_both_ends_and_nowhere_else(con: Any) -> None:
    given = [" x", "x ", "\tx", "x\n", "x\r", "\x0bx\x0c", "é ", " \t", "a b", "!", "\x01x", "x\u00a0"]
    rows = tagged(con, pa.table({"s": given}))
    wanted = {"x", "é", None, "a b", "!", "\x01x", "x\u00a0"}
    assert {row["s"] for row in rows} == wanted and len(rows) == len(given)


@pytest.mark.parametrize(
    ("name", "cell"),
    [("i", "12.7"), ("i", "1e300"), ("i", "inf"), ("i", "three"), ("f", "abc"), ("f", "inf"), ("f", "NaN"),
     ("b", "maybe"), ("d", "2021-02-29"), ("d", "31.12.2020"), ("t", "noon")],
)  # fmt: skip
def test_what_cannot_be_cast_is_null_and_named(con: Any, name: str, cell: str) -> None:
    (row,) = tagged(con, text_row(s="k", **{name: cell}))
    assert row[name] is None
    assert row["_type_errors"] == f"{name}={cell}"


def test_several_bad_cells_are_all_named_and_empty_ones_are_not(con: Any) -> None:
    (row,) = tagged(con, text_row(s="k", i="x", f="", b="  ", d="y"))
    assert row["_type_errors"] == "i=x; d=y"


def test_typed_columns_need_no_text(con: Any) -> None:
    raw = pa.table(
        {"s": pa.array([17850.0]), "i": pa.array([2.0]), "d": pa.array([datetime(2020, 1, 2, 3)]), "b": pa.array([1])}
    )
    (row,) = tagged(con, raw)
    assert (row["s"], row["i"], row["d"], row["b"]) == ("17850", 2, date(2020, 1, 2), True)
    assert row["f"] is None and row["t"] is None


def test_exact_copies_are_duplicates_and_near_copies_are_not(con: Any) -> None:
    raw = pa.table({"s": ["a", "a", "a", None, None, "b"], "i": ["1", "1", "2", "1", "1", None]})
    rows = tagged(con, raw)
    assert sorted((row["s"] or "", str(row["i"]), row["_class"]) for row in rows) == [
        ("", "1", "duplicate"), ("", "1", "row"), ("a", "1", "duplicate"), ("a", "1", "row"), ("a", "2", "row"),
        ("b", "None", "row"),
    ]  # fmt: skip
    assert len({row["_row_key"] for row in rows}) == 6


def test_null_and_empty_and_shifted_cells_have_different_keys(con: Any) -> None:
    raw = pa.table({"s": ["a", "a1", "", None], "i": ["1", None, None, ""]})
    assert len({row["_row_key"].split("-")[0] for row in tagged(con, raw)}) == 4


def test_key_does_not_depend_on_types_in_the_contract_nor_on_other_rows(con: Any) -> None:
    raw = pa.table({"s": ["a", "b"], "i": ["1", "x"]})
    as_text = Contract((Column("s", "str"), Column("i", "str")), ("s",))
    alone = tagged(con, raw.slice(1), as_text)[0]["_row_key"]
    assert alone == next(row["_row_key"] for row in tagged(con, raw) if row["s"] == "b")


def test_tagging_its_own_values_again_changes_no_value(con: Any) -> None:
    raw = pa.table(
        {"s": [" a ", "b", "b"], "i": ["1", "2", "2"], "d": ["2020-01-01", "", ""], "f": ["0.1", "-3", "-3"]}
    )
    once = con.to_pyarrow(tag_table(ibis.memtable(raw), CONTRACT).order_by("_row_key"))
    again = con.to_pyarrow(tag_table(ibis.memtable(once.select(list("sifbdt"))), CONTRACT))
    key = [("s", "ascending"), ("_class", "ascending")]
    assert again.sort_by(key).select([*"sifbdt", "_class"]).equals(once.sort_by(key).select([*"sifbdt", "_class"]))


def test_columns_outside_the_contract_stay_behind_and_none_at_all_is_an_error(con: Any) -> None:
    rows = tagged(con, pa.table({"s": ["a"], "secret": ["x"]}))
    assert set(rows[0]) == {*"sifbdt", "_row_key", "_class", "_repaired", "_type_errors"}
    with pytest.raises(ValueError, match=r"none of the contract's columns \(s, i, f, b, d, t\); it has secret"):
        tag_table(ibis.memtable({"secret": ["x"]}), CONTRACT)


cells = st.one_of(st.none(), st.sampled_from(["", " ", "1", " 1", "1.0", "x", "2020-01-01", "true", "é", "-0"]))


@settings(max_examples=20, deadline=None)
@given(st.lists(st.tuples(cells, cells, cells), min_size=1, max_size=25))
def test_every_row_in_comes_out_once_in_one_class(rows: list[tuple[str | None, ...]]) -> None:
    raw = pa.table({name: pa.array([row[n] for row in rows], pa.string()) for n, name in enumerate("sid")})
    out = tagged(shared_connection(), raw)
    assert len(out) == len(rows)
    assert len({row["_row_key"] for row in out}) == len(rows)
    assert {row["_class"] for row in out} <= set(CLASSES)
    assert sum(row["_class"] == "row" for row in out) == len(set(rows))


def test_types_are_those_of_the_contracts() -> None:
    assert {kind: names.ibis for kind, names in TYPE_NAMES.items()} == dict(IBIS_TYPES)
