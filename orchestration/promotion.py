"""The promotion gate: a challenger wins only on held-out data that neither model saw, and within its budgets."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field

if TYPE_CHECKING:
    from models.common.compare import BootstrapResult


MIN_SERIES = 10  # below it the periods of the window, not the series, are what the bootstrap draws
UNSCORED = "champion cannot be scored"


class Budgets(BaseModel, frozen=True, extra="forbid"):
    """What a forecaster must keep to be served, whatever its rank."""

    baseline_ratio_max: float = Field(default=0.97, gt=0, le=1, description="Loss over the baseline's, at most.")
    latency_p99_ms_max: float = Field(default=50.0, gt=0, description="p99 of one forecast of the longest horizon, ms.")
    size_mb_max: float = Field(default=64.0, gt=0, description="Artifact on disk, MB.")
    coverage_80_low: float = Field(
        default=0.65, ge=0, le=1, description="Randomised-PIT coverage of the 80 % interval."
    )
    coverage_80_high: float = Field(default=0.93, ge=0, le=1, description="Upper bound of the same.")


@dataclass(frozen=True)
class Criterion:
    """One line of the verdict: what was measured, against which bound, and whether it holds."""

    name: str
    value: float
    bound: str
    passed: bool
    note: str = ""


@dataclass(frozen=True)
class Verdict:
    """Why a challenger was promoted or not."""

    model: str
    challenger: str
    champion: str | None
    window_start: date
    window_end: date
    criteria: tuple[Criterion, ...]
    context: Mapping[str, float] = field(default_factory=dict)

    @property
    def promoted(self) -> bool:
        """True when every criterion holds."""
        return all(c.passed for c in self.criteria)

    @property
    def champion_scored(self) -> bool:
        """True when a champion stood beside the challenger and could be scored."""
        return self.champion is not None and all(c.name != UNSCORED for c in self.criteria)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON types, `promoted` included."""
        return {
            **asdict(self),
            "window_start": self.window_start.isoformat(),
            "window_end": self.window_end.isoformat(),
            "promoted": self.promoted,
            "context": dict(self.context),
        }


def judge_challenger(
    *,
    model: str,
    challenger: str,
    champion: str | None,
    window: tuple[date, date],
    trained_until: Mapping[str, date],
    loss: Mapping[str, NDArray[np.float64]],
    measured: Mapping[str, float],
    budgets: Budgets,
    seed: int,
    by_period: Mapping[str, NDArray[np.float64]] | None = None,
    champion_problem: str | None = None,
) -> Verdict:
    """Judge a challenger on one window.

    `loss` holds one mean loss per series, (N,), for `challenger`, `baseline` and (where one serves) `champion`;
    `measured` holds `latency_p99_ms`, `size_mb` and `coverage_80`. The difference is judged by a paired bootstrap
    over series; with fewer than `MIN_SERIES` of them, over the periods of the window, for which `by_period` holds the
    losses of `challenger` and `champion` as (N, H). `champion_problem` says why a champion could not be scored; such a
    challenger never passes by itself. Raises ValueError when a model saw any of the window.
    """
    for name, until in trained_until.items():
        if until >= window[0]:
            raise ValueError(
                f"the window starts on {window[0]} but {name} was trained until {until}: judge on later data "
                "or train with an earlier cutoff"
            )
    ratio = float(loss["challenger"].mean() / loss["baseline"].mean())
    rows = [
        Criterion("loss over baseline", ratio, f"<= {budgets.baseline_ratio_max}", ratio <= budgets.baseline_ratio_max),
        _at_most("latency p99, ms", measured["latency_p99_ms"], budgets.latency_p99_ms_max),
        _at_most("size, MB", measured["size_mb"], budgets.size_mb_max),
        Criterion(
            "coverage of the 80 % interval",
            measured["coverage_80"],
            f"{budgets.coverage_80_low} to {budgets.coverage_80_high}",
            budgets.coverage_80_low <= measured["coverage_80"] <= budgets.coverage_80_high,
        ),
    ]
    if champion_problem is not None:
        rows.append(Criterion(UNSCORED, 1.0, "0", False, champion_problem))
    elif champion is not None:
        result, unit = _compare(loss, by_period, seed)
        rows.append(
            Criterion(
                "loss difference to the champion, upper 95 % bound",
                result.high,
                "< 0",
                result.high < 0,
                f"mean {result.diff:.5g}, interval [{result.low:.5g}, {result.high:.5g}], {result.blocks} {unit}",
            )
        )
    context = {name: float(values.mean()) for name, values in loss.items()}
    return Verdict(model, challenger, champion, window[0], window[1], tuple(rows), context)


def _compare(
    loss: Mapping[str, NDArray[np.float64]], by_period: Mapping[str, NDArray[np.float64]] | None, seed: int
) -> "tuple[BootstrapResult, str]":
    """Challenger against champion, and what was drawn: series, or periods where there are too few series."""
    from models.common.compare import paired_bootstrap

    n = loss["challenger"].size
    if n >= MIN_SERIES or by_period is None:
        return paired_bootstrap(loss["challenger"], loss["champion"], np.arange(n), seed=seed), "series"
    challenger, champion = by_period["challenger"], by_period["champion"]
    periods = np.broadcast_to(np.arange(challenger.shape[1]), challenger.shape)
    return paired_bootstrap(challenger.ravel(), champion.ravel(), periods.ravel(), seed=seed), "periods"


def _at_most(name: str, value: float, bound: float) -> Criterion:
    return Criterion(name, value, f"<= {bound:g}", value <= bound)
