"""Row of a new day: two years at demo size stand, the twin lives one day more, and features and online store follow."""

import json
import os
import subprocess
import sys
import time
from datetime import date, timedelta
from statistics import median

from bench_row import BenchContext, BenchResult, BenchRow

TARGET = "group:sources,group:gate,group:demand,group:features"
DAYS = 3
FIRST = date(2025, 12, 31)  # behind the two years of the demo


def _storeloop(context: BenchContext, *arguments: str) -> tuple[float, str]:
    """Seconds of the whole command, start of the process included, and what it printed."""
    environment = {**os.environ, "STORELOOP_HOME": str(context.scratch)}
    command = [sys.executable, "-m", "orchestration.cli", *arguments]
    began = time.perf_counter()
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"storeloop {' '.join(arguments)} failed: {(done.stdout + done.stderr)[-2000:]}")
    return time.perf_counter() - began, done.stdout


def _row(context: BenchContext) -> BenchResult:
    whole, _ = _storeloop(context, "run", TARGET)
    seconds, made = [], {}
    for day in range(DAYS):
        _storeloop(context, "twin", "advance")
        took, printed = _storeloop(context, "run", TARGET, "--json")
        seconds.append(took)
        said = json.loads(printed)["metadata"]
        made = {name: said[name]["days_made"] for name in ("clean/transactions", "clean/prices", "demand/sales")}
        made["origins"] = said["features/sales_state"]["origins_made"]
        origin = str(FIRST + timedelta(days=day))
        if said["features/online_store"]["origin"] != origin:
            raise RuntimeError(f"the online store stands at {said['features/online_store']['origin']}, not at {origin}")
    days = ", ".join(f"{name} {count}" for name, count in made.items())
    return BenchResult(
        value=median(seconds),
        unit="s",
        peer="all 730 days",
        peer_value=whole,
        bound="<= 20 s",
        met=max(seconds) <= 20,
        note=f"whole command, {DAYS} days one after another, slowest {max(seconds):.1f} s; made by the last: {days}",
    )


ROWS = [BenchRow("new-day", "loop", "one new day on two years: tables to features and online store", _row)]
