"""`assemble`: from state at the forecast origin and covariates known ahead to the rows that the trees see.

The one function that builds model input, for training and serving alike; numpy alone at import. State columns are
read by name, so that a new column of the feature store needs no code here:

| state column | feature | meaning |
|---|---|---|
| `scale` | `scale` | typical level of the series; target and value columns are divided by it |
| one of VALUE_PREFIXES (`level_*`, `last_*`, `std_*`, ...) | same name | in the unit of the series, / scale |
| `season_<kind>_<j>` | `season_<kind>` | column of the target's phase, j = (step - 1) mod number of columns, / scale |
| `year_ago_<b>` | `year_ago` | column of the target's bin: b = step (weekly), the week of the step (daily), / scale |
| `covariate_mean_<name>` | `delta_<name>` | covariate at the target minus its mean over the past |
| any other | same name | dimensionless (shares, ages, ratios): taken as it is |

Covariates give `at_<name>` (at the target), `prev_<name>` and `next_<name>` (the periods beside it, in the horizon).
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

import numpy as np
import numpy.typing as npt

from models.common.protocols import InputError
from models.forecaster.config import PERIOD_DAYS

Float = npt.NDArray[np.floating[Any]]
Ints = npt.NDArray[np.int64]
VALUE_PREFIXES = ("level_", "lag_", "std_", "ewm_", "max_", "min_", "median_", "mean_", "last_", "nonzero_mean_")
SEASON_WEIGHT = 0.8  # a phase mean rests on eight values, the level on twenty-eight
LOWEST_SEASON = 0.1
GROWTH_BOUNDS = (0.5, 2.0)
DAILY_CALENDAR = ("weekday", "monthday", "month", "week", "annual_sin", "annual_cos")
WEEKLY_CALENDAR = ("month", "week", "annual_sin", "annual_cos")
_NUMBERED = re.compile(r"^(season_[a-z]+|year_ago)_(\d+)$")
_COVARIATE_MEAN = "covariate_mean_"


@dataclass(frozen=True)
class FeatureMatrix:
    """X (M, F) float32 in the order of `names` (F,), and the divisor of the target, scale (M,)."""

    X: npt.NDArray[np.float32]
    names: tuple[str, ...]
    scale: npt.NDArray[np.float64]


@dataclass(frozen=True)
class Source:
    """How a feature is built: the kind of rule and the state columns or covariates it reads."""

    kind: str
    columns: tuple[str, ...]


@dataclass(frozen=True)
class _Rows:
    """M rows to fill: their pair and step (M,), divisor (M,), calendar {name: (M,)}, and the arrays they read from."""

    state: Mapping[str, Float]
    known_future: Mapping[str, Float]
    pair: Ints
    step: Ints
    scale: Float
    calendar: Mapping[str, Float]
    weekly_bins: bool


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
) -> FeatureMatrix:
    """Build model rows for N origins and `horizon` steps.

    state: name -> (N,); known_future: name -> (N, H); origin (N,) datetime64[D], the last known period.
    rows: (pair (M,), step (M,) counted from 1) picks single rows; default is the whole grid, M = N * H, step fastest.
    feature_names: the columns wanted, default all. Value columns are divided by max(scale, scale_floor), targets by that
    level seasonally adjusted.
    InputError if a wanted feature cannot be built from what was given.
    """
    sources = feature_sources(tuple(sorted(state)), tuple(sorted(known_future)), frequency)
    names = tuple(feature_names) if feature_names is not None else tuple(sources)
    if unknown := [name for name in names if name not in sources]:
        raise InputError(
            f"features {unknown[:5]} cannot be built: give the state columns and covariates the model was trained on"
        )
    if rows is None:
        n_pairs = origin.shape[0]
        pair = np.repeat(np.arange(n_pairs, dtype=np.int64), horizon)
        step = np.tile(np.arange(1, horizon + 1, dtype=np.int64), n_pairs)
    else:
        pair, step = rows
    scale = np.maximum(np.asarray(state["scale"], dtype=np.float64), scale_floor)
    row_scale = scale[pair]
    filled = _Rows(
        state, known_future, pair, step, row_scale, _calendar(origin[pair], step, frequency), frequency == "weekly"
    )
    X = np.empty((pair.shape[0], len(names)), dtype=np.float32)
    for column, name in enumerate(names):
        X[:, column] = _BUILDERS[sources[name].kind](filled, sources[name].columns)
    return FeatureMatrix(X=X, names=names, scale=_divisor(filled, sources))


def level_known(state: Mapping[str, Float]) -> npt.NDArray[np.bool_]:
    """(N,) False where no column in the unit of the series is known: nobody has seen this series sell yet."""
    columns = [values for name, values in state.items() if name.startswith(VALUE_PREFIXES)]
    if not columns:
        return np.isfinite(state["scale"])
    return np.asarray(np.isfinite(np.stack(columns)).any(axis=0))


@lru_cache(maxsize=64)
def feature_sources(state: tuple[str, ...], covariates: tuple[str, ...], frequency: str) -> dict[str, Source]:
    """Features that can be built from these columns, by name and in a fixed order, and what each is built from."""
    if "scale" not in state:
        raise InputError("state lacks the column 'scale': every series needs the level that its values are divided by")
    sources = {"step": Source("step", ()), "scale": Source("scale", ())}
    for name in DAILY_CALENDAR if frequency == "daily" else WEEKLY_CALENDAR:
        sources[name] = Source("calendar", (name,))
    for name in state:
        if name.startswith(_COVARIATE_MEAN):
            covariate = name.removeprefix(_COVARIATE_MEAN)
            if covariate in covariates:
                sources[f"delta_{covariate}"] = Source("delta", (covariate, name))
        elif name != "scale" and not _NUMBERED.match(name):
            sources[name] = Source("value" if name.startswith(VALUE_PREFIXES) else "plain", (name,))
    sources |= _numbered_sources(state)
    for name in covariates:
        for kind in ("at", "prev", "next"):
            sources[f"{kind}_{name}"] = Source(kind, (name,))
    return sources


def _numbered_sources(state: tuple[str, ...]) -> dict[str, Source]:
    stems: dict[str, list[tuple[int, str]]] = {}
    for name in state:
        if match := _NUMBERED.match(name):
            stems.setdefault(match[1], []).append((int(match[2]), name))
    sources: dict[str, Source] = {}
    for stem, indexed in stems.items():
        numbers, columns = zip(*sorted(indexed), strict=True)
        kind, first = ("year_ago", 1) if stem == "year_ago" else ("season", 0)
        if numbers != tuple(range(first, first + len(numbers))):
            raise InputError(
                f"state columns {columns}: expected numbers without a gap from {first}: add the missing ones"
            )
        sources[stem] = Source(kind, columns)
    return sources


def _divisor(rows: _Rows, sources: Mapping[str, Source]) -> npt.NDArray[np.float64]:
    """What a target is divided by: the level of its season, held back towards the level of the series.

    The season is the weekday of daily series and the same week a year ago, moved by a year's growth, of weekly ones. A
    booster that has learnt nothing yet then forecasts the season, not a flat line; short histories stay sane so.
    """
    if "season_mean" in sources:
        season = _season(rows, sources["season_mean"].columns)
    elif rows.weekly_bins and "year_ago" in sources:
        season = _year_ago(rows, sources["year_ago"].columns) * _growth(rows)
    else:
        return np.asarray(rows.scale, dtype=np.float64)
    season = np.where(np.isfinite(season), season, 1.0)
    held_back = np.maximum(SEASON_WEIGHT * season + (1.0 - SEASON_WEIGHT), LOWEST_SEASON)
    return np.asarray(rows.scale * held_back, dtype=np.float64)


def _growth(rows: _Rows) -> Float:
    """The level over that of a year ago, held within bounds; 1 where unknown."""
    if "trend_year" not in rows.state:
        return np.ones(rows.pair.shape[0])
    ratio = rows.state["trend_year"][rows.pair]
    return np.clip(np.where(np.isfinite(ratio), ratio, 1.0), *GROWTH_BOUNDS)


def _season(rows: _Rows, columns: tuple[str, ...]) -> Float:
    stacked = np.stack([rows.state[name] for name in columns], axis=1)  # (N, P)
    return np.asarray(stacked[rows.pair, (rows.step - 1) % len(columns)] / rows.scale)


def _year_ago(rows: _Rows, columns: tuple[str, ...]) -> Float:
    stacked = np.stack([rows.state[name] for name in columns], axis=1)  # (N, B)
    bins = rows.step - 1 if rows.weekly_bins else (rows.step - 1) // 7
    inside = bins < len(columns)
    return np.where(inside, stacked[rows.pair, np.where(inside, bins, 0)], np.nan) / rows.scale


def _delta(rows: _Rows, columns: tuple[str, ...]) -> Float:
    covariate, mean = columns
    return np.asarray(rows.known_future[covariate][rows.pair, rows.step - 1] - rows.state[mean][rows.pair])


def _beside(rows: _Rows, columns: tuple[str, ...], shift: int) -> Float:
    values = rows.known_future[columns[0]]
    index = rows.step - 1 + shift
    inside = (index >= 0) & (index < values.shape[1])
    return np.where(inside, values[rows.pair, np.where(inside, index, 0)], np.nan)


_BUILDERS: dict[str, Callable[[_Rows, tuple[str, ...]], Float]] = {
    "step": lambda rows, _: rows.step.astype(np.float32),
    "scale": lambda rows, _: rows.scale,
    "calendar": lambda rows, columns: rows.calendar[columns[0]],
    "plain": lambda rows, columns: rows.state[columns[0]][rows.pair],
    "value": lambda rows, columns: np.asarray(rows.state[columns[0]][rows.pair] / rows.scale),
    "season": _season,
    "year_ago": _year_ago,
    "delta": _delta,
    "at": partial(_beside, shift=0),
    "prev": partial(_beside, shift=-1),
    "next": partial(_beside, shift=1),
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
