"""Attention online: what is published no more is not kept there either, so that nobody who is erased stays."""

from datetime import date
from pathlib import Path
from typing import Any

import ibis
import pytest

from features.attention_repository import (
    attention_states,
    erase_attention,
    materialise_attention,
    publish_attention,
)
from features.customer_repository import apply_customers
from features.repository import Repository

STORES = ["sqlite", pytest.param("redis", marks=pytest.mark.services)]
DAY = date(2026, 1, 1)
LOOKS = [("v1", "ann", "tea", 5.0), ("v1", "ann", "jam", 3.0), ("v2", "bob", "tea", 1.0)]


def states(rows: list[tuple[Any, ...]]) -> dict[str, ibis.Table]:
    names = ("visit_id", "day", "customer_id", "product_id", "seconds")
    attention = ibis.memtable([dict(zip(names, (row[0], DAY, *row[1:]), strict=True)) for row in rows])
    products = ibis.memtable([{"product_id": "tea", "category": "hot"}, {"product_id": "jam", "category": "spreads"}])
    days = {
        "product_id": "string",
        "day": "date",
        "seconds": "float64",
        "visits": "int64",
        "seconds_a_visit": "float64",
    }
    return attention_states(attention, products, ibis.memtable([], schema=days))


@pytest.mark.parametrize("store", STORES)
def test_what_is_retold_without_a_pair_leaves_none_of_it_online(
    store: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """Of ann's jam nothing is told the second time; when she is erased, nothing of her is left."""
    address = store if store == "sqlite" else request.getfixturevalue("redis_url")
    repository, con = Repository(folder=tmp_path, online_store=address, project="people"), ibis.duckdb.connect()
    apply_customers(repository, ["customers"])

    def online(feature: str, **key: str) -> Any:
        answer = repository.open().get_online_features(features=[feature], entity_rows=[key]).to_dict()
        return answer[feature.split(":")[1]][0]

    def tea_and_jam() -> list[Any]:
        named = "customer_product_attention:pair_attention_s"
        return [online(named, customer_id="ann", product_id=product) for product in ("tea", "jam")]

    spreads = {
        "feature": "customer_category_attention:category_attention_s",
        "customer_id": "ann",
        "category": "spreads",
    }
    publish_attention(repository, states(LOOKS), con=con)
    materialise_attention(repository.open())
    assert tea_and_jam() == [5.0, 3.0] and online(**spreads) == 3.0
    publish_attention(repository, states([row for row in LOOKS if row[2] != "jam"]), con=con)
    materialise_attention(repository.open())
    assert tea_and_jam() == [5.0, None] and online(**spreads) is None
    assert online("customer_attention:attention_s", customer_id="ann") == 5.0, "of others nothing went"
    assert erase_attention(repository.open(), ["ann"]) == 3
    assert tea_and_jam() == [None, None] and online("customer_attention:attention_s", customer_id="bob") == 1.0
    if store == "sqlite":
        assert b"ann" not in (tmp_path / "online.db").read_bytes()
