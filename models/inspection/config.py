"""Every knob of visual inspection."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class Config(BaseModel):
    """Knobs with unit, bounds, default and why."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    miss_level: float = Field(
        0.005, gt=0, lt=1, description="bound on the expected share of defects that pass: what is guaranteed"
    )
    reject_level: float = Field(
        0.002, gt=0, lt=1, description="bound on the expected share of sound packages that are rejected unseen"
    )
    control: Literal["all", "kind"] = Field(
        "all",
        description="misses are bounded over all defects as they come, or for every kind of defect by itself; the latter needs "
        "1 / miss_level defects of each kind to calibrate on and sends more packages to a human",
    )
    calibrate_share: float = Field(0.3, gt=0, lt=0.9, description="share of the packages that thresholds are set on")
    test_share: float = Field(0.3, gt=0, lt=0.9, description="newest share of the packages, judged only")
    furthest_px: int = Field(
        8, ge=0, le=64, description="pixels of 128 by which a package may lie off its approved place each way"
    )
    width: int = Field(12, ge=2, le=256, description="channels of the first layer; the last has four times as many")
    epochs: int = Field(16, ge=1, le=500, description="passes over the training packages")
    batch: int = Field(
        16,
        ge=2,
        le=4_096,
        description="packages of a gradient step; of a thousand packages larger ones leave too few steps to learn the dates by",
    )
    learning_rate: float = Field(
        6e-3, gt=0, le=1, description="highest of the one-cycle schedule (Smith and Topin 2018)"
    )
    weight_decay: float = Field(1e-3, ge=0, le=1, description="of AdamW: few packages, many weights")
    play_px: int = Field(1, ge=0, le=8, description="pixels by which training moves a picture, as registering may err")
    threads: int = Field(1, ge=1, le=64, description="of torch while training; another number may round otherwise")
    resamplings: int = Field(
        200, ge=2, le=10_000, description="splits of the held-out packages on which rates are told"
    )
