"""What an artifact says of itself (`model.json`); numbers of series lie in `series.safetensors`."""

from pydantic import BaseModel, ConfigDict, Field

FORMAT_VERSION = 1


class ModelSpec(BaseModel):
    """Everything a predictor must know beside the numbers."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format_version: int
    series: tuple[str, ...] = Field(min_length=1)
    groups: tuple[str, ...] = Field(min_length=1)
    first: str = Field(description="first period, ISO date: seasons are told from there")
    harmonics: int = Field(ge=0)
    half_life: float = Field(gt=0, description="periods after which a past one counts half for the level")
    trend_share: float = Field(ge=0, le=2, description="share of a group's growth that goes on")
    until: float = Field(ge=0, description="years from `first` to the end of the data, where levels hold")
    confidence: float = Field(gt=0.5, lt=1)
