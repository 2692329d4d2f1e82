"""Our offline store and Feast's over the same small files, and tables for them; days count from START."""

import contextlib
import io
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, ValueType
from feast.repo_config import RepoConfig
from feast.types import Float64, Int64, String

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


def moments(count: int) -> pa.Table:
    """Entity rows of product a, scattered over 50 days, and in which of the days each lies."""
    seconds = np.arange(count) * 7919 % (50 * 86_400)
    times = np.datetime64(START, "s") + seconds.astype("timedelta64[s]")
    return pa.table({"product_id": ["a"] * count, "day": seconds // 86_400, "event_timestamp": times})


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
