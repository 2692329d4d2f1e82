"""A process that reads an online store while another fills it, or that fills it and is killed on the way.

Every value of a row tells which writing it comes from (see `code`), so that a torn row is told by itself.
"""

import json
import os
import signal
import sys
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

START = date(2024, 1, 1)


def code(generation: int, revision: int, number: int) -> float:
    """What every value says of series `number` whose origin is START + `generation` days, corrected `revision` times."""
    return generation * 1e6 + revision * 1e5 + number


def faults(batch: Any, latest: dict[str, float]) -> list[str]:
    """What is wrong with a batch, after those that gave `latest`; brings `latest` up to date."""
    found = []
    for row, name in enumerate(batch.series_ids):
        values = np.concatenate(
            [[v[row] for v in batch.state.values()], *(v[row] for v in batch.known_future.values())]
        )
        if np.isnat(batch.origin[row]):
            if name in latest or not np.isnan(values).all():
                found.append(f"{name} is gone or half there")
            continue
        told = set(values.tolist())
        generation = int((batch.origin[row] - np.datetime64(START)).astype(int))
        if len(told) != 1 or int(values[0] // 1e6) != generation or values[0] % 1e5 != int(name):
            found.append(f"{name} is torn: origin {batch.origin[row]}, values {sorted(told)[:5]}")
        elif values[0] < latest.get(name, -1.0):
            found.append(f"{name} fell back from {latest[name]} to {values[0]}")
        else:
            latest[name] = float(values[0])
    return found


def read_along(folder: Path, series: int, stop: Path) -> None:
    """Read one series, then a hundred, until `stop` is there; print what was seen."""
    from features.online import FeastState

    state, rng = FeastState.open(folder), np.random.default_rng(0)
    latest: dict[str, float] = {}
    seen, wrong, reads = set(), [], 0
    sys.stdout.write("reading\n")
    sys.stdout.flush()
    while not stop.exists() and not wrong:
        for count in (1, 100):
            names = [str(number) for number in rng.choice(series, count, replace=False)]
            wrong += faults(state.read(names), latest)
            reads += 1
            seen |= {latest[name] // 1e5 for name in names if name in latest}
    sys.stdout.write(json.dumps({"reads": reads, "wrong": wrong, "seen": sorted(seen)}))


def die_after(folder: Path, rows: int) -> None:
    """Materialise, and be killed once `rows` rows were handed to the store, in the middle of a transaction on SQLite."""
    from feast import FeatureStore

    from features.repository import materialise

    store = FeatureStore(repo_path=str(folder))
    write, done = store.provider.online_write_batch, 0

    def count(handed: int) -> None:
        nonlocal done
        done += handed
        if done >= rows:
            os.kill(os.getpid(), signal.SIGKILL)

    store.provider.online_write_batch = lambda config, view, data, _: write(config, view, data, count)
    materialise(store)


if __name__ == "__main__":
    if sys.argv[1] == "read":
        read_along(Path(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]))
    else:
        die_after(Path(sys.argv[2]), int(sys.argv[3]))
