# ruff: noqa: RUF001 - wrongly read text is the subject
"""Repair of wrongly read text: what is mended, and what must be left alone."""

from typing import Any

import ibis
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.cleaning import tag_table
from features.cleaning_text import encoding_repairs, repair_column, repaired_text, suspicious_texts
from features.engine import connect


@pytest.mark.parametrize(
    ("wrong", "right"),
    [("CafÃ©", "Café"), ("Â£20 voucher", "£20 voucher"), ("MÃ–BEL", "MÖBEL"), ("JalapeÃ±o â‚¬2", "Jalapeño €2"),
     ("CafÃƒÂ©", "Café"), ("æ\x97¥æ\x9c¬", "日本")],
)  # fmt: skip
def test_wrong_readings_are_undone(wrong: str, right: str) -> None:
    assert repaired_text(wrong) == right


@pytest.mark.parametrize("text", ["Café", "£20.00", "Müller & Söhne", "MAÇÃ", "plain", "", "Caf�", "£20 CafÃ©", "日本"])
def test_legitimate_and_hopeless_texts_are_left_alone(text: str) -> None:
    assert repaired_text(text) == text


@given(st.text(alphabet=st.characters(min_codepoint=0x20, max_codepoint=0x17F), max_size=20))
def test_one_wrong_reading_of_any_legitimate_text_is_undone(text: str) -> None:
    if repaired_text(text) != text:
        return  # this text itself looks like a wrong reading: nobody can tell
    assert repaired_text(text.encode("utf-8").decode("latin-1")) == text


def test_only_texts_that_change_are_in_the_repairs() -> None:
    assert encoding_repairs(["CafÃ©", "Café", None, "x"]) == {"CafÃ©": "Café"}


def test_column_is_repaired_and_says_so() -> None:
    class Label:
        name, type = "label", "str"

    class Contract:
        columns = (Label(),)
        primary_key = ("label",)

    con: Any = connect()
    raw = ibis.memtable({"label": ["CafÃ© ", "Café", "tea", None]})
    suspicious = con.to_pyarrow(suspicious_texts(raw.label))["text"].to_pylist()
    assert set(suspicious) == {"Café", "CafÃ©"}
    repairs = encoding_repairs(suspicious)
    rows = con.to_pyarrow(repair_column(tag_table(raw, Contract()), "label", repairs)).to_pylist()
    assert sorted((row["label"] or "", row["_repaired"] or "") for row in rows) == [
        ("", ""), ("Café", ""), ("Café", "label: encoding"), ("tea", ""),
    ]  # fmt: skip
