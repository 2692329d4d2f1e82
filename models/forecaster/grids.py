"""Covariates known ahead, read at many targets at once: at a place of the horizon, or as means around it. numpy alone."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from models.forecaster.effects_values import TargetRows

Float = npt.NDArray[np.floating[Any]]
Ints = npt.NDArray[np.int64]
DENSE = 0.5  # share of the cells of a grid that is asked for: below it cells are read one by one


def reader(rows: TargetRows, names: Sequence[str], low: int, high: int) -> Callable[[Ints], Float]:
    """A function that reads K covariates, float64 (M, K), of the pairs from `low` to `high` at places (M,) of the horizon.

    Whole forecasts are read from one stack of the covariates. A sample is read covariate by covariate: it touches a
    twentieth of the cells, and to stack them all took ten times as long. NaN beyond the horizon.
    """
    sources = [rows.known_future[name] for name in names]
    horizon = sources[0].shape[1]
    stacked = None
    if rows.pair.size >= DENSE * (high - low) * horizon:
        grids = np.array([source[low:high] for source in sources], dtype=np.float64)
        stacked = np.ascontiguousarray(grids.transpose(1, 2, 0))

    def read(index: Ints) -> Float:
        inside = (index >= 0) & (index < horizon)
        place = np.where(inside, index, 0)
        if stacked is None:
            values = np.empty((len(sources), index.size))
            for row, source in zip(values, sources, strict=True):
                row[:] = source[rows.pair, place]
            values = values.T
        else:
            values = stacked[rows.pair - low, place]
        if not inside.all():
            values[~inside] = np.nan
        return values

    return read


def mean_around(read: Callable[[Ints], Float], target: Ints, shift: int) -> Float:
    """Mean (M, K) over the |shift| periods before or after each target (M,); NaN where none is known."""
    total: Any = 0.0
    count: Any = 0
    for away in range(1, abs(shift) + 1):
        values = read(target + away if shift > 0 else target - away)
        known = np.isfinite(values)
        total, count = total + np.where(known, values, 0.0), count + known
    return np.asarray(np.divide(total, count, out=np.full(count.shape, np.nan), where=count > 0))
