"""A sparse matrix from items taken to items recommended, in NumPy alone: what serving multiplies a history with."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.recommender.histories import Histories, Ints

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class ItemWeights:
    """Row by row: item i speaks for `targets[starts[i]:starts[i + 1]]`, ascending, with `values`."""

    starts: Ints  # (I + 1,)
    targets: npt.NDArray[np.int32]  # (nnz,)
    values: Floats  # (nnz,)

    def scores(self, histories: Histories, weights: Floats) -> Floats:
        """Scores (N, I) of all items for N histories, whose entries weigh `weights` (nnz of the histories)."""
        n_items = len(self.starts) - 1
        at, lengths = self._entries(histories.items)
        told = np.repeat(weights, lengths) * self.values[at]
        cell = np.repeat(histories.rows, lengths) * n_items + self.targets[at]
        size = len(histories) * n_items
        return np.bincount(cell, weights=told, minlength=size).reshape(-1, n_items).astype(np.float32)

    def column(self, items: Ints, target: int) -> Floats:
        """What each of some items says for `target`, 0 where nothing."""
        at, lengths = self._entries(items)
        speaks = self.targets[at] == target
        owner = np.repeat(np.arange(len(items)), lengths)[speaks]
        found = np.zeros(len(items), dtype=np.float32)
        found[owner] = self.values[at[speaks]]
        return found

    def _entries(self, items: Ints) -> tuple[Ints, Ints]:
        """Places of the entries of the rows of `items`, one row after the other, and how many each has."""
        lengths = self.starts[items + 1] - self.starts[items]
        before = np.cumsum(lengths) - lengths
        return np.repeat(self.starts[items] - before, lengths) + np.arange(lengths.sum()), lengths
