"""Reading one of 100,000 customers from the online store, and pushing an event, beside Feast's own ways."""

import json
import math
import os
import random
import shutil
import subprocess
import sys
from contextlib import nullcontext
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(HERE), str(HERE.parent / "features"), str(ROOT)]

from bench_row import BenchContext, BenchResult, BenchRow  # noqa: E402
from online_read import clocked, percentile  # noqa: E402

CUSTOMERS, EVENTS, ITEMS = 100_000, 2_000_000, 50_000
ROUNDS, READS, PUSHES, SLOW, WARM_UP = 5, 1_000, 200, 20, 300
ASKED_MS = 1.0
NOW = datetime(2025, 12, 31)


def fill(folder: Path, address: str) -> None:
    """Publish and materialise customers with twenty events each on average, few with very many."""
    from features.customer_facts import CustomerTables
    from features.customer_repository import apply_customers, materialise_customers, publish_customers
    from features.engine import connect
    from features.repository import Repository

    con = connect(memory_limit_gb=3)
    con.raw_sql(
        f"""CREATE TABLE events AS SELECT 'C' || lpad(floor({CUSTOMERS} * pow(random(), 1.5))::BIGINT::VARCHAR, 7, '0')
            AS customer_id, 'P' || floor({ITEMS} * pow(random(), 2))::BIGINT AS item_id,
            TIMESTAMP '{NOW}' - to_microseconds((random() * 200 * 86400e6)::BIGINT) AS event_time, NULL::BIGINT AS ordinal,
            CASE WHEN random() < 0.5 THEN 'click' WHEN random() < 0.5 THEN 'cart' ELSE 'purchase' END AS kind,
            1.0::DOUBLE AS amount, round(random() * 50, 2) AS price FROM range({EVENTS})"""
    )
    con.raw_sql(
        f"""CREATE TABLE products AS SELECT 'P' || range AS product_id, 'category ' || range % 40 AS category
            FROM range({ITEMS})"""
    )
    con.raw_sql(
        f"""CREATE TABLE customers AS SELECT 'C' || lpad(range::VARCHAR, 7, '0') AS customer_id,
            DATE '2023-01-01' AS registered_on, 'app' AS device FROM range({CUSTOMERS})"""
    )
    tables = CustomerTables(
        events=con.table("events"), products=con.table("products"), customers=con.table("customers")
    )
    repository = Repository(folder=folder, online_store=address, project="bench")
    store = apply_customers(repository, tables.provided)
    if (rows := publish_customers(repository, tables, NOW, con=con)) != CUSTOMERS:
        raise RuntimeError(f"{rows} customers were published, {CUSTOMERS} were made")
    materialise_customers(store)


def measure(folder: Path) -> dict[str, list[float]]:
    """Milliseconds of each read of one customer, of each push of one event, and of Feast's own read and push."""
    import pandas as pd

    from features.customer_batch import CustomerEvent
    from features.customer_layout import ONLINE_VIEW, PUSH_SOURCE, RECENT_VIEW
    from features.customer_record import Recent, pack_recents
    from features.feast_customers import FeastCustomers

    customers, chance = FeastCustomers.open(folder), random.Random(0)
    store = customers._store
    start_us = int((NOW - datetime(1970, 1, 1)) / timedelta(microseconds=1))
    names = [f"C{number:07d}" for number in range(CUSTOMERS)]
    taken: dict[str, list[float]] = {"read": [], "push": [], "after": [], "feast read": [], "feast push": []}
    number = 0

    def read(name: str) -> None:
        batch = customers.read([name])
        if not batch.found.all() or math.isnan(batch.values["purchases_7d"][0]):
            raise RuntimeError(f"{name} is not there")

    def push(name: str) -> None:
        nonlocal number
        number += 1
        if customers.push([CustomerEvent(name, "P1", "click", start_us + number, f"e{number}")]) != 1:
            raise RuntimeError("an event was lost")

    def feast_read(name: str) -> None:
        fields = [f"{ONLINE_VIEW}:facts", f"{ONLINE_VIEW}:known_until_us", f"{RECENT_VIEW}:recents"]
        store.get_online_features(features=fields, entity_rows=[{"customer_id": name}])

    def feast_push(name: str) -> None:
        packed = pack_recents([Recent(start_us, "e", "click", "P1")])
        row = pd.DataFrame({"customer_id": [name], "event_timestamp": [NOW], "recents": [packed]})
        store.push(PUSH_SOURCE, row)

    for turn in range(ROUNDS + 1):
        pushed = chance.choices(names, k=PUSHES)
        for kind, asked, once in (
            ("read", chance.choices(names, k=READS), read),
            ("push", pushed, push),
            ("after", pushed, read),
            ("feast read", chance.choices(names, k=READS // 5), feast_read),
            ("feast push", chance.choices(names, k=SLOW), feast_push),
        ):
            times = [clocked(lambda name=name, once=once: once(name)) for name in asked[: None if turn else WARM_UP]]
            taken[kind] += times if turn else []
    return taken


def _row(context: BenchContext, kind: str) -> BenchResult:
    from redis_server import redis_server

    if kind == "redis" and shutil.which("redis-server") is None:
        raise RuntimeError("not on PATH: redis-server; install it to measure this row")
    folder = context.scratch / "feast"
    with redis_server(context.scratch) if kind == "redis" else nullcontext("sqlite") as address:
        fill(folder, address)
        command = [sys.executable, __file__, str(folder)]
        environment: dict[str, Any] = {**os.environ, "PYTHONPATH": str(ROOT)}
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"the reader failed: {done.stderr[-2000:]}")
    taken = json.loads(done.stdout)
    one, push, slow = taken["read"], taken["push"], taken["feast push"]
    return BenchResult(
        value=percentile(one, 99),
        unit="ms (p99)",
        peer="Feast's get_online_features, nothing unpacked or folded",
        peer_value=percentile(taken["feast read"], 99),
        bound=f"p99 <= {ASKED_MS:g} ms of {CUSTOMERS:,} customers",
        met=percentile(one, 99) <= ASKED_MS,
        note=f"{len(one):,} reads: p50 {percentile(one, 50):.2f} ms; just after a push p50 "
        f"{percentile(taken['after'], 50):.2f}, p99 {percentile(taken['after'], 99):.2f} ms; a push p50 "
        f"{percentile(push, 50):.2f}, p99 {percentile(push, 99):.2f} ms, by Feast's store.push p50 {percentile(slow, 50):.1f} ms",
    )


ROWS = [
    BenchRow(
        name=f"online_customers_{kind}",
        system="online store",
        what=f"one of 100,000 customers from {label}",
        run=lambda context, kind=kind: _row(context, kind),
        rooms=("features", "data_checks"),
    )
    for kind, label in (("sqlite", "SQLite"), ("redis", "Redis"))
]

if __name__ == "__main__":
    sys.stdout.write(json.dumps(measure(Path(sys.argv[1]))))
