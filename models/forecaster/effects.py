"""Effects: a log-linear model of a series' whole history, by which its level is multiplied before trees see it.

log expected = level of the series + sum over columns of (coefficient of all + that of the category + of the product + of
the store) * column + what lasts of the gap between the sales seen lately and those that were expected. A group that was
not trained on, or is not told, adds nothing: it has the effects of the wider one. A series that was not trained on has
the level of its past four weeks. Fitted by `effects_fit`; training, service and edge apply it through
`inputs.assemble`. numpy and pydantic alone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, model_validator

from models.common.protocols import InputError
from models.forecaster.effects_blocks import Block, Cells
from models.forecaster.effects_design import Column, design, design_columns, of_time
from models.forecaster.effects_values import (
    PRICE,
    PRICE_BOUND,
    Frame,
    TargetRows,
    Targets,
    far,
    log_price,
    logged,
    recent_days,
    recent_level,
)

Float = npt.NDArray[np.floating[Any]]
LOG_FACTOR_BOUND = 3.0  # a target is at most twenty times the level of its season, or a twentieth
GAP_UNITS = 20.0  # a gap is told by what was sold: so many units more on either side hold it back where that is little
LASTING = ("step", "gap", "gap_by_step")
_LASTING_REASONS = ("trend and horizon", "level", "level")


@dataclass(frozen=True)
class _Pairs:
    """What the effects know of N pairs: coefficients (N, K), log level (N,), NaN where the series is unknown, what season
    and trend added to it in the last weeks, recent (N,), and the gap (N,): log of what was sold then over what it says.
    """

    coefficients: npt.NDArray[np.float64]
    level: Float
    recent: Float
    gap: Float
    frame: Frame

    def level_of(self, rows: TargetRows) -> Float:
        """Log level of each target, (M,): of an unknown series what its past four weeks tell."""
        level = self.level[rows.pair]
        return np.where(np.isnan(level), np.log(rows.scale) - self.recent[rows.pair], level)


class Effects(BaseModel):
    """Fitted effects: the names of their columns (K,), the value of each on a typical day, blocks, levels, persistence."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    columns: tuple[str, ...] = Field(description="as `effects_design` names them")
    flags: tuple[str, ...] = Field(description="covariates that are 0 or 1")
    state: tuple[str, ...] = Field(description="state columns that tell what was seen lately, and those of the design")
    covariates: tuple[str, ...] = Field(description="covariates of the design, as it was trained")
    middle: float = Field(description="day since 1970-01-01 that years are counted from")
    wave: tuple[float, float] = Field(description="degrees by which the sine and cosine of the year move temperature")
    reference: tuple[float, ...] = Field(description="training median of each column: what reasons compare with")
    blocks: tuple[Block, ...]
    cells: Cells
    lasting: tuple[float, ...] = Field(
        description="coefficients of LASTING; none: the past adds nothing to the effects"
    )

    @model_validator(mode="after")
    def _known(self) -> "Effects":
        if unknown := sorted(set(self.columns) - set(self._design)):
            raise ValueError(f"columns {unknown[:5]} are not made by this code: retrain")
        if len(self.reference) != len(self.columns):
            raise ValueError(f"{len(self.columns)} columns have {len(self.reference)} reference values")
        if any(at >= len(self.columns) for block in self.blocks for at in block.columns):
            raise ValueError(f"a block reads beyond the {len(self.columns)} columns")
        if len(self.lasting) not in (0, len(LASTING)):
            raise ValueError(f"{len(self.lasting)} coefficients of what lasts: expected those of {LASTING}, or none")
        return self

    @property
    def state_columns(self) -> set[str]:
        """State columns that must be given: those of the past and the keys of groups and series."""
        return {*self.state, *self.cells.columns, *(block.key for block in self.blocks if block.key is not None)}

    @property
    def reasons(self) -> set[str]:
        """Groups of reasons that its columns belong to."""
        return {column.reason for column in self._columns.values()} | set(_LASTING_REASONS)

    def log_factor(self, rows: TargetRows, divisor: Float) -> npt.NDArray[np.float64]:
        """Logarithm (M,) of what the divisor (M,) of M rows is multiplied by."""
        known = self._pairs(rows)
        made = design(rows, known.frame, self._columns)
        log_mean = known.level_of(rows) + (made * known.coefficients[rows.pair]).sum(axis=1)
        log_mean += lasting_design(rows, known.gap) @ self._lasting
        return np.asarray(np.clip(log_mean - np.log(divisor), -LOG_FACTOR_BOUND, LOG_FACTOR_BOUND))

    def parts(self, rows: TargetRows, divisor: Float, reasons: Sequence[str]) -> tuple[Float, Float]:
        """The log factor by reason: what each adds (M, R) to that of a typical day of the series (M,).

        Together they are `log_factor`.
        """
        known = self._pairs(rows)
        made = design(rows, known.frame, self._columns) - np.asarray(self.reference)
        lasting = lasting_design(rows, known.gap) * self._lasting
        added = np.concatenate([known.coefficients[rows.pair] * made, lasting], axis=1)
        of = [*(column.reason for column in self._columns.values()), *_LASTING_REASONS]
        parts = added @ np.eye(len(reasons))[[reasons.index(reason) for reason in of]]
        return parts, self.log_factor(rows, divisor) - parts.sum(axis=1)

    def gap(self, rows: TargetRows) -> Float:
        """Log of what was sold lately over what the effects expected, (N,); 0 where either is unknown."""
        return self._pairs(rows).gap

    def _pairs(self, rows: TargetRows) -> _Pairs:
        n_pairs = rows.origin.shape[0]
        coefficients = np.zeros((n_pairs, len(self.columns)))
        for block in self.blocks:
            coefficients[:, list(block.columns)] += block.of(rows.state, n_pairs)
        level, price, temp = self.cells.of(rows.state)
        now = log_price(rows.known_future[PRICE][:, 0]) if PRICE in rows.known_future else np.full(n_pairs, np.nan)
        frame = Frame(self.middle, np.where(np.isnan(price), now, price), temp, self.wave)
        days = recent_days(rows.state)
        recent = self._slow(rows, frame, coefficients, now, -days / 2.0)
        sold, expected = (units * days + GAP_UNITS for units in (recent_level(rows.state), np.exp(level + recent)))
        return _Pairs(coefficients, level, recent, logged(sold / expected), frame)

    def _slow(self, rows: TargetRows, frame: Frame, coefficients: Float, price: Float, step: Float) -> Float:
        """What season and trend add to the level of each pair at so many days from its origin, and its log price, (N,)."""
        n_pairs = rows.origin.shape[0]
        slow = [at for at, name in enumerate(self.columns) if of_time(name)]
        steps = np.round(step).astype(np.int64)
        then = Targets(rows.state, rows.known_future, rows.origin, np.arange(n_pairs), steps, np.ones(n_pairs))
        made = design(then, frame, {name: self._columns[name] for name in self.columns if of_time(name)})
        added = (coefficients[:, slow] * made).sum(axis=1)
        if "price" in self.columns:
            change = np.clip(np.nan_to_num(price - frame.price), -PRICE_BOUND, PRICE_BOUND)
            added = added + coefficients[:, self.columns.index("price")] * change
        return np.asarray(added)

    @cached_property
    def _design(self) -> dict[str, Column]:
        return design_columns(self.covariates, self.flags, self.state)

    @cached_property
    def _columns(self) -> dict[str, Column]:
        return {name: self._design[name] for name in self.columns}

    @cached_property
    def _lasting(self) -> npt.NDArray[np.float64]:
        return np.asarray(self.lasting or np.zeros(len(LASTING)))


def lasting_design(rows: TargetRows, gap: Float) -> npt.NDArray[np.float64]:
    """Columns (M, len(LASTING)): how far a target lies ahead, and the gap (N,) as such and by the step."""
    ahead, own = far(rows), gap[rows.pair]
    return np.column_stack([ahead, own, own * ahead])


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
