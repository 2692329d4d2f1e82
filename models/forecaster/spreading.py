"""From the validation periods, which no member of the blend was fitted on, to the spread of sums at every level."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from models.forecaster.blending import HeldRows
from models.forecaster.data import Dataset
from models.forecaster.hierarchy import Levels, Members, Spread, fit_spread
from models.forecaster.spec import Calibration

Float = npt.NDArray[np.floating[Any]]


def fit_spreads(
    said: Mapping[str, Float] | None, held: HeldRows | None, calibration: Calibration, data: Dataset, *, counts: bool
) -> dict[str, Spread]:
    """The spread of every level of `data`, by what the blend said of the rows, {mean, q10, q50, q90: (V,)} of the scale.

    The rows are those that blend and calibration are made by, calibrated as they will be served: they are forecast
    already, from every origin of the validation periods, so that this costs next to nothing. Where they are a sample
    each sum is that of its sampled members; where there are none, all levels have the cautious spread.
    """
    levels = Levels.of(data.series_keys, data.series_ids.size)
    if said is None or held is None:
        return {level.name: Spread() for level in levels}
    scale = held.scale
    raw = np.stack([said["q10"], said["q50"], said["q90"]])
    low, median, high = calibration.applied(raw, held.step) * scale
    members = Members(said["mean"] * scale, low, median, high, counts)
    cell = data.panel.period[held.pair] * (data.horizon + 1) + held.step
    series = data.panel.series[held.pair]
    return {level.name: fit_spread(members, held.value, level.codes[series], cell) for level in levels}
