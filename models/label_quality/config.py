"""Every knob of the report on label quality, with unit, bounds, default and why."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class Config(BaseModel):
    """When a label counts as suspicious. The defaults ask for a model that is clearly of another mind."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    filter_by: Literal["prune_by_noise_rate", "prune_by_class", "both", "confident_learning"] = Field(
        default="prune_by_noise_rate",
        description="how confident learning picks labels of whole pictures (Northcutt et al. 2021, section 3.2); the default "
        "takes as many from each pair of classes as it estimates to be swapped",
    )
    sure: float = Field(
        default=0.8,
        ge=0.05,
        le=0.999,
        description="confidence from which a predicted box may accuse a label of another class, or of being forgotten; "
        "detectors trained from scratch rarely reach the 0.95 of the paper",
    )
    likely: float = Field(
        default=0.5,
        ge=0.01,
        le=0.999,
        description="confidence from which a predicted box may say where an edge belongs",
    )
    suspicious_below: float = Field(
        default=0.5,
        ge=0.01,
        le=0.99,
        description="quality of a box (about its IoU with the box that the model sees) up to which it is suspicious",
    )
    max_pictures: int = Field(
        default=200_000, ge=1, le=2_000_000, description="pictures of one report: bounds its time and memory"
    )
    max_predictions: int = Field(
        default=10_000_000, ge=1, le=100_000_000, description="rows of predictions of one report, for the same reason"
    )
