"""Rows of the recommender's service: latency under an open load, its feedback sent back, with Feast and online learning.

`python tests/bench/recommender_service.py FOLDER [sqlite|redis]` prints all figures and keeps the release in the folder.
"""

import http.client
import json
import os
import re
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(HERE), str(HERE.parent / "serving"), str(HERE.parent / "features"), str(ROOT)]

from bench_row import BenchContext, BenchResult, BenchRow  # noqa: E402 (the folder of rows is no package)
from open_load import JSON, Agenda, post  # noqa: E402
from recommender_release import FIRST_DAY, SEGMENTS, Shop, customer_name, item_name, make_artifact, make_shop  # noqa: E402
from running import running  # noqa: E402

ASKED_MS, ASKED_RATE, SECONDS = 50.0, 50.0, 60.0
PROBE_RATES, PROBE_SECONDS = (75.0, 100.0, 150.0, 200.0, 300.0), 15.0
WARM_UP_S, SENDERS, K = 5.0, 32, 10
CLICKS, PURCHASES = 0.08, 0.02  # of what is shown
FEEDBACK_AFTER_S = 1.0  # a page is looked at before it is told
STAGES = ("read", "rank", "reweigh", "write")


@dataclass
class Taken:
    """Latencies in milliseconds from when a request was due, by path; replies that were no champion's."""

    recommend: list[float] = field(default_factory=list)
    feedback: list[float] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def p(self, share: float, path: str = "recommend") -> float:
        return float(np.percentile(getattr(self, path), share))


def make_release(shop: Shop, root: Path) -> None:
    """A release without customers: those are in Feast."""
    from models.recommender.fallback import count_popular, write_popular
    from models.recommender.histories import Histories
    from serving.release import Pointer, build_release, write_pointer

    artifact = make_artifact(shop, root / "artifact")
    names = [item_name(number) for number in range(len(shop.taste))]
    segment = np.asarray(SEGMENTS)[shop.segment]

    def fill(folder: Path) -> None:
        shutil.copytree(root / "artifact", folder / "artifact")
        write_popular(folder / "fallback", count_popular(Histories(shop.starts, shop.items), names, segment))

    build_release(root / "releases" / "recommender" / "large", artifact, fill)
    pointer = Pointer(release="large", artifact_id=artifact, registry_version="1")
    write_pointer(root / "releases" / "recommender" / "champion.json", pointer)


def fill_store(shop: Shop, folder: Path, address: str) -> None:
    """All customers with what they took, through the published file and the materialisation."""
    import ibis
    import pyarrow as pa

    from features.customer_facts import CustomerTables
    from features.customer_repository import apply_customers, materialise_customers, publish_customers
    from features.engine import connect
    from features.repository import Repository

    lengths = np.diff(shop.starts)
    who = np.repeat(np.arange(len(lengths)), lengths)
    place = np.arange(len(who)) - np.repeat(shop.starts[:-1], lengths)
    items = pa.array([item_name(number) for number in range(len(shop.taste))])
    events = {
        "customer_id": pa.array([customer_name(number) for number in range(len(lengths))]).take(who),
        "item_id": items.take(shop.items),
        "event_time": np.datetime64(FIRST_DAY, "us") + place * np.timedelta64(1, "D"),
        "ordinal": pa.nulls(len(who), pa.int64()),
        "kind": pa.array(["purchase"]).take(np.zeros(len(who), dtype=np.int64)),
        "amount": np.ones(len(who)),
        "price": np.full(len(who), 2.5),
    }
    products = {"product_id": items, "category": pa.array([f"taste {number}" for number in shop.taste.tolist()])}
    tables = CustomerTables(events=ibis.memtable(pa.table(events)), products=ibis.memtable(pa.table(products)))
    repository = Repository(folder=folder, online_store=address, project="bench")
    store = apply_customers(repository, tables.provided)
    until = datetime.fromisoformat(FIRST_DAY) + timedelta(days=60)
    publish_customers(repository, tables, until, con=connect(memory_limit_gb=2))
    materialise_customers(store)


def load(port: int, rate: float, seconds: float, seed: int, *, customers: int) -> Taken:
    """An open load: requests are due by a Poisson process, whether the service keeps up or not; each slate is told back."""
    rng = np.random.default_rng(seed)
    due = np.cumsum(rng.exponential(1 / rate, int(rate * seconds)))
    who, hours = rng.integers(0, customers, due.size), rng.integers(0, 24, due.size)
    taken, lock, agenda = Taken(), threading.Lock(), Agenda()
    begin = time.perf_counter() + 0.2
    for number, at in enumerate(due.tolist()):
        body = {
            "customer_ids": [customer_name(int(who[number]))],
            "k": K,
            "context": {"device": ("phone", "web", "kiosk")[number % 3], "hour": int(hours[number])},
        }
        agenda.put(begin + at, "recommend", json.dumps(body).encode())
    chance = np.random.default_rng(seed + 1)

    def answer_to(reply: dict[str, Any]) -> bytes:
        slate = reply["recommendations"][0]
        with lock:
            draw = chance.random(len(slate["items"]))
        events = [
            {
                "kind": "purchase" if luck < PURCHASES else "click",
                "item_id": item["item_id"],
                "customer_id": slate["customer_id"],
                "impression_id": item["impression_id"],
                "event_time": datetime.now(UTC).isoformat(),
            }
            for item, luck in zip(slate["items"], draw.tolist(), strict=True)
            if luck < CLICKS + PURCHASES
        ]
        return json.dumps({"shown": [item["impression_id"] for item in slate["items"]], "events": events}).encode()

    def send() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        while (entry := agenda.ready.get()) is not None:
            at, path, body = entry
            status, content = post(connection, path, body)
            late_ms = (time.perf_counter() - at) * 1000
            with lock:
                getattr(taken, path).append(late_ms)
                if status != 200 or (path == "recommend" and b'"champion ' not in content):
                    taken.wrong.append(f"{path} {status}: {content[:300]!r}")
            if path == "recommend" and status == 200:
                agenda.put(time.perf_counter() + FEEDBACK_AFTER_S, "feedback", answer_to(json.loads(content)))
        connection.close()

    threads = [threading.Thread(target=agenda.run), *(threading.Thread(target=send) for _ in range(SENDERS))]
    for thread in threads:
        thread.start()
    time.sleep(max(0.0, begin + due[-1] - time.perf_counter()) + FEEDBACK_AFTER_S + 1.0)
    agenda.end(SENDERS)
    for thread in threads:
        thread.join()
    return taken


def floor(port: int, rate: float, seconds: float) -> float:
    """p99 of an endpoint that does nothing, asked in the same way."""
    rng = np.random.default_rng(7)
    due = np.cumsum(rng.exponential(1 / rate, int(rate * seconds)))
    connection, taken = http.client.HTTPConnection("127.0.0.1", port, timeout=30), []
    begin = time.perf_counter() + 0.1
    for at in due.tolist():
        time.sleep(max(0.0, begin + at - time.perf_counter()))
        connection.request("POST", "/empty", b"{}", JSON)
        connection.getresponse().read()
        taken.append((time.perf_counter() - begin - at) * 1000)
    connection.close()
    return float(np.percentile(taken, 99))


def stages(port: int) -> dict[str, tuple[float, float]]:
    """Seconds and count of each stage up to now, and of whole answers, as `/metrics` tells them."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("GET", "/metrics")
    text = connection.getresponse().read().decode()
    connection.close()
    found = {}
    for name, labels in (
        *((stage, f'stage_seconds_{{}}{{{{bot="recommender",stage="{stage}"}}}}') for stage in STAGES),
        ("answer", 'request_seconds_{}{{bot="recommender",endpoint="recommend"}}'),
    ):
        told = [re.search(re.escape(f"storeloop_{labels.format(part)}") + r" (\S+)", text) for part in ("sum", "count")]
        found[name] = (float(told[0][1]), float(told[1][1])) if all(told) else (0.0, 0.0)
    return found


def shares(before: dict[str, tuple[float, float]], after: dict[str, tuple[float, float]], mean_ms: float) -> str:
    """Mean milliseconds of each stage; what is left of the mean latency is framework, network and waiting."""
    told = {
        name: 1000 * (after[name][0] - before[name][0]) / max(after[name][1] - before[name][1], 1) for name in after
    }
    parts = [f"{name} {told[name]:.1f}" for name in STAGES]
    return (
        f"mean {mean_ms:.1f} ms: {', '.join(parts)}, framework and waiting {mean_ms - sum(told[s] for s in STAGES):.1f}"
    )


@contextmanager
def serving(scratch: Path, store: Path) -> Iterator[int]:
    """The service on the release, customers from Feast, its learner beside it."""
    environment = {
        "STORELOOP_SERVE_RELEASES": str(scratch / "releases"),
        "STORELOOP_SERVE_ONLINE_STATE": "feast",
        "STORELOOP_SERVE_FEAST_REPO": str(store),
        "STORELOOP_SERVE_ONLINE": str(scratch / f"online-{time.time_ns()}"),
        "STORELOOP_SERVE_LEARNER": "process",
        "STORELOOP_SERVE_LABEL_WAIT_S": "5",
        "STORELOOP_SERVE_WORKERS": "2",
        "STORELOOP_SERVE_MODEL_THREADS": "1",
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
    }
    with running("serving.recommender:Recommender", environment=environment, log=scratch / "service.log") as port:
        yield port


def measure(
    scratch: Path, store: Path, *, customers: int, say: Callable[[str], None] = lambda _: None
) -> dict[str, Any]:
    """Figures at the asked rate, and the highest rate that keeps the bound."""
    with serving(scratch, store) as port:
        load(port, ASKED_RATE, WARM_UP_S, 1, customers=customers)
        before = stages(port)
        main = load(port, ASKED_RATE, SECONDS, 2, customers=customers)
        told = shares(before, stages(port), float(np.mean(main.recommend)))
        say(f"{ASKED_RATE:g}/s: p50 {main.p(50):.1f}, p99 {main.p(99):.1f} ms; {told}; wrong {main.wrong[:2]}")
        highest = ASKED_RATE if main.p(99) <= ASKED_MS and not main.wrong else 0.0
        for rate in PROBE_RATES:
            found = load(port, rate, PROBE_SECONDS, int(rate), customers=customers)
            say(f"{rate:g}/s: p50 {found.p(50):.1f}, p99 {found.p(99):.1f} ms, wrong {len(found.wrong)}")
            if found.p(99) > ASKED_MS or found.wrong:
                break
            highest = rate
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        connection.request("POST", "/model", b"{}", JSON)
        learned = json.loads(connection.getresponse().read())["learned_events"]
        connection.close()
    with running("empty_service:Empty", folder=HERE, environment={}, log=scratch / "empty.log") as port:
        empty = floor(port, ASKED_RATE, 15.0)
    return {"main": main, "shares": told, "highest": highest, "learned": learned, "floor": empty}


def _row(context: BenchContext, kind: str) -> BenchResult:
    from redis_server import redis_server

    if kind == "redis" and shutil.which("redis-server") is None:
        raise RuntimeError("not on PATH: redis-server; install it to measure this row")
    shop = make_shop()
    make_release(shop, context.scratch)
    with redis_server(context.scratch) if kind == "redis" else nullcontext("sqlite") as address:
        fill_store(shop, context.scratch / "feast", address)
        found = measure(context.scratch, context.scratch / "feast", customers=len(shop.segment))
    main = found["main"]
    if main.wrong:
        raise RuntimeError(f"{len(main.wrong)} answers were not the champion's: {main.wrong[0]}")
    return BenchResult(
        value=main.p(99),
        unit="ms (p99)",
        peer="empty BentoML endpoint",
        peer_value=found["floor"],
        bound=f"p99 <= {ASKED_MS:g} ms at {ASKED_RATE:g} requests/s",
        met=main.p(99) <= ASKED_MS,
        note=f"{len(main.recommend):,} requests in {SECONDS:g} s, p50 {main.p(50):.1f} ms, as many deliveries of feedback "
        f"(p99 {main.p(99, 'feedback'):.1f} ms), {found['learned']:,} impressions learned; {found['shares']}; the bound "
        f"holds up to {found['highest']:g} requests/s",
    )


ROWS = [
    BenchRow(
        f"recommender-service-{kind}",
        "recommender service",
        f"100,000 customers, 50,000 items, Feast on {label}, FTRL",
        lambda context, kind=kind: _row(context, kind),
        rooms=("serving", "models", "features"),
    )
    for kind, label in (("sqlite", "SQLite"), ("redis", "Redis"))
]


def main(folder: Path, kind: str) -> None:
    from redis_server import redis_server

    shop = make_shop()
    if not (folder / "releases").exists():
        make_release(shop, folder)
    with redis_server(folder) if kind == "redis" else nullcontext("sqlite") as address:
        store = folder / f"feast-{kind}"
        if kind == "redis" or not store.exists():
            began = time.perf_counter()
            fill_store(shop, store, address)
            sys.stdout.write(f"filled in {time.perf_counter() - began:.0f} s\n")
        found = measure(folder, store, customers=len(shop.segment), say=lambda text: print(text, flush=True))  # noqa: T201
    sys.stdout.write(f"floor p99 {found['floor']:.1f} ms, learned {found['learned']}, highest {found['highest']}\n")
    sys.stdout.write(f"load average {os.getloadavg()}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else "sqlite")
