"""Latency of one 42-period forecast beside an endpoint that does nothing: what the model adds to the framework."""

import http.client
import json
import statistics
import sys
import time
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "serving")]

from bench_row import BenchContext, BenchResult, BenchRow  # noqa: E402
from release_factory import DEMO_CONFIG, FIRST, make_releases  # noqa: E402
from running import ROOT, running  # noqa: E402


def measure(scratch: Path, *, rounds: int = 5, requests: int = 1_000, warm_up: int = 200) -> dict[str, float]:
    """Median over alternating rounds of p50 and p99 (ms) of both endpoints, and of the ratio of their p99."""
    releases = make_releases(scratch / "releases", config=DEMO_CONFIG, n_series=20, names=(FIRST,))
    environment = {"STORELOOP_SERVE_RELEASES": str(releases.root)}
    bodies = [json.dumps({"series_ids": [series_id], "horizon": 42}).encode() for series_id in releases.series_ids]
    found: dict[str, list[float]] = {"empty_p50": [], "empty_p99": [], "p50": [], "p99": [], "ratio": []}
    with (
        running("empty_service:Empty", folder=HERE, environment={}, log=scratch / "empty.log") as empty,
        running("serving.forecaster:Forecaster", folder=ROOT, environment=environment, log=scratch / "bot.log") as bot,
    ):
        for _ in range(rounds):
            floor = latencies_ms(empty, "/empty", [b"{}"], requests, warm_up)
            forecast = latencies_ms(bot, "/forecast", bodies, requests, warm_up)
            found["empty_p50"].append(percentile(floor, 50))
            found["empty_p99"].append(percentile(floor, 99))
            found["p50"].append(percentile(forecast, 50))
            found["p99"].append(percentile(forecast, 99))
            found["ratio"].append(found["p99"][-1] / found["empty_p99"][-1])
    return {name: statistics.median(values) for name, values in found.items()}


def latencies_ms(port: int, path: str, bodies: list[bytes], requests: int, warm_up: int) -> list[float]:
    """Time of each request over one kept-alive connection, warm-up left out; every reply must be a 200."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    headers = {"Content-Type": "application/json"}
    taken = []
    try:
        for number in range(warm_up + requests):
            start = time.perf_counter()
            connection.request("POST", path, bodies[number % len(bodies)], headers)
            reply = connection.getresponse()
            content = reply.read()
            taken.append((time.perf_counter() - start) * 1000)
            if reply.status != 200 or b"fallback" in content:
                raise RuntimeError(f"{path} answered {reply.status}: {content[:300]!r}")
    finally:
        connection.close()
    return taken[warm_up:]


def percentile(values: list[float], share: int) -> float:
    return statistics.quantiles(values, n=100, method="inclusive")[share - 1]


def _row(context: BenchContext) -> BenchResult:
    found = measure(context.scratch)
    return BenchResult(
        value=found["p99"],
        unit="ms (p99)",
        peer="empty BentoML endpoint",
        peer_value=found["empty_p99"],
        bound="median of five ratios <= 3",
        met=found["ratio"] <= 3.0,
        note=f"ratio {found['ratio']:.2f}; p50 {found['p50']:.1f} beside {found['empty_p50']:.1f} ms, one connection",
    )


ROWS = [
    BenchRow(
        name="serving_latency",
        system="forecaster service",
        what="one 42-period forecast",
        run=_row,
        rooms=("serving", "models", "features"),
    )
]
