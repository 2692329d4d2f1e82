"""What a predictor must know beside the trees: columns, divisor, calibration, reference and bounds (`model.json`)."""

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, model_validator

from models.forecaster.blend import Blend
from models.forecaster.config import Frequency
from models.forecaster.effects import Effects
from models.forecaster.hierarchy import Spread
from models.forecaster.series import KnownSeries
from models.forecaster.steps import buckets_of

Float = npt.NDArray[np.floating[Any]]
Ints = npt.NDArray[np.int64]

# Raise it with every change of `inputs.assemble` that gives a feature another value: an artifact is then refused
# instead of being fed with features it was not trained on.
INPUTS_VERSION = 1

GROUPS: tuple[str, ...] = (
    "level",
    "weekly season",
    "yearly season",
    "trend and horizon",
    "promotion and price",
    "stock and neighbours",
    "calendar",
    "weather",
    "other covariates",
)
# Words in the names of covariates known ahead, words in those of state features, and how state features begin.
_AHEAD: Mapping[str, str] = {
    "promotion and price": "promo price discount markdown",
    "weather": "temp rain snow sun wind weather humid heating cooling forecast_lead",
    "calendar": "holiday school break bridge days_off month open closed payday event",
}
_STATE: Mapping[str, str] = {
    "weather": "weather_",
    "promotion and price": "promo price discount plain",
    "yearly season": "year_ago yearly_",
    "stock and neighbours": "stockout deliver",
}
_BEGINNINGS: Mapping[str, str] = {
    "other covariates": "heat_",
    "calendar": "monthday",
    "weekly season": "season_ profile_ weekday weekend",
    "yearly season": "month week annual_",
    "trend and horizon": "trend slope_ age_ is_new seen_periods product_age store_age step",
    "stock and neighbours": (
        "chain_ store_ category_ product_ shelf_ share_of_ level_product level_shelf level_early "
        "censored_ uncensored_ stock empty_close received_ waste_"
    ),
}
_COVARIATE_KINDS = ("at_", "prev_", "next_", "before_", "after_", "delta_", "change_")


class Calibration(BaseModel):
    """Conformal shifts of the outer quantiles by bucket of steps, in widths of the interval (q90 - q10)."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    low: tuple[float, ...] = Field(description="q10 is lowered by low * width")
    high: tuple[float, ...] = Field(description="q90 is raised by high * width")
    rows: tuple[int, ...] = Field(description="validation rows behind each bucket")

    def applied(self, quantiles: Float, step: Ints) -> npt.NDArray[np.float64]:
        """Calibrated q10, q50, q90 (3, ...) of raw ones in any order, at the steps (from 1) of the last axis."""
        low, median, high = np.sort(quantiles, axis=0)
        span, bucket = high - low, buckets_of(step)
        low, high = low - np.asarray(self.low)[bucket] * span, high + np.asarray(self.high)[bucket] * span
        return np.asarray(np.sort(np.stack([low, median, high]), axis=0), dtype=np.float64)


class ModelSpec(BaseModel):
    """Everything of a trained forecaster that is not a tree."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    inputs_version: int = Field(default=INPUTS_VERSION, ge=1, description="way of `assemble` that it was trained with")
    frequency: Frequency
    horizon: int = Field(ge=1, le=42)
    unit: str
    counts: bool = Field(description="the values were whole units: quantiles are those of the value jittered by +-1/2")
    non_negative: bool = Field(description="no training value was below 0: forecasts are clipped at 0")
    loss: Literal["poisson", "squared"]
    scale_floor: float = Field(ge=0)
    state_columns: tuple[str, ...]
    covariates: tuple[str, ...]
    feature_names: tuple[str, ...]
    dropped_features: tuple[str, ...] = Field(
        description="constant or always missing in training, or the weakest of too many"
    )
    reference: tuple[float, ...] = Field(description="training median of each feature: what reasons compare with")
    feature_low: tuple[float, ...] = Field(description="lowest training value of each feature")
    feature_high: tuple[float, ...] = Field(description="highest training value of each feature")
    calibration: Calibration
    blend: Blend = Field(default_factory=Blend, description="what the forecast is made of, by segment and step")
    spreads: dict[str, Spread] = Field(
        default_factory=dict, description="by level: how wide sums are; empty in artifacts from before there were any"
    )
    series: KnownSeries | None = Field(
        default=None, description="whose places a network reads beside the features; none where it knows no series"
    )
    effects: Effects | None = Field(
        default=None,
        description="what the divisor is multiplied by; none where they bought nothing, or are not for daily data",
    )
    rounds: dict[str, int] = Field(description="trees of each output")

    @model_validator(mode="after")
    def _equal_lengths(self) -> "ModelSpec":
        lengths = {len(self.feature_names), len(self.reference), len(self.feature_low), len(self.feature_high)}
        if len(lengths) != 1:
            raise ValueError(f"feature_names, reference and bounds have lengths {sorted(lengths)}: expected one length")
        return self

    def sequences(self, X: npt.NDArray[np.float32], width: int, state: Mapping[str, Float]) -> npt.NDArray[np.float32]:
        """Feature rows (N * width, F) as a network reads them: (N, width, F), or F + 1 where it knows series."""
        grid = X.reshape(-1, width, X.shape[1])
        return grid if self.series is None else self.series.beside(grid, state)


def feature_group(feature: str) -> str:
    """The group of `GROUPS` under which a feature is explained."""
    words = _AHEAD if feature.startswith(_COVARIATE_KINDS) else _STATE
    for group, some in words.items():
        if any(word in feature for word in some.split()):
            return group
    if words is _AHEAD:
        return "other covariates"
    return next((group for group, some in _BEGINNINGS.items() if feature.startswith(tuple(some.split()))), "level")
