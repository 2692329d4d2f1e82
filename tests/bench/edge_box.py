"""Rows of the edge: what a box must install, how soon it answers, and whether it gives the cloud's numbers."""

import importlib.util
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from bench_row import ROOMS, BenchContext, BenchResult, BenchRow

ROOT = Path(__file__).parents[2]
EDGE_ROOMS = tuple(room for room in ROOMS if room in {"models", "edge", "features"})


def _beside(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "tests" / "edge" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def _box(folder: Path) -> tuple[Path, dict[str, Any], list[str]]:
    """Python of a fresh edge environment, the cloud's forecasts, and the arguments that name an installed box."""
    from edge.export import build_bundle
    from models.common.keys import generate_keys, read_private_key

    made = _beside("edge_release").write_release(folder / "release")
    generate_keys(folder / "signing.pem", folder / "trusted.pem")
    build_bundle(folder / "release", folder / "1.bundle", read_private_key(folder / "signing.pem"), revision=1)
    python = _beside("edge_venv").make_edge_venv(folder)
    names = ["--home", str(folder / "box"), "--key", str(folder / "trusted.pem"), "--json"]
    _on_the_box(python, "update", str(folder / "1.bundle"), *names)
    return python, made, names


def _on_the_box(python: Path, *arguments: str) -> dict[str, Any]:
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
    command = [python, "-m", "edge.cli", *arguments]
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    return json.loads(done.stdout)


def installed_size(context: BenchContext) -> BenchResult:
    venv = _beside("edge_venv")
    size = venv.installed_bytes(venv.make_edge_venv(context.scratch)) / 1e6
    return BenchResult(size, "MB", bound="<= 350 MB", met=size <= 350, note="Python packages of the extra `edge`")


def parity(context: BenchContext) -> BenchResult:
    python, made, names = _box(context.scratch)
    reply = _on_the_box(python, "run", *names)
    columns = ("mean", "q10", "q50", "q90")
    got = np.array([[row[name] for name in columns] for row in reply["forecasts"]]).transpose(0, 2, 1)
    worst = float((np.abs(got - made["values"]) / np.maximum(np.abs(made["values"]), 1e-6)).max())
    note = f"{got.size} numbers, missing inputs among them; no torch, no xgboost installed"
    return BenchResult(worst, "", bound="<= 1e-4", met=worst <= 1e-4, note=note)


def first_answer(context: BenchContext) -> BenchResult:
    python, _, names = _box(context.scratch)
    _on_the_box(python, "run", *names)
    times = []
    for _ in range(5):
        began = time.perf_counter()
        _on_the_box(python, "run", *names)
        times.append(time.perf_counter() - began)
    return BenchResult(
        float(np.median(times)), "s", note="process start to answer: verify, self-test, forecast; median of 5"
    )


ROWS = [
    BenchRow("edge-installed-size", "edge", "installed size", installed_size, rooms=EDGE_ROOMS),
    BenchRow("edge-parity", "edge", "worst relative difference from the cloud", parity, rooms=EDGE_ROOMS),
    BenchRow("edge-first-answer", "edge", "cold start to first answer", first_answer, rooms=EDGE_ROOMS),
]
