"""Feast end to end: published files, point-in-time join, online reads, on SQLite and on Redis."""

import socket
import subprocess
import time
from collections.abc import Iterator
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
from features.repository import Repository, RepositoryError, apply, materialise, publish_online, publish_state
from features.state import state_feature_names, state_features
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
    state = state_features(ibis.memtable(sales), frequency="daily", origins=[day(i) for i in range(10, DAYS, 7)])
    return Tables(connect(memory_limit_gb=1), ibis.memtable(sales), ibis.memtable(series), ibis.memtable(covs), state)


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


def numbers(table: pa.Table, name: str) -> np.ndarray:
    return np.array([np.nan if v is None else v for v in table[name].to_pylist()])


def check_parity(tables: Tables, store: Any, origin: date) -> None:
    """Offline join, online read and the expressions themselves agree on every feature at `origin`."""
    ended = datetime.combine(origin + timedelta(days=1), datetime.min.time(), UTC)
    materialise(store, upto=ended)
    online = FeastState(store).read(SERIES)
    np.testing.assert_array_equal(online.origin, np.full(len(SERIES), origin, dtype="datetime64[D]"))
    offline = training_frame(store, entities([(name, origin) for name in SERIES]))
    assert set(online.state) == set(offline.column_names) - {"series_id", "origin"}
    order = [offline["series_id"].to_pylist().index(name) for name in SERIES]
    for name, values in online.state.items():
        np.testing.assert_array_equal(values, numbers(offline, name)[order], err_msg=name)
    rows = {(r["series_id"], r["step"]): r for r in tables.con.to_pyarrow(tables.ahead([origin])).to_pylist()}
    for name, values in online.known_future.items():
        wanted = [[rows[(series, step)][name] for step in range(1, HORIZON + 1)] for series in SERIES]
        np.testing.assert_array_equal(values, np.array(wanted, dtype=float), err_msg=name)
    temperatures = online.known_future["forecast_temp_c"]
    assert np.isfinite(temperatures[0, :3]).all() and np.isnan(temperatures[0, 3:]).all()  # issued 3 days ahead
    assert np.isnan(temperatures[1]).all()  # a store without a region


def test_offline_equals_online_on_sqlite_at_several_times(tables: Tables, sqlite: tuple[Repository, Any]) -> None:
    for origin in (ORIGINS[0], ORIGINS[4], ORIGINS[-1]):
        check_parity(tables, sqlite[1], origin)


def test_materialising_again_changes_nothing_and_takes_the_newest(sqlite: tuple[Repository, Any]) -> None:
    store = sqlite[1]
    materialise(store)
    first = FeastState(store).read(SERIES)
    materialise(store)
    again = FeastState(store).read(SERIES)
    assert set(first.origin.astype(object)) == {ORIGINS[-1]}
    np.testing.assert_array_equal(first.origin, again.origin)
    assert all(np.array_equal(first.state[n], again.state[n], equal_nan=True) for n in first.state)


def test_the_join_keeps_every_entity_row(sqlite: tuple[Repository, Any]) -> None:
    pairs = [
        (SERIES[0], ORIGINS[2]),
        (SERIES[0], ORIGINS[2] + timedelta(days=3)),  # between two states: the older one holds
        (SERIES[0], START - timedelta(days=400)),  # before the first value
        (SERIES[0], ORIGINS[-1] + timedelta(days=36)),  # past the time to live
        ("nobody", ORIGINS[2]),
    ]
    joined = training_frame(sqlite[1], entities(pairs), features=["level_28", "age_periods"], chunk_rows=2)
    age = {(r["series_id"], r["origin"]): r["age_periods"] for r in joined.to_pylist()}
    assert [age[pair] for pair in pairs] == [25.0, 25.0, None, None, None]
    with pytest.raises(JoinError, match="repeat"):
        training_frame(sqlite[1], entities([pairs[0], pairs[0]]))


def test_a_store_that_drops_rows_is_caught(sqlite: tuple[Repository, Any]) -> None:
    class Dropping:
        """Feast's store, less the last row of every join."""

        def __getattr__(self, name: str) -> Any:
            return getattr(sqlite[1], name)

        def get_historical_features(self, **request: Any) -> Any:
            whole = sqlite[1].get_historical_features(**request).to_arrow()

            class Job:
                def to_arrow(self) -> pa.Table:
                    return whole.slice(0, whole.num_rows - 1)

            return Job()

    with pytest.raises(JoinError, match="3 entity rows went into the training join and 2 came out"):
        training_frame(Dropping(), entities([(SERIES[i], ORIGINS[0]) for i in range(3)]), features=["scale"])


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


def test_addresses_of_online_stores() -> None:
    config = Repository(folder=Path("x"), online_store="redis://:secret@cache:7000/2").feast_config()["online_store"]
    assert config == {"type": "redis", "connection_string": "cache:7000,db=2,password=secret"}
    with pytest.raises(RepositoryError, match="memcached://x"):
        Repository(folder=Path("x"), online_store="memcached://x").feast_config()


@pytest.fixture()
def redis_url(tmp_path: Path) -> Iterator[str]:
    """A Redis of the test's own on a free loopback port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(tmp_path)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(100):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        else:
            pytest.fail(f"redis-server did not open port {port} within 5 s")
        yield f"redis://127.0.0.1:{port}/1"
    finally:
        process.terminate()
        process.wait(timeout=10)


@pytest.mark.services
def test_offline_equals_online_on_redis(tables: Tables, redis_url: str, tmp_path: Path) -> None:
    store = publish(tables, Repository(folder=tmp_path / "feast", online_store=redis_url, project="parity"))
    for origin in (ORIGINS[1], ORIGINS[-1]):
        check_parity(tables, store, origin)
