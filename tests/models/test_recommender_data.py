"""Histories of customers: order, repeats, who is held out, and that a table that does not fit is named."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from models.common.protocols import DataError
from models.recommender.config import Config
from models.recommender.data import COLUMNS, Dataset, prepare

CFG = Config(min_judged=2)


def interactions(**histories: str) -> pa.Table:
    """Each letter an item, oldest first."""
    rows = [(who, item, place) for who, items in histories.items() for place, item in enumerate(items)]
    return pa.table(
        {
            "customer_id": [who for who, _, _ in rows],
            "item_id": [item for _, item, _ in rows],
            "place": [place for _, _, place in rows],
            "happened_at": pa.nulls(len(rows), pa.timestamp("us")),
            "kind": ["purchase"] * len(rows),
            "amount": pa.nulls(len(rows), pa.float64()),
        }
    )


def attributes(*rows: tuple[str, str, str]) -> pa.Table:
    columns = zip(*rows, strict=True) if rows else ([], [], [])
    return pa.table([pa.array(list(c), pa.string()) for c in columns], names=list(COLUMNS["item_attributes"]))


def made(table: pa.Table, *told: tuple[str, str, str], cfg: Config = CFG) -> Dataset:
    shuffled = table.take(np.random.default_rng(0).permutation(table.num_rows))
    return prepare({"interactions": shuffled, "item_attributes": attributes(*told)}, cfg)


def names(data: Dataset, histories: Any) -> list[str]:
    return [
        "".join(data.items[histories.items[a:b]]) for a, b in zip(histories.starts, histories.starts[1:], strict=False)
    ]


def test_a_repeated_item_stands_where_it_was_first_taken() -> None:
    data = made(interactions(ann="abacd", bob="bca", cy="ab"))
    assert names(data, data.histories) == ["abcd", "bca", "ab"]
    assert data.histories.lengths.tolist() == [4, 3, 2]
    assert data.histories.ages.tolist() == [3, 2, 1, 0, 2, 1, 0, 1, 0]


def test_last_two_items_are_held_out_of_customers_with_three() -> None:
    data = made(interactions(ann="abcd", bob="bca", cy="ab"))
    assert data.customers[data.judged].tolist() == ["ann", "bob"]
    assert names(data, data.train) == ["ab", "b", "ab"]
    assert names(data, data.known) == ["abc", "bc", "ab"]
    assert data.items[data.validation_items].tolist() == ["c", "c"]
    assert data.items[data.test_items].tolist() == ["d", "a"]
    assert names(data, data.known.take(np.array([1, 0]))) == ["bc", "abc"]


def test_matrix_weighs_by_age() -> None:
    data = made(interactions(ann="abc", bob="cab"))
    assert data.histories.matrix(3, decay=0.5).toarray().tolist() == [[0.25, 0.5, 1.0], [0.5, 1.0, 0.25]]


def test_attributes_of_known_items_count_once() -> None:
    data = made(
        interactions(ann="abc", bob="cab"),
        ("a", "brand", "x"),
        ("a", "brand", "x"),
        ("b", "kind", "x"),
        ("z", "brand", "y"),
    )
    assert data.attributes.toarray().tolist() == [[1, 0], [0, 1], [0, 0]]
    common = [(item, "shop", "ours") for item in "abc"]
    assert made(interactions(ann="abc", bob="cab"), *common).attributes.shape == (3, 0)  # what all have tells nothing
    assert made(interactions(ann="abc", bob="cab")).attributes.shape == (3, 0)


def test_kinds_that_do_not_count_are_left_out_and_named() -> None:
    table = interactions(ann="abc", bob="cab")
    looked = table.set_column(4, "kind", pa.array(["view", *["purchase"] * 5]))
    assert (
        names(made(looked, cfg=Config(min_judged=1 + 1, kinds=("purchase", "view"))), made(table).histories)[0] == "abc"
    )
    with pytest.raises(DataError, match=r"no row is of a kind in \['rating'\] \(there are \['purchase'\]\)"):
        made(table, cfg=Config(min_judged=2, kinds=("rating",)))


def test_too_few_customers_are_counted() -> None:
    with pytest.raises(DataError, match=r"1 of 2 customers took 3 different items or more, at least 2 are needed"):
        made(interactions(ann="abc", bob="aba"))


def test_empty_keys_are_counted() -> None:
    table = interactions(ann="abc", bob="cab")
    broken = table.set_column(1, "item_id", pa.array([None, *"bccab"]))
    with pytest.raises(DataError, match=r"interactions\.item_id: 1 of 6 rows are null"):
        made(broken)
