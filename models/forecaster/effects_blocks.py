"""Tables of effects: coefficients by group, levels by series, found again by the numbers that name them in the state."""

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, model_validator

from models.forecaster.series import KnownSeries, group_place, refuse_unsorted

Float = npt.NDArray[np.floating[Any]]


class Block(BaseModel):
    """Coefficients (G, k) of the columns at `columns` (k,), one row a group: those of `codes` (G,), ascending.

    key: the state column that tells the group of a series; None: all series are one group.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    key: str | None
    codes: tuple[float, ...]
    columns: tuple[int, ...]
    coefficients: tuple[tuple[float, ...], ...]

    @model_validator(mode="after")
    def _whole(self) -> "Block":
        groups = 1 if self.key is None else len(self.codes)
        if len(self.coefficients) != groups or any(len(row) != len(self.columns) for row in self.coefficients):
            raise ValueError(f"block {self.key}: expected {groups} rows of {len(self.columns)} coefficients")
        refuse_unsorted(f"block {self.key}", self.codes)
        return self

    def of(self, state: Mapping[str, Float], n_pairs: int) -> npt.NDArray[np.float64]:
        """Coefficients (N, k) of each pair; 0 where its group is unknown."""
        if self.key is None:
            return np.broadcast_to(self._table[0], (n_pairs, len(self.columns)))
        return np.asarray(self._table[group_place(self._codes, np.asarray(state[self.key], dtype=np.float64))])

    @cached_property
    def _codes(self) -> npt.NDArray[np.float64]:
        return np.asarray(self.codes)

    @cached_property
    def _table(self) -> npt.NDArray[np.float64]:
        """(G + 1, k); the last row is that of unknown groups."""
        table = np.array(self.coefficients, dtype=np.float64).reshape(-1, len(self.columns))
        return np.vstack([table, np.zeros((1, len(self.columns)))])


class Cells(KnownSeries):
    """Of the series that were trained on (C,) the log level, and the log price and temperature it is told against."""

    level: tuple[float, ...]
    price: tuple[float, ...]
    temp: tuple[float, ...]

    @model_validator(mode="after")
    def _whole(self) -> "Cells":
        lengths = {name: len(getattr(self, name)) for name in ("codes", "level", "price", "temp")}
        if len(set(lengths.values())) > 1:
            raise ValueError(f"series of lengths {lengths}: expected one length")
        return self

    def of(self, state: Mapping[str, Float]) -> npt.NDArray[np.float64]:
        """Log level, log price and temperature of each pair, (3, N); NaN where a series is unknown."""
        return np.asarray(self._values[:, self.places(state)])

    @cached_property
    def _values(self) -> npt.NDArray[np.float64]:
        """(3, C + 1); the last column is that of unknown series."""
        values = np.array([self.level, self.price, self.temp], dtype=np.float64)
        return np.pad(values, ((0, 0), (0, 1)), constant_values=np.nan)
