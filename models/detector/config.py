"""Every knob of product recognition."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from models.detector.beliefs import Beliefs
from models.detector.embedder_config import EmbedderConfig
from models.detector.finder_config import FinderConfig
from models.detector.networks import DetectorConfig, NamerConfig


class Config(BaseModel):
    """Knobs with unit, bounds, default and why."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    detector: DetectorConfig = Field(default=DetectorConfig(), description="how the finder's graph is asked")
    namer: NamerConfig = Field(
        default=NamerConfig(),
        description="how the embedder's graph is asked; temperature and least similarity are where calibration begins",
    )
    finder: FinderConfig = Field(default=FinderConfig(), description="how the finder is fitted to a shop's pictures")
    embedder: EmbedderConfig = Field(default=EmbedderConfig(), description="how the embedder is fitted, where it is")
    tune: Literal["none", "finder", "embedder", "both"] = Field(
        default="finder",
        description="what is fitted to the shop's pictures although there are weights to start from: shelves and cameras differ "
        "between shops; a new product needs a place in the gallery alone. Without weights to start from both are fitted",
    )
    tune_crops: int = Field(
        default=40, ge=2, le=10_000, description="labelled crops of a product that the embedder is fitted to, at most"
    )
    events: Beliefs = Field(default=Beliefs(), description="what is held likely when sensors are fused into events")
    finder_start: Path | None = Field(
        default=None,
        description="weights the finder starts from: the user's own file, or a finished .onnx graph that is taken as it is; none: "
        "the base checkpoint where there is one, else from scratch",
    )
    embedder_start: Path | None = Field(default=None, description="weights the embedder starts from, as of the finder")
    val_share: float = Field(
        default=0.15,
        gt=0,
        lt=0.9,
        description="share of pictures that confidence is calibrated on, where no split is told",
    )
    test_share: float = Field(
        default=0.2, gt=0, lt=0.9, description="newest share of pictures, judged only, where no split is told"
    )
    shop_vectors: int = Field(
        default=10,
        ge=0,
        le=1_000,
        description="labelled crops of a product in the gallery beside its photos: how it looks where it stands",
    )
    known_lost: float = Field(
        default=0.005,
        ge=0,
        lt=0.5,
        description="share of calibration crops less like their product than the least similarity, before its slack",
    )
    match_iou: float = Field(
        default=0.5,
        gt=0,
        lt=1,
        description="least overlap of a found box with the labelled one whose name it is judged by",
    )
