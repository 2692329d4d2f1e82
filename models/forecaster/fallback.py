"""The answer that is always there: the last good forecast of every series, else its seasonal mean."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

Frequency = Literal["daily", "weekly"]
COLUMNS = ("mean", "q10", "q50", "q90")
STEP_DAYS: Mapping[str, int] = {"daily": 1, "weekly": 7}
SEASON: Mapping[str, int] = {"daily": 7, "weekly": 1}
INDEX_FILE, TENSOR_FILE = "forecast.json", "forecast.safetensors"
LEVELS, SPREADS = ("level_28", "level_7", "level_91"), ("std_28",)
Z_80 = 1.2815515655446004  # standard normal quantile of 0.9


class FallbackError(ValueError):
    """A stored forecast that cannot be trusted; the message names file, value and remedy."""


@dataclass(frozen=True)
class LastGoodForecast:
    """The newest forecast of every series that passed its checks.

    `values (S, H, 4)` float32 holds mean, q10, q50, q90; `origins (S,)` is the last period each one knew of.
    Series without a forecast hold NaN.
    """

    series_ids: tuple[str, ...]
    units: tuple[str, ...]
    origins: npt.NDArray[np.datetime64]
    values: npt.NDArray[np.float32]
    frequency: Frequency

    def __post_init__(self) -> None:
        count = len(self.series_ids)
        shaped = self.values.ndim == 3 and self.values.shape[0] == count and self.values.shape[2] == len(COLUMNS)
        if not shaped or self.values.shape[1] < 1 or len(self.units) != count or self.origins.shape != (count,):
            raise FallbackError(
                f"forecast {self.values.shape}, {len(self.units)} units and {self.origins.shape} origins do not fit "
                f"{count} series: give values (S, H>=1, {len(COLUMNS)}), S units and S origins"
            )
        if len(set(self.series_ids)) != count:
            raise FallbackError(f"{count - len(set(self.series_ids))} series are named twice: name each once")
        if np.isinf(self.values).any():
            raise FallbackError("a stored forecast is infinite: store finite values, or NaN where there is none")

    @cached_property
    def rows(self) -> Mapping[str, int]:
        """Row of each series in `values`."""
        return {series_id: row for row, series_id in enumerate(self.series_ids)}

    @property
    def horizon(self) -> int:
        """Periods stored a series."""
        return int(self.values.shape[1])


@dataclass(frozen=True)
class FallbackAnswer:
    """`values (N, H, 4)`, who made each series' row, and what the reader must know."""

    values: npt.NDArray[np.float32]
    served_by: tuple[str, ...]
    notes: tuple[str, ...]


def write_last_good(folder: Path, forecast: LastGoodForecast) -> None:
    """Write the two files of a fallback folder: an index (JSON, with the tensor's SHA-256) and one safetensors file."""
    from safetensors.numpy import save

    folder.mkdir(parents=True, exist_ok=True)
    tensor = save({"forecast": np.ascontiguousarray(forecast.values, dtype=np.float32)})
    (folder / TENSOR_FILE).write_bytes(tensor)
    index = {
        "format": 1,
        "frequency": forecast.frequency,
        "columns": list(COLUMNS),
        "series_ids": list(forecast.series_ids),
        "units": list(forecast.units),
        "origins": forecast.origins.astype("datetime64[D]").astype(str).tolist(),
        "sha256": hashlib.sha256(tensor).hexdigest(),
    }
    (folder / INDEX_FILE).write_text(json.dumps(index, ensure_ascii=False), encoding="utf-8")


def read_last_good(folder: Path) -> LastGoodForecast:
    """Read a fallback folder; FallbackError when a file lacks, was altered or does not fit the other."""
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        index = json.loads((folder / INDEX_FILE).read_text(encoding="utf-8"))
        tensor = (folder / TENSOR_FILE).read_bytes()
        if hashlib.sha256(tensor).hexdigest() != index["sha256"]:
            raise FallbackError(f"{folder / TENSOR_FILE} is not the file its index describes: build the release again")
        if index["frequency"] not in STEP_DAYS:
            raise FallbackError(f"{folder}: frequency {index['frequency']!r} is neither daily nor weekly")
        return LastGoodForecast(
            tuple(index["series_ids"]),
            tuple(index["units"]),
            np.array(index["origins"], dtype="datetime64[D]"),
            load(tensor)["forecast"],
            index["frequency"],
        )
    except (OSError, KeyError, TypeError, json.JSONDecodeError, UnicodeDecodeError, SafetensorError) as error:
        raise FallbackError(f"{folder}: no readable last good forecast ({error}): build the release again") from error


def answer(
    last_good: LastGoodForecast | None,
    series_ids: Sequence[str],
    origins: npt.NDArray[np.datetime64],
    horizon: int,
    frequency: Frequency,
    state: Mapping[str, npt.NDArray[np.floating]],
) -> FallbackAnswer:
    """Forecast without the model for the periods after `origins (N,)`.

    The stored forecast is read by date, so that one made earlier still answers for the right days; what it does not
    reach repeats its own last season. Series it lacks get the seasonal mean of their state. Says so in `notes`.
    """
    values = np.full((len(series_ids), horizon, len(COLUMNS)), np.nan, dtype=np.float32)
    served_by = ["fallback:last_good_forecast"] * len(series_ids)
    stale = extended = 0
    season = SEASON[frequency]
    for row, series_id in enumerate(series_ids):
        stored = None if last_good is None else last_good.rows.get(series_id)
        if last_good is not None and stored is not None and last_good.frequency == frequency:
            behind = int((origins[row] - last_good.origins[stored]).astype(int)) // STEP_DAYS[frequency]
            at = np.arange(horizon) + behind
            reach = last_good.horizon
            beyond = at >= reach
            at = np.where(beyond, reach - min(season, reach) + (at - reach) % min(season, reach), at)
            values[row] = last_good.values[stored][np.maximum(at, 0)]
            stale += behind > 0
            extended += bool(beyond.any())
        if np.isnan(values[row]).any():
            values[row] = _seasonal(state, row, horizon, season)
            served_by[row] = "fallback:seasonal_mean"
    notes = []
    if stale:
        notes.append(f"the last good forecast of {stale} series is older than the newest data")
    if extended:
        notes.append(f"the last good forecast of {extended} series is short: its last season is repeated to the end")
    seasonal = served_by.count("fallback:seasonal_mean")
    if seasonal:
        notes.append(f"{seasonal} series have no last good forecast: their seasonal mean answers")
    return FallbackAnswer(values, tuple(served_by), tuple(notes))


def state_read(frequency: Frequency) -> frozenset[str]:
    """State columns that `answer` looks at, where they exist: what a release must hold beside those of its model."""
    return frozenset((*LEVELS, *SPREADS, *_phases(SEASON[frequency])))


def _phases(season: int) -> tuple[str, ...]:
    return tuple(f"season_mean_{phase}" for phase in range(season))


def _seasonal(
    state: Mapping[str, npt.NDArray[np.floating]], row: int, horizon: int, season: int
) -> npt.NDArray[np.float32]:
    """Seasonal mean with a normal 80 % band, `(H, 4)`; zeros where the state says nothing at all."""
    level = _first_finite(state, row, LEVELS, 0.0)
    spread = _first_finite(state, row, SPREADS, 0.0)
    phases = [_first_finite(state, row, (name,), level) for name in _phases(season)]
    mean = np.maximum(np.resize(np.array(phases if season > 1 else [level]), horizon), 0.0)
    low, high = np.maximum(mean - Z_80 * spread, 0.0), mean + Z_80 * spread
    return np.stack([mean, low, mean, high], axis=1).astype(np.float32)


def _first_finite(
    state: Mapping[str, npt.NDArray[np.floating]], row: int, names: Sequence[str], otherwise: float
) -> float:
    for name in names:
        if name in state and np.isfinite(state[name][row]):
            return float(state[name][row])
    return otherwise
