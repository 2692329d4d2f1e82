"""Fitting the effects: penalised quasi-likelihood, each block held back towards the wider one (see `effects_newton`).

Weights are those of a negative binomial, so that neither the largest series nor the smallest decide alone; ridge penalties
shrink the coefficients of a group towards 0, which is the wider block's effect
(Gelman and Hill 2007, chapter 12). A day that a stock-out cut short counts with what was wanted on it at least.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from models.forecaster.effects import LASTING, Effects, lasting_design
from models.forecaster.effects_blocks import Block, Cells
from models.forecaster.effects_design import design, design_columns, is_fine
from models.forecaster.effects_newton import STEP_BOUND, FitRows, Group, fitted, grouped, shape_of, wanted_of
from models.forecaster.effects_values import (
    PRICE,
    TEMP,
    Frame,
    ahead_of,
    day_of,
    log_price,
    recent_columns,
    seasonless,
    temperature_wave,
)
from models.forecaster.series import code_of, group_place, series_keys

Float = npt.NDArray[np.floating[Any]]
KEYS: Mapping[str, float] = {"key_category": 3.0, "key_product": 10.0, "key_store": 10.0}  # penalty of each block
PENALTY = 1.0  # of the effects of all and of the levels of series
# A product has one or two years: its wave of the year is told from its growth by little, and is mostly its category's.
STIFF: Mapping[str, float] = {"yearly": 2.0}
STEPS_OF_LASTING = 4
MAX_GROUPS = 5_000
PRECISION = 5  # decimals of a coefficient


def fit_effects(rows: FitRows, begin: Effects | None = None) -> Effects:
    """The effects of M rows, but not yet what lasts (see `fit_lasting`); begin: effects of most of these rows.

    The state must have `series_keys`.
    """
    covariates = tuple(sorted(rows.known_future))
    flags = tuple(name for name in covariates if _is_flag(rows.known_future[name])) if begin is None else begin.flags
    wave = temperature_wave(rows) if TEMP in rows.known_future else (0.0, 0.0)
    cells = _cells(rows, wave)
    middle = float(np.round(day_of(rows).mean())) if begin is None else begin.middle
    state = tuple(sorted(rows.state))
    columns = design_columns(covariates, flags, state)
    _, price, temp = cells.of(rows.state)
    made = design(rows, Frame(middle, price, temp, wave), columns, np.float32)  # half the memory, and thrice as fast
    varies = np.flatnonzero(made.max(axis=0) > made.min(axis=0)) if begin is None else ()
    names = [list(columns)[at] for at in varies] if begin is None else begin.columns
    made = _with_ones(made, [list(columns).index(name) for name in names])
    groups = _groups(rows, names, cells)
    start = np.asarray(cells.level)
    tables = fitted(made, groups, rows, start, None if begin is None else _begun(groups, start, begin))
    *wider, own = tables
    level = np.asarray(cells.level) + wider[0][0, -1] + own[:, 0]
    blocks = tuple(
        Block(
            key=group.key,
            codes=tuple(group.codes.tolist()),
            columns=tuple(at for at in group.columns if at < len(names)),
            coefficients=tuple(
                map(tuple, np.round(table[:, np.array(group.columns) < len(names)], PRECISION).tolist())
            ),
        )
        for group, table in zip(groups[:-1], wider, strict=True)
    )
    return Effects(
        columns=tuple(names),
        flags=flags,
        state=(*recent_columns(state), *(name for each in names for name in columns[each].state)),
        covariates=tuple(sorted({name for each in names for name in columns[each].covariates})),
        middle=middle,
        wave=wave,
        reference=tuple(np.round(np.median(made[:, :-1], axis=0), PRECISION).tolist()),
        blocks=blocks,
        cells=Cells(**{**dict(cells), "level": tuple(np.round(level, PRECISION).tolist())}),
        lasting=() if begin is None else begin.lasting,
    )


def fit_lasting(effects: Effects, rows: FitRows) -> Effects:
    """The same effects with what lasts of the gap between the sales seen at an origin and those expected: M rows."""
    X = lasting_design(rows, effects.gap(rows))
    log_mean = effects.log_factor(rows, rows.scale) + np.log(rows.scale)
    found = np.zeros(len(LASTING))
    for _ in range(STEPS_OF_LASTING):
        mean = np.exp(log_mean + X @ found)
        shape = shape_of(rows.value[~rows.short], mean[~rows.short])
        weight = 1.0 / (1.0 + mean / shape)
        gradient = X.T @ ((wanted_of(rows, mean, shape) - mean) * weight) - PENALTY * found
        curvature = (X * (mean * weight)[:, None]).T @ X + PENALTY * np.eye(len(LASTING))
        found = found + np.clip(np.linalg.solve(curvature, gradient), -STEP_BOUND, STEP_BOUND)
    # Not a copy: that would keep what the old one had worked out of its fields.
    return Effects(**{**dict(effects), "lasting": tuple(np.round(found, PRECISION).tolist())})


def _cells(rows: FitRows, wave: tuple[float, float]) -> Cells:
    """Series with the logarithm of their mean, and their mean log price and temperature without the year's wave."""
    keys = series_keys(rows.state)
    code = code_of(rows.state, keys)
    codes = np.unique(code[np.unique(rows.pair)])
    codes = codes[np.isfinite(codes)]
    place = group_place(codes, code)[rows.pair]

    def means(values: Float, least: float) -> npt.NDArray[np.float64]:
        """Means (C,), of one value `least` too."""
        known = np.isfinite(values)
        total = np.bincount(place[known], values[known], codes.size + 1)[: codes.size]
        return (total + least) / (np.bincount(place[known], minlength=codes.size + 1)[: codes.size] + 1.0)

    ahead = rows.known_future
    price = log_price(ahead_of(rows, PRICE)) if PRICE in ahead else np.zeros(place.size)
    temp = seasonless(rows, wave) if TEMP in ahead else np.zeros(place.size)
    usual = [float(np.nanmean(values)) if np.isfinite(values).any() else 0.0 for values in (price, temp)]
    found = (
        np.log(means(rows.value, max(float(rows.value.mean()), 1e-9))),
        np.round(means(price, usual[0]), PRECISION),
        np.round(means(temp, usual[1]), PRECISION),
    )
    level, of_price, of_temp = (tuple(values.tolist()) for values in found)
    return Cells(columns=keys, codes=tuple(codes.tolist()), level=level, price=of_price, temp=of_temp)


def _groups(rows: FitRows, names: Sequence[str], cells: Cells) -> list[Group]:
    """Blocks from the widest to the series; the last column of the design is 1."""
    n_rows, one = rows.pair.shape[0], len(names)
    everything = list(range(one))
    found = [
        grouped(None, np.zeros(0), [*everything, one], np.full(one + 1, PENALTY), np.zeros(n_rows, dtype=np.int64))
    ]
    products = _codes(rows, "key_product").size > 1
    for key, penalty in KEYS.items():
        codes = _codes(rows, key)
        if not 1 < codes.size <= MAX_GROUPS:
            continue
        if key == "key_category":
            columns = everything
        elif key == "key_product" or not products:
            columns = [at for at in everything if is_fine(names[at])]
        else:
            columns = [at for at in everything if names[at].startswith("weekday_")]
        stiff = np.array([STIFF.get(names[at].partition("_")[0], 1.0) for at in columns])
        place = group_place(codes, np.asarray(rows.state[key]))[rows.pair]
        found.append(grouped(key, codes, columns, penalty * stiff, place))
    place = cells.places(rows.state)[rows.pair]
    found.append(grouped("series", np.asarray(cells.codes), [one], np.array([PENALTY]), place))
    return found


def _codes(rows: FitRows, key: str) -> npt.NDArray[np.float64]:
    if key not in rows.state:
        return np.zeros(0)
    codes = np.unique(np.asarray(rows.state[key], dtype=np.float64)[np.unique(rows.pair)])
    return np.asarray(codes[np.isfinite(codes)])


def _begun(groups: Sequence[Group], level: Float, begin: Effects) -> list[npt.NDArray[np.float64]]:
    """Tables of coefficients where other effects left them."""
    blocks = {block.key: block for block in begin.blocks}
    tables = []
    for group in groups[:-1]:
        table = np.zeros((group.ends.size - 1, len(group.columns)))
        if block := blocks.get(group.key):
            table[:, : len(block.columns)] = block.of({str(group.key): group.codes}, table.shape[0])
        tables.append(table)
    place = group_place(np.asarray(begin.cells.codes), groups[-1].codes)
    known = np.append(begin.cells.level, np.nan)[place]
    return [*tables, np.where(np.isnan(known), 0.0, known - level)[:, None]]


def _with_ones(made: npt.NDArray[np.float32], taken: list[int]) -> npt.NDArray[np.float32]:
    """The columns `taken` of (M, K), and one of ones."""
    found = np.ones((made.shape[0], len(taken) + 1), np.float32)
    found[:, :-1] = made if taken == list(range(made.shape[1])) else made[:, taken]
    return found


def _is_flag(values: Float) -> bool:
    known = values[np.isfinite(values)]
    return known.size > 0 and bool(np.isin(known, (0.0, 1.0)).all())
