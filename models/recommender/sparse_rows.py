"""A sparse matrix by rows in NumPy alone: what serving multiplies a history with."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from models.recommender.histories import Histories, Ints

Floats = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True)
class SparseRows:
    """R rows of `width` columns: row r has `values` at the ascending columns `targets[starts[r]:starts[r + 1]]`."""

    starts: Ints  # (R + 1,)
    targets: npt.NDArray[np.int32]  # (nnz,)
    values: npt.NDArray[np.float32]  # (nnz,)
    width: int

    @classmethod
    def of(cls, matrix: Any) -> "SparseRows":
        """From a scipy CSR matrix with sorted indices."""
        return cls(
            matrix.indptr.astype(np.int64),
            matrix.indices.astype(np.int32),
            matrix.data.astype(np.float32),
            int(matrix.shape[1]),
        )

    @classmethod
    def named(cls, arrays: Mapping[str, Any], name: str, width: int) -> "SparseRows":
        """From the arrays of an artifact."""
        return cls(arrays[f"{name}_starts"], arrays[f"{name}_targets"], arrays[f"{name}_values"], width)

    def gathered(self, histories: Histories, weights: Floats) -> npt.NDArray[np.float32]:
        """Sum (N, width) of the rows of the items of N histories, whose entries weigh `weights` (nnz of the histories)."""
        at, lengths = self._entries(histories.items)
        told = np.repeat(weights, lengths) * self.values[at]
        cell = np.repeat(histories.rows, lengths) * self.width + self.targets[at]
        total = np.bincount(cell, weights=told, minlength=len(histories) * self.width)
        return total.reshape(len(histories), self.width).astype(np.float32)

    def products(self, rows: Ints, vectors: Floats) -> npt.NDArray[np.float32]:
        """Products (N, C) of the rows `rows` (N, C) with the vector (N, width) of their customer."""
        at, lengths = self._entries(rows.ravel())
        cell = np.repeat(np.arange(rows.size), lengths)
        told = self.values[at] * vectors[cell // max(rows.shape[1], 1), self.targets[at]]
        return np.bincount(cell, weights=told, minlength=rows.size).reshape(rows.shape).astype(np.float32)

    def column(self, rows: Ints, target: int) -> npt.NDArray[np.float32]:
        """Values (n,) of some rows in one column, 0 where they have none."""
        at, lengths = self._entries(rows)
        here = self.targets[at] == target
        found = np.zeros(len(rows), dtype=np.float32)
        found[np.repeat(np.arange(len(rows)), lengths)[here]] = self.values[at[here]]
        return found

    def _entries(self, rows: Ints) -> tuple[Ints, Ints]:
        """Places of the entries of some rows, one row after the other, and how many each has."""
        lengths = self.starts[rows + 1] - self.starts[rows]
        before = np.cumsum(lengths) - lengths
        return np.repeat(self.starts[rows] - before, lengths) + np.arange(lengths.sum()), lengths
