"""`assemble`: from state at the forecast origin and covariates known ahead to the rows that the trees see.

The one function that builds model input, for training and serving alike; numpy alone at import. `sources` says what
each feature is built from.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from models.common.protocols import InputError
from models.forecaster.config import PERIOD_DAYS
from models.forecaster.effects import Effects, refuse_missing
from models.forecaster.grids import mean_around, reader
from models.forecaster.sources import AROUND, GROWTH, Source, feature_sources, season_columns

Float = npt.NDArray[np.floating[Any]]
Ints = npt.NDArray[np.int64]
SEASON_WEIGHT = 0.8  # a phase mean rests on eight values, the level on twenty-eight
LOWEST_SEASON = 0.1
GROWTH_BOUNDS = (0.5, 2.0)
_BLOCK_ROWS = 32_768  # rows filled at once: what they read is copied, and training asks for hundreds of thousands


@dataclass(frozen=True)
class FeatureMatrix:
    """X (M, F) float32 in the order of `names` (F,), and the divisor of the target, scale (M,)."""

    X: npt.NDArray[np.float32]
    names: tuple[str, ...]
    scale: npt.NDArray[np.float64]


@dataclass(frozen=True)
class _Ahead:
    """K columns of covariates at one shift (periods from the target), less the state columns `means` if there are any.

    As part of `around` they are means over so many periods before (shift < 0) or after the target.
    """

    at: Ints  # (K,) column of X
    covariates: tuple[str, ...]
    shift: int
    means: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Plan:
    """How the columns of X are filled; made once for a choice of names.

    P columns that are one value a pair and K that are one covariate each are filled together, the `others` by a rule of
    their own: for the 42 rows of one forecast the calls cost more than the numbers.
    """

    names: tuple[str, ...]
    pair_columns: tuple[str, ...]
    pair_at: Ints  # (P,) column of X
    divided: npt.NDArray[np.bool_]  # (P,) in the unit of the series
    ahead: tuple["_Ahead", ...]
    around: tuple["_Ahead", ...]
    others: tuple[tuple[int, Source], ...]
    season: tuple[str, ...]  # columns of the level of a target's season; none: the level of the series


@dataclass(frozen=True)
class _Rows:
    """M rows to fill: their pair and step (M,), divisor (M,), and the arrays they read from."""

    state: Mapping[str, Float]
    known_future: Mapping[str, Float]
    origin: npt.NDArray[np.datetime64]
    pair: Ints
    step: Ints
    scale: Float
    frequency: str

    @property
    def weekly_bins(self) -> bool:
        return self.frequency == "weekly"

    @cached_property
    def calendar(self) -> Mapping[str, Float]:
        """Calendar of each target period, name -> (M,)."""
        return _calendar(self.origin[self.pair], self.step, self.frequency)


def assemble(
    state: Mapping[str, Float],
    known_future: Mapping[str, Float],
    *,
    origin: npt.NDArray[np.datetime64],
    horizon: int,
    frequency: str,
    scale_floor: float = 0.0,
    feature_names: Sequence[str] | None = None,
    rows: tuple[Ints, Ints] | None = None,
    effects: Effects | None = None,
) -> FeatureMatrix:
    """Build model rows for N origins and `horizon` steps.

    state: name -> (N,); known_future: name -> (N, H); origin (N,) datetime64[D], the last known period.
    rows: (pair (M,), step (M,) counted from 1) picks single rows; default is the whole grid, M = N * H, step fastest.
    feature_names: the columns wanted, default all. Value columns are divided by max(scale, scale_floor), targets by that
    level seasonally adjusted and multiplied by the `effects`, where there are any.
    InputError if a wanted feature cannot be built from what was given.
    """
    wanted = None if feature_names is None else tuple(feature_names)
    plan = _plan(tuple(sorted(state)), tuple(sorted(known_future)), frequency, wanted)
    if rows is None:
        n_pairs = origin.shape[0]
        pair = np.repeat(np.arange(n_pairs, dtype=np.int64), horizon)
        step = np.tile(np.arange(1, horizon + 1, dtype=np.int64), n_pairs)
    else:
        pair, step = rows
    if effects is not None:
        refuse_missing(effects, state, known_future)
    level = np.maximum(np.asarray(state["scale"], dtype=np.float64), scale_floor)
    state = {**state, "scale": level}
    X = np.empty((pair.shape[0], len(plan.names)), dtype=np.float32)
    scale = np.empty(pair.shape[0])
    for start in range(0, pair.shape[0], _BLOCK_ROWS):
        part = slice(start, start + _BLOCK_ROWS)
        filled = _Rows(state, known_future, origin, pair[part], step[part], level[pair[part]], frequency)
        _fill(X[part], filled, plan)
        divisor = _divisor(filled, plan.season)
        scale[part] = divisor if effects is None else divisor * np.exp(effects.log_factor(filled, divisor))
    return FeatureMatrix(X=X, names=plan.names, scale=scale)


@lru_cache(maxsize=64)
def _plan(state: tuple[str, ...], covariates: tuple[str, ...], frequency: str, wanted: tuple[str, ...] | None) -> _Plan:
    sources = feature_sources(state, covariates, frequency)
    names = tuple(sources) if wanted is None else wanted
    if unknown := [name for name in names if name not in sources]:
        raise InputError(
            f"features {unknown[:5]} cannot be built: give the state columns and covariates the model was trained on"
        )
    chosen = list(enumerate(sources[name] for name in names))
    own = [(at, source) for at, source in chosen if source.kind in _OF_PAIR]
    return _Plan(
        names=names,
        pair_columns=tuple(source.columns[0] for _, source in own),
        pair_at=_index(at for at, _ in own),
        divided=np.array([source.kind == "value" for _, source in own], dtype=bool),
        ahead=tuple(_ahead(chosen, _SHIFTS)),
        around=tuple(_ahead(chosen, {"before": -AROUND[frequency], "after": AROUND[frequency]})),
        others=tuple((at, source) for at, source in chosen if source.kind in _RULES),
        season=season_columns(state, frequency),
    )


def _ahead(chosen: Sequence[tuple[int, Source]], shifts: Mapping[str, int]) -> Iterator[_Ahead]:
    for kind, shift in shifts.items():
        found = [(at, source.columns) for at, source in chosen if source.kind == kind]
        if found:
            means = tuple(name for _, columns in found for name in columns[1:])
            yield _Ahead(_index(at for at, _ in found), tuple(columns[0] for _, columns in found), shift, means)


def _index(values: Iterable[int]) -> Ints:
    return np.fromiter(values, dtype=np.int64)


def _fill(X: npt.NDArray[np.float32], rows: _Rows, plan: _Plan) -> None:
    """Fill X (M, F) in place. Only the pairs between the first and the last of these rows are stacked."""
    low, high = int(rows.pair.min()), int(rows.pair.max()) + 1
    pair = rows.pair - low
    if plan.pair_columns:
        own = np.array([rows.state[name][low:high] for name in plan.pair_columns], dtype=np.float64)  # (P, N)
        own[plan.divided] /= rows.state["scale"][low:high]
        X[:, plan.pair_at] = own.T.astype(np.float32)[pair]
    for ahead in plan.ahead:
        values = reader(rows, ahead.covariates, low, high)(rows.step - 1 + ahead.shift)
        if ahead.means:
            values -= np.array([rows.state[name][low:high] for name in ahead.means], dtype=np.float64).T[pair]
        X[:, ahead.at] = values
    for around in plan.around:
        X[:, around.at] = mean_around(reader(rows, around.covariates, low, high), rows.step - 1, around.shift)
    for column, source in plan.others:
        X[:, column] = _RULES[source.kind](rows, source.columns)


def _divisor(rows: _Rows, columns: tuple[str, ...]) -> npt.NDArray[np.float64]:
    """What a target is divided by: the level of its season, held back towards the level of the series.

    The season is the weekday of daily series and the same week a year ago, moved by a year's growth, of weekly ones. A
    booster that has learnt nothing yet then forecasts the season, not a flat line; short histories stay sane so.
    """
    if not columns:
        return np.asarray(rows.scale, dtype=np.float64)
    season = _year_ago(rows, columns) * _growth(rows) if rows.weekly_bins else _season(rows, columns)
    season = np.where(np.isfinite(season), season, 1.0)
    held_back = np.maximum(SEASON_WEIGHT * season + (1.0 - SEASON_WEIGHT), LOWEST_SEASON)
    return np.asarray(rows.scale * held_back, dtype=np.float64)


def _growth(rows: _Rows) -> Float:
    """The level over that of a year ago, held within bounds; 1 where unknown."""
    if GROWTH not in rows.state:
        return np.ones(rows.pair.shape[0])
    ratio = rows.state[GROWTH][rows.pair]
    return np.clip(np.where(np.isfinite(ratio), ratio, 1.0), *GROWTH_BOUNDS)


def _season(rows: _Rows, columns: tuple[str, ...]) -> Float:
    phases = np.array([rows.state[name] for name in columns])  # (P, N)
    return np.asarray(phases[(rows.step - 1) % len(columns), rows.pair] / rows.scale)


def _change(rows: _Rows, columns: tuple[str, ...]) -> Float:
    """Log of the covariate at the target over its level in the past: a tenth dearer is 0.095, whatever the product."""
    at, level = rows.known_future[columns[0]][rows.pair, rows.step - 1], rows.state[columns[1]][rows.pair]
    known = (at > 0) & (level > 0)
    return np.log(np.where(known, at, np.nan) / np.where(known, level, np.nan))


def _planned(rows: _Rows, columns: tuple[str, ...]) -> Float:
    """Season of the plain days, or of the promoted ones where a promotion is announced for the target."""
    kinds = {
        word: tuple(name for name in columns if f"_{word}_" in name and name in rows.state)
        for word in ("plain", "promo")
    }
    marks = columns[len(kinds["plain"]) + len(kinds["promo"]) :]
    ahead = np.array([rows.known_future[name][rows.pair, rows.step - 1] for name in marks])
    return np.where((ahead > 0).any(axis=0), _season(rows, kinds["promo"]), _season(rows, kinds["plain"]))


def _year_ago(rows: _Rows, columns: tuple[str, ...]) -> Float:
    values = np.array([rows.state[name] for name in columns])  # (B, N)
    bins = rows.step - 1 if rows.weekly_bins else (rows.step - 1) // 7
    inside = bins < len(columns)
    return np.where(inside, values[np.where(inside, bins, 0), rows.pair], np.nan) / rows.scale


_OF_PAIR = ("scale", "value", "plain")
_SHIFTS: Mapping[str, int] = {"at": 0, "delta": 0, "prev": -1, "next": 1}
_RULES: dict[str, Callable[[_Rows, tuple[str, ...]], Float]] = {
    "step": lambda rows, _: rows.step.astype(np.float32),
    "calendar": lambda rows, columns: rows.calendar[columns[0]],
    "season": _season,
    "year_ago": _year_ago,
    "planned": _planned,
    "change": _change,
}


def _calendar(origin: npt.NDArray[np.datetime64], step: Ints, frequency: str) -> dict[str, Float]:
    """Calendar of each target period (of its first day), (M,) each; computed once per distinct day."""
    target = origin.astype("datetime64[D]").astype(np.int64) + step * PERIOD_DAYS[frequency]
    days, index = np.unique(target, return_inverse=True)
    dates = days.astype("datetime64[D]")
    months = dates.astype("datetime64[M]")
    monthday = (dates - months.astype("datetime64[D]")).astype(np.int64) + 1
    yearday = (dates - dates.astype("datetime64[Y]").astype("datetime64[D]")).astype(np.int64)
    angle = 2.0 * np.pi * yearday / 365.25
    distinct: dict[str, Float] = {
        "weekday": ((days + 3) % 7).astype(np.float64),  # 1970-01-01 was a Thursday; Monday is 0
        "monthday": monthday.astype(np.float64),
        "month": (months.astype(np.int64) % 12 + 1).astype(np.float64),
        "week": (yearday // 7 + 1).astype(np.float64),
        "annual_sin": np.sin(angle),
        "annual_cos": np.cos(angle),
    }
    return {name: values[index] for name, values in distinct.items()}
