"""Every knob of elasticities."""

from pydantic import BaseModel, ConfigDict, Field


class Config(BaseModel):
    """Knobs with unit, bounds, default and why."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    test_share: float = Field(0.2, gt=0, lt=0.9, description="newest share of the periods that the fit is judged on")
    min_periods: int = Field(
        20,
        ge=8,
        le=10_000,
        description="periods with price and units below which a series only gets its group's elasticity",
    )
    min_spread: float = Field(
        0.01, ge=0, le=1, description="standard deviation of the log of price below which a series says nothing of it"
    )
    lags: int = Field(4, ge=0, le=100, description="periods over which shocks may hang together (Newey and West 1987)")
    common_from: int = Field(
        4,
        ge=2,
        le=1_000,
        description="series of a group from which the others' demand and price stand for common shocks",
    )
    ridge: float = Field(
        1e-3, ge=0, le=10, description="penalty of all but price, in periods: keeps rare columns finite"
    )
    harmonics: int = Field(2, ge=0, le=6, description="waves a year of a group's season")
    half_lives: tuple[float, ...] = Field(
        (2.0, 4.0, 8.0, 13.0, 26.0, 52.0, 1e6),
        min_length=1,
        description="periods after which a past one counts half for the level; the best on the validation periods is taken",
    )
    trend_shares: tuple[float, ...] = Field(
        (0.0, 0.5, 1.0),
        min_length=1,
        description="shares of a group's growth that go on; the best is taken, with the half-life",
    )
    confidence: float = Field(0.9, gt=0.5, lt=1, description="of the intervals shown")
