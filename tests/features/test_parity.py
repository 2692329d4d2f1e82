"""Offline equals online: 1,000 pairs of series and time, every feature, bit for bit, on SQLite and on Redis."""

from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import ibis
import numpy as np
import pyarrow as pa
import pytest

from features.engine import connect
from features.known_future import known_future
from features.layout import Layout
from features.online import FeastState, StateBatch
from features.repository import Repository, apply, materialise, publish_online, publish_state
from features.state import StateTables, state_feature_names, state_features
from features.training import training_frame

START, DAYS, HORIZON = date(2023, 1, 1), 420, 14
ORIGINS = [START + timedelta(days=day) for day in (3, 9, 30, 60, 90, *range(100, 400, 21), DAYS - 1)][:20]
SERIES = [f"S{i % 5}/P{i}" for i in range(50)]
NAMES = ("days_to_holiday", "forecast_temp_c", "promo_depth", "surprise")
LAYOUT = Layout(
    frequency="daily", state_names=state_feature_names("daily"), covariate_names=NAMES, horizon=HORIZON
)  # fmt: skip


@dataclass(frozen=True)
class Offline:
    """What is known of every pair, computed in one go, as for training."""

    con: Any
    covariates: ibis.Table
    series: ibis.Table
    state: ibis.Table
    ahead: pa.Table

    def ahead_of(self, *origins: date) -> ibis.Table:
        pairs = self.state.filter(self.state.origin.isin(list(origins))).select("series_id", "origin")
        return known_future(
            self.covariates,
            self.series,
            pairs,
            horizon=HORIZON,
            frequency="daily",
            names=NAMES,
            defaults={"surprise": 0.5},
        )


@pytest.fixture(scope="module")
def offline() -> Offline:
    rng = np.random.default_rng(17)
    days = [START + timedelta(days=day) for day in range(DAYS)]
    first = rng.integers(0, 200, len(SERIES)) * (np.arange(len(SERIES)) % 3 == 0)  # a third of them is launched later
    sales = [
        (name, day, float(sold) * (1.1 if i % 2 else 1.0), "units", bool(is_open), bool(censored))
        for i, name in enumerate(SERIES)
        for day, sold, is_open, censored in zip(
            days, rng.poisson(1 + i % 7, DAYS), rng.random(DAYS) > 0.1, rng.random(DAYS) < 0.1, strict=True
        )
        if day >= START + timedelta(days=int(first[i]))
    ]
    kinds = {"series_id": pa.string(), "period_start": pa.date32(), "value": pa.float64(), "unit": pa.string()}
    demand = columns(sales, kinds | {"open": pa.bool_(), "censored": pa.bool_()})
    series = pa.table(
        {
            "series_id": SERIES,
            "store_id": [name.split("/")[0] for name in SERIES],
            "product_id": [name.split("/")[1] for name in SERIES],
            "category": ["tea", "milk"] * (len(SERIES) // 2),
            "region": pa.array(["north", "south", None, "north", "south"] * (len(SERIES) // 5), pa.string()),
            "started_on": pa.array([START + timedelta(days=int(day)) for day in first], pa.date32()),
        }
    )
    con = connect(memory_limit_gb=1)
    state = state_features(
        StateTables(ibis.memtable(demand), ibis.memtable(series)), frequency="daily", origins=ORIGINS
    )
    tables = Offline(
        con, ibis.memtable(covariates(rng)), ibis.memtable(series), ibis.memtable(con.to_pyarrow(state)), pa.table({})
    )
    return Offline(con, tables.covariates, tables.series, tables.state, con.to_pyarrow(tables.ahead_of(*ORIGINS)))


def columns(rows: list[tuple], kinds: dict[str, pa.DataType]) -> pa.Table:
    return pa.table({n: pa.array([row[i] for row in rows], kind) for i, (n, kind) in enumerate(kinds.items())})


def covariates(rng: np.random.Generator) -> pa.Table:
    """Known ahead for ever, for a few days, in several versions, in several scopes, and hardly ever."""
    rows: list[tuple] = []
    for number in range(DAYS + HORIZON):
        day = START + timedelta(days=number)
        rows.append(("all", "*", day, "days_to_holiday", float(number % 30), date(1970, 1, 1)))
        for issued in (1, 2, 5):
            rows += [
                ("region", r, day, "forecast_temp_c", rng.normal(), day - timedelta(days=issued))
                for r in ("north", "south")
            ]
        if number % 11 < 3:
            rows.append(("product", f"P{number % 50}", day, "promo_depth", 0.1 * (number % 4), day - timedelta(days=9)))
            rows.append(("series", SERIES[number % 50], day, "promo_depth", 1 / 3, day - timedelta(days=4)))
        if number % 97 == 0:
            rows.append(("category", "tea", day, "surprise", rng.random(), day))
    kinds = {"scope": pa.string(), "scope_value": pa.string(), "period_start": pa.date32(), "name": pa.string()}
    return columns(rows, kinds | {"value": pa.float64(), "known_from": pa.date32()})


def bits(values: np.ndarray) -> np.ndarray:
    """The bit patterns of float64 values; whatever is not known has one and the same."""
    return np.where(np.isnan(values), np.nan, values).view(np.uint64)


def as_of(offline: Offline, repository: Repository, store: Any, origin: date) -> StateBatch:
    """What a service reads once the day's run has carried `origin` online."""
    today = offline.state.filter(offline.state.origin == origin)
    ahead = ibis.memtable(offline.con.to_pyarrow(offline.ahead_of(origin)))
    assert publish_online(repository, LAYOUT, today, ahead, con=offline.con) > 0
    materialise(store)
    return FeastState(store).read(SERIES)


def check_parity(offline: Offline, repository: Repository) -> None:
    store = apply(repository, LAYOUT)
    publish_state(repository, LAYOUT, offline.state, offline.series, con=offline.con)
    pairs = [(name, origin) for origin in ORIGINS for name in SERIES]
    assert len(set(pairs)) == 1_000
    joined = training_frame(store, columns(pairs, {"series_id": pa.string(), "origin": pa.date32()}))
    trained = {(row["series_id"], row["origin"]): row for row in joined.to_pylist()}
    planned = {(row["series_id"], row["origin"], row["step"]): row for row in offline.ahead.to_pylist()}
    known = pairs_known = 0
    for origin in ORIGINS:
        online = as_of(offline, repository, store, origin)
        assert set(online.state) == set(LAYOUT.state_names) and set(online.known_future) == set(NAMES)
        launched = np.array([(name, origin, 1) in planned for name in SERIES])
        np.testing.assert_array_equal(online.origin[launched], np.datetime64(origin, "D"))
        assert np.isnat(online.origin[~launched]).all()
        for name, values in online.state.items():
            wanted = np.array([trained[(series, origin)][name] for series in SERIES], dtype=np.float64)
            np.testing.assert_array_equal(bits(values), bits(wanted), err_msg=f"{name} at {origin}")
            known += np.isfinite(wanted).sum()
        for name, values in online.known_future.items():
            for row in np.flatnonzero(launched):
                steps = [planned[(SERIES[row], origin, step)][name] for step in range(1, HORIZON + 1)]
                wanted = np.array(steps, dtype=np.float64)
                np.testing.assert_array_equal(bits(values[row]), bits(wanted), err_msg=f"{name} at {origin}")
        pairs_known += launched.sum()
    assert 850 < pairs_known < 1_000  # the others were not launched yet, offline and online alike
    assert known > 0.6 * pairs_known * len(LAYOUT.state_names)  # equal nulls alone would prove little


def test_a_thousand_pairs_on_sqlite(offline: Offline, tmp_path: Path) -> None:
    check_parity(offline, Repository(folder=tmp_path / "feast"))


@pytest.mark.services
def test_a_thousand_pairs_on_redis(offline: Offline, redis_url: str, tmp_path: Path) -> None:
    check_parity(offline, Repository(folder=tmp_path / "feast", online_store=redis_url, project="parity"))
