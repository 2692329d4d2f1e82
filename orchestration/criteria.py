"""Lines of a verdict, and the budgets that every model has."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field


@dataclass(frozen=True)
class Criterion:
    """One line of the verdict: what was measured, against which bound, and whether it holds."""

    name: str
    value: float
    bound: str
    passed: bool
    note: str = ""


class CommonBudgets(BaseModel, frozen=True, extra="forbid"):
    """What any model must keep to be served, whatever its rank."""

    latency_p99_ms_max: float = Field(default=50.0, gt=0, description="p99 of one answer, ms.")
    size_mb_max: float = Field(default=64.0, gt=0, description="Artifact on disk, MB.")

    def criteria(
        self, loss: Mapping[str, NDArray[np.float64]], measured: Mapping[str, float], *, seed: int
    ) -> "tuple[Criterion, ...]":
        """The lines of the verdict that need no champion; see `judge_challenger` for both arguments."""
        return (
            at_most("latency p99, ms", measured["latency_p99_ms"], self.latency_p99_ms_max),
            at_most("size, MB", measured["size_mb"], self.size_mb_max),
        )


def below(
    rival: str, challenger: NDArray[np.float64], baseline: NDArray[np.float64], unit: str, seed: int
) -> Criterion:
    """Better than the baseline by more than chance: where everybody takes the same, little is to be gained, and yet it is."""
    from models.common.compare import paired_bootstrap

    result = paired_bootstrap(challenger, baseline, np.arange(challenger.size), seed=seed)
    said = f"mean {result.diff:.5g}, interval [{result.low:.5g}, {result.high:.5g}], {result.blocks} {unit}"
    return Criterion(f"loss difference to {rival}, upper 95 % bound", result.high, "< 0", result.high < 0, said)


def at_most(name: str, value: float, bound: float) -> Criterion:
    """Holds up to the bound."""
    return Criterion(name, value, f"<= {bound:g}", value <= bound)
