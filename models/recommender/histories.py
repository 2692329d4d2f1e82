"""What customers took, in order, as flat arrays of item numbers: NumPy alone, for training and serving."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from scipy import sparse

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Histories:
    """Items of U customers, oldest first: customer u took `items[starts[u]:starts[u + 1]]`, each item once."""

    starts: Ints  # (U + 1,)
    items: Ints  # (nnz,)

    @classmethod
    def of(cls, items: "Sequence[Ints]") -> "Histories":
        """From the items of each customer."""
        lengths = np.asarray([len(each) for each in items], dtype=np.int64)
        joined = np.concatenate([np.zeros(0, dtype=np.int64), *items]).astype(np.int64)
        return cls(np.concatenate([[0], np.cumsum(lengths)]), joined)

    @cached_property
    def lengths(self) -> Ints:
        """Number of items of each customer (U,)."""
        return np.diff(self.starts)

    def __len__(self) -> int:
        return len(self.starts) - 1

    @cached_property
    def rows(self) -> Ints:
        """Customer of each entry (nnz,)."""
        return np.repeat(np.arange(len(self)), self.lengths)

    @cached_property
    def ages(self) -> Ints:
        """How many items the customer took after each entry (nnz,); 0 is the newest."""
        return self.starts[1:][self.rows] - 1 - np.arange(len(self.items))

    def matrix(self, n_items: int, *, decay: float = 1.0) -> "sparse.csr_matrix":
        """Customers by items (U, I), float32: decay ** age."""
        from scipy import sparse

        weight = np.power(np.float64(decay), self.ages).astype(np.float32)
        return sparse.csr_matrix((weight, self.items, self.starts), shape=(len(self), n_items))

    def without_last(self, count: Ints) -> "Histories":
        """The same customers, the last `count` (U,) items of each left out."""
        keep = self.ages >= count[self.rows]
        return Histories(
            np.concatenate([[0], np.cumsum(np.bincount(self.rows[keep], minlength=len(self)))]), self.items[keep]
        )

    def take(self, customers: Ints) -> "Histories":
        """Some customers, in the order of `customers`."""
        lengths = self.lengths[customers]
        starts = np.concatenate([[0], np.cumsum(lengths)])
        within = np.arange(starts[-1]) - np.repeat(starts[:-1], lengths)
        return Histories(starts, self.items[np.repeat(self.starts[customers], lengths) + within])

    def last(self, customers: Ints) -> Ints:
        """The newest item of some customers, who have at least one."""
        return self.items[self.starts[customers + 1] - 1]


def padded(histories: Histories, max_length: int) -> tuple[Ints, Ints]:
    """The newest `max_length` items of each history (N, T), oldest first, 0 behind the last; and their number (N,)."""
    lengths = np.minimum(histories.lengths, max_length)
    grid = np.zeros((len(histories), max(1, int(lengths.max(initial=0)))), dtype=np.int64)
    place = np.arange(grid.shape[1])
    filled = place[None, :] < lengths[:, None]
    at = (histories.starts[1:] - lengths)[:, None] + place[None, :]
    grid[filled] = histories.items[at[filled]]
    return grid, lengths
