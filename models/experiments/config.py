"""Every knob of an experiment's analysis, with unit, bounds, default and why."""

import math
from datetime import date
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

MetricKind = Literal["mean", "ratio"]
SHARE_TOLERANCE = 1e-9


class Config(BaseModel):
    """What is compared, on which metric, and how sure the answer has to be. Written down before the start."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    experiment: str | None = Field(
        default=None, min_length=1, max_length=200, description="name in `assignments`; None: the only one there"
    )
    arms: tuple[str, ...] = Field(
        default=("A", "B"),
        min_length=2,
        max_length=20,
        description="names of the arms, control first; each other arm is compared with it",
    )
    shares: tuple[float, ...] | None = Field(
        default=None,
        description="planned share of units of each arm, in the order of `arms`, summing to 1; None: equal shares. The "
        "sample-ratio check holds what came against it",
    )
    metric_name: str = Field(
        default="metric", min_length=1, max_length=100, description="how people call the metric, for report and plots"
    )
    metric_unit: str = Field(
        default="per unit", min_length=1, max_length=40, description="unit of the metric, such as `EUR per customer`"
    )
    metric: MetricKind = Field(
        default="mean",
        description="mean: numerator a unit. ratio: sum of numerators over sum of denominators (clicks per impression), "
        "whose variance needs the delta method because the unit, not the impression, was randomised",
    )
    higher_is_better: bool = Field(default=True, description="False for costs, returns, waiting times")
    window_days: int = Field(
        default=7,
        ge=1,
        le=180,
        description="days from assignment on whose outcomes count. A unit enters the analysis once its window is over, so "
        "that units are a stream of equal observations, which the always-valid test rests on; whole weeks hold all weekdays",
    )
    until: date | None = Field(
        default=None, description="last day of outcomes that is complete; None: the last day in `outcomes`"
    )
    cap: float | None = Field(
        default=None,
        gt=0,
        le=1e15,
        description="most that one unit's numerator may count, in the unit of the numerator; chosen before the start. "
        "One wholesaler among consumers would otherwise decide the test",
    )
    adjust: bool = Field(
        default=True, description="use `covariates`, if given, to take out what was known before the start (CUPED)"
    )
    alpha: float = Field(
        default=0.05,
        gt=0,
        lt=0.5,
        description="probability of ever calling equal arms different; shared out among the arms beside the control",
    )
    plan_units: int = Field(
        default=10_000,
        ge=20,
        le=1_000_000_000,
        description="units of all arms at which the always-valid interval is to be tightest; about where you expect to "
        "stop. Any value is valid, a wrong one costs width: 7 % at ten times these units, 24 % at a tenth of them",
    )
    min_units: int = Field(
        default=100,
        ge=20,
        le=1_000_000,
        description="units of an arm before its first look: means must be near normal; more for very skewed metrics",
    )
    ratio_alpha: float = Field(
        default=0.001,
        gt=0,
        lt=0.5,
        description="level of the sample-ratio check; low, because every experiment is checked and an alarm voids it",
    )
    ratio_concentration: float = Field(
        default=10_000,
        ge=1,
        le=1e9,
        description="weight, in units, of the planned shares in the sequential sample-ratio check: it seeks deviations of "
        "about 1 / sqrt(concentration); 10,000 seeks 1 %",
    )
    placebo_runs: int = Field(
        default=100,
        ge=0,
        le=10_000,
        description="times the arms are dealt anew at random on this very data, to show how often the test would then cry "
        "wolf; 0: not shown",
    )
    placebo_units: int = Field(
        default=20_000,
        ge=100,
        le=10_000_000,
        description="bound on the units of a placebo run; a seeded sample beyond it, because each run costs a full analysis",
    )

    @model_validator(mode="after")
    def _arms_and_shares_fit(self) -> Self:
        if len(set(self.arms)) != len(self.arms) or not all(self.arms):
            raise ValueError(f"arms {self.arms}: expected different, non-empty names")
        if self.shares is None:
            return self
        if len(self.shares) != len(self.arms):
            raise ValueError(f"shares {self.shares}: expected one for each of the {len(self.arms)} arms {self.arms}")
        if not all(share > 0 for share in self.shares) or abs(math.fsum(self.shares) - 1) > SHARE_TOLERANCE:
            raise ValueError(f"shares {self.shares} sum to {math.fsum(self.shares)}: expected positive shares, sum 1")
        return self

    @property
    def planned_shares(self) -> tuple[float, ...]:
        """Share of each arm, equal where none was given."""
        return self.shares or (1 / len(self.arms),) * len(self.arms)

    @property
    def alpha_each(self) -> float:
        """Level of one comparison: `alpha` over the number of arms beside the control (Bonferroni)."""
        return self.alpha / (len(self.arms) - 1)
