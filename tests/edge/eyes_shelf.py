"""A shelf of the twin as a box is told of it, its films, and networks that see what a recording says. Not a test."""

import importlib.util
import json
import math
import sys
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from edge.eyes.camera_events import camera_outbox
from edge.eyes.feed import Camera, Feeds
from edge.eyes.frames import Counts, Frame
from edge.eyes.fused import FuseConfig, FusedShelf, fused_views
from edge.eyes.loop import EyesConfig, EyesRuntime
from edge.eyes.shelf_spec import ShelfSpec
from models.detector.boxes import Detections
from models.detector.networks import Named
from models.detector.pose import Pose

FILMS = FuseConfig(late_s=math.inf)  # a busy machine reads one film far ahead of the other
START = datetime(2026, 1, 5, 8, 0, tzinfo=UTC)
CLIPS = 4
POSE = Pose(
    pixels=((60, 0, 32), (0, 60, 32), (0, 0, 1)), turned=((1, 0, 0), (0, -1, 0), (0, 0, -1)), at_cm=(50, 20, 100)
)


def small_spec(**changed: Any) -> ShelfSpec:
    lane = {"board": 0, "product": "tea", "left_cm": 0, "right_cm": 50}
    told = {"name": "gondola", "boards_cm": (0.0,), "lanes": [lane], "weight_g": {"tea": 100.0}, "cameras": {"a": POSE}}
    return ShelfSpec(**told | changed)


def clips() -> list[tuple[Any, Any]]:
    """Recordings and their true events."""
    bench = Path(__file__).parents[1] / "bench"
    sys.path.insert(0, str(bench))
    try:
        return list(_loaded(bench / "eyes_events.py").told(202, 8, CLIPS, _params()))
    finally:
        sys.path.remove(str(bench))


def _params() -> Any:
    from sources.twin.cameras.params import CameraParams

    return CameraParams(products=40)


def _loaded(file: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(file.stem, file)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def spec_of(recording: Any, sensors: Path | None) -> ShelfSpec:
    shelf = recording.shelf
    lanes = zip(shelf.level.tolist(), shelf.product.tolist(), shelf.left.tolist(), shelf.right.tolist(), strict=True)
    return ShelfSpec(
        name="gondola",
        boards_cm=tuple(shelf.boards.tolist()),
        lanes=[{"board": a, "product": f"p{b}", "left_cm": c, "right_cm": d} for a, b, c, d in lanes],
        weight_g={f"p{number}": grams for number, grams in enumerate(shelf.weight_g.tolist())},
        cameras={
            f"c{number}": Pose(
                pixels=each.matrix.tolist(),
                turned=each.rotation.tolist(),
                at_cm=each.position.tolist(),
                distortion=each.distortion,
            )
            for number, each in enumerate(recording.cameras)
        },
        tags={f"epc{k}": f"p{product}" for k, product in enumerate(recording.reads.product.tolist())},
        sensors=sensors,
    )


def readings(recording: Any) -> Iterator[str]:
    def at(second: float) -> str:
        return (START + timedelta(seconds=second)).isoformat()

    told = recording.weights
    for board, second, grams in zip(told.level.tolist(), told.at_s.tolist(), told.grams.tolist(), strict=True):
        yield json.dumps({"kind": "weight", "board": board, "time": at(second), "grams": grams})
    told = recording.reads
    for row in range(told.tag.size):
        yield json.dumps(
            {
                "kind": "tag", "board": int(told.level[row]), "time": at(float(told.at_s[row])),
                "epc": f"epc{told.tag[row]}", "rssi_dbm": float(told.rssi_dbm[row]),
            }
        )  # fmt: skip


class Seer:
    """Detector and namer that see what a recording says: pictures carry its number."""

    def __init__(self, recording: Any) -> None:
        self._found, self.named = recording.detections, 0

    def detect(self, image: np.ndarray) -> Detections:
        boxes = self._found.box[self._rows(image)]
        return Detections(boxes, np.full(len(boxes), 0.9))

    def name(self, image: np.ndarray, boxes: np.ndarray) -> list[Named]:
        self.named += len(boxes)
        rows = self._rows(image)
        nearest = [rows[np.abs(self._found.box[rows] - box).sum(axis=1).argmin()] for box in boxes]
        shares = self._found.shares[nearest]
        return [Named(f"p{each.argmax()}", float(each.max())) for each in shares]

    def _rows(self, image: np.ndarray) -> np.ndarray:
        return np.flatnonzero(self._found.picture == int(image[0, 0, 0]) * 256 + int(image[0, 0, 1]))


class Film:
    def __init__(self, frames: Sequence[Frame]) -> None:
        self._frames, self.counts = frames, Counts()

    def frames(self) -> Iterator[Frame]:
        for each in self._frames:
            self.counts.good()
            yield each

    def close(self) -> None:
        """Nothing to end."""


def films(recording: Any) -> dict[str, list[Frame]]:
    made: dict[str, list[Frame]] = {f"c{number}": [] for number in range(len(recording.cameras))}
    for picture in np.argsort(recording.at_s, kind="stable").tolist():
        camera = f"c{recording.camera[picture]}"
        image = np.zeros((1, 1, 3), np.uint8)
        image[0, 0, :2] = divmod(picture, 256)
        made[camera].append(Frame(image, camera, START + timedelta(seconds=float(recording.at_s[picture]))))
    return made


def looked(
    recording: Any,
    home: Path,
    *,
    times: int = 1,
    order: int = 1,
    spec: Callable[[Any, Path | None], ShelfSpec] = spec_of,
) -> tuple[list[dict[str, Any]], EyesRuntime]:
    """What lies in the outbox after the films were looked at by the whole loop, `times` times from the first frame on."""
    home.mkdir()
    (home / "readings.jsonl").write_text("\n".join(readings(recording)) + "\nno reading\n")
    box, seer, config = camera_outbox(home), Seer(recording), EyesConfig()
    shown = list(films(recording).items())[::order]
    for _ in range(times):
        shelf = FusedShelf(spec(recording, home / "readings.jsonl"), FILMS, box="b1")
        cameras = [Camera(name, False, lambda frames=frames: Film(frames)) for name, frames in shown]
        views = fused_views(shelf, seer, seer, config.view)
        eyes = EyesRuntime(seer, seer, Feeds(cameras), box, home=home, config=config, views=views)
        eyes.run()
    found: list[dict[str, Any]] = []
    box.forward(lambda events: found.extend(dict(each) for each in events))
    return found, eyes
