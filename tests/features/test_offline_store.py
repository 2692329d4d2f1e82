"""The ASOF offline store through Feast: all forms of entity rows, batches, saved datasets, writing, materialising."""

import contextlib
import io
from datetime import UTC
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from feast import Entity, FeatureService, FeatureView, Field, FileSource, ValueType
from feast.infra.offline_stores.file_source import SavedDatasetFileStorage
from feast.on_demand_feature_view import on_demand_feature_view
from feast.types import Float64, Int64, String
from offline_stores import LEVEL, PRICE, SEASON, Stores, at, entity_table, level_table, moments, price_table
from pydantic import ValidationError

from features.offline_store import AsofOfflineStoreConfig
from features.point_in_time import JoinInputError
from features.retrieval_job import OfflineStoreError


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Stores:
    return Stores(tmp_path_factory.mktemp("offline"))


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


def test_batches_are_the_table_in_pieces(stores: Stores) -> None:
    stores.write("price", price_table([("a", day, day) for day in range(50)]))
    entities = moments(100_000)
    job = stores.ours.get_historical_features(entity_df=entities, features=PRICE)
    reader = job.batches()
    pieces = list(reader)
    whole = pa.Table.from_batches(pieces)
    assert len(pieces) > 1 and whole.equals(job.to_arrow()) and whole.schema == reader.schema
    assert whole["price"].equals(entities["day"])


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


def test_a_view_used_twice_under_another_name_and_key(stores: Stores) -> None:
    stores.write("price", price_table([("a", 0, 250), ("b", 0, 99)]))
    price = stores.ours.get_feature_view("price")
    ours = price.with_name("ours")
    rival = price.with_name("rival").with_join_key_map({"product_id": "rival_id"})
    with contextlib.redirect_stdout(io.StringIO()):
        stores.ours.apply([service := FeatureService(name="prices", features=[ours, rival])])
    entities = entity_table([(1, "a", 1), (1, "b", 1)]).append_column("rival_id", pa.array(["b", "c"]))
    found = stores.join(entities, service, full_feature_names=True)
    assert found["ours__price"].to_pylist() == [250, 99] and found["rival__price"].to_pylist() == [99, None]


def test_on_demand_views_are_computed_on_the_joined_rows(stores: Stores) -> None:
    stores.write("price", price_table([("a", 0, 250), ("b", 0, 99)]))

    @on_demand_feature_view(
        sources=[stores.ours.get_feature_view("price")], schema=[Field(name="doubled", dtype=Float64)], mode="pandas"
    )
    def twice(inputs: pd.DataFrame) -> pd.DataFrame:
        return pd.DataFrame({"doubled": inputs["price"] * 2.0})

    with contextlib.redirect_stdout(io.StringIO()):
        stores.ours.apply([twice])
    job = stores.ours.get_historical_features(
        entity_df=entity_table([(1, "b", 1), (1, "a", 1)]), features=[*PRICE, "twice:doubled"]
    )
    assert job.to_arrow()["doubled"].to_pylist() == [198.0, 500.0]
    assert job.batches().read_all()["doubled"].to_pylist() == [198.0, 500.0]
