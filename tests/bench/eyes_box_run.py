"""A box with cameras in an environment of its own: how soon it looks, and how much memory it takes over thousands of frames."""

import importlib.util
import json
import os
import subprocess
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import cv2
import numpy as np

from orchestration.base_networks import base_graphs, in_8_bits

ROOT = Path(__file__).parents[2]
SCENE = 25  # frames until the shelf looks otherwise
SHELVES, PRODUCTS, PHOTOS, WORLD, WIDTH = 8, 200, 5, 7_208, 256
PIECE = (10.0, 10.0, 90.0, 90.0)  # as large as packages are
WARM = 0.2  # share of the frames after which memory counts as settled


def beside(folder: str, name: str) -> ModuleType:
    """A helper of another folder of tests."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "tests" / folder / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@dataclass(frozen=True)
class Ran:
    """Of one run: frames and events, seconds from the start of the process to the first turn of its loop, on the clock and of the
    processor; resident megabytes: the most, and the medians of the second fifth of the frames and of the last; milliseconds a
    frame."""

    frames: int
    failed: int
    events: int
    start_s: float
    start_cpu_s: float
    peak_mb: float
    settled_mb: float
    last_mb: float
    frame_ms: float

    @property
    def grown_mb(self) -> float:
        """From the settled fifth to the last."""
        return self.last_mb - self.settled_mb


def shelves(side: int) -> list[np.ndarray]:
    """Shelves of the twin, each otherwise filled, in a picture of 1280 x 960; of those the middle, twice as wide as `side`."""
    from sources.twin.cameras.params import CameraParams
    from sources.twin.cameras.studio import Studio

    studio = Studio(CameraParams(products=PRODUCTS), WORLD)
    whole = [studio.shelf_scene(number).seen.pictures[0].pixels for number in range(SHELVES)]
    height, width = whole[0].shape[:2]
    high, wide = round(2 * side * height / width), 2 * side
    top, left = (height - high) // 2, (width - wide) // 2
    return [picture[top : top + high, left : left + wide] for picture in whole]


def eight_bits(graphs: tuple[bytes, bytes], scenes: list[np.ndarray], side: int) -> tuple[bytes, bytes]:
    """Both graphs in 8 bits, calibrated on these scenes and on a piece of each."""
    from models.detector.boxes import crop
    from models.detector.networks import NamerConfig

    crops = np.stack([crop(picture, np.array(PIECE), NamerConfig().side) for picture in scenes])
    return in_8_bits(*graphs, scenes, crops, side)


def release(folder: Path, scenes: list[np.ndarray], side: int) -> Path:
    """The base checkpoint in 8 bits, calibrated on these scenes, with a gallery of unit vectors drawn at random: what they are
    changes no cost, and everything found is named."""
    from models.detector.networks import DetectorConfig, NamerConfig
    from models.detector.predict import unit
    from models.detector.spec import EyesSpec

    name = NamerConfig(least_similarity=-1)
    finder, embedder = eight_bits(base_graphs(side), scenes, side)
    vectors = np.random.default_rng(3).normal(size=(PRODUCTS * PHOTOS, WIDTH)).astype(np.float32)
    products = tuple(f"product-{number // PHOTOS}" for number in range(len(vectors)))
    spec = EyesSpec(detector=DetectorConfig(side=side), namer=name, products=products)
    made: Path = beside("edge", "eyes_graphs").write_release(folder, finder, embedder, unit(vectors), spec)
    return made


def video(file: Path, frames: int, scenes: list[np.ndarray]) -> Path:
    """Ten frames a second; each scene stands still but for the camera's noise."""
    height, width = scenes[0].shape[:2]
    writer = cv2.VideoWriter(str(file), cv2.VideoWriter.fourcc(*"MJPG"), 10, (width, height))
    rng = np.random.default_rng(2)
    noise = rng.normal(0, 4, (7, height, width, 3)).astype(np.float32)
    for number in range(frames):
        noisy = scenes[number // SCENE % len(scenes)] + noise[number % len(noise)]
        writer.write(np.clip(noisy, 0, 255).astype(np.uint8)[..., ::-1])
    writer.release()
    return file


class Box:
    """A box in the folder `home` with the python of an environment that has the extra `edge` alone."""

    def __init__(self, python: Path, folder: Path, release: Path) -> None:
        from edge.export import build_bundle
        from models.common.keys import generate_keys, read_private_key

        folder.mkdir(parents=True)
        generate_keys(folder / "signing.pem", folder / "trusted.pem")
        build_bundle(release, folder / "1.bundle", read_private_key(folder / "signing.pem"), revision=1)
        self._python, self._home = python, folder / "box"
        self._names = ["--home", str(self._home), "--key", str(folder / "trusted.pem"), "--json"]
        self._environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
        update = [python, "-m", "edge.cli", "update", str(folder / "1.bundle"), *self._names]
        subprocess.run(update, env=self._environment, check=True, capture_output=True)

    def run(self, film: Path) -> Ran:
        """Look at a film to its end, watched from outside."""
        beat, port = self._home / "eyes.heartbeat", beside("edge", "mqtt_broker").free_port()
        beat.unlink(missing_ok=True)
        arguments = ["run", *self._names, "--camera", f"shelf={film}", "--health-port", str(port)]
        began = time.monotonic()
        process = subprocess.Popen(
            [self._python, "-m", "edge.cli", *arguments], env=self._environment, stdout=subprocess.PIPE, text=True
        )
        start_s, start_cpu_s, seen = float("nan"), float("nan"), []
        while process.poll() is None:
            if np.isnan(start_s):
                if beat.exists():
                    start_s, start_cpu_s = time.monotonic() - began, _cpu_s(process.pid)
                time.sleep(0.005)
                continue
            told = _health(port)
            if told is not None:
                seen.append((told["frames"], told["memory_mb"]))
            time.sleep(0.2)
        told = json.loads(process.communicate()[0].splitlines()[-1])
        if process.returncode:
            raise RuntimeError(f"the box ended with {process.returncode}: {told}")
        frames, memory = np.array(seen).T
        share = frames / told["frames"]
        settled, last = (share >= WARM) & (share < 2 * WARM), share >= 1 - WARM
        return Ran(
            told["frames"],
            told["failed"],
            told["events_stored"],
            start_s,
            start_cpu_s,
            float(memory.max()),
            float(np.median(memory[settled])),
            float(np.median(memory[last])),
            told["frame_ms_p50"],
        )


def _cpu_s(pid: int) -> float:
    """Processor seconds of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _health(port: int) -> dict[str, Any] | None:
    """What the page says; None before it is there and after it is gone."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=30) as reply:
            found: dict[str, Any] = json.load(reply)
            return found
    except urllib.error.HTTPError as ill:
        raise RuntimeError(f"the box is ill: {ill.read(2_000).decode()}") from ill
    except OSError:
        return None
