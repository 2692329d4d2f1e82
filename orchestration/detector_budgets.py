"""What product recognition must keep to be served."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from orchestration.criteria import CommonBudgets, Criterion, at_most, below


class DetectorBudgets(CommonBudgets, frozen=True, extra="forbid"):
    """What product recognition must keep: loss is 1 for a labelled item that is missed, wrongly named or called unknown; the
    baseline names the same boxes by colour histograms."""

    map50_min: float = Field(
        default=0.85, ge=0, le=1, description="Average precision of boxes at overlap 0.5, at least."
    )
    right_names_min: float = Field(default=0.85, ge=0, le=1, description="Right names among matched boxes, at least.")
    calibration_error_max: float = Field(default=0.1, gt=0, le=1, description="Of a name's confidence, at most.")
    latency_p99_ms_max: float = Field(
        default=5_000.0, gt=0, description="p99 of one picture, ms; grows with its items."
    )
    size_mb_max: float = Field(default=160.0, gt=0, description="Artifact on disk, MB: two networks and a gallery.")

    def criteria(
        self, loss: Mapping[str, NDArray[np.float64]], measured: Mapping[str, float], *, seed: int
    ) -> "tuple[Criterion, ...]":
        """Boxes, names, confidence, better than the baseline by more than chance, and the common lines."""
        boxes, names = measured["map50"], measured["right_names"]
        return (
            Criterion("mAP50", boxes, f">= {self.map50_min:g}", boxes >= self.map50_min),
            Criterion(
                "right names of matched boxes", names, f">= {self.right_names_min:g}", names >= self.right_names_min
            ),
            at_most("calibration error of names", measured["calibration_error"], self.calibration_error_max),
            below("colour histograms", loss["challenger"], loss["baseline"], "items", seed),
            *super().criteria(loss, measured, seed=seed),
        )
