"""Embeddings of crops by torch, for training's curve and for the bench; services and edge boxes ask the ONNX graph."""

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from models.common.pictures import Pixels
from models.common.torch_control import torch_controlled
from models.detector.boxes import IMAGENET_MEAN, IMAGENET_STD, to_tensor
from models.detector.embedder_augment import resized
from models.detector.embedder_weights import EmbedderWeights, to_network

if TYPE_CHECKING:
    from torch import Tensor

_BATCH = 64


def embeddings(
    weights: EmbedderWeights,
    crops: Pixels,
    side: int,
    *,
    threads: int = 1,
    half: bool = True,
    rows: npt.NDArray[np.integer] | None = None,
) -> npt.NDArray[np.float32]:
    """Unit vectors (N, D) of crops (N, S, S, 3), or of those that `rows` (N,) names, seen at `side` pixels; `half`: by bfloat16 as
    in training."""
    import torch

    network = to_network(weights).to(memory_format=torch.channels_last)
    made, asked = [], np.arange(len(crops)) if rows is None else rows
    with torch_controlled(threads, seed=0), torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=half):
        for first in range(0, len(asked), _BATCH):
            squares = resized(np.asarray(crops[asked[first : first + _BATCH]]), side)
            fed: Tensor = torch.from_numpy(to_tensor(list(squares), IMAGENET_MEAN, IMAGENET_STD))
            made.append(network(fed.to(memory_format=torch.channels_last)).float().numpy())
    found = np.concatenate(made)
    return np.asarray(found / np.linalg.norm(found, axis=1, keepdims=True), dtype=np.float32)
