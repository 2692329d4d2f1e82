"""The networks of a camera at their true size, YOLO11n of one class and ResNet50: in PyTorch, as ONNX, in 8 bits.

Untrained, but settled: normalisation has seen pictures, so that no activation dies out or grows without bound. What they cost is
what trained ones cost; what they find means nothing.
"""

import importlib.util
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np

from models.detector.boxes import IMAGENET_MEAN, IMAGENET_STD, letterbox, to_tensor

WIDTH = 256  # of an embedding
CROP = 128  # pixels of a crop's side
SETTLING = 8  # batches that normalisation sees


def beside(folder: str, name: str) -> ModuleType:
    """A helper of another folder of tests."""
    file = Path(__file__).parents[1] / folder / f"{name}.py"
    spec = importlib.util.spec_from_file_location(name, file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def pictures(count: int, *, height: int = 480, width: int = 640, seed: int = 0) -> Iterator[np.ndarray]:
    """Coloured tiles with noise (H, W, 3)."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        tiles = np.kron(rng.integers(0, 256, (height // 40, width // 40, 3)), np.ones((40, 40, 1)))
        yield np.clip(tiles + rng.normal(0, 12, tiles.shape), 0, 255).astype(np.uint8)


@dataclass(frozen=True)
class Networks:
    """PyTorch modules in the form in which they are asked."""

    detector: Any
    embedder: Any


class TorchSession:
    """A PyTorch module in place of a session of ONNX Runtime."""

    def __init__(self, module: Any) -> None:
        self._module = module

    def get_inputs(self) -> Sequence[SimpleNamespace]:
        return [SimpleNamespace(name="images")]

    def run(self, _outputs: Any, feed: dict[str, np.ndarray], /) -> list[np.ndarray]:
        import torch

        with torch.inference_mode():
            return [self._module(torch.from_numpy(feed["images"])).numpy()]


def untrained(*, seed: int = 0) -> Networks:
    """Both networks; the detector's normalisation is melted into its convolutions, as Ultralytics does before it looks."""
    import torch

    from models.detector.embedder_model import Embedder
    from models.detector.finder_ultralytics import quiet_import

    with quiet_import():
        from ultralytics.nn.tasks import DetectionModel

    torch.manual_seed(seed)
    detector = DetectionModel("yolo11n.yaml", nc=1, verbose=False)
    embedder = Embedder((3, 4, 6, 3), WIDTH)
    for module in embedder.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.ones_(module.weight)  # some begin with 0, which 8 bits would drop
    squares = [letterbox(each, 320)[0] for each in pictures(SETTLING, seed=seed)]
    _settle(detector, [to_tensor([each] * 2) for each in squares])
    crops = [letterbox(each, CROP)[0] for each in squares]
    _settle(embedder, [to_tensor(crops[:4], IMAGENET_MEAN, IMAGENET_STD)] * SETTLING)
    detector.eval().fuse()
    detector.model[-1].export, detector.model[-1].format = True, "onnx"  # one output, (1, 5, N)
    return Networks(detector, embedder.eval())


def graphs(networks: Networks, side: int) -> tuple[bytes, bytes]:
    """Both as ONNX: the detector for squares of `side`, the embedder for any number of crops."""
    import torch

    exported = beside("edge", "eyes_graphs").exported
    detector = exported(networks.detector, torch.zeros(1, 3, side, side))
    return detector, exported(networks.embedder, torch.zeros(2, 3, CROP, CROP), batches=True)


def in_8_bits(detector: bytes, embedder: bytes, side: int) -> tuple[bytes, bytes]:
    """Both calibrated on made-up pictures."""
    from edge.int8 import BACKBONE, WHOLE, quantise

    seen = list(pictures(4, seed=1))
    squares = [{"images": to_tensor([letterbox(each, side)[0]])} for each in seen]
    crops = [{"images": to_tensor([letterbox(each, CROP)[0]], IMAGENET_MEAN, IMAGENET_STD)} for each in seen]
    return quantise(detector, squares, WHOLE).model, quantise(embedder, crops, BACKBONE).model


def _settle(network: Any, batches: Sequence[np.ndarray]) -> None:
    import torch

    network.train()
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = 0.3
    with torch.no_grad():
        for each in batches:
            network(torch.from_numpy(each))
