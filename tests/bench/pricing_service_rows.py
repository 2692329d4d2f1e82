"""Rows of the pricing service: a quote beside an endpoint that does nothing, and a store of 10,000 items; of fresh goods too.

`python tests/bench/pricing_service_rows.py FOLDER [ROW ...]` prints the figures.
"""

import http.client
import json
import statistics
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(HERE), str(HERE.parent / "serving"), str(ROOT)]

from bench_row import BenchContext, BenchResult, BenchRow  # noqa: E402 (the folder of rows is no package)
from open_load import Agenda, post  # noqa: E402
from running import running  # noqa: E402

RATE, SECONDS, WARM_UP_S, SENDERS, ROUNDS = 100.0, 8.0, 3.0, 16, 9  # short rounds: what else the machine does hits few
MOST_MORE_MS = 10.0
ITEMS, STORES, MOST_S = 10_000, 5, 2.0
HIDDEN = 128  # as wide as a trained network; what its weights are costs nothing


@dataclass
class Taken:
    """Milliseconds from when each request was due, and replies that were no champion's."""

    ms: list[float] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def p(self, share: float) -> float:
        return float(np.percentile(self.ms, share))


@dataclass(frozen=True)
class Load:
    """What is sent: a release to ask, quotes of one item each by `quote`, and a store by `reprice`."""

    quote: str
    quotes: list[bytes]
    reprice: str
    store: bytes


def market_load(root: Path) -> Load:
    """Of all problems that ship, networks of random weights."""
    problems = make_release(root)
    return Load("quote", quotes(problems, 500, 1), "reprice", store(problems, ITEMS, 2))


def fresh_load(root: Path) -> Load:
    """Of 10,000 fresh goods, a network of random weights; each is told with its demand of the next 14 days."""
    from pricing_releases import fresh_spec, make_release
    from release_factory import model_helper

    from models.pricing.config import Config
    from models.pricing.fresh import AHEAD
    from models.pricing.guardrails import Rules
    from serving.release import Pointer, write_pointer

    goods, rng = model_helper("test_pricing_fresh").some(ITEMS, 1), np.random.default_rng(3)
    names = [f"S{number // 100:04d}|P{number % 100:05d}" for number in range(ITEMS)]
    spec = fresh_spec(names, goods, Rules(largest_change=0.5))
    bot, quick = root / "releases" / "pricing", Config(fresh_shelves=ITEMS, fresh_days=1)
    made = make_release(bot / "fresh", root / "artifact", [], 0, fresh=(spec, goods), hidden=HIDDEN, tuning=quick)
    write_pointer(bot / "champion.json", Pointer(release="fresh", artifact_id=made, registry_version="1"))
    items = []
    for number, name in enumerate(names):
        of, listed = goods.rows(np.array([number])), round(float(rng.uniform(0.5, 9)), 2)
        stock = rng.multinomial(rng.integers(0, of.up_to[0] + 1), np.full(of.life[0], 1 / of.life[0]))
        items.append({
            "good": name, "list_price": listed, "stock": stock.tolist(), "weekday": 2, "coming": int(rng.integers(0, 3)),
            "before": round(listed * float(rng.choice([0.5, 0.8, 1.0])), 2), "wait": int(rng.integers(0, of.every[0])),
            "expected": (of.level[0] * rng.uniform(0.5, 1.5, AHEAD)).tolist(),
        })  # fmt: skip
    columns = {name: [item[name] for item in items] for name in items[0]}
    sent = [json.dumps({"items": [items[number]]}).encode() for number in rng.integers(0, ITEMS, 500)]
    return Load("quote_fresh", sent, "reprice_fresh", json.dumps({"goods": columns}).encode())


def make_release(root: Path) -> list[Any]:
    """A release of all problems that ship, networks of random weights; the problems."""
    from pricing_releases import make_release

    from models.pricing.guardrails import Rules
    from models.pricing.instances import SHIPPED, read_instances
    from models.pricing.spec import MarketSpec
    from serving.release import Pointer, write_pointer

    problems = list(read_instances(SHIPPED))
    specs = [MarketSpec(instance=each, rules=Rules(largest_change=0.5)) for each in problems]
    bot = root / "releases" / "pricing"
    artifact = make_release(bot / "shipped", root / "artifact", specs, 0, hidden=HIDDEN)
    pointer = Pointer(release="shipped", artifact_id=artifact, registry_version="1")
    write_pointer(bot / "champion.json", pointer)
    return problems


def items(problem: Any, count: int, rng: np.random.Generator) -> list[dict[str, Any]]:
    """Situations inside the range of training."""
    ages = getattr(problem, "shelf_life", 1)
    room = problem.room if problem.kind == "perishable" else problem.capacity
    return [
        {
            "item_id": f"{problem.name}-{number:05d}",
            "period": int(rng.integers(0, problem.periods)),
            "stock": rng.multinomial(rng.integers(0, room + 1), np.full(ages, 1 / ages)).tolist(),
            "before": float(rng.choice(problem.prices)),
            "factors": {each.name: float(rng.choice([one.value for one in each.levels])) for each in problem.factors},
            "willingness_people": 20,
        }
        for number in range(count)
    ]


def quotes(problems: list[Any], count: int, seed: int) -> list[bytes]:
    """Quotes of one item each."""
    rng = np.random.default_rng(seed)
    chosen = [problems[number] for number in rng.integers(0, len(problems), count)]
    return [json.dumps({"market": each.name, "items": items(each, 1, rng)}).encode() for each in chosen]


def store(problems: list[Any], count: int, seed: int) -> bytes:
    """A store of several markets, as columns."""
    rng, markets = np.random.default_rng(seed), []
    for number, each in enumerate(problems):
        rows = items(each, count // len(problems) + (number < count % len(problems)), rng)
        columns = {name: [row[name] for row in rows] for name in ("period", "stock", "before", "willingness_people")}
        factors = {factor.name: [row["factors"][factor.name] for row in rows] for factor in each.factors}
        ids = [row["item_id"] for row in rows]
        markets.append({"market": each.name, "item_ids": ids, **columns, "factors": factors})
    return json.dumps({"markets": markets}).encode()


def load(port: int, path: str, bodies: list[bytes], *, seconds: float, seed: int) -> Taken:
    """An open load: requests are due by a Poisson process, whether the service keeps up or not."""
    rng = np.random.default_rng(seed)
    due = np.cumsum(rng.exponential(1 / RATE, int(RATE * seconds)))
    taken, lock, agenda = Taken(), threading.Lock(), Agenda()
    begin = time.perf_counter() + 0.2
    for number, at in enumerate(due.tolist()):
        agenda.put(begin + at, path, bodies[number % len(bodies)])

    def send() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        while (entry := agenda.ready.get()) is not None:
            at, where, body = entry
            status, content = post(connection, where, body)
            late_ms = (time.perf_counter() - at) * 1000
            with lock:
                taken.ms.append(late_ms)
                if status != 200 or (where.startswith("quote") and b'"served_by":"champion ' not in content):
                    taken.wrong.append(f"{where} {status}: {content[:300]!r}")
        connection.close()

    threads = [threading.Thread(target=agenda.run), *(threading.Thread(target=send) for _ in range(SENDERS))]
    for thread in threads:
        thread.start()
    time.sleep(max(0.0, begin + due[-1] - time.perf_counter()) + 1.0)
    agenda.end(SENDERS)
    for thread in threads:
        thread.join()
    return taken


def measure_quotes(scratch: Path, sent: Load) -> dict[str, float]:
    """Median over alternating rounds of p50 and p99 (ms) of both endpoints, and of the difference of their p99."""
    environment = {"STORELOOP_SERVE_RELEASES": str(scratch / "releases"), "OMP_NUM_THREADS": "1"}
    environment["STORELOOP_SERVE_PRICING"] = str(scratch / "pricing")
    found: dict[str, list[float]] = {"p50": [], "p99": [], "empty_p50": [], "empty_p99": [], "more": []}
    with (
        running("empty_bot:Empty", folder=HERE, environment={}, log=scratch / "empty.log") as empty,
        running("serving.pricing:Pricing", folder=ROOT, environment=environment, log=scratch / "bot.log") as bot,
    ):
        for port, path, bodies in ((empty, "empty", [b"{}"]), (bot, sent.quote, sent.quotes)):
            load(port, path, bodies, seconds=WARM_UP_S, seed=0)
        for turn in range(ROUNDS):
            floor = load(empty, "empty", [b"{}"], seconds=SECONDS, seed=turn + 1)
            quoted = load(bot, sent.quote, sent.quotes, seconds=SECONDS, seed=turn + 1)
            if wrong := floor.wrong + quoted.wrong:
                raise RuntimeError(f"{len(wrong)} answers were not the champion's: {wrong[0]}")
            told = (quoted.p(50), quoted.p(99), floor.p(50), floor.p(99), quoted.p(99) - floor.p(99))
            for name, value in zip(found, told, strict=True):
                found[name].append(value)
    return {name: statistics.median(values) for name, values in found.items()}


def measure_store(scratch: Path, store: Load) -> dict[str, Any]:
    """Seconds of each reprice of a store from request to the whole reply, the first not counted, and bytes."""
    environment = {"STORELOOP_SERVE_RELEASES": str(scratch / "releases"), "OMP_NUM_THREADS": "1"}
    environment["STORELOOP_SERVE_PRICING"] = str(scratch / "pricing")
    seconds: dict[str, list[float]] = {}
    for mode in ("false", "true"):
        environment["STORELOOP_SERVE_APPROVAL"] = mode
        with running("serving.pricing:Pricing", folder=ROOT, environment=environment, log=scratch / "bot.log") as port:
            for number in range(STORES + 1):
                sent = json.dumps({**json.loads(store.store), "request_id": f"run {number}"}).encode()
                connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
                start = time.perf_counter()
                status, content = post(connection, store.reprice, sent)
                taken = time.perf_counter() - start
                connection.close()
                reply = json.loads(content)
                parts = reply.get("markets", [reply.get("goods", {"price": ()})])
                priced = sum(len(each["price"]) for each in parts)
                if status != 200 or priced != ITEMS or not reply["served_by"].startswith("champion "):
                    raise RuntimeError(f"reprice answered {status}, {priced} prices: {content[:300]!r}")
                if number:
                    seconds.setdefault(mode, []).append(taken)
    return {"live": seconds["false"], "proposals": seconds["true"], "bytes": len(store.store), "reply": len(content)}


def _quote_row(make: Callable[[Path], Load], context: BenchContext) -> BenchResult:
    found = measure_quotes(context.scratch, make(context.scratch))
    return BenchResult(
        value=found["p99"],
        unit="ms (p99)",
        peer="empty BentoML endpoint",
        peer_value=found["empty_p99"],
        bound=f"median of {ROUNDS} differences <= {MOST_MORE_MS:g} ms at {RATE:g} requests/s",
        met=found["more"] <= MOST_MORE_MS,
        note=f"{found['more']:+.1f} ms; p50 {found['p50']:.1f} beside {found['empty_p50']:.1f} ms; {ROUNDS} alternating rounds of "
        f"{SECONDS:g} s, an open load from when each request was due",
    )


def _store_row(make: Callable[[Path], Load], what: str, context: BenchContext) -> BenchResult:
    found = measure_store(context.scratch, make(context.scratch))
    slowest = max(found["live"])
    return BenchResult(
        value=slowest,
        unit="s (slowest)",
        bound=f"{ITEMS:,} items in <= {MOST_S:g} s",
        met=slowest <= MOST_S,
        note=f"{STORES} stores, median {statistics.median(found['live']):.2f} s; as proposals, on the disk, slowest "
        f"{max(found['proposals']):.2f} s; {found['bytes'] / 1e6:.1f} MB asked, {found['reply'] / 1e6:.1f} MB answered, {what}",
    )


ROWS = [
    BenchRow(name, "pricing service", title, run, rooms=("serving", "models"))
    for name, title, run in (
        ("pricing-service-quote", "one quote", partial(_quote_row, market_load)),
        ("pricing-service-quote-fresh", "one quote of a fresh good", partial(_quote_row, fresh_load)),
        (
            "pricing-service-reprice",
            "reprice a store of 10,000 items",
            partial(_store_row, market_load, "nine markets"),
        ),
        ("pricing-service-reprice-fresh", "reprice 10,000 fresh goods", partial(_store_row, fresh_load, "one network")),
    )
]


if __name__ == "__main__":
    wanted = sys.argv[2:]
    for each in ROWS:
        if wanted and each.name not in wanted:
            continue
        folder = Path(sys.argv[1]) / each.name
        folder.mkdir(parents=True, exist_ok=True)
        sys.stdout.write(f"{each.name}: {each.run(BenchContext(folder, None))}\n")
