"""Feast end to end: published files, point-in-time join, online reads."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import ibis
import numpy as np
import pyarrow as pa
import pytest

from features.engine import connect
from features.known_future import known_future
from features.layout import Layout
from features.online import FeastState, StateError
from features.online_rows import Materialised, PublishError
from features.repository import Repository, RepositoryError, apply, materialise, publish_online, publish_state
from features.state import StateTables, state_feature_names, state_features
from features.training import JoinError, training_frame

START = date(2024, 1, 1)
DAYS = 60
HORIZON = 5
SERIES = [f"S{i % 3}/P{i}" for i in range(12)]
LAYOUT = Layout(
    frequency="daily",
    state_names=state_feature_names("daily"),
    covariate_names=("forecast_temp_c", "promo_depth"),
    horizon=HORIZON,
)


def day(number: int) -> date:
    return START + timedelta(days=number)


@dataclass(frozen=True)
class Tables:
    con: Any
    sales: ibis.Table
    series: ibis.Table
    covariates: ibis.Table
    state: ibis.Table

    def ahead(self, origins: list[date]) -> ibis.Table:
        pairs = self.state.filter(self.state.origin.isin(origins)).select("series_id", "origin")
        return known_future(
            self.covariates, self.series, pairs, horizon=HORIZON, frequency="daily", names=LAYOUT.covariate_names
        )


@pytest.fixture(scope="module")
def tables() -> Tables:
    rng = np.random.default_rng(5)
    count = len(SERIES) * DAYS
    sales = pa.table(
        {
            "series_id": np.repeat(SERIES, DAYS),
            "period_start": pa.array([day(i) for _ in SERIES for i in range(DAYS)], pa.date32()),
            "value": rng.poisson(2.0, count).astype(float),
            "unit": ["units"] * count,
            "open": rng.random(count) > 0.1,
            "censored": rng.random(count) < 0.1,
        }
    )
    series = pa.table(
        {
            "series_id": SERIES,
            "store_id": [name.split("/")[0] for name in SERIES],
            "product_id": [name.split("/")[1] for name in SERIES],
            "category": ["tea"] * len(SERIES),
            "region": pa.array(["north", None] * (len(SERIES) // 2), pa.string()),
            "started_on": pa.array([START] * len(SERIES), pa.date32()),
        }
    )
    rows = [("region", "north", day(i), "forecast_temp_c", float(i), day(i - 3)) for i in range(3, DAYS + 3)]
    rows += [("product", "P1", day(i), "promo_depth", 0.25, day(i - 9)) for i in range(20, 64, 2)]
    names = ("scope", "scope_value", "period_start", "name", "value", "known_from")
    kinds = (pa.string(), pa.string(), pa.date32(), pa.string(), pa.float64(), pa.date32())
    covs = pa.table({n: pa.array([r[i] for r in rows], k) for i, (n, k) in enumerate(zip(names, kinds, strict=True))})
    known = StateTables(ibis.memtable(sales), ibis.memtable(series))
    state = state_features(known, frequency="daily", origins=[day(i) for i in range(10, DAYS, 7)])
    con = connect(memory_limit_gb=1)
    known = [ibis.memtable(table) for table in (sales, series, covs, con.to_pyarrow(state))]
    return Tables(con, *known)


ORIGINS = [day(i) for i in range(10, DAYS, 7)]  # the 10th ... 59th day


def publish(tables: Tables, repository: Repository) -> Any:
    assert publish_state(repository, LAYOUT, tables.state, tables.series, con=tables.con) == len(SERIES) * len(ORIGINS)
    ahead = tables.ahead(ORIGINS)
    assert publish_online(repository, LAYOUT, tables.state, ahead, con=tables.con) == len(SERIES) * len(ORIGINS)
    return apply(repository, LAYOUT)


@pytest.fixture(scope="module")
def sqlite(tables: Tables, tmp_path_factory: pytest.TempPathFactory) -> tuple[Repository, Any]:
    repository = Repository(folder=tmp_path_factory.mktemp("feast"))
    return repository, publish(tables, repository)


def entities(pairs: list[tuple[str, date]]) -> pa.Table:
    return pa.table({"series_id": [p[0] for p in pairs], "origin": pa.array([p[1] for p in pairs], pa.date32())})


def test_the_newest_origin_by_then_is_what_is_served(sqlite: tuple[Repository, Any]) -> None:
    store = sqlite[1]
    for number in (0, 4, -1):
        ended = datetime.combine(ORIGINS[number] + timedelta(days=1), datetime.min.time(), UTC)
        materialise(store, upto=ended)
        batch = FeastState(store).read(SERIES)
        assert set(batch.origin.astype(object)) == {ORIGINS[number]}
        assert set(batch.state["age_periods"]) == {(ORIGINS[number] - START).days + 1.0}
        temperatures = batch.known_future["forecast_temp_c"]
        assert np.isfinite(temperatures[0, :3]).all() and np.isnan(temperatures[0, 3:]).all()  # issued 3 days ahead
        assert np.isnan(temperatures[1]).all()  # a store without a region
    assert materialise(store, upto=ended - timedelta(seconds=1)).written == len(SERIES)  # the origin before
    assert materialise(store) == Materialised(len(SERIES), len(SERIES))
    assert materialise(store) == Materialised(len(SERIES), 0)


def test_the_join_keeps_every_entity_row(sqlite: tuple[Repository, Any]) -> None:
    pairs = [
        (SERIES[0], ORIGINS[2]),
        (SERIES[0], ORIGINS[2] + timedelta(days=3)),  # between two states: the older one holds
        (SERIES[0], START - timedelta(days=400)),  # before the first value
        (SERIES[0], ORIGINS[-1] + timedelta(days=36)),  # past the time to live
        ("nobody", ORIGINS[2]),
    ]
    joined = training_frame(sqlite[1], entities(pairs), features=["level_28", "age_periods"])
    age = {(r["series_id"], r["origin"]): r["age_periods"] for r in joined.to_pylist()}
    assert [age[pair] for pair in pairs] == [25.0, 25.0, None, None, None]
    with pytest.raises(JoinError, match="repeat"):
        training_frame(sqlite[1], entities([pairs[0], pairs[0]]))


@pytest.mark.parametrize(
    ("kept", "message"),
    [([0, 1], "3 entity rows went into the training join and 2 came out"), ([2, 1, 0], "in another order")],
)
def test_a_store_that_drops_or_moves_rows_is_caught(
    sqlite: tuple[Repository, Any], kept: list[int], message: str
) -> None:
    class Altering:
        """Feast's store, whose joins give only the rows `kept`, in that order."""

        def __getattr__(self, name: str) -> Any:
            return getattr(sqlite[1], name)

        def get_historical_features(self, **request: Any) -> Any:
            whole = sqlite[1].get_historical_features(**request).to_arrow()

            class Job:
                def to_arrow(self) -> pa.Table:
                    return whole.take(kept)

            return Job()

    with pytest.raises(JoinError, match=message):
        training_frame(Altering(), entities([(SERIES[i], ORIGINS[0]) for i in range(3)]), features=["scale"])


def test_unknown_series_and_stale_layouts(sqlite: tuple[Repository, Any]) -> None:
    repository, store = sqlite
    materialise(store)
    mixed = FeastState(store).read(["nobody", SERIES[0]])
    assert mixed.found.tolist() == [False, True]
    assert np.isnan(mixed.state["scale"][0]) and np.isnan(mixed.known_future["promo_depth"][0]).all()
    assert FeastState(store).read([]).origin.shape == (0,)
    renamed = LAYOUT.model_copy(update={"covariate_names": ("promo_depth", "forecast_temp_c")})
    with pytest.raises(StateError, match="materialise again"):
        FeastState(apply(repository, renamed)).read([SERIES[0]])
    apply(repository, LAYOUT)


def test_the_feast_command_and_the_service_open_the_same_folder(sqlite: tuple[Repository, Any]) -> None:
    from feast import FeatureStore

    repository, store = sqlite
    materialise(store)
    opened = FeatureStore(repo_path=str(repository.folder))
    assert {view.name for view in opened.list_feature_views()} == {"sales_state", "series_attributes", "sales_online"}
    assert FeastState.open(repository.folder).read([SERIES[3]]).found.all()
    fields = {field.name: field for field in opened.get_feature_view("sales_state").features}
    assert list(fields) == list(LAYOUT.state_names) and all(field.description for field in fields.values())
    assert fields["level_28"].tags == {"group": "level", "unit": "sales"}
    scope: dict[str, Any] = {"__file__": str(repository.folder / "repo.py")}
    exec(compile((repository.folder / "repo.py").read_text(), "repo.py", "exec"), scope)
    assert scope["online"].tags == opened.get_feature_view("sales_online").tags
    with pytest.raises(StateError, match="apply the feature repository first"):
        FeastState.open(repository.folder / "elsewhere")


def test_attributes_come_from_feast_too(sqlite: tuple[Repository, Any]) -> None:
    import pandas as pd

    frame = pd.DataFrame({"series_id": SERIES[:2], "event_timestamp": [datetime(2024, 2, 1)] * 2})
    found = sqlite[1].get_historical_features(
        entity_df=frame, features=["series_attributes:product_id", "series_attributes:region"]
    )
    rows = {r["series_id"]: (r["product_id"], r["region"]) for r in found.to_arrow().to_pylist()}
    assert rows == {"S0/P0": ("P0", "north"), "S1/P1": ("P1", None)}


def test_covariates_that_lack_a_step_or_a_pair_given_twice_are_refused(tables: Tables, tmp_path: Path) -> None:
    ahead = ibis.memtable(tables.con.to_pyarrow(tables.ahead(ORIGINS[:1])))
    gap, extra = (ahead.step == 2) & (ahead.series_id == SERIES[3]), ahead.filter(ahead.step == 2)
    for wrong in (
        ahead.filter(~gap),
        ahead.filter(ahead.step != 2),
        ahead.union(extra),
        ahead.filter(~gap).union(extra),
    ):
        with pytest.raises(PublishError, match="over the whole horizon"):
            publish_online(Repository(folder=tmp_path), LAYOUT, tables.state, wrong, con=tables.con)
    assert [path.name for path in tmp_path.glob("*.parquet")] == []


def test_without_covariates(tables: Tables, tmp_path: Path) -> None:
    layout = LAYOUT.model_copy(update={"covariate_names": ()})
    repository = Repository(folder=tmp_path)
    pairs = tables.state.select("series_id", "origin")
    ahead = known_future(tables.covariates, tables.series, pairs, horizon=HORIZON, frequency="daily", names=[])
    publish_state(repository, layout, tables.state, tables.series, con=tables.con)
    publish_online(repository, layout, tables.state, ahead, con=tables.con)
    store = apply(repository, layout)
    materialise(store)
    batch = FeastState(store).read(SERIES)
    assert batch.found.all() and batch.known_future == {}


def test_bounds_of_the_join_reach_the_offline_store(tmp_path: Path) -> None:
    store = Repository(folder=tmp_path, memory_limit_gb=0.5, threads=3).open()
    con = store.config.offline_store.connect()
    settings = "SELECT current_setting('memory_limit'), current_setting('threads')"
    assert con.sql(settings).fetchall() == [("512.0 MiB", 3)]


def test_addresses_of_online_stores() -> None:
    config = Repository(folder=Path("x"), online_store="redis://:secret@cache:7000/2").feast_config()["online_store"]
    assert config == {"type": "redis", "connection_string": "cache:7000,db=2,password=secret", "skip_dedup": True}
    with pytest.raises(RepositoryError, match="memcached://x"):
        Repository(folder=Path("x"), online_store="memcached://x").feast_config()
