"""What the forecaster is asked and what it answers: bounded, unknown fields refused."""

from datetime import date
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, StringConstraints, field_validator

HORIZON_MAX = 42
SERIES_MAX = 1_000
REASONS_MAX = 20
EXAMPLE_SERIES = "S001|P0001"  # the API page shows a series of the champion in its place
PAGE_MAX = 1_000

SeriesId = Annotated[str, StringConstraints(min_length=1, max_length=200)]
CovariateName = Annotated[str, StringConstraints(min_length=1, max_length=100)]
Finite = Annotated[float, Field(ge=-1e9, le=1e9, allow_inf_nan=False)]
LEVELS = (0.1, 0.5, 0.9)


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Override(_Request):
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


class ForecastRequest(_Request):
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


class ReasonsRequest(_Request):
    """Why the champion forecasts what it does, for a few series."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, json_schema_extra={"example": {"series_ids": [EXAMPLE_SERIES], "horizon": 7}}
    )

    series_ids: list[SeriesId] = Field(min_length=1, max_length=REASONS_MAX, description="Series to explain.")
    horizon: int = Field(
        default=HORIZON_MAX, ge=1, le=HORIZON_MAX, strict=True, description="Periods ahead (days or weeks)."
    )


class SeriesRequest(_Request):
    """One page of the series that this service knows."""

    model_config = ConfigDict(extra="forbid", frozen=True, json_schema_extra={"example": {"prefix": "", "limit": 100}})

    prefix: str = Field(default="", max_length=200, description="Only series whose id starts so.")
    after: str = Field(
        default="", max_length=200, description="Continue after this id (`next_after` of the last page)."
    )
    limit: int = Field(default=100, ge=1, le=PAGE_MAX, strict=True, description="Series a page.")


class ModelRequest(_Request):
    """Nothing to say: send `{}`."""

    model_config = ConfigDict(extra="forbid", frozen=True, json_schema_extra={"example": {}})


class _Reply(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SeriesForecast(_Reply):
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


class SeriesReasons(_Reply):
    """Share of each group of features in the mean of one series: base + sum of groups = mean."""

    series_id: str
    steps: list[int] = Field(description="Periods explained, counted from 1.")
    base: list[float] = Field(description="Forecast of a typical period, one a step.")
    groups: dict[str, list[float]] = Field(description="What each group adds to it, in the series' unit, one a step.")


class ForecastReply(_Reply):
    """Forecasts, and who made them."""

    served_by: str = Field(description="Who answered; the most degraded of the series.")
    breaker: Literal["closed", "open", "half_open"]
    artifact_id: str
    registry_version: str
    frequency: Literal["daily", "weekly"]
    forecasts: list[SeriesForecast]
    reasons: list[SeriesReasons] | None = None
    notes: list[str] = Field(description="What a reader must know: degraded, stale, shortened, overrides not honoured.")


class ReasonsReply(_Reply):
    """Why, for each series asked."""

    served_by: str
    breaker: Literal["closed", "open", "half_open"]
    artifact_id: str
    reasons: list[SeriesReasons]
    notes: list[str]


class SeriesPage(_Reply):
    """Known series in the order of their ids."""

    series_ids: list[str]
    total: int = Field(description="Series that match the prefix.")
    next_after: str | None = Field(description="Send as `after` for the next page; null on the last one.")


class ModelReply(_Reply):
    """Which champion answers, what it may be asked, and whether something is wrong."""

    bot: str
    artifact_id: str
    registry_version: str
    trained_until: date | None
    frequency: Literal["daily", "weekly"]
    horizon: int = Field(description="Most periods it forecasts ahead.")
    series: int
    known_ahead: list[str] = Field(description="Covariates that `overrides` may replace.")
    metrics: list[dict[str, JsonValue]] = Field(description="Rows of its report, measured when it was trained.")
    breaker: Literal["closed", "open", "half_open"]
    swaps: int = Field(description="Champions taken over since the service started, the first not counted.")
    problem: str | None = Field(
        description="Why the champion of champion.json is not the one that answers; null if it is."
    )
