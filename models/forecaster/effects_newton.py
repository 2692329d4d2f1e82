"""Newton steps for a log-linear model of many groups, block after block, over unlike groups of the same rows.

Weights are those of a negative binomial (McCullagh and Nelder 1989, chapter 9); ridge penalties hold a group's coefficients
back towards 0, which is what the wider block says. Only sums over a group's rows are taken, so that thousands of series
cost one pass over the rows.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from models.forecaster.censoring import SHAPE_BOUNDS, mean_given_at_least
from models.forecaster.effects_values import Targets

Float = npt.NDArray[np.floating[Any]]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
STEPS, STEPS_ON = 9, 4  # of a first fit, and of one that goes on from another
CURVATURE_AT = (0, 1, 4)  # steps at which the second derivative is taken anew: it costs most and moves little
STEP_BOUND = 1.0
FIRST_SHAPE = 5.0


@dataclass(frozen=True)
class FitRows(Targets):
    """M targets with their value (M,), and short (M,): True where the value is the least that was wanted."""

    value: Float
    short: Bools


@dataclass(frozen=True)
class Group:
    """Groups G of the rows and the columns (k,) of the design that each has coefficients for; key None: one of all rows."""

    key: str | None
    codes: npt.NDArray[np.float64]
    columns: list[int]
    penalty: Float  # (k,)
    place: Ints  # (M,) group of each row; past the last: none
    order: Ints  # rows that have a group, by group
    ends: Ints  # (G + 1,) where each group begins in that order


def grouped(key: str | None, codes: npt.NDArray[np.float64], columns: list[int], penalty: Float, place: Ints) -> Group:
    """The groups of the rows at `place` (M,), their rows in order of the groups."""
    n_groups = 1 if key is None else codes.size
    order = np.argsort(place, kind="stable")[: int((place < n_groups).sum())]
    ends = np.searchsorted(place[order], np.arange(n_groups + 1))
    return Group(key, codes, columns, penalty, place, order, ends)


def fitted(
    made: npt.NDArray[np.float32],
    groups: Sequence[Group],
    rows: FitRows,
    level: Float,
    begun: list[npt.NDArray[np.float64]] | None,
) -> list[npt.NDArray[np.float64]]:
    """A table (G, k) of coefficients for each of `groups`, the widest first and the series last.

    made (M, K): the columns of M rows; level (C,): where the series start from; begun: tables to go on from.
    """
    offset = np.append(level, np.log(max(rows.value.mean(), 1e-9)))[groups[-1].place]
    tables = [np.zeros((group.ends.size - 1, len(group.columns))) for group in groups]
    log_mean: npt.NDArray[np.float64] = offset.copy()
    blocks = [np.ascontiguousarray(made[:, group.columns][group.order]) for group in groups]
    if begun is not None:
        tables = begun
        for block, table, group in zip(blocks, tables, groups, strict=True):
            log_mean[group.order] += _times(block, table, group)
    between = range(1, len(groups) - 1)  # the blocks of more than one group and of more than a level
    told_of = {at: _told_of(made, blocks[at], groups[at]) for at in between}
    told = ~rows.short
    curvature = [np.zeros(0)] * len(groups)
    shape = FIRST_SHAPE if begun is None else shape_of(rows.value[told], np.exp(log_mean[told]))
    for step in range(STEPS if begun is None else STEPS_ON):
        wanted = wanted_of(rows, _exp(log_mean), shape)
        for at, group in enumerate(groups):
            mean = _exp(log_mean)
            weight = 1.0 / (1.0 + mean / shape)
            off = ((wanted - mean) * weight)[group.order]
            if step in CURVATURE_AT:
                curvature[at] = _curvature(blocks[at], (mean * weight)[group.order], group)
            gradient = _by_group(blocks[at], off, group) - group.penalty * tables[at]
            move = np.clip(np.linalg.solve(curvature[at], gradient[:, :, None])[:, :, 0], -STEP_BOUND, STEP_BOUND)
            tables[at] += move
            log_mean[group.order] += _times(blocks[at], move, group)
        for at in between:
            _shared_out(tables[0], tables[at], groups[0], groups[at], told_of[at])
        shape = shape_of(rows.value[told], _exp(log_mean[told]))
    return tables


def _told_of(made: npt.NDArray[np.float32], block: Float, group: Group) -> npt.NDArray[np.bool_]:
    """Whether a group's rows tell of a column, (G, k): elsewhere the wider block speaks for it.

    No group does of a column that rows without a group tell of too: they hear of the wider block what it is.
    """
    told = np.array([(block[low:high] != 0).any(axis=0) for low, high in _pieces(group)])
    outside = group.place >= group.ends.size - 1
    if outside.any():
        told &= ~(made[outside][:, group.columns] != 0).any(axis=0)
    return told


def _shared_out(wide: Float, narrow: Float, all_: Group, group: Group, told: npt.NDArray[np.bool_]) -> None:
    """Move what the groups told of have in common into the effects of all, where that lowers the penalty most.

    No row is forecast otherwise by it. Steps taken block by block leave it where the first of them put it: of clearances
    in five categories -1.1 for all and +0.6 for each of the five, so that a sixth was told -1.1.
    """
    at = [all_.columns.index(column) for column in group.columns]
    stiff, own = all_.penalty[at], group.penalty
    common = (own * np.where(told, narrow, 0.0).sum(axis=0) - stiff * wide[0, at]) / (stiff + own * told.sum(axis=0))
    common = np.where(told.any(axis=0), common, 0.0)
    wide[0, at] += common
    narrow -= np.where(told, common, 0.0)


def _exp(log_mean: Float) -> npt.NDArray[np.float64]:
    return np.exp(np.clip(log_mean, -12.0, 12.0))


def wanted_of(rows: FitRows, mean: Float, shape: float) -> Float:
    """What was wanted (M,): the value, or where a stock-out cut it short its expectation."""
    if not rows.short.any():
        return rows.value
    wanted = rows.value.copy()
    wanted[rows.short] = mean_given_at_least(rows.value[rows.short], mean[rows.short], shape)
    return wanted


def _pieces(group: Group) -> list[tuple[int, int]]:
    return list(zip(group.ends[:-1].tolist(), group.ends[1:].tolist(), strict=True))


def _by_group(block: Float, off: Float, group: Group) -> npt.NDArray[np.float64]:
    """Sums (G, k) of off (M,) times the columns (M, k)."""
    if block.shape[1] == 1:  # thousands of series
        return np.asarray(np.add.reduceat(off * block[:, 0], group.ends[:-1])[:, None])
    off = off.astype(block.dtype)
    return np.array([off[low:high] @ block[low:high] for low, high in _pieces(group)], dtype=np.float64)


def _times(block: Float, move: Float, group: Group) -> npt.NDArray[np.float64]:
    """The columns (M, k) times the coefficients (G, k) of each row's group, summed: (M,)."""
    if block.shape[1] == 1:
        return np.asarray(block[:, 0] * np.repeat(move[:, 0], np.diff(group.ends)))
    parts = zip(_pieces(group), move.astype(block.dtype), strict=True)
    return np.concatenate([block[low:high] @ own for (low, high), own in parts])


def _curvature(block: Float, weight: Float, group: Group) -> npt.NDArray[np.float64]:
    """Second derivatives (G, k, k) of the penalised loss."""
    if block.shape[1] == 1:
        found = np.add.reduceat(weight * block[:, 0] ** 2, group.ends[:-1])[:, None, None]
    else:
        heavy = block * weight.astype(block.dtype)[:, None]
        found = np.array([heavy[low:high].T @ block[low:high] for low, high in _pieces(group)], dtype=np.float64)
    return np.asarray(found + np.diag(group.penalty))


def shape_of(value: Float, mean: Float) -> float:
    """Shape of the negative binomial by moments in which the largest series do not decide alone."""
    weight = 1.0 / (1.0 + mean / FIRST_SHAPE) ** 2
    excess = float((weight * ((value - mean) ** 2 - mean)).sum())
    return float(np.clip(float((weight * mean**2).sum()) / max(excess, 1e-9), *SHAPE_BOUNDS))
