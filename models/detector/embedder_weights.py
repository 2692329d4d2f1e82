"""The embedder's weights: in memory as float32, in the base checkpoint as int8 with a scale for each output channel, never a pickle.

Symmetric quantisation per output channel (Krishnamoorthi 2018, "Quantizing deep convolutional networks for efficient inference",
section 3.1): a quarter of the bytes, an error of at most half a step, 1 / 254 of the channel's largest weight.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from models.common.torch_control import onnx_bytes
from models.detector.embedder_config import EmbedderConfig
from models.detector.weight_files import Arrays, WeightsError, check_file, copied, counts, fill, read_safetensors

if TYPE_CHECKING:
    from models.detector.embedder_model import Embedder

FORMAT: Final = "storeloop-embedder-1"
SCALE: Final = ".scale"
_STEPS: Final = 127
_MOST_BYTES: Final = 1 << 30
_BODY: Final = "body."
_REMEDY: Final = "give a ResNet50 of torchvision as .safetensors or .pth, or an embedder's base checkpoint"


@dataclass(frozen=True, eq=False)
class EmbedderWeights:
    """Weights by name as float32, of a net of `blocks` whose embeddings are `width` long; those of a stranger's ResNet50 have a
    body alone, its projection is drawn where it is filled in."""

    arrays: Arrays
    blocks: tuple[int, int, int, int]
    width: int

    @staticmethod
    def of(state: Mapping[str, Any], cfg: EmbedderConfig) -> "EmbedderWeights":
        """A copy of a network's state (torch)."""
        return EmbedderWeights(copied(state), cfg.blocks, cfg.width)

    def fill(self, network: "Embedder") -> None:
        """Put them into a network. WeightsError where names or shapes differ, or a number is not finite."""
        state = {name: value for name, value in network.state_dict().items() if counts(name)}
        asked = state if not self.bare else {name: value for name, value in state.items() if name.startswith(_BODY)}
        fill(asked, self.arrays, remedy=_REMEDY)

    @property
    def bare(self) -> bool:
        """Whether there is no projection."""
        return not any(name.startswith("project.") for name in self.arrays)

    def to_int8(self) -> bytes:
        """The base checkpoint: safetensors of int8 weights with their scales, and float32 where there is one number a channel."""
        from safetensors.numpy import save

        stored: Arrays = {}
        for name, array in self.arrays.items():
            if array.ndim > 1:
                stored[name], stored[name + SCALE] = quantised(array)
            else:
                stored[name] = array
        told = json.dumps({"blocks": self.blocks, "width": self.width})  # one entry: several come in any order
        return bytes(save(dict(sorted(stored.items())), metadata={FORMAT: told}))


def quantised(array: npt.NDArray[np.floating]) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.float32]]:
    """int8 steps of an array (C, ...) and the size (C,) of a step of each channel; a channel of zeros has steps of 1."""
    flat = array.reshape(len(array), -1)
    largest = np.abs(flat).max(axis=1)
    size = np.where(largest > 0, largest / _STEPS, 1).astype(np.float32)
    steps = np.clip(np.rint(flat / size[:, None]), -_STEPS, _STEPS).astype(np.int8)
    return steps.reshape(array.shape), size


def dequantised(steps: npt.NDArray[np.int8], size: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """What `quantised` rounded: (C, ...) and (C,) -> (C, ...)."""
    return steps.astype(np.float32) * size.reshape(-1, *[1] * (steps.ndim - 1))


def read_weights(path: Path) -> EmbedderWeights:
    """A base checkpoint, or the user's ResNet50 of torchvision as safetensors or as a state dict that torch reads without running
    anything in it. WeightsError for every other file."""
    check_file(path, (".safetensors", ".pth", ".pt"), most_bytes=_MOST_BYTES, remedy=_REMEDY)
    if path.suffix != ".safetensors":
        return _from_torch(path)
    arrays, told = read_safetensors(path, remedy=_REMEDY)
    return _ours(path, told[FORMAT], arrays) if FORMAT in told else _resnet(path, arrays)


def _ours(path: Path, told: str, arrays: Arrays) -> EmbedderWeights:
    try:
        cfg = EmbedderConfig.model_validate_json(told)
    except ValueError as error:
        raise WeightsError(f"{path} says of itself {told[:80]!r}: {_REMEDY}") from error
    read: Arrays = {}
    for name, array in arrays.items():
        if name.endswith(SCALE):
            continue
        size = arrays.get(name + SCALE)
        if array.dtype == np.int8 and size is not None and size.dtype == np.float32 and size.shape == array.shape[:1]:
            read[name] = dequantised(array, size)
        elif array.dtype == np.float32:
            read[name] = array
        else:
            raise WeightsError(f"{path}: {name} is {array.dtype} without a scale for each channel: {_REMEDY}")
    return EmbedderWeights(read, cfg.blocks, cfg.width)


def _from_torch(path: Path) -> EmbedderWeights:
    import torch

    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # unpicklers raise half a dozen kinds on hostile bytes
        raise WeightsError(
            f"{path} is no plain state dict ({type(error).__name__}); save model.state_dict() anew: {_REMEDY}"
        ) from error
    if not isinstance(state, dict) or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise WeightsError(f"{path} holds a {type(state).__name__}, no state dict of tensors: {_REMEDY}")
    return _resnet(path, {str(name): value.float().numpy() for name, value in state.items()})


def _resnet(path: Path, arrays: Arrays) -> EmbedderWeights:
    """A torchvision ResNet50's body; its classes are not ours."""
    body = {
        _BODY + name: array.astype(np.float32)
        for name, array in arrays.items()
        if counts(name) and not name.startswith("fc.")
    }
    cfg = EmbedderConfig()
    found = EmbedderWeights(body, cfg.blocks, cfg.width)
    try:
        _probe(found, cfg)
    except WeightsError as error:
        raise WeightsError(f"{path}: {error}") from error
    return found


def _probe(weights: EmbedderWeights, cfg: EmbedderConfig) -> None:
    from models.detector.embedder_model import Embedder

    weights.fill(Embedder(cfg.blocks, cfg.width))


def to_network(weights: EmbedderWeights) -> "Embedder":
    """The network of whole weights, ready to be asked. WeightsError for a body alone."""
    from models.detector.embedder_model import Embedder

    if weights.bare:
        raise WeightsError("a ResNet50's body has no projection yet: train it by fit_embedder(start=...)")
    network = Embedder(weights.blocks, weights.width)
    weights.fill(network)
    return network.eval()


def embedder_onnx(weights: EmbedderWeights, side: int, *, threads: int = 1) -> bytes:
    """The graph `crops` (B, 3, S, S), mean and deviation divided out -> `embedding` (B, D) of length 1, B free."""
    import torch

    return onnx_bytes(
        to_network(weights),
        (torch.zeros(2, 3, side, side),),
        inputs=["crops"],
        outputs=["embedding"],
        shapes={"crops": {0: torch.export.Dim("B", min=1, max=4_096)}},
        threads=threads,
    )
