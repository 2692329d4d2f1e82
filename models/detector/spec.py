"""What an artifact says of itself (`eyes.json`), beside `detector.onnx`, `embedder.onnx` and `gallery.safetensors`."""

from typing import Annotated

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from models.common.artifact import ArtifactError
from models.detector.event_confidence import EventsSpec
from models.detector.networks import DetectorConfig, NamerConfig

FORMAT_VERSION = 2  # 1 had crops in letter-boxes
NAME = "detector"
DETECTOR, EMBEDDER, GALLERY, SPEC = "detector.onnx", "embedder.onnx", "gallery.safetensors", "eyes.json"
VECTORS = "vectors"  # the one tensor of the gallery

ProductId = Annotated[str, StringConstraints(min_length=1, max_length=200)]


class EyesSpec(BaseModel):
    """Everything that a predictor must know beside graphs and vectors."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format_version: int = FORMAT_VERSION
    detector: DetectorConfig = DetectorConfig()
    namer: NamerConfig = NamerConfig()
    products: tuple[ProductId, ...] = Field(
        min_length=1, max_length=1_000_000, description="product of each vector of the gallery"
    )
    look_alike: float = Field(
        default=0.9, ge=-1, le=1, description="likeness at which photos look like those of another product"
    )
    finder_from: str = Field(default="unknown", max_length=300, description="what the finder's training began from")
    embedder_from: str = Field(default="unknown", max_length=300, description="and the embedder's")
    events: EventsSpec = Field(default=EventsSpec(), description="how a shelf's sensors are fused into events")


def gallery_bytes(vectors: npt.NDArray[np.floating]) -> bytes:
    """Content of `gallery.safetensors`: unit vectors (G, D)."""
    from safetensors.numpy import save

    return bytes(save({VECTORS: np.ascontiguousarray(vectors, dtype=np.float32)}))


def read_vectors(content: bytes) -> npt.NDArray[np.float32]:
    """Unit vectors (G, D) of `gallery.safetensors`. Errors: ArtifactError for anything else."""
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        return np.asarray(load(content)[VECTORS], dtype=np.float32)
    except (KeyError, SafetensorError) as error:
        raise ArtifactError(f"{GALLERY} holds no {VECTORS} ({error}): build the artifact again") from error
