"""The Q-network in NumPy: what a service and an edge box run."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from models.common.artifact import ArtifactError

LEAST_LOG, MOST_LOG = -5.0, 3.0  # of the weight of gains, as in `model.py`
HEADS = ("value", "advantage", "weight")
Array = npt.NDArray[np.float32]


class ValueFunction(Protocol):
    """A Q-network, whatever runs it: NumPy in the cloud, ONNX Runtime on an edge box."""

    @property
    def width(self) -> int: ...
    @property
    def prices(self) -> int: ...
    def values(self, states: Any, /) -> Any:
        """Q-values (N, A) of states (N, width), float32, in the market's scale."""


@dataclass(frozen=True)
class Network:
    """Weights (out, in) and biases (out,) of two hidden layers and three heads, by `LAYERS`."""

    parts: Mapping[str, Array]

    LAYERS = ("first", "second", *HEADS)

    def __post_init__(self) -> None:
        wanted = [f"{layer}.{kind}" for layer in self.LAYERS for kind in ("weight", "bias")]
        if sorted(self.parts) != sorted(wanted):
            raise ArtifactError(f"network: expected {wanted}, found {sorted(self.parts)}: retrain")
        shapes = {name: part.shape for name, part in self.parts.items()}
        try:
            (first, width), (second, _), (prices, _) = (
                shapes[f"{name}.weight"] for name in ("first", "second", "advantage")
            )
        except ValueError as error:
            raise ArtifactError(f"network: weights of shapes {shapes} are no matrices: retrain") from error
        sizes = {"first": (first, width), "second": (second, first), "advantage": (prices, second)}
        sizes |= {"value": (1, second), "weight": (1, second)}
        fits = all(
            shapes[f"{layer}.weight"] == size and shapes[f"{layer}.bias"] == size[:1] for layer, size in sizes.items()
        )
        if not fits or width <= prices or not all(np.isfinite(part).all() for part in self.parts.values()):
            raise ArtifactError(f"network: layers of shapes {shapes} do not fit or are not finite: retrain")

    @property
    def width(self) -> int:
        """Numbers in a state."""
        return int(self.parts["first.weight"].shape[1])

    @property
    def prices(self) -> int:
        """A."""
        return int(self.parts["advantage.bias"].shape[0])

    def values(self, states: Array) -> Array:
        """Q-values (N, A) of states (N, W), in the market's scale."""
        hidden = np.maximum(self._layer("first", states), 0.0)
        hidden = np.maximum(self._layer("second", hidden), 0.0)
        weight = np.exp(np.clip(self._layer("weight", hidden), LEAST_LOG, MOST_LOG))
        advantage = self._layer("advantage", hidden) + states[:, -self.prices :] * weight
        return np.asarray(self._layer("value", hidden) + advantage - advantage.mean(axis=1, keepdims=True))

    def _layer(self, name: str, inputs: Array) -> Array:
        return np.asarray(inputs @ self.parts[f"{name}.weight"].T + self.parts[f"{name}.bias"])

    def to_bytes(self) -> bytes:
        """As safetensors."""
        from safetensors.numpy import save

        return bytes(save({name: np.ascontiguousarray(part) for name, part in sorted(self.parts.items())}))

    @classmethod
    def from_bytes(cls, data: bytes) -> "Network":
        """From what `to_bytes` wrote; ArtifactError for anything else."""
        from safetensors import SafetensorError
        from safetensors.numpy import load

        try:
            parts: dict[str, Any] = load(data)
        except SafetensorError as error:
            raise ArtifactError("network: no safetensors: fetch the artifact again") from error
        return cls(parts)
