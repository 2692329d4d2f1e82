"""Every knob of the customer profiles."""

from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


class Config(BaseModel):
    """Knobs with unit, bounds, default and why."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    min_customers: int = Field(
        50, ge=20, le=1_000_000, description="customers below which no segment says more than its few members do"
    )
    clusters_min: int = Field(
        3,
        ge=2,
        le=20,
        description="fewest segments tried: two would tell a marketer no more than who buys and who does not",
    )
    clusters_max: int = Field(8, ge=2, le=20, description="most segments tried: nobody plans campaigns for more")
    stability_min: float = Field(
        0.8,
        ge=0,
        le=1,
        description="adjusted Rand index of segments found in resampled customers below which a number of segments is not "
        "taken: members would change with the next customer",
    )
    resamples: int = Field(
        15, ge=2, le=500, description="bootstrap samples of customers by which stability is measured"
    )
    references: int = Field(
        8, ge=2, le=100, description="customers without structure drawn for the gap statistic, times"
    )
    restarts: int = Field(
        10, ge=1, le=100, description="first centres from which K-Means starts anew; the best is kept"
    )
    sample: int = Field(
        4_000, ge=100, le=100_000, description="customers, drawn by chance, on whom a number of segments is chosen"
    )
    clip: float = Field(
        1.5,
        gt=0.5,
        le=100,
        description="largest distance from the median, in ranges from the 10th to the 90th percentile: one extreme customer "
        "must not make a segment",
    )
    prior_clicks: float = Field(
        5.0, gt=0, le=1_000, description="clicks at the usual share of purchases that everybody is credited with"
    )
    prior_orders: float = Field(
        2.0, gt=0, le=1_000, description="usual orders and lines that everybody is credited with: one order says little"
    )

    follow_days: int = Field(
        5, ge=1, le=60, description="days within which a friend who buys the same item is said to follow"
    )
    ties_min: int = Field(
        100,
        ge=1,
        le=10_000_000,
        description="friendships below which no network of influence is trained: it would guess",
    )
    judged_share: float = Field(
        0.25, gt=0, lt=0.9, description="newest share of the days whose follows are held out to judge influence by"
    )
    width: int = Field(16, ge=2, le=512, description="numbers of an embedding of a customer")
    epochs: int = Field(200, ge=1, le=10_000, description="steps of training, each over the whole graph")
    learning_rate: float = Field(0.01, gt=0, le=1, description="highest rate of AdamW, in the middle of training")
    weight_decay: float = Field(1e-3, ge=0, le=1, description="pull of AdamW on all weights towards 0")
    threads: int = Field(1, ge=1, le=256, description="threads of training; another number moves results by rounding")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.clusters_max < self.clusters_min:
            raise ValueError(
                f"clusters_max {self.clusters_max} lies below clusters_min {self.clusters_min}: raise it or lower the other"
            )
        return self
