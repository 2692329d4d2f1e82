"""What each feature is built from: state columns are read by name, so that a new one needs no code here.

| state column | feature | meaning |
|---|---|---|
| `scale` | `scale` | typical level of the series; target and value columns are divided by it |
| one of VALUE_PREFIXES (`level_*`, `last_*`, `std_*`, ...) | same name | in the unit of the series, / scale |
| `season_<kind>_<j>` | `season_<kind>` | column of the target's phase, j = (step - 1) mod number of columns, / scale |
| `year_ago_<b>` | `year_ago` | column of the target's bin: b = step (weekly), the week of the step (daily), / scale |
| `covariate_mean_<name>` | `delta_<name>` | covariate at the target minus its mean over the past |
| `covariate_level_<name>` | `change_<name>` | log of the covariate at the target over its mean over the past |
| `season_plain_<j>` and `season_promo_<j>` | `season_planned` too | the one of days promoted as the target is; so `profile_` |
| any other | same name | dimensionless (shares, ages, ratios): taken as it is |

Covariates give `at_<name>` (at the target), `prev_<name>` and `next_<name>` (the periods beside it, in the horizon),
`before_<name>` and `after_<name>` (means over the AROUND periods on either side, as far as they lie in the horizon): a
promotion that ran all week and a closure that is near move the sales of days that are neither promoted nor closed. One
with a `covariate_level_<name>` (a price) gives `change_<name>` alone: its level would only tell one product from another.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from models.common.protocols import InputError

Float = npt.NDArray[np.floating[Any]]
VALUE_PREFIXES = ("level_", "lag_", "std_", "ewm_", "max_", "min_", "median_", "mean_", "last_", "nonzero_mean_")
DAILY_CALENDAR = ("weekday", "monthday", "month", "week", "annual_sin", "annual_cos")
WEEKLY_CALENDAR = ("month", "week", "annual_sin", "annual_cos")
GROWTH = "trend_year"
AROUND = {"daily": 7, "weekly": 4}  # periods: a week of days, a month of weeks
KEY_PREFIX = "key_"  # a number that names the group of a series: no quantity to split on
OPENING = "open"  # the covariate that closes a period
_NUMBERED = re.compile(r"^(season_[a-z]+|profile_[a-z]+|year_ago)_(\d+)$")
_COVARIATE_MEAN = "covariate_mean_"
_COVARIATE_LEVEL = "covariate_level_"
_COVARIATE_KINDS = ("at", "prev", "next", "before", "after")


@dataclass(frozen=True)
class Source:
    """How a feature is built: the kind of rule and the state columns or covariates it reads."""

    kind: str
    columns: tuple[str, ...]


@lru_cache(maxsize=64)
def feature_sources(state: tuple[str, ...], covariates: tuple[str, ...], frequency: str) -> dict[str, Source]:
    """Features that can be built from these columns, by name and in a fixed order, and what each is built from."""
    if "scale" not in state:
        raise InputError("state lacks the column 'scale': every series needs the level that its values are divided by")
    sources = {"step": Source("step", ()), "scale": Source("scale", ("scale",))}
    for name in DAILY_CALENDAR if frequency == "daily" else WEEKLY_CALENDAR:
        sources[name] = Source("calendar", (name,))
    for name in state:
        if name.startswith(_COVARIATE_MEAN):
            covariate = name.removeprefix(_COVARIATE_MEAN)
            if covariate in covariates:
                sources[f"delta_{covariate}"] = Source("delta", (covariate, name))
        elif name.startswith(_COVARIATE_LEVEL):
            covariate = name.removeprefix(_COVARIATE_LEVEL)
            if covariate in covariates:
                sources[f"change_{covariate}"] = Source("change", (covariate, name))
        elif name != "scale" and not name.startswith(KEY_PREFIX) and not _NUMBERED.match(name):
            sources[name] = Source("value" if name.startswith(VALUE_PREFIXES) else "plain", (name,))
    sources |= _numbered_sources(state)
    sources |= _planned(sources, covariates)
    for name in covariates:
        if f"{_COVARIATE_LEVEL}{name}" not in state:
            sources |= {f"{kind}_{name}": Source(kind, (name,)) for kind in _COVARIATE_KINDS}
    return sources


def promotion_covariates(covariates: Sequence[str]) -> tuple[str, ...]:
    """Covariates that are above 0 in the periods that are promoted: `promo_depth`, or all that are called promo."""
    return (
        ("promo_depth",)
        if "promo_depth" in covariates
        else tuple(name for name in covariates if "promo" in name.lower())
    )


def _planned(sources: Mapping[str, Source], covariates: tuple[str, ...]) -> dict[str, Source]:
    marks = promotion_covariates(covariates)
    made: dict[str, Source] = {}
    for word in ("season", "profile"):
        plain, promoted = sources.get(f"{word}_plain"), sources.get(f"{word}_promo")
        if plain and promoted and marks:
            made[f"{word}_planned"] = Source("planned", (*plain.columns, *promoted.columns, *marks))
    return made


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


def season_columns(state: tuple[str, ...], frequency: str) -> tuple[str, ...]:
    """State columns of the level of a target's season, by which it is divided; none where the state has no season."""
    name = "season_mean" if frequency == "daily" else "year_ago"
    source = feature_sources(state, (), frequency).get(name)
    return () if source is None else source.columns


def level_known(state: Mapping[str, Float]) -> npt.NDArray[np.bool_]:
    """(N,) False where no column in the unit of the series is known: nobody has seen this series sell yet."""
    columns = [values for name, values in state.items() if name.startswith(VALUE_PREFIXES)]
    if not columns:
        return np.isfinite(state["scale"])
    return np.asarray(np.isfinite(np.array(columns)).any(axis=0))


def columns_read(
    names: Sequence[str], state: Mapping[str, Float], covariates: Sequence[str], frequency: str
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """State columns and covariates, each sorted, that a model of the features `names` must be given.

    Beside what the features read these are: what a target is divided by, the opening periods, and as many columns as
    tell at each of the N pairs of `state` {name: (N,)} whether its level is known.
    """
    sources = feature_sources(tuple(sorted(state)), tuple(sorted(covariates)), frequency)
    read = {column for name in names for column in sources[name].columns}
    season = season_columns(tuple(sorted(state)), frequency)
    growth = {GROWTH} & set(state) if frequency == "weekly" and season else set()
    columns = {"scale", *season, *growth, *(read & set(state))}
    columns |= _witnesses(columns, state)
    ahead = (read | {OPENING}) & set(covariates)
    return tuple(sorted(columns)), tuple(sorted(ahead))


def _witnesses(columns: set[str], state: Mapping[str, Float]) -> set[str]:
    """Value columns to add to `columns` until they know the level wherever any column of `state` does."""
    known = {name: np.isfinite(state[name]) for name in sorted(state) if name.startswith(VALUE_PREFIXES)}
    if not known:
        return set()
    open_ = np.logical_or.reduce(list(known.values()))
    for name in columns & set(known):
        open_ &= ~known[name]
    added: set[str] = set()
    while open_.any() or not (columns | added) & set(known):
        best = max(known, key=lambda name: int((known[name] & open_).sum()))
        added.add(best)
        open_ = open_ & ~known[best]
    return added
