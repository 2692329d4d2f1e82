"""Row of the recognition service: a photo of a megapixel over HTTP beside its two networks alone, with as many crops."""

import json
import shutil
import statistics
import sys
import time
from base64 import b64encode
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "serving")]

from bench_row import BenchContext, BenchResult, BenchRow  # noqa: E402 (the folder of rows is no package)
from running import ROOT, running  # noqa: E402
from serving_latency import latencies_ms, percentile  # noqa: E402

if TYPE_CHECKING:
    from models.common.pictures import Pixels

WIDTH, HEIGHT = 1152, 896  # 1.03 million pixels
PRODUCTS, PHOTOS, WORLD = 200, 5, 7_300
PICTURES, ROUNDS, REQUESTS, WARM_UP = 4, 5, 40, 4
MOST = 3.0


def photos() -> "list[Pixels]":
    """Shelves of a shop, as large as a phone's small photo."""
    from sources.twin.cameras.params import CameraParams, PictureParams, ShelfParams
    from sources.twin.cameras.studio import Studio

    params = CameraParams(
        products=PRODUCTS, picture=PictureParams(width=WIDTH, height=HEIGHT), shelf=ShelfParams(cameras=1)
    )
    studio = Studio(params, WORLD, world_seed=WORLD)
    return [studio.shelf_scene(number).seen.pictures[0].pixels for number in range(PICTURES)]


def make_release(root: Path) -> None:
    """The base checkpoint with a gallery of unit vectors drawn at random: what they are changes no cost."""
    from models.detector.config import Config
    from models.detector.embedder_weights import embedder_onnx, read_weights
    from models.detector.finder import finder_onnx
    from models.detector.finder_weights import read_finder
    from models.detector.parts import BASE
    from models.detector.predict import unit
    from models.detector.spec import EyesSpec
    from models.detector.train import Trained
    from serving.release import Pointer, build_release, write_pointer

    cfg, embedder = Config(), read_weights(BASE / "embedder.safetensors")
    finder = finder_onnx(read_finder(BASE / "finder.safetensors"), cfg.detector.side)
    vectors = np.random.default_rng(0).normal(size=(PRODUCTS * PHOTOS, embedder.width)).astype(np.float32)
    names = tuple(f"P{number % PRODUCTS:04d}" for number in range(len(vectors)))
    trained = Trained(
        cfg,
        EyesSpec(detector=cfg.detector, namer=cfg.namer, products=names),
        finder,
        embedder_onnx(embedder, cfg.namer.side),
        unit(vectors),
        "drawn at random",
        date(2026, 1, 1),
        0,
    )
    artifact = trained.save(root / "artifact").artifact_id

    def fill(folder: Path) -> None:
        shutil.copytree(root / "artifact", folder / "artifact")

    build_release(root / "releases" / "detector" / "base", artifact, fill)
    pointer = Pointer(release="base", artifact_id=artifact, registry_version="1")
    write_pointer(root / "releases" / "detector" / "champion.json", pointer)


class Bare:
    """Both graphs on tensors that are ready: the work that no service can leave out."""

    def __init__(self, artifact: Path, pictures: "list[Pixels]") -> None:
        from models.common.sessions import open_session
        from models.detector.boxes import IMAGENET_MEAN, IMAGENET_STD, crop, letterbox, to_tensor
        from models.detector.config import Config
        from models.detector.networks import YoloDetector

        cfg = Config()
        self._finder, self._embedder = (
            open_session((artifact / f"{name}.onnx").read_bytes()) for name in ("detector", "embedder")
        )
        self._inputs: list[tuple[Any, Any]] = []
        self.crops = []
        for pixels in pictures:
            boxes = YoloDetector(self._finder, cfg.detector).detect(pixels).boxes
            squares = [crop(pixels, box, cfg.namer.side, margin=cfg.namer.margin) for box in boxes]
            fed = to_tensor(squares, IMAGENET_MEAN, IMAGENET_STD)
            self._inputs.append((to_tensor([letterbox(pixels, cfg.detector.side)[0]]), fed))
            self.crops.append(len(squares))
        self._batch = cfg.namer.batch

    def latencies_ms(self, requests: int, warm_up: int) -> list[float]:
        """Time of each pass over one picture, one after the other."""
        finder, embedder = (session.get_inputs()[0].name for session in (self._finder, self._embedder))
        taken = []
        for number in range(warm_up + requests):
            square, squares = self._inputs[number % len(self._inputs)]
            start = time.perf_counter()
            self._finder.run(None, {finder: square})
            for first in range(0, len(squares), self._batch):
                self._embedder.run(None, {embedder: squares[first : first + self._batch]})
            taken.append((time.perf_counter() - start) * 1000)
        return taken[warm_up:]


def _row(context: BenchContext) -> BenchResult:
    from models.common.pictures import encode_picture, read_picture

    files = [encode_picture(pixels, "JPEG") for pixels in photos()]
    make_release(context.scratch)
    bare = Bare(context.scratch / "artifact", [read_picture(file) for file in files])
    bodies = [json.dumps({"pictures": [b64encode(file).decode()]}).encode() for file in files]
    environment = {"STORELOOP_SERVE_RELEASES": str(context.scratch / "releases")}
    ours, alone = [], []
    with running(
        "serving.detector:Detector", folder=ROOT, environment=environment, log=context.scratch / "bot.log"
    ) as port:
        for _ in range(ROUNDS):
            alone.append(bare.latencies_ms(REQUESTS, WARM_UP))
            ours.append(latencies_ms(port, "/recognise", bodies, REQUESTS, WARM_UP))
    return service_verdict(ours, alone, bare.crops)


def service_verdict(ours: list[list[float]], alone: list[list[float]], crops: list[int]) -> BenchResult:
    """Latencies (ms) of alternating rounds; the bound is on the ratio of their p99."""
    ratio = statistics.median(
        percentile(served, 99) / percentile(bare, 99) for served, bare in zip(ours, alone, strict=True)
    )
    p99, p99_alone = (statistics.median(percentile(each, 99) for each in rounds) for rounds in (ours, alone))
    p50, p50_alone = (statistics.median(statistics.median(each) for each in rounds) for rounds in (ours, alone))
    note = (
        f"ratio {ratio:.2f}; p50 {p50:.0f} beside {p50_alone:.0f} ms; {WIDTH} x {HEIGHT} pixels as JPEG in JSON, "
        f"{min(crops)} to {max(crops)} crops a photo, one connection, gallery of {PRODUCTS * PHOTOS}"
    )
    bound = f"median of {len(ours)} ratios <= {MOST:g}"
    return BenchResult(p99, "ms (p99)", "both graphs alone, as many crops", p99_alone, bound, ratio <= MOST, note)


ROWS = [
    BenchRow(
        "detector-serving",
        "detector service",
        "a photo of 1 MP, found and named",
        _row,
        rooms=("serving", "models", "sources"),
    )
]
