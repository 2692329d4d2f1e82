"""Fitting the effects: penalised quasi-likelihood by Newton steps, block after block, each held back towards the wider one.

Weights are those of a negative binomial (McCullagh and Nelder 1989, chapter 9), so that neither the largest series nor
the smallest decide alone; ridge penalties shrink the coefficients of a group towards 0, which is the wider block's effect
(Gelman and Hill 2007, chapter 12). A day that a stock-out cut short counts with what was wanted on it at least.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from models.forecaster.censoring import SHAPE_BOUNDS, mean_given_at_least
from models.forecaster.effects import Block, Effects, group_place
from models.forecaster.effects_design import design, design_columns, is_fine, is_level
from models.forecaster.effects_values import Targets

Float = npt.NDArray[np.floating[Any]]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
KEYS: Mapping[str, float] = {"key_category": 3.0, "key_product": 10.0, "key_store": 10.0}  # penalty of each block
PENALTY_OF_ALL = 1.0
# A product has one or two years: its wave of the year is told from its growth by little, and is mostly its category's.
STIFF: Mapping[str, float] = {"yearly": 20.0}
STEPS = 8
CURVATURE_AT = (0, 1, 3)  # steps at which the second derivative is taken anew: it costs most and moves little
STEP_BOUND = 1.0
MAX_GROUPS = 5_000
FIRST_SHAPE = 5.0
PRECISION = 5  # decimals of a coefficient


@dataclass(frozen=True)
class FitRows(Targets):
    """M targets with their divisor (M,), value (M,), and short (M,): True where the value is the least that was wanted."""

    divisor: Float
    value: Float
    short: Bools


def fit_effects(rows: FitRows) -> tuple[Effects, npt.NDArray[np.float64]]:
    """The effects of M rows, and the log factor (M,) that they give these rows."""
    state, covariates = tuple(sorted(rows.state)), tuple(sorted(rows.known_future))
    flags = tuple(name for name in covariates if _is_flag(rows.known_future[name]))
    columns = design_columns(state, covariates, flags)
    made = design(rows, rows.divisor, columns)
    varies = [at for at, name in enumerate(columns) if name == "one" or np.ptp(made[:, at]) > 0]
    made = made[:, varies]
    names = [list(columns)[at] for at in varies]
    chosen = [columns[name] for name in names]
    groups = _groups(rows, names)
    log_factor, tables = _fitted(made, groups, rows)
    blocks = tuple(
        Block(
            key=group.key,
            codes=tuple(group.codes.tolist()),
            columns=tuple(group.columns),
            coefficients=tuple(tuple(row) for row in np.round(table, PRECISION).tolist()),
        )
        for group, table in zip(groups, tables, strict=True)
    )
    return (
        Effects(
            columns=tuple(names),
            flags=flags,
            state=tuple(sorted({name for column in chosen for name in column.state})),
            covariates=tuple(sorted({name for column in chosen for name in column.covariates})),
            reference=tuple(np.round(np.median(made, axis=0), PRECISION).tolist()),
            blocks=blocks,
        ),
        log_factor,
    )


@dataclass(frozen=True)
class _Group:
    key: str | None
    codes: npt.NDArray[np.float64]
    columns: list[int]
    penalty: Float  # (k,)
    order: Ints  # (M,) rows by group
    ends: Ints  # (G + 1,) where each group begins in that order


def _groups(rows: FitRows, names: Sequence[str]) -> list[_Group]:
    n_rows = rows.pair.shape[0]
    everything = list(range(len(names)))
    found = [
        _Group(
            None, np.zeros(0), everything, np.full(len(names), PENALTY_OF_ALL), np.arange(n_rows), np.array([0, n_rows])
        ),
    ]
    products = _codes(rows, "key_product").size > 1
    for key, penalty in KEYS.items():
        codes = _codes(rows, key)
        if not 1 < codes.size <= MAX_GROUPS:
            continue
        if key == "key_category":
            columns = [at for at, name in enumerate(names) if not is_level(name)]
        elif key == "key_product" or not products:
            columns = [at for at, name in enumerate(names) if is_fine(name)]
        else:
            columns = [at for at, name in enumerate(names) if name == "one" or name.startswith("weekday_")]
        place = group_place(codes, rows.state[key])[rows.pair]
        order = np.argsort(place, kind="stable")
        ends = np.searchsorted(place[order], np.arange(codes.size + 1))
        found.append(_Group(key, codes, columns, penalty * _stiffness(names, columns), order, ends))
    return found


def _stiffness(names: Sequence[str], columns: Sequence[int]) -> Float:
    """How much more than the others a column (k,) is held back in a group."""
    return np.array([STIFF.get(names[at].partition("_")[0], 1.0) for at in columns])


def _codes(rows: FitRows, key: str) -> npt.NDArray[np.float64]:
    if key not in rows.state:
        return np.zeros(0)
    codes = np.unique(np.asarray(rows.state[key], dtype=np.float64)[np.unique(rows.pair)])
    return np.asarray(codes[np.isfinite(codes)])


def _fitted(made: Float, groups: Sequence[_Group], rows: FitRows) -> tuple[npt.NDArray[np.float64], list[Float]]:
    tables: list[Float] = [np.zeros((group.ends.size - 1, len(group.columns))) for group in groups]
    told = ~rows.short
    start = np.log(max(rows.value[told].sum(), 1e-9) / rows.divisor[told].sum())
    tables[0][0, groups[0].columns.index(0)] = start
    log_factor: npt.NDArray[np.float64] = np.full(rows.value.shape[0], start)
    curvature: list[Float] = [np.zeros(0)] * len(groups)
    blocks = [np.ascontiguousarray(made[:, group.columns][group.order]) for group in groups]
    shape = FIRST_SHAPE
    for step in range(STEPS):
        for at, group in enumerate(groups):
            mean = rows.divisor * np.exp(np.clip(log_factor, -8.0, 8.0))
            weight = 1.0 / (1.0 + mean / shape)
            wanted = rows.value.copy()
            if rows.short.any():
                wanted[rows.short] = mean_given_at_least(rows.value[rows.short], mean[rows.short], shape)
            off = ((wanted - mean) * weight)[group.order]
            if step in CURVATURE_AT:
                curvature[at] = _curvature(blocks[at], (mean * weight)[group.order], group)
            pairs = list(zip(group.ends[:-1], group.ends[1:], strict=True))
            gradient = np.array([off[low:high] @ blocks[at][low:high] for low, high in pairs])
            gradient -= group.penalty * tables[at]
            move = np.clip(np.linalg.solve(curvature[at], gradient[:, :, None])[:, :, 0], -STEP_BOUND, STEP_BOUND)
            tables[at] += move
            for row, (low, high) in enumerate(pairs):
                log_factor[group.order[low:high]] += blocks[at][low:high] @ move[row]
        shape = _shape(rows.value[told], (rows.divisor * np.exp(np.clip(log_factor, -8.0, 8.0)))[told])
    return log_factor, tables


def _curvature(block: Float, weight: Float, group: _Group) -> npt.NDArray[np.float64]:
    """Second derivatives (G, k, k) of the penalised loss."""
    size = block.shape[1]
    found = np.empty((group.ends.size - 1, size, size))
    for row, (low, high) in enumerate(zip(group.ends[:-1], group.ends[1:], strict=True)):
        part = block[low:high]
        found[row] = (part * weight[low:high, None]).T @ part
    return found + np.diag(group.penalty)


def _shape(value: Float, mean: Float) -> float:
    """Shape of the negative binomial by moments in which the largest series do not decide alone."""
    weight = 1.0 / (1.0 + mean / FIRST_SHAPE) ** 2
    excess = float((weight * ((value - mean) ** 2 - mean)).sum())
    return float(np.clip(float((weight * mean**2).sum()) / max(excess, 1e-9), *SHAPE_BOUNDS))


def _is_flag(values: Float) -> bool:
    known = values[np.isfinite(values)]
    return known.size > 0 and bool(np.isin(known, (0.0, 1.0)).all())
