"""Tables of effects: coefficients by group, levels by series, found again by the numbers that name them in the state."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, model_validator

Float = npt.NDArray[np.floating[Any]]
Ints = npt.NDArray[np.int64]
KEY_SIZE = 2.0**24  # keys of groups are whole numbers below it


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
        _refuse_unsorted(f"block {self.key}", self.codes)
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


class Cells(BaseModel):
    """The series that were trained on (C,): log level of each, and the log price and temperature it is told against.

    columns: the state columns that tell a series together; codes (C,), ascending, as `code_of` makes them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    columns: tuple[str, ...] = Field(min_length=1)
    codes: tuple[float, ...]
    level: tuple[float, ...]
    price: tuple[float, ...]
    temp: tuple[float, ...]

    @model_validator(mode="after")
    def _whole(self) -> "Cells":
        lengths = {name: len(getattr(self, name)) for name in ("codes", "level", "price", "temp")}
        if len(set(lengths.values())) > 1:
            raise ValueError(f"series of lengths {lengths}: expected one length")
        _refuse_unsorted("series", self.codes)
        return self

    def of(self, state: Mapping[str, Float]) -> npt.NDArray[np.float64]:
        """Log level, log price and temperature of each pair, (3, N); NaN where a series is unknown."""
        codes, values = self._arrays
        return np.asarray(values[:, group_place(codes, code_of(state, self.columns))])

    @cached_property
    def _arrays(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        values = np.array([self.level, self.price, self.temp], dtype=np.float64)
        return np.asarray(self.codes), np.pad(values, ((0, 0), (0, 1)), constant_values=np.nan)


def code_of(state: Mapping[str, Float], keys: Sequence[str]) -> npt.NDArray[np.float64]:
    """One number (N,) of the groups that tell a series together; NaN where one of them is unknown."""
    codes = np.asarray(state[keys[0]], dtype=np.float64)
    for key in keys[1:]:
        codes = codes * KEY_SIZE + np.asarray(state[key], dtype=np.float64)
    return codes


def group_place(codes: npt.NDArray[np.float64], values: Float) -> Ints:
    """Place (N,) of `values` (N,) in `codes` (G,), ascending; G where a value is not among them or not known."""
    if codes.size == 0:
        return np.zeros(values.shape[0], dtype=np.int64)
    place = np.minimum(np.searchsorted(codes, values), codes.size - 1)
    return np.where(codes[place] == values, place, codes.size).astype(np.int64)


def _refuse_unsorted(name: str, codes: Sequence[float]) -> None:
    if list(codes) != sorted(set(codes)):
        raise ValueError(f"{name}: codes must ascend and be distinct")
