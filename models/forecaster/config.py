"""Every knob of the forecaster, with unit, bounds, default and why."""

from datetime import date
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Frequency = Literal["daily", "weekly"]
NetworkKind = Literal["lstm", "lstm_gan", "transformer"]
PERIOD_DAYS: dict[str, int] = {"daily": 1, "weekly": 7}
QUANTILES: tuple[float, float, float] = (0.1, 0.5, 0.9)


class Config(BaseModel):
    """How the forecaster is trained and split."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    frequency: Frequency = Field(default="daily", description="length of a period: a day, or a week")
    horizon: int = Field(
        default=42, ge=1, le=42, description="periods ahead; six weeks of days cover ordering and staffing"
    )
    cutoff: date | None = Field(
        default=None,
        description="first held-out period; None holds out the last `horizon` periods. Training sees what is before",
    )
    hold_out: bool = Field(default=True, description="False: train on every period and keep no test window")
    loss: Literal["auto", "poisson", "squared"] = Field(
        default="auto",
        description="loss of the mean; auto: poisson unless values fall below 0, for effects multiply and noise grows with the level",
    )
    max_pairs: int = Field(
        default=120_000,
        ge=50,
        le=2_000_000,
        description="bound on (series, origin) pairs to plan, i.e. on the feature join",
    )
    min_origins: int = Field(
        default=100,
        ge=8,
        le=5_000,
        description="origins wanted of many series too where sales are a currency, as far as max_pairs allows: what an origin "
        "holds in common (the season, a promotion in all stores) is learnt by heart where there are few. Rossmann, RMSPE: "
        "26 origins 0.126, 107 of as many rows 0.117; of the twin's units 53 and 100 do as well",
    )
    max_rows: int = Field(
        default=200_000,
        ge=100,
        le=20_000_000,
        description="bound on training rows of the mean; a seeded sample beyond it",
    )
    quantile_rows: int = Field(
        default=80_000,
        ge=100,
        le=20_000_000,
        description="bound on rows of each quantile: its leaves sort, so rows cost more",
    )
    max_features: int = Field(
        default=80,
        ge=1,
        le=10_000,
        description="most features; those that a first booster gains least by are left out: on 100,000 rows of Rossmann 60, "
        "80 and all 108 gave an RMSPE of 0.122, 0.125 and 0.141, and time grows with them",
    )
    trees: int = Field(
        default=600,
        ge=5,
        le=5_000,
        description="most trees of the mean; early stopping picks fewer, about a hundred where sales are mostly noise",
    )
    refit: bool | None = Field(
        default=None,
        description="fit the mean again, with the trees found, on the validation periods too; the quantiles stay as they "
        "were calibrated. None: where values are no whole units. One window each: on Rossmann's revenue it helps, on the "
        "units of UCI Online Retail it takes the RMSSE from 0.744 to 0.762",
    )
    network: Literal["auto", "none", "lstm", "lstm_gan", "transformer"] = Field(
        default="auto",
        description="sequence network that is tried as a member of the blend; auto: an LSTM where values are no whole units "
        "and (series, origin) pairs are many; on single units it costs minutes, and what it buys was not measured",
    )
    network_ensemble: int = Field(
        default=3, ge=1, le=16, description="networks that are fitted and averaged; time grows with their number"
    )
    quantile_trees: int = Field(default=100, ge=5, le=5_000, description="most trees of each quantile")
    learning_rate: float = Field(default=0.1, gt=0, le=1, description="shrinkage of the mean; smaller wants more trees")
    quantile_learning_rate: float = Field(default=0.12, gt=0, le=1, description="shrinkage of the quantiles")
    units_haste: float = Field(
        default=2.0,
        ge=1,
        le=5,
        description="where values are whole units the mean's rate is so many times as large, and early stopping waits for "
        "so many times fewer rounds: the noise of single units hides what slower learning would gain. Half the time; on two "
        "worlds of the twin, two or three seeds each, the error against expected demand stayed (0.495 and 0.556 of the "
        "scale, 0.492 and 0.555 before). Quantiles keep their rate: twice of it cost 1 % of their loss",
    )
    depth: int = Field(default=6, ge=1, le=12, description="depth of a tree: how many causes may interact")
    min_child_weight: float = Field(
        default=20.0, ge=0, le=1e6, description="hessian in a leaf; holds back leaves that know only a handful of days"
    )
    feature_share: float = Field(
        default=0.5, gt=0, le=1, description="share of features tried per tree; decorrelates trees"
    )
    row_share: float = Field(default=0.8, gt=0, le=1, description="share of rows per tree")
    early_stopping: int = Field(
        default=25, ge=1, le=500, description="rounds without gain on the validation periods before it stops"
    )
    threads: int = Field(
        default=1,
        ge=1,
        le=256,
        description="threads of training; sums depend on it in the last bit, and on a busy machine threads wait for each "
        "other: two on two busy cores took twice the time of one",
    )

    def hurried(self, counts: bool) -> "Config":
        """The config that boosters are fitted with: that of `units_haste` where values are whole units (`counts`)."""
        if not counts or self.units_haste == 1:
            return self
        haste = self.units_haste
        return self.model_copy(
            update={
                "learning_rate": min(1.0, haste * self.learning_rate),
                "early_stopping": max(1, round(self.early_stopping / haste)),
            }
        )
