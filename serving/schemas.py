"""What the forecaster is asked and what it answers: bounded, unknown fields refused."""

from datetime import date
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, StringConstraints, field_validator

from serving.schema_base import Breaker, CardReply, PageReply, PageRequest, Reply, Request

HORIZON_MAX = 42
SERIES_MAX = 1_000
REASONS_MAX = 20
EXAMPLE_SERIES = "S001|P0001"  # the API page shows a series of the champion in its place

SeriesId = Annotated[str, StringConstraints(min_length=1, max_length=200)]
CovariateName = Annotated[str, StringConstraints(min_length=1, max_length=100)]
Finite = Annotated[float, Field(ge=-1e9, le=1e9, allow_inf_nan=False)]
LEVELS = (0.1, 0.5, 0.9)


class Override(Request):
    """A what-if: other values of a covariate that is known ahead, such as a planned promotion."""

    name: CovariateName = Field(description="Covariate that is known ahead, as `/model` lists them.")
    values: list[Finite] = Field(
        min_length=1, max_length=HORIZON_MAX, description="One value for each period of the horizon."
    )
    series_ids: list[SeriesId] | None = Field(
        default=None,
        min_length=1,
        max_length=SERIES_MAX,
        description="Series it applies to; all of the request if null.",
    )


class ForecastRequest(Request):
    """A forecast for one or many series, from the end of the data on."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        json_schema_extra={"example": {"series_ids": [EXAMPLE_SERIES], "horizon": 7, "quantiles": [0.1, 0.5, 0.9]}},
    )

    series_ids: list[SeriesId] = Field(
        min_length=1, max_length=SERIES_MAX, description="Series, as `/series` lists them."
    )
    horizon: int = Field(
        default=HORIZON_MAX, ge=1, le=HORIZON_MAX, strict=True, description="Periods ahead (days or weeks)."
    )
    quantiles: list[Annotated[float, Field(json_schema_extra={"enum": list(LEVELS)})]] = Field(
        default=list(LEVELS), max_length=3, description="Quantiles to return beside the mean: 0.1, 0.5, 0.9."
    )
    overrides: list[Override] = Field(
        default=[], max_length=50, description="What-if values of covariates that are known ahead."
    )
    reasons: bool = Field(default=False, description=f"Also say why, for at most {REASONS_MAX} series.")

    @field_validator("quantiles")
    @classmethod
    def _offered(cls, values: list[float]) -> list[float]:
        if strange := [value for value in values if value not in LEVELS]:
            raise ValueError(f"quantile {strange[0]} is not offered: ask for 0.1, 0.5 or 0.9")
        return values

    @field_validator("series_ids", "quantiles")
    @classmethod
    def _unique(cls, values: list[str] | list[float]) -> list[str] | list[float]:
        if len(set(values)) != len(values):
            raise ValueError("each entry may be named once; remove the repeated ones")
        return values


class ReasonsRequest(Request):
    """Why the champion forecasts what it does, for a few series."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, json_schema_extra={"example": {"series_ids": [EXAMPLE_SERIES], "horizon": 7}}
    )

    series_ids: list[SeriesId] = Field(min_length=1, max_length=REASONS_MAX, description="Series to explain.")
    horizon: int = Field(
        default=HORIZON_MAX, ge=1, le=HORIZON_MAX, strict=True, description="Periods ahead (days or weeks)."
    )


class SeriesRequest(PageRequest):
    """One page of the series that this service knows."""


class SeriesForecast(Reply):
    """Forecast of one series; lists have one entry a period."""

    series_id: str
    unit: str = Field(description="`units`, or the currency of revenue.")
    origin: date = Field(description="Last period the forecast knows of.")
    period_start: list[date]
    mean: list[float]
    q10: list[float] | None = None
    q50: list[float] | None = None
    q90: list[float] | None = None
    served_by: str = Field(description="`champion ID`, `fallback:last_good_forecast` or `fallback:seasonal_mean`.")


class SeriesReasons(Reply):
    """Share of each group of features in the mean of one series: base + sum of groups = mean."""

    series_id: str
    steps: list[int] = Field(description="Periods explained, counted from 1.")
    base: list[float] = Field(description="Forecast of a typical period, one a step.")
    groups: dict[str, list[float]] = Field(description="What each group adds to it, in the series' unit, one a step.")


class ForecastReply(Reply):
    """Forecasts, and who made them."""

    served_by: str = Field(description="Who answered; the most degraded of the series.")
    breaker: Breaker
    artifact_id: str
    registry_version: str
    frequency: Literal["daily", "weekly"]
    forecasts: list[SeriesForecast]
    reasons: list[SeriesReasons] | None = None
    notes: list[str] = Field(description="What a reader must know: degraded, stale, shortened, overrides not honoured.")


class ReasonsReply(Reply):
    """Why, for each series asked."""

    served_by: str
    breaker: Breaker
    artifact_id: str
    reasons: list[SeriesReasons]
    notes: list[str]


class SeriesPage(PageReply):
    """Known series in the order of their ids."""

    series_ids: list[str]


class ModelReply(CardReply):
    """Which champion answers, what it may be asked, and whether something is wrong."""

    frequency: Literal["daily", "weekly"]
    horizon: int = Field(description="Most periods it forecasts ahead.")
    series: int
    known_ahead: list[str] = Field(description="Covariates that `overrides` may replace.")
