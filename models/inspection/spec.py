"""What an artifact says of itself (`model.json`); the network lies in `network.onnx`."""

from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

FORMAT_VERSION = 1
SOUND = "none"  # what a person writes who finds no defect


class ModelSpec(BaseModel):
    """Everything a predictor must know beside the network. Scores are log odds of a defect."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format_version: int
    kinds: tuple[str, ...] = Field(min_length=2, description="what a package may be found to have, soundness first")
    side_px: int = Field(ge=16, le=1_024)
    furthest_px: int = Field(ge=0, le=512, description="by which a picture is moved onto the approved one, at most")
    spread: tuple[float, float, float] = Field(description="standard deviations of sound readings off nominal")
    pass_below: float | None = Field(description="scores below it pass; none pass where it is None")
    reject_above: float | None = Field(
        description="scores above it that do not pass are rejected; None: a human sees all"
    )
    miss_level: float = Field(gt=0, lt=1)
    reject_level: float = Field(gt=0, lt=1)

    @model_validator(mode="after")
    def _sound(self) -> Self:
        if self.kinds[0] != SOUND or len(set(self.kinds)) != len(self.kinds):
            raise ValueError(f"kinds {self.kinds}: name each once, {SOUND!r} first")
        if min(self.spread) <= 0:
            raise ValueError(f"spread {self.spread}: each must be above 0")
        return self
