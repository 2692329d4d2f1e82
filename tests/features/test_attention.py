"""Attention by customer and by product: sums by hand, nothing of nobody, and no figure about a few."""

from datetime import date, datetime
from typing import Any

import ibis
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.attention import (
    ATTENTION,
    as_known,
    build_customer_attention,
    build_customer_category_attention,
    build_customer_product_attention,
    build_product_day_attention,
)

TYPES = dict(zip(ATTENTION, ("string", "date", "string", "string", "float64"), strict=True))
ROWS = [
    ("v1", date(2026, 1, 1), "ann", "tea", 6.0),
    ("v1", date(2026, 1, 1), "ann", "jam", 2.0),
    ("v2", date(2026, 1, 3), "ann", "tea", 1.0),
    ("v2", date(2026, 1, 3), "ann", "rum", 0.0),
    ("v3", date(2026, 1, 3), None, "tea", 9.0),
    ("v4", date(2026, 1, 3), "bob", "tea", 3.0),
]


def table(rows: list[tuple[Any, ...]]) -> ibis.Table:
    return ibis.memtable([dict(zip(ATTENTION, row, strict=True)) for row in rows], schema=TYPES)


def made(expression: ibis.Table) -> list[tuple[Any, ...]]:
    found = ibis.duckdb.connect().to_pyarrow(expression)
    return sorted(tuple(row.values()) for row in found.to_pylist())


def test_a_customer_s_seconds_add_up_over_visits() -> None:
    assert made(build_customer_product_attention(table(ROWS))) == [
        ("ann", "jam", 2.0, 1, date(2026, 1, 1), pytest.approx(2 / 9)),
        ("ann", "tea", 7.0, 2, date(2026, 1, 3), pytest.approx(7 / 9)),
        ("bob", "tea", 3.0, 1, date(2026, 1, 3), 1.0),
    ]


def test_categories_add_up_their_products_and_a_visit_counts_once() -> None:
    products = ibis.memtable(
        [
            {"product_id": "tea", "category": "hot"},
            {"product_id": "jam", "category": "hot"},
            {"product_id": "rum", "category": None},
        ],
        schema={"product_id": "string", "category": "string"},
    )
    assert made(build_customer_category_attention(table(ROWS), products)) == [
        ("ann", "hot", 9.0, 2, date(2026, 1, 3), 1.0),
        ("bob", "hot", 3.0, 1, date(2026, 1, 3), 1.0),
    ]


def test_products_are_told_of_groups_without_a_dominant_visit() -> None:
    """On the third tea was looked at for 1 + 9 + 3 s: three visits, of which one makes 9 of 13."""
    assert made(build_product_day_attention(table(ROWS), group_min=2)) == []
    evener = [(*row[:4], 4.0) if row[0] == "v3" else row for row in ROWS]
    assert made(build_product_day_attention(table(evener), group_min=2)) == [
        ("tea", date(2026, 1, 3), 8.0, 3, pytest.approx(8 / 3))
    ]
    assert made(build_product_day_attention(table(evener), group_min=4)) == []
    with pytest.raises(ValueError, match="group_min 1: expected at least 2"):
        build_product_day_attention(table(ROWS), group_min=1)


LOOKS = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 1), st.integers(0, 1), st.floats(0.5, 9)), max_size=24)


@settings(deadline=None, max_examples=25)
@given(LOOKS)
def test_whatever_is_told_of_a_product_is_told_of_enough_visits(rows: list[tuple[Any, ...]]) -> None:
    looked = [(f"v{v}", date(2026, 1, 1 + d), None, f"p{p}", s) for v, d, p, s in rows]
    for product, day, seconds, visits, _ in made(build_product_day_attention(table(looked), group_min=3)):
        own: dict[str, float] = {}
        for visit, on, _, of, s in looked:
            if (of, on) == (product, day):
                own[visit] = own.get(visit, 0.0) + s
        assert visits == len(own) >= 3
        assert max(own.values()) <= seconds / 2 + 1e-9


PRODUCTS = [("tea", "hot"), ("jam", "spreads"), ("rum", None)]


def products() -> ibis.Table:
    rows = [{"product_id": name, "category": category} for name, category in PRODUCTS]
    return ibis.memtable(rows, schema={"product_id": "string", "category": "string"})


def test_what_was_known_of_a_customer_after_each_visit() -> None:
    """After the first day ann has looked 6 s at tea and 2 s at jam; after the third one second more at tea."""
    found = made(build_customer_attention(as_known(table(ROWS)), products()))
    ann, later, bob = found
    assert ann[:4] == ("ann", datetime(2026, 1, 2), 8.0, 1.0) and later[:4] == ("ann", datetime(2026, 1, 4), 9.0, 2.0)
    assert bob[4:7] == ("hot", None, None)
    names = ["hot", "spreads", None, pytest.approx(7 / 9), pytest.approx(2 / 9), None, "tea", "jam", None]
    assert list(later[4:]) == names and ann[7] == pytest.approx(6 / 8)


def test_what_comes_later_moves_nothing_that_was_known_before() -> None:
    before = [row for row in ROWS if row[1] < date(2026, 1, 3)]
    known = made(build_customer_attention(as_known(table(before)), products()))
    assert known and known == [
        row
        for row in made(build_customer_attention(as_known(table(ROWS)), products()))
        if row[1] < datetime(2026, 1, 3)
    ]
