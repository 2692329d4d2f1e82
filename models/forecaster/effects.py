"""Effects: a log-linear model of what moves demand, by which the level of a series is multiplied before trees see it.

log factor = sum over columns of (coefficient of all + that of the category + of the product + of the store) * column. A
group that was not trained on, or is not told, adds nothing: it has the effects of the wider one. Fitted by
`effects_fit`; training, service and edge apply it through `inputs.assemble`. numpy and pydantic alone.
"""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, model_validator

from models.common.protocols import InputError
from models.forecaster.effects_design import Column, design, design_columns
from models.forecaster.effects_values import TargetRows

Float = npt.NDArray[np.floating[Any]]
Ints = npt.NDArray[np.int64]
LOG_FACTOR_BOUND = 3.0  # a target is at most twenty times the level of its season, or a twentieth


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
        if list(self.codes) != sorted(set(self.codes)):
            raise ValueError(f"block {self.key}: codes must ascend and be distinct")
        return self

    def place(self, state: Mapping[str, Float], n_pairs: int) -> Ints:
        """Row of coefficients of each pair (N,); one past the last where its group is unknown."""
        if self.key is None:
            return np.zeros(n_pairs, dtype=np.int64)
        return group_place(np.asarray(self.codes), state[self.key])


class Effects(BaseModel):
    """Fitted effects: the names of their columns (K,), the value of each on a typical day, and the blocks."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    columns: tuple[str, ...] = Field(description="as `effects_design` names them")
    flags: tuple[str, ...] = Field(description="covariates that are 0 or 1")
    state: tuple[str, ...] = Field(description="state columns of the design, as it was trained")
    covariates: tuple[str, ...] = Field(description="covariates of the design, as it was trained")
    reference: tuple[float, ...] = Field(description="training median of each column: what reasons compare with")
    blocks: tuple[Block, ...]

    @model_validator(mode="after")
    def _known(self) -> "Effects":
        if unknown := sorted(set(self.columns) - set(self._design)):
            raise ValueError(f"columns {unknown[:5]} are not made by this code: retrain")
        if len(self.reference) != len(self.columns):
            raise ValueError(f"{len(self.columns)} columns have {len(self.reference)} reference values")
        if any(at >= len(self.columns) for block in self.blocks for at in block.columns):
            raise ValueError(f"a block reads beyond the {len(self.columns)} columns")
        return self

    @property
    def state_columns(self) -> set[str]:
        """State columns that must be given: those of the design and the keys of the groups."""
        return {*self.state, *(block.key for block in self.blocks if block.key is not None)}

    @property
    def reasons(self) -> set[str]:
        """Groups of reasons that its columns belong to."""
        return {column.reason for column in self._columns.values()}

    def log_factor(self, rows: TargetRows, divisor: Float) -> npt.NDArray[np.float64]:
        """Logarithm (M,) of what the divisor (M,) of M rows is multiplied by."""
        made = design(rows, divisor, self._columns)
        return np.asarray(
            np.clip((made * self._coefficients(rows)[rows.pair]).sum(axis=1), -LOG_FACTOR_BOUND, LOG_FACTOR_BOUND)
        )

    def parts(self, rows: TargetRows, divisor: Float, reasons: Sequence[str]) -> tuple[Float, Float]:
        """The log factor by reason: what each adds (M, R) to that of a typical day of the series (M,).

        Together they are `log_factor`; what its bounds cut off falls to each reason by its share.
        """
        made = design(rows, divisor, self._columns)
        coefficients = self._coefficients(rows)[rows.pair]
        typical = coefficients @ np.asarray(self.reference)
        added = coefficients * (made - np.asarray(self.reference))
        of = np.array([reasons.index(column.reason) for column in self._columns.values()])
        parts = added @ np.eye(len(reasons))[of]
        total = typical + parts.sum(axis=1)
        shrunk = np.divide(
            np.clip(total, -LOG_FACTOR_BOUND, LOG_FACTOR_BOUND), total, out=np.ones_like(total), where=total != 0
        )
        return parts * shrunk[:, None], typical * shrunk

    def _coefficients(self, rows: TargetRows) -> npt.NDArray[np.float64]:
        """Coefficients (N, K) of each pair, summed over the blocks."""
        n_pairs = rows.origin.shape[0]
        total = np.zeros((n_pairs, len(self.columns)))
        for block, table in zip(self.blocks, self._tables, strict=True):
            total[:, list(block.columns)] += table[block.place(rows.state, n_pairs)]
        return total

    @cached_property
    def _design(self) -> dict[str, Column]:
        return design_columns(self.state, self.covariates, self.flags)

    @cached_property
    def _columns(self) -> dict[str, Column]:
        return {name: self._design[name] for name in self.columns}

    @cached_property
    def _tables(self) -> list[npt.NDArray[np.float64]]:
        """Coefficients (G + 1, k) of each block; the last row is that of unknown groups."""
        tables = [np.array(block.coefficients, dtype=np.float64) for block in self.blocks]
        return [np.vstack([table, np.zeros((1, table.shape[1]))]) for table in tables]


def group_place(codes: npt.NDArray[np.float64], values: Float) -> Ints:
    """Place (N,) of `values` (N,) in `codes` (G,), ascending; G where a value is not among them or not known."""
    if codes.size == 0:
        return np.zeros(values.shape[0], dtype=np.int64)
    place = np.minimum(np.searchsorted(codes, values), codes.size - 1)
    return np.where(codes[place] == values, place, codes.size).astype(np.int64)


def state_of(effects: Effects | None) -> set[str]:
    """State columns that effects read, keys of groups among them."""
    return set() if effects is None else effects.state_columns


def covariates_of(effects: Effects | None) -> set[str]:
    """Covariates that effects read."""
    return set() if effects is None else set(effects.covariates)


def refuse_missing(effects: Effects, state: Mapping[str, Float], known_future: Mapping[str, Float]) -> None:
    """InputError where columns that the effects read are not given."""
    missing = sorted((effects.state_columns - set(state)) | (set(effects.covariates) - set(known_future)))
    if missing:
        raise InputError(f"columns {missing[:5]} are missing: give those that the effects were trained on")
