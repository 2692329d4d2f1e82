"""Which value counts when: hand-worked joins, the definition in plain Python, and Feast's own DuckDB store."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from offline_stores import LEVEL, LEVEL_TTL, PRICE, START, Stores, at, entity_table, level_table, moments, price_table

from features.offline_store import AsofOfflineStoreConfig
from features.point_in_time import View, join


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Stores:
    return Stores(tmp_path_factory.mktemp("offline"))


def test_hand_worked_levels(stores: Stores) -> None:
    stores.write(
        "level",
        level_table(
            [
                (1, "a", 0, 10.0, "first", 0),
                (1, "a", 1, None, "unknown", 1),  # a null that is known replaces the value before it
                (1, "b", 0, 20.0, "other product", 0),
                (2, "a", 0, 30.0, "other store", 0),
                (1, None, 0, 99.0, "no key", 0),
            ]
        ),
    )
    second = 1 / 86_400
    entities = entity_table(
        [
            (1, "a", 5),  # past the time to live of the second value
            (1, "a", -second),  # before the first value
            (1, "a", 0),  # exactly at it
            (1, "a", 0.5),
            (1, "a", 0.5),  # the same entity row again
            (1, "a", 3),  # exactly at the end of its life: still there
            (1, "a", 3 + second),
            (1, "b", 1.5),
            (2, "a", 1.5),
            (1, None, 1.5),
            (None, "a", 1.5),
            (3, "a", 1.5),
        ]
    )
    found = stores.join(entities, LEVEL)
    assert found.select(entities.column_names).equals(entities)
    assert found["note"].to_pylist() == [
        None, None, "first", "first", "first", "unknown", None, "other product", "other store", None, None, None,
    ]  # fmt: skip
    assert found["units"].to_pylist() == [None, None, 10.0, 10.0, 10.0, None, None, 20.0, 30.0, None, None, None]
    assert found.schema.field("units").type == pa.float64() and found.schema.field("note").type == pa.string()


def test_ties_go_to_the_last_made_then_to_the_last_written(stores: Stores) -> None:
    rows = [
        (1, "a", 0, 1.0, "made late", 3),
        (1, "a", 0, 2.0, "made early", 0),
        (1, "a", 0, 3.0, "made nobody knows when", None),
        (2, "a", 0, 4.0, "written first", 1),
        (2, "a", 0, 5.0, "written last", 1),
    ]
    stores.write("level", level_table(rows))
    entities = entity_table([(1, "a", 1), (2, "a", 1)])
    assert stores.join(entities, LEVEL)["note"].to_pylist() == ["made late", "written last"]
    # What was made after the entity's time is not known then, if that is asked.
    strict = stores.join(entities, LEVEL, filter_by_created_timestamp=True)
    assert strict["note"].to_pylist() == ["made early", "written last"]


def test_a_key_that_is_never_known(stores: Stores) -> None:
    stores.write("level", level_table([(1, "a", 0, 10.0, "first", 0)]))
    stores.write("price", price_table([("a", 0, 250)]))
    frame = pd.DataFrame({"store_id": [None, None], "product_id": ["a", "a"], "event_timestamp": [at(1), at(-1)]})
    found = stores.join(frame, [*LEVEL, *PRICE])
    assert found["units"].to_pylist() == [None, None] and found["price"].to_pylist() == [250, None]


def test_nanoseconds_never_reach_into_the_future(stores: Stores) -> None:
    stores.write("price", price_table([("a", 0, 250)]))
    just_before = pd.Timestamp(START) - pd.Timedelta(1, "ns")
    frame = pd.DataFrame({"product_id": ["a", "a"], "event_timestamp": [just_before, pd.Timestamp(START)]})
    assert stores.join(frame, PRICE)["price"].to_pylist() == [None, 250]


def test_what_exceeds_the_memory_lies_on_disk_meanwhile(tmp_path: Path) -> None:
    entities, width = moments(250_000), 64
    days = pa.array([at(day) for day in range(50)], pa.timestamp("us"))
    values = {f"v{column}": np.arange(50.0) + column for column in range(width)}
    pq.write_table(pa.table({"product_id": ["a"] * 50, "t": days, **values}), tmp_path / "wide.parquet")
    view = View(
        name="wide",
        files=str(tmp_path / "wide.parquet"),
        keys={"product_id": "product_id"},
        features={name: name for name in values},
        event_time="t",
    )
    spill = tmp_path / "spill"
    with AsofOfflineStoreConfig(memory_limit_gb=0.125, temp_directory=spill).connect() as con:
        rows = join(con, entities, "event_timestamp", [view])
        assert sum(file.stat().st_size for file in spill.rglob("*.tmp")) > 10_000_000
        done = 0
        for batch in rows:
            day = entities["day"].slice(done, batch.num_rows).to_numpy()
            np.testing.assert_array_equal(batch.column(width - 1).to_numpy(), day + width - 1.0)
            done += batch.num_rows
    assert done == entities.num_rows
    assert not list(spill.iterdir())


KEYS = st.sampled_from([1, 2, None]), st.sampled_from(["a", "b", None])
QUARTERS = st.integers(0, 24).map(lambda quarter: quarter / 4)
LEVELS = st.lists(
    st.tuples(*KEYS, QUARTERS, st.one_of(st.none(), st.floats(-9, 9)), st.sampled_from(["x", "y", None]), QUARTERS),
    max_size=25,
)
ENTITIES = st.lists(st.tuples(*KEYS, QUARTERS), min_size=1, max_size=12)
FEW = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def defined(levels: list[tuple[Any, ...]], entity: tuple[Any, ...], *, created_by_then: bool) -> tuple[Any, Any]:
    """The join of one entity row, as the docstring of View says it."""
    store_id, product_id, now = entity
    known = [
        (row[2], row[5], place, row)
        for place, row in enumerate(levels)
        if store_id is not None and product_id is not None and row[:2] == (store_id, product_id)
        if row[2] <= now and (not created_by_then or row[5] <= now)
    ]
    if not known or timedelta(days=now - max(known)[0]) > LEVEL_TTL:
        return None, None
    return max(known)[3][3:5]


@FEW
@given(levels=LEVELS, rows=ENTITIES, created_by_then=st.booleans())
def test_every_entity_row_gets_what_the_definition_says(
    stores: Stores, levels: list[tuple[Any, ...]], rows: list[tuple[Any, ...]], created_by_then: bool
) -> None:
    stores.write("level", level_table(levels))
    entities = entity_table(rows)
    found = stores.join(entities, LEVEL, filter_by_created_timestamp=created_by_then)
    assert found.select(entities.column_names).equals(entities)
    pairs = list(zip(found["units"].to_pylist(), found["note"].to_pylist(), strict=True))
    assert pairs == [defined(levels, row, created_by_then=created_by_then) for row in rows]


@FEW
@given(
    levels=LEVELS,
    prices=st.lists(st.tuples(KEYS[1], QUARTERS, st.integers(0, 99)), max_size=12, unique_by=lambda row: row[:2]),
    rows=ENTITIES,
    created_by_then=st.booleans(),
)
def test_equal_to_feasts_own_store(
    stores: Stores,
    levels: list[tuple[Any, ...]],
    prices: list[tuple[Any, ...]],
    rows: list[tuple[Any, ...]],
    created_by_then: bool,
) -> None:
    # Rows with one key, time and creation: Feast takes any of them, so they are not compared.
    stores.write("level", level_table(list({(*row[:3], row[5]): row for row in levels}.values())))
    stores.write("price", price_table(prices))
    request = {
        "entity_df": entity_table(rows).to_pandas(),
        "features": [*LEVEL, *PRICE],
        "filter_by_created_timestamp": created_by_then,
    }
    ours = stores.ours.get_historical_features(**request).to_arrow()
    feasts = stores.feasts.get_historical_features(**request).to_arrow()
    names = ["label", "units", "note", "price"]
    assert ours.select(names).equals(feasts.select(names).sort_by("label").cast(ours.select(names).schema))
