"""Rows of the demo: seconds and peak memory from tables to a packaged champion, and of a second run."""

import json
import os
import subprocess
import sys

from bench_row import BenchContext, BenchResult, BenchRow


def _demo(context: BenchContext) -> dict[str, float]:
    environment = {**os.environ, "STORELOOP_HOME": str(context.scratch)}
    command = [sys.executable, "-m", "orchestration.cli", "demo", "--json"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"storeloop demo failed: {done.stderr[-2000:]}")
    body = json.loads(done.stdout)
    return {"seconds": body["seconds"], "peak_gb": body["peak_gb"]}


def _row(context: BenchContext) -> BenchResult:
    first, second = _demo(context), _demo(context)
    met = first["seconds"] <= 840 and first["peak_gb"] <= 8 and second["seconds"] <= 60
    note = f"peak {first['peak_gb']:.1f} GB; a second run {second['seconds']:.0f} s"
    bound = "<= 840 s, <= 8 GB, second run <= 60 s"
    return BenchResult(first["seconds"], "s", bound=bound, met=met, note=note)


ROWS = [BenchRow("demo", "loop", "tables to gated, registered, packaged champions", _row)]
