"""Every knob of choosing what to label next, with unit, bounds, default and why."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Strategy = Literal["mix", "badge", "coreset", "margin", "entropy", "least_confidence", "random"]


class Config(BaseModel):
    """How pictures are chosen. The default asks about doubtful pictures that are not alike."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    strategy: Strategy = Field(
        default="mix",
        description="mix: doubtful pictures, one of each cluster; badge: far apart in what they would teach, needs classes of "
        "whole pictures; coreset: far from all that is labelled, asks no model; margin, entropy, least_confidence: the most "
        "doubtful alone; random: what the others are held against",
    )
    count: int = Field(default=100, ge=1, le=10_000, description="pictures to be labelled next: the budget")
    doubt: Literal["margin", "entropy", "least_confidence"] = Field(
        default="margin", description="measure of doubt that mix weighs by; a margin tells classes that are mixed up"
    )
    candidates: int = Field(
        default=10,
        ge=1,
        le=1_000,
        description="of mix: as many times the budget are doubtful enough to be clustered (beta of Zhdanov 2019, who took 10 to 50)",
    )
    max_pictures: int = Field(
        default=200_000, ge=2, le=2_000_000, description="pictures of one choice: bounds its time and memory"
    )
