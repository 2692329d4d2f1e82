"""The base checkpoint as PyTorch modules in the place of sessions of ONNX Runtime: what 8 bits on a box are compared with."""

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np


class TorchSession:
    """A PyTorch module in the place of a session of ONNX Runtime."""

    def __init__(self, module: Any) -> None:
        self._module = module

    def get_inputs(self) -> Sequence[SimpleNamespace]:
        return [SimpleNamespace(name="input")]

    def run(self, _outputs: Any, feed: dict[str, np.ndarray], /) -> list[np.ndarray]:
        import torch

        with torch.inference_mode():
            return [self._module(torch.from_numpy(feed["input"])).numpy()]


def base_sessions() -> tuple[TorchSession, TorchSession]:
    """Finder and embedder."""
    from models.detector.embedder_weights import read_weights, to_network
    from models.detector.finder import served_network
    from models.detector.finder_weights import read_finder
    from models.detector.parts import BASE

    finder = served_network(read_finder(BASE / "finder.safetensors"))
    return TorchSession(finder), TorchSession(to_network(read_weights(BASE / "embedder.safetensors")))
