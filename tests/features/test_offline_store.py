"""The ASOF offline store: hand-worked joins, a plain-Python definition of the join, and Feast's own DuckDB store."""

import contextlib
import io
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, ValueType
from feast.infra.offline_stores.file_source import SavedDatasetFileStorage
from feast.repo_config import RepoConfig
from feast.types import Float64, Int64, String
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from features.offline_store import AsofOfflineStoreConfig
from features.point_in_time import JoinInputError, View, join
from features.retrieval_job import OfflineStoreError

OURS = "features.offline_store.AsofOfflineStore"
START = datetime(2024, 3, 1)
LEVEL_TTL = timedelta(days=2)
LEVEL, PRICE, SEASON = ["level:units", "level:note"], ["price:price"], ["season:warmth"]


def at(days: float) -> datetime:
    return START + timedelta(days=days)


def level_table(rows: list[tuple[Any, ...]]) -> pa.Table:
    """Rows (store_id, product_id, days, units, note, created days)."""
    return pa.table(
        {
            "store_id": pa.array([r[0] for r in rows], pa.int64()),
            "product_id": pa.array([r[1] for r in rows], pa.string()),
            "seen_at": pa.array([at(r[2]) for r in rows], pa.timestamp("us")),
            "units": pa.array([r[3] for r in rows], pa.float64()),
            "note": pa.array([r[4] for r in rows], pa.string()),
            "made_at": pa.array([None if r[5] is None else at(r[5]) for r in rows], pa.timestamp("us")),
        }
    )


def price_table(rows: list[tuple[Any, ...]]) -> pa.Table:
    """Rows (product_id, days, price); the files call the price `p`, and their times carry a zone."""
    return pa.table(
        {
            "product_id": pa.array([r[0] for r in rows], pa.string()),
            "known_at": pa.array([at(r[1]).replace(tzinfo=UTC) for r in rows], pa.timestamp("us", "Europe/Berlin")),
            "p": pa.array([r[2] for r in rows], pa.int64()),
        }
    )


def entity_table(rows: list[tuple[Any, ...]]) -> pa.Table:
    """Rows (store_id, product_id, days)."""
    return pa.table(
        {
            "label": pa.array(range(len(rows)), pa.int32()),
            "store_id": pa.array([r[0] for r in rows], pa.int64()),
            "product_id": pa.array([r[1] for r in rows], pa.string()),
            "event_timestamp": pa.array([at(r[2]) for r in rows], pa.timestamp("us", "UTC")),
        }
    )


class Stores:
    """Our store and Feast's over the same files, which a test writes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name, table in {
            "level": level_table([]),
            "price": price_table([]),
            "season": pa.table({"day": pa.array([], pa.date32()), "warmth": pa.array([], pa.float64())}),
        }.items():
            self.write(name, table)
        self.ours, self.feasts = self._open("ours", OURS), self._open("feasts", "duckdb")

    def write(self, name: str, table: pa.Table) -> None:
        pq.write_table(table, self.folder / f"{name}.parquet")

    def join(self, entities: Any, features: list[str], **options: Any) -> pa.Table:
        return self.ours.get_historical_features(entity_df=entities, features=features, **options).to_arrow()

    def _open(self, project: str, kind: str) -> Any:
        config = {
            "project": project,
            "provider": "local",
            "registry": str(self.folder / f"{project}.db"),
            "offline_store": {"type": kind},
            "online_store": {"type": "sqlite", "path": str(self.folder / f"{project}-online.db")},
            "entity_key_serialization_version": 3,
        }
        opened = FeatureStore(config=RepoConfig(**config, repo_path=self.folder))
        shop = Entity(name="shop", join_keys=["store_id"], value_type=ValueType.INT64)
        product = Entity(name="product", join_keys=["product_id"], value_type=ValueType.STRING)
        level = FeatureView(
            name="level",
            entities=[shop, product],
            schema=[
                Field(name="store_id", dtype=Int64),
                Field(name="product_id", dtype=String),
                Field(name="units", dtype=Float64),
                Field(name="note", dtype=String),
            ],
            source=self._source("level", timestamp_field="seen_at", created_timestamp_column="made_at"),
            ttl=LEVEL_TTL,
        )
        price = FeatureView(
            name="price",
            entities=[product],
            schema=[Field(name="product_id", dtype=String), Field(name="price", dtype=Int64)],
            source=self._source("price", timestamp_field="known_at", field_mapping={"p": "price"}),
            ttl=timedelta(0),
        )
        season = FeatureView(
            name="season",
            entities=[],
            schema=[Field(name="warmth", dtype=Float64)],
            source=self._source("season", timestamp_field="day"),
            ttl=timedelta(0),
        )
        with contextlib.redirect_stdout(io.StringIO()):
            opened.apply([shop, product, level, price, season])
        return opened

    def _source(self, name: str, **columns: Any) -> FileSource:
        return FileSource(name=f"{name}_file", path=str(self.folder / f"{name}.parquet"), **columns)


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


def test_all_views_at_once_with_full_names_whatever_the_entity_rows_are(stores: Stores, tmp_path: Path) -> None:
    stores.write("level", level_table([(1, "a", 0, 10.0, "first", 0)]))
    stores.write("price", price_table([("a", 0, 250), ("a", 4, 300), ("b", 0, 99)]))
    stores.write("season", pa.table({"day": [at(0).date(), at(3).date()], "warmth": [4.0, 9.5]}))
    entities = entity_table([(1, "a", 4), (1, "b", 0.5), (1, "a", 1), (7, None, -1)])
    wanted = {
        "level__units": [None, None, 10.0, None],
        "price__price": [300, 99, 250, None],
        "season__warmth": [9.5, 4.0, 4.0, None],
    }
    features = [*SEASON, "level:units", *PRICE]
    pq.write_table(entities, tmp_path / "rows.parquet")
    frame = entities.to_pandas()
    frame.index = [9, 8, 7, 6]
    naive = frame.assign(event_timestamp=frame.event_timestamp.dt.tz_localize(None).astype("datetime64[ns]"))
    text = frame.assign(event_timestamp=frame.event_timestamp.dt.strftime("%Y-%m-%d %H:%M:%S"))
    berlin = frame.assign(event_timestamp=frame.event_timestamp.dt.tz_convert("Europe/Berlin").astype(object))
    query = f"SELECT * FROM '{tmp_path / 'rows.parquet'}' ORDER BY label"
    renamed = entities.rename_columns(["label", "store_id", "product_id", "asked_at"])
    for given_rows in (entities, frame, naive, text, berlin, query, renamed):
        found = stores.join(given_rows, features, full_feature_names=True)
        assert {name: found[name].to_pylist() for name in wanted} == wanted
        assert found["label"].to_pylist() == [0, 1, 2, 3]
    assert found.schema.field("price__price").type == pa.int64()


@pytest.mark.parametrize("form", ["arrow", "pandas"])
def test_no_entity_rows_give_no_rows_and_all_columns(stores: Stores, form: str) -> None:
    stores.write("level", level_table([(1, "a", 0, 10.0, "first", 0)]))
    entities = entity_table([])
    if form == "pandas":
        entities = pd.DataFrame({name: [] for name in entities.column_names}, dtype=object)
    job = stores.ours.get_historical_features(entity_df=entities, features=[*LEVEL, *PRICE])
    assert job.to_df().empty
    assert job.to_arrow().column_names[-3:] == ["units", "note", "price"]
    assert job.batches().read_all().num_rows == 0


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


def moments(count: int) -> pa.Table:
    """Entity rows of product a, scattered over 50 days, and in which of the days each lies."""
    seconds = np.arange(count) * 7919 % (50 * 86_400)
    times = np.datetime64(START, "s") + seconds.astype("timedelta64[s]")
    return pa.table({"product_id": ["a"] * count, "day": seconds // 86_400, "event_timestamp": times})


def test_batches_are_the_table_in_pieces(stores: Stores) -> None:
    stores.write("price", price_table([("a", day, day) for day in range(50)]))
    entities = moments(100_000)
    job = stores.ours.get_historical_features(entity_df=entities, features=PRICE)
    reader = job.batches()
    pieces = list(reader)
    whole = pa.Table.from_batches(pieces)
    assert len(pieces) > 1 and whole.equals(job.to_arrow()) and whole.schema == reader.schema
    assert whole["price"].equals(entities["day"])


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


def test_files_in_a_folder_or_a_glob(stores: Stores, tmp_path: Path) -> None:
    for number, rows in enumerate([[("a", 0, 1)], [("a", 0, 2), ("b", 0, 3)]]):
        pq.write_table(price_table(rows), tmp_path / f"part-{number}.parquet")
    product = Entity(name="product", join_keys=["product_id"], value_type=ValueType.STRING)
    for name, path in {"folder": str(tmp_path), "glob": str(tmp_path / "part-*.parquet")}.items():
        source = FileSource(name=f"{name}_files", path=path, timestamp_field="known_at")
        schema = [Field(name="product_id", dtype=String), Field(name="p", dtype=Int64)]
        with contextlib.redirect_stdout(io.StringIO()):
            stores.ours.apply([FeatureView(name=name, entities=[product], schema=schema, source=source)])
        found = stores.join(entity_table([(1, "b", 1), (1, "a", 1)]), [f"{name}:p"])
        assert found["p"].to_pylist() == [3, 2]


def test_what_cannot_be_joined_is_refused_in_words(stores: Stores) -> None:
    entities = entity_table([(1, "a", 0)])
    stores.write("price", price_table([]).drop_columns(["p"]))
    for rows, features, message in [
        (entities.drop_columns(["store_id"]), LEVEL, r"view level joins on \['store_id'\].*add the columns"),
        (entities.append_column("units", entities["label"]), LEVEL, r"columns \['units'\].*full_feature_names"),
        (entities, PRICE, r"view price: .*price.parquet has no columns \['p'\].*apply again"),
        (entities.set_column(3, "event_timestamp", entities["label"]), LEVEL, "has type INTEGER, which is no time"),
    ]:
        with pytest.raises(JoinInputError, match=message):
            stores.join(rows, features)
    (stores.folder / "price.parquet").unlink()
    with pytest.raises(JoinInputError, match=r"no readable Parquet at .*price\.parquet"):
        stores.join(entities, PRICE)
    stores.write("price", price_table([]))
    with pytest.raises(OfflineStoreError, match="pass entity_df"):
        stores.ours.get_historical_features(features=LEVEL, start_date=at(0), end_date=at(1))


def test_bounds_of_the_configuration(tmp_path: Path) -> None:
    for wrong in ({"memory_limit_gb": 0}, {"threads": 0}, {"type": "duckdb"}, {"memory": 3}):
        with pytest.raises(ValidationError):
            AsofOfflineStoreConfig(**wrong)
    with AsofOfflineStoreConfig(memory_limit_gb=0.25, threads=1, temp_directory=tmp_path).connect() as con:
        assert con.sql("SELECT current_setting('memory_limit'), current_setting('threads')").fetchall() == [
            ("256.0 MiB", 1)
        ]


def test_a_saved_dataset_comes_back(stores: Stores, tmp_path: Path) -> None:
    stores.write("price", price_table([("a", 0, 250), ("a", 4, 300)]))
    entities = entity_table([(1, "a", 5), (1, "a", 1), (1, "a", -1)])
    job = stores.ours.get_historical_features(entity_df=entities, features=PRICE)
    storage = SavedDatasetFileStorage(str(tmp_path / "saved.parquet"))
    for again in (False, True):
        kept = stores.ours.create_saved_dataset(job, "prices", storage, allow_overwrite=again)
        assert kept.to_arrow()["price"].to_pylist() == [300, 250, None]
    assert pq.read_table(tmp_path / "saved.parquet").equals(job.to_arrow())
    with pytest.raises(Exception, match="already exists"):
        job.persist(storage)


def test_rows_written_through_feast_win_ties(stores: Stores) -> None:
    stores.write("price", price_table([("a", 0, 250), ("b", 0, 10)]))
    stores.ours.write_to_offline_store("price", price_table([("a", 0, 251), ("c", 0, 7)]).to_pandas())
    found = stores.join(entity_table([(1, "a", 1), (1, "b", 1), (1, "c", 1)]), PRICE)
    assert found["price"].to_pylist() == [251, 10, 7]


def test_materialising_takes_the_newest_row_of_every_key(stores: Stores) -> None:
    stores.write(
        "level", level_table([(1, "a", 2, 3.0, "late", 0), (1, "a", 1, 2.0, "new", 5), (1, "a", 1, 1.0, "old", 0)])
    )
    stores.write("price", price_table([("a", 0, 250), ("a", 1, 300), ("b", 0, 99)]))
    stores.write("season", pa.table({"day": [at(0).date(), at(1).date()], "warmth": [4.0, 9.5]}))
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        stores.ours.materialize(at(-9), at(1).replace(tzinfo=UTC), feature_views=["level", "price", "season"])
    rows = [{"store_id": 1, "product_id": "a"}, {"store_id": 2, "product_id": "b"}]
    online = stores.ours.get_online_features(features=[*LEVEL, *PRICE, *SEASON], entity_rows=rows).to_dict()
    assert online["note"] == ["new", None] and online["price"] == [300, 99] and online["warmth"] == [9.5, 9.5]


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
