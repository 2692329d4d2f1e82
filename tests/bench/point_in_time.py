"""Row of the point-in-time join: our offline store beside Feast's DuckDB store, same files, same call, equal values.

Each store runs in a process of its own (`point_in_time.py TYPE FOLDER OUT`), so that its peak memory is its own.
"""

import contextlib
import io
import json
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from bench_row import BenchContext, BenchResult, BenchRow
from peak_memory import peak_bytes

OURS, PEER = "features.offline_store.AsofOfflineStore", "duckdb"
ENTITY_ROWS, SERIES, DAYS = 1_000_000, 1_000, 730
# View -> (features, days between its values, time to live in days; 0 is for ever). The lives are those of this project's
# views; Feast's store pairs every entity row with all values alive, so that its cost grows with them.
VIEWS = {"state": (5, 1, 35), "stock": (4, 1, 35), "price": (3, 10, 0)}
BEGIN = np.datetime64("2022-01-01", "us")
_DAY = np.timedelta64(1, "D")


def write_tables(folder: Path, entity_rows: int) -> None:
    """Files of the views, and entity rows at random seconds of their two years."""
    rng = np.random.default_rng(7)
    names = np.array([f"S{number // 100:02d}/P{number:04d}" for number in range(SERIES)])
    for view, (features, every, _) in VIEWS.items():
        days = np.arange(0, DAYS, every)
        columns: dict[str, Any] = {
            "series_id": np.repeat(names, len(days)),
            "event_timestamp": np.tile(BEGIN + days * _DAY, SERIES),
        }
        columns |= {f"{view}_{number}": rng.random(SERIES * len(days)) for number in range(features)}
        pq.write_table(pa.table(columns), folder / f"{view}.parquet", compression="zstd")
    entities = {
        "row": np.arange(entity_rows),
        "series_id": names[rng.integers(0, SERIES, entity_rows)],
        "event_timestamp": BEGIN + rng.integers(0, DAYS * 86_400, entity_rows).astype("timedelta64[s]"),
    }
    pq.write_table(pa.table(entities), folder / "entities.parquet")


def feature_store(kind: str, folder: Path) -> Any:
    """Feast over the files of `folder` with the offline store `kind`."""
    from feast import Entity, FeatureStore, FeatureView, Field, FileSource, ValueType
    from feast.repo_config import RepoConfig
    from feast.types import Float64, String

    config = {
        "project": "bench",
        "provider": "local",
        "registry": str(folder / f"{kind}.db"),
        "offline_store": {"type": kind},
        "online_store": {"type": "sqlite", "path": str(folder / f"{kind}-online.db")},
        "entity_key_serialization_version": 3,
    }
    store = FeatureStore(config=RepoConfig(**config, repo_path=folder))
    series = Entity(name="series", join_keys=["series_id"], value_type=ValueType.STRING)
    views = [
        FeatureView(
            name=name,
            entities=[series],
            schema=[
                Field(name="series_id", dtype=String),
                *(Field(name=f"{name}_{number}", dtype=Float64) for number in range(features)),
            ],
            source=FileSource(name=name, path=str(folder / f"{name}.parquet"), timestamp_field="event_timestamp"),
            ttl=timedelta(days=ttl_days),
        )
        for name, (features, _, ttl_days) in VIEWS.items()
    ]
    with contextlib.redirect_stdout(io.StringIO()):
        store.apply([series, *views])
    return store


def join(kind: str, folder: Path, out: Path) -> dict[str, float]:
    """Join all views on to the entity rows, write what came out to `out`; seconds of the join and peak bytes."""
    store = feature_store(kind, folder)
    entities = pq.read_table(folder / "entities.parquet").to_pandas()
    wanted = [f"{view}:{view}_{number}" for view, (features, _, _) in VIEWS.items() for number in range(features)]
    before = peak_bytes()
    started = time.perf_counter()
    found = store.get_historical_features(entity_df=entities, features=wanted).to_arrow()
    seconds = time.perf_counter() - started
    peak = peak_bytes()
    pq.write_table(found, out)
    return {"seconds": seconds, "peak_gb": peak / 1e9, "before_gb": before / 1e9}


def compare(folder: Path, entity_rows: int) -> dict[str, dict[str, float]]:
    """Both stores, one after the other; raises unless they gave the same values."""
    write_tables(folder, entity_rows)
    cost: dict[str, dict[str, float]] = {}
    for kind in (OURS, PEER):
        out = folder / f"{kind}.parquet"
        done = subprocess.run(
            [sys.executable, __file__, kind, str(folder), str(out)], check=True, stdout=subprocess.PIPE, text=True
        )
        cost[kind] = json.loads(done.stdout.splitlines()[-1])
    ours, peers = (pq.read_table(folder / f"{kind}.parquet") for kind in (OURS, PEER))
    names = [name for name in ours.column_names if name != "event_timestamp"]
    if ours.num_rows != entity_rows or not ours.select(names).equals(peers.select(names).sort_by("row")):
        raise RuntimeError(f"{ours.num_rows} rows of ours and {peers.num_rows} of Feast's differ: one join is wrong")
    return cost


def _against_feast(context: BenchContext) -> BenchResult:
    cost = compare(context.scratch, ENTITY_ROWS)
    ours, peer = cost[OURS], cost[PEER]
    return BenchResult(
        ours["seconds"],
        "s",
        "Feast's duckdb store",
        peer["seconds"],
        "10x as fast, half the memory",
        ours["seconds"] * 10 <= peer["seconds"] and ours["peak_gb"] * 2 <= peer["peak_gb"],
        f"{ENTITY_ROWS:,} entity rows, 3 views of {SERIES:,} series (two daily and alive 35 days, one for ever); "
        f"peak {ours['peak_gb']:.2f} GB beside "
        f"{peer['peak_gb']:.2f} GB; all values equal",
    )


ROWS = [
    BenchRow(
        "point-in-time",
        "features",
        "point-in-time join of training rows",
        _against_feast,
        rooms=("features", "data_checks"),
    )
]

if __name__ == "__main__":
    sys.stdout.write(json.dumps(join(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))) + "\n")
