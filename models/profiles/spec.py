"""What an artifact says of itself: features, their scaling, the segments (`model.json`)."""

from pydantic import BaseModel, ConfigDict, Field

from models.profiles.behaviour import Usual

FORMAT_VERSION = 1  # of `model.json` and of the network beside it


class SegmentSpec(BaseModel):
    """One segment: its name, its centre in usual ranges from the median, its share of customers, medians of sums."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    center: tuple[float, ...]
    share: float = Field(ge=0, le=1)
    median: dict[str, float]


class Tried(BaseModel):
    """A number of clusters: mean silhouette; mean adjusted Rand index over resamples and its least; gap and its error."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    clusters: int
    silhouette: float
    stability: float
    least_stability: float
    gap: float
    gap_error: float


class ModelSpec(BaseModel):
    """Everything a predictor must know. No customer is in it: what is known of one can be erased from the lake alone."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format_version: int
    usual: Usual
    features: tuple[str, ...] = Field(min_length=1)
    center: tuple[float, ...]
    spread: tuple[float, ...]
    clip: float = Field(gt=0)
    segments: tuple[SegmentSpec, ...] = Field(min_length=2)
    choice: str = Field(description="why there are so many segments")
    tried: tuple[Tried, ...] = Field(min_length=1, description="what each number of segments was worth")
    judged_from: int = Field(description="first day, since 1970, whose follows training did not see")
    follow_days: int = Field(ge=1, description="days within which a friend follows")
    network: bool = Field(description="whether a network of influence lies beside")
    width: int = Field(ge=1, description="numbers of an embedding")
