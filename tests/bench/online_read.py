"""Reading what a forecast needs from the online store, beside the client's bare read of the same bytes."""

import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext
from datetime import date
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(HERE), str(HERE.parent / "features"), str(ROOT)]

from bench_row import BenchContext, BenchResult, BenchRow  # noqa: E402

SERIES, STATES, COVARIATES, HORIZON = 2_000, 190, 40, 42
ROUNDS, SINGLES, HUNDREDS, WARM_UP = 5, 1_000, 40, 300
ASKED_MS = 5.0


def fill(folder: Path, address: str) -> None:
    """Publish and materialise series of the size that the large twin's have."""
    import ibis
    import numpy as np
    import pyarrow as pa

    from features.engine import connect
    from features.layout import Layout
    from features.repository import Repository, apply, materialise, publish_online

    rng = np.random.default_rng(0)
    names = [f"S{number // 50:04d}/P{number % 50:03d}" for number in range(SERIES)]
    layout = Layout(
        frequency="daily",
        state_names=tuple(f"state_{number}" for number in range(STATES)),
        covariate_names=tuple(f"covariate_{number}" for number in range(COVARIATES)),
        horizon=HORIZON,
    )
    keys = {"series_id": pa.array(names), "origin": pa.array([date(2025, 12, 31)] * SERIES)}
    state = pa.table(keys | {name: rng.gamma(1.0, 5.0, SERIES) for name in layout.state_names})
    rows = np.arange(SERIES).repeat(HORIZON)
    steps = {name: column.take(rows) for name, column in keys.items()}
    steps |= {"step": np.tile(np.arange(1, HORIZON + 1), SERIES)}
    for index, name in enumerate(layout.covariate_names):  # a few that always say something, many that seldom do
        values = rng.normal(10.0, 5.0, rows.size).round(1)
        steps[name] = values if index < 8 else np.where(rng.random(rows.size) < 0.1, values, 0.0)
    repository = Repository(folder=folder, online_store=address, project="bench")
    store = apply(repository, layout)
    tables = (ibis.memtable(state), ibis.memtable(pa.table(steps)))
    publish_online(repository, layout, *tables, con=connect(memory_limit_gb=2))
    materialise(store)


def measure(folder: Path) -> dict[str, list[float]]:
    """Milliseconds of each read, in rounds that take turns: of one series, of a hundred, and of one by the bare client."""
    from features.online import FeastState

    state = FeastState.open(folder)
    bare, keys = bare_reader(state._store)
    chance = random.Random(0)
    names = [f"S{number // 50:04d}/P{number % 50:03d}" for number in range(SERIES)]

    def read(count: int) -> None:
        batch = state.read(chance.sample(names, count))
        if not batch.found.all() or batch.horizon != HORIZON:
            raise RuntimeError(f"series missing in {batch.series_ids}")

    taken: dict[str, list[float]] = {"one": [], "hundred": [], "bare": []}
    for turn in range(ROUNDS + 1):
        for kind, reads, once in (
            ("one", SINGLES, lambda: read(1)),
            ("hundred", HUNDREDS, lambda: read(100)),
            ("bare", SINGLES, lambda: bare(chance.choice(keys))),
        ):
            times = [clocked(once) for _ in range(reads if turn else min(reads, WARM_UP))]
            taken[kind] += times if turn else []
    return taken


def bare_reader(store: Any) -> tuple[Callable[[bytes], object], list[bytes]]:
    """How the store's own client reads one row, and the keys of all."""
    if store.config.online_store.type == "sqlite":
        import sqlite3

        connection = sqlite3.connect(store.config.online_store.path)
        keys = [key for (key,) in connection.execute("SELECT DISTINCT entity_key FROM bench_sales_online")]
        query = "SELECT feature_name, value, event_ts FROM bench_sales_online WHERE entity_key = ?"
        return lambda key: connection.execute(query, (key,)).fetchall(), keys
    client = store.provider.online_store._get_client(store.config.online_store)
    return client.hgetall, client.keys()


def clocked(once: Callable[[], object]) -> float:
    start = time.perf_counter()
    once()
    return (time.perf_counter() - start) * 1000


def percentile(values: list[float], share: int) -> float:
    return statistics.quantiles(values, n=100, method="inclusive")[share - 1]


def _row(context: BenchContext, kind: str) -> BenchResult:
    from redis_server import redis_server

    if kind == "redis" and shutil.which("redis-server") is None:
        raise RuntimeError("not on PATH: redis-server; install it to measure this row")
    folder = context.scratch / "feast"
    with redis_server(context.scratch) if kind == "redis" else nullcontext("sqlite") as address:
        fill(folder, address)
        command = [sys.executable, __file__, str(folder)]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"the reader failed: {done.stderr[-2000:]}")
    taken = json.loads(done.stdout)
    one, hundred, bare = taken["one"], taken["hundred"], taken["bare"]
    return BenchResult(
        value=percentile(one, 99),
        unit="ms (p99)",
        peer="the client alone, nothing unpacked",
        peer_value=percentile(bare, 99),
        bound=f"p99 <= {ASKED_MS:g} ms",
        met=percentile(one, 99) <= ASKED_MS,
        note=f"{len(one):,} reads of {STATES + COVARIATES * HORIZON:,} values: p50 {percentile(one, 50):.2f}, slowest "
        f"{max(one):.1f} ms; 100 series a read: p50 {percentile(hundred, 50):.1f}, p99 {percentile(hundred, 99):.1f} ms",
    )


ROWS = [
    BenchRow(
        name=f"online_read_{kind}",
        system="online store",
        what=f"one series of the forecaster from {label}",
        run=lambda context, kind=kind: _row(context, kind),
        rooms=("features", "data_checks"),
    )
    for kind, label in (("sqlite", "SQLite"), ("redis", "Redis"))
]

if __name__ == "__main__":
    sys.stdout.write(json.dumps(measure(Path(sys.argv[1]))))
