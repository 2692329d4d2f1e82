"""Nothing we run may report to its makers: the switches are off before the libraries that read them are there."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from models.common.telemetry import TELEMETRY_OFF

ROOT = Path(__file__).parents[1]
COMMAND = """
import runpy, sys
sys.argv = ["{module}", "--help"]
try:
    runpy.run_module("{module}", run_name="__main__")
except SystemExit as done:
    assert not done.code, done.code
"""
# ONNX Runtime reads its switch while it is imported, so an entry point must not have imported it by then.
CHECK = """
import os, sys
from models.common.telemetry import TELEMETRY_OFF
on = [name for name, value in TELEMETRY_OFF.items() if os.environ.get(name) != value]
sys.exit(f"not switched off: {on}" if on else "imports onnxruntime" if "onnxruntime" in sys.modules else 0)
"""


@pytest.mark.parametrize(
    "entry",
    [
        "import serving.forecaster",
        "import orchestration.definitions",
        COMMAND.format(module="orchestration.cli"),
        COMMAND.format(module="edge.cli"),
    ],
    ids=["service", "code location", "storeloop", "edge box"],
)
def test_entry_points_switch_everything_off_before_onnx_runtime_is_imported(entry: str) -> None:
    environment = {name: value for name, value in os.environ.items() if name not in TELEMETRY_OFF}
    done = subprocess.run(
        [sys.executable, "-c", f"{entry}\n{CHECK}"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]


def test_onnx_runtime_is_among_what_is_switched_off() -> None:
    assert TELEMETRY_OFF["ORT_DISABLE_TELEMETRY"] == "1"
    assert os.environ["ORT_DISABLE_TELEMETRY"] == "1", "the tests run it too: tests/conftest.py switches it off"
