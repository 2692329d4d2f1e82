"""Sums of what was seen of the units, from which every estimate of this room follows in closed form.

An experiment of a million units is read once into sums by look and arm; estimates at all looks, or of a thousand simulated
experiments, are then array expressions over a few numbers. Column 0 is the numerator of the metric, 1 its denominator
(a constant 1 for a mean), the others are covariates from before the start.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Float = npt.NDArray[np.floating[Any]]
Ints = npt.NDArray[np.int64]
NUMERATOR, DENOMINATOR, FIRST_COVARIATE = 0, 1, 2


class MomentError(ValueError):
    """Columns that cannot be summed; the message names the shapes."""


@dataclass(frozen=True)
class Moments:
    """count (..., A), mean (..., A, K), cov (..., A, K, K) with divisor count; NaN where count is 0."""

    count: Float
    mean: Float
    cov: Float


@dataclass(frozen=True)
class Sums:
    """Sums about `centre` (K,), which keeps large means from swallowing small variances.

    count (...), first (..., K), second (..., K, K); the leading axes are those of the cells.
    """

    count: Float
    first: Float
    second: Float
    centre: Float

    def cumulated(self, axis: int) -> "Sums":
        """Running sums along a (non-negative) axis of cells: what was known at each look."""
        return Sums(
            np.cumsum(self.count, axis=axis),
            np.cumsum(self.first, axis=axis),
            np.cumsum(self.second, axis=axis),
            self.centre,
        )

    def moments(self) -> Moments:
        """Counts, means and covariances of every cell."""
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = self.first / self.count[..., None]
            cov = self.second / self.count[..., None, None] - mean[..., :, None] * mean[..., None, :]
        return Moments(self.count, mean + self.centre, cov)


def cell_sums(columns: Float, cell: Ints, shape: tuple[int, ...]) -> Sums:
    """Sum columns (N, K) and their products into cells: cell (N,) is the flat index into `shape` = (..., A).

    MomentError if a cell lies outside the shape or rows do not match.
    """
    cells = int(np.prod(shape))
    if columns.ndim != 2 or cell.shape != (columns.shape[0],):
        raise MomentError(f"columns {columns.shape}, cell {cell.shape}: expected (N, K) and (N,)")
    if cell.size and not 0 <= cell.min() <= cell.max() < cells:
        raise MomentError(f"cells {cell.min()}..{cell.max()}: expected 0..{cells - 1} for the shape {shape}")
    width = columns.shape[1]
    centre = columns.mean(axis=0) if cell.size else np.zeros(width)
    moved = columns - centre
    first = np.empty((cells, width))
    second = np.empty((cells, width, width))
    for k in range(width):
        first[:, k] = np.bincount(cell, weights=moved[:, k], minlength=cells)
        for j in range(k + 1):
            second[:, k, j] = np.bincount(cell, weights=moved[:, k] * moved[:, j], minlength=cells)
            second[:, j, k] = second[:, k, j]
    count = np.bincount(cell, minlength=cells).astype(np.float64)
    return Sums(count.reshape(shape), first.reshape(*shape, width), second.reshape(*shape, width, width), centre)
