"""The promotion gate: a challenger wins only on held-out data that neither model saw, and within its budgets."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import date
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field


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
) -> Verdict:
    """Judge a challenger on one window.

    `loss` holds one mean loss per series, (N,), for `challenger`, `baseline` and (where one serves) `champion`;
    `measured` holds `latency_p99_ms`, `size_mb` and `coverage_80`. The difference is judged by a paired bootstrap
    over series. Raises ValueError when a model saw any of the window.
    """
    from models.common.compare import paired_bootstrap

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
    if champion is not None:
        series = np.arange(loss["challenger"].size)
        result = paired_bootstrap(loss["challenger"], loss["champion"], series, seed=seed)
        rows.append(
            Criterion(
                "loss difference to the champion, upper 95 % bound",
                result.high,
                "< 0",
                result.high < 0,
                f"mean {result.diff:.5g}, interval [{result.low:.5g}, {result.high:.5g}]",
            )
        )
    context = {name: float(values.mean()) for name, values in loss.items()}
    return Verdict(model, challenger, champion, window[0], window[1], tuple(rows), context)


def _at_most(name: str, value: float, bound: float) -> Criterion:
    return Criterion(name, value, f"<= {bound:g}", value <= bound)
