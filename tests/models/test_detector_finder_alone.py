"""Training, watching and export in a process of their own, with a wire on every call that leaves it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np

from models.common.telemetry import TELEMETRY_OFF

ROOT = Path(__file__).parents[2]
CODE = """
import json, sys
reached = []
LIBRARIES = ("ldconfig", "gcc", "ld", "objdump")  # how ctypes looks for a library of this machine
def wire(event, args):
    if event == "subprocess.Popen" and str(args[0]).rpartition("/")[2] in LIBRARIES:
        return
    if event in ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "subprocess.Popen", "os.system", "os.exec"):
        reached.append((event, str(args)[:200]))
sys.addaudithook(wire)
from finder_toy import SIDE, TOY, TorchSession, toy
from models.detector.finder import finder_onnx, fit_finder
from models.detector.finder_weights import read_finder
from pathlib import Path
import numpy as np
data = toy(8, seed=1)
short = TOY.model_copy(update={"epochs": 2, "squares": 16, "precision": "bfloat16"})
weights = fit_finder(data.pictures, data.boxes, short, seed=1, watch=toy(2, seed=2))
graph = finder_onnx(weights, SIDE)
Path("finder.onnx").write_bytes(graph)
Path("finder.safetensors").write_bytes(weights.to_half())
read_finder(Path("finder.safetensors"))
image = np.random.default_rng(0).uniform(0, 1, (1, 3, SIDE, SIDE)).astype(np.float32)
np.savez("asked.npz", image=image, answer=TorchSession(weights).run(None, {"images": image})[0])
silent = list(reached)
import socket
try:
    socket.create_connection(("127.0.0.1", 9), timeout=1)
except OSError:
    pass
print(json.dumps({"reached": silent, "wire": [event for event, _ in reached[len(silent):]]}))
"""


def test_nobody_is_asked_and_the_graph_answers_as_the_network(tmp_path: Path) -> None:
    """In a process without our switches: the finder sets them itself, before Ultralytics is imported."""
    import onnxruntime

    home = tmp_path / "home"
    home.mkdir()
    environ = {name: value for name, value in os.environ.items() if name not in TELEMETRY_OFF}
    environ |= {
        "PYTHONPATH": f"{ROOT}:{Path(__file__).parent}",
        "HOME": str(home),
        "OMP_NUM_THREADS": "1",
        "TMPDIR": str(tmp_path),
    }
    environ.pop("YOLO_CONFIG_DIR", None)
    done = subprocess.run(
        [sys.executable, "-c", CODE], cwd=tmp_path, env=environ, capture_output=True, text=True, check=True
    )
    told = json.loads(done.stdout.splitlines()[-1])
    assert "socket.connect" in told["wire"], "the wire sees nothing"
    assert told["reached"] == []
    assert [path for path in home.rglob("*") if path.is_file()] == []
    assert not list(tmp_path.glob("ultralytics-*")), "Ultralytics' settings were left behind"

    session = onnxruntime.InferenceSession(tmp_path / "finder.onnx", providers=["CPUExecutionProvider"])
    assert [(each.name, each.shape) for each in session.get_inputs()] == [("images", [1, 3, 96, 96])]
    assert [(each.name, each.shape) for each in session.get_outputs()] == [("boxes", [1, 5, 189])]  # 12^2 + 6^2 + 3^2
    with np.load(tmp_path / "asked.npz") as asked:
        answer = session.run(None, {"images": asked["image"]})[0]
        np.testing.assert_allclose(answer, asked["answer"], atol=2e-3, rtol=1e-3)
