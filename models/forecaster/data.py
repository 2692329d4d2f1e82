"""From tables to arrays: the only place that knows the columns of the tables; splits by time (see `origins`).

Tables: `sales` (series_id, period_start, value, unit, open, censored), `series` (series_id, ...), `state` (series_id,
origin, one column per state feature) and `known_future` (series_id, origin, step 1..H, period_start and one column per
covariate). `inputs.assemble` then builds model rows, here and at serving.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from models.common.arrow_columns import need_columns
from models.common.protocols import DataError
from models.forecaster.config import PERIOD_DAYS, Config
from models.forecaster.inputs import FeatureMatrix, assemble
from models.forecaster.origins import Split, plan_origins
from models.forecaster.sources import level_known
from models.forecaster.tables import encode, flags, floats, series_index, to_dates

__all__ = ["Dataset", "FeatureMatrix", "Panel", "assemble", "plan_origins", "prepare"]

Float = npt.NDArray[np.floating[Any]]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]
Dates = npt.NDArray[np.datetime64]

SALES_COLUMNS = ("series_id", "period_start", "value", "unit", "open", "censored")
STATE_KEYS = ("series_id", "origin")
FUTURE_KEYS = ("series_id", "origin", "step", "period_start")
INTERMITTENT_ZERO_SHARE = 0.5


@dataclass(frozen=True)
class Panel:
    """N (series, origin) pairs: series (N,) index into the data set, period (N,) index of the origin, origin (N,) date,
    state {name: (N,)}, known_future {name: (N, H)}."""

    series: Ints
    period: Ints
    origin: Dates
    state: Mapping[str, Float]
    known_future: Mapping[str, Float]

    def __len__(self) -> int:
        return int(self.series.shape[0])

    def take(self, index: Any) -> "Panel":
        """The pairs at `index` (integers or a mask over N)."""
        return Panel(
            self.series[index],
            self.period[index],
            self.origin[index],
            {name: values[index] for name, values in self.state.items()},
            {name: values[index] for name, values in self.known_future.items()},
        )


@dataclass(frozen=True)
class Dataset:
    """Sales as matrices (S series, T periods) and the pairs to train, validate and test on.

    values (S, T) NaN where there is no row; usable (S, T): open, not cut short by a stock-out, and known; short (S, T):
    open, known, and cut short.
    panel: pairs before the cutoff; test: the pair of each series at the last origin (None without a held-out window).
    """

    frequency: str
    horizon: int
    unit: str
    series_ids: npt.NDArray[np.str_]
    series_keys: Mapping[str, npt.NDArray[np.object_]]
    periods: Dates
    values: Float
    usable: Bools
    short: Bools
    split: Split
    covariates: tuple[str, ...]
    panel: Panel
    test: Panel | None
    fingerprint: str

    @property
    def test_period(self) -> int:
        """Index of the first held-out period; T if there is none."""
        return int(np.searchsorted(self.periods, self.split.test_start))

    @property
    def intermittent(self) -> Bools:
        """(S,) True where at least half of the usable training periods are 0."""
        known = self.usable[:, : self.test_period]
        zeros = (known & (self.values[:, : self.test_period] == 0)).sum(axis=1)
        return np.asarray(zeros >= INTERMITTENT_ZERO_SHARE * np.maximum(known.sum(axis=1), 1))

    def targets(self, panel: Panel) -> Float:
        """Usable sales of the H periods after each origin, (N, H); NaN where closed, censored or beyond the data."""
        return self._ahead(panel, self.usable)

    def least(self, panel: Panel) -> Float:
        """As `targets`, of the periods that a stock-out cut short alone: at least so much was wanted."""
        return self._ahead(panel, self.short)

    def _ahead(self, panel: Panel, which: Bools) -> Float:
        index = panel.period[:, None] + np.arange(1, self.horizon + 1)
        inside = index < self.periods.shape[0]
        clipped = np.where(inside, index, 0)
        known = inside & which[panel.series[:, None], clipped]
        return np.where(known, self.values[panel.series[:, None], clipped], np.nan)


def prepare(tables: Mapping[str, Any], cfg: Config) -> Dataset:
    """Check and align the tables (pyarrow) and split them by time.

    `state` and `known_future` must hold the origins of `plan_origins`; more are welcome, those after the cutoff are not
    read. DataError names the table, the column, the count and the remedy.
    """
    for name in ("sales", "series", "state", "known_future"):
        if name not in tables:
            raise DataError(f"tables {sorted(tables)}: table {name!r} is missing: hand it over too")
    series_ids, periods, values, usable, short, unit = _sales_matrices(tables["sales"], cfg)
    split = plan_origins(periods[0], periods[-1], cfg, n_series=series_ids.shape[0], unit=unit)
    panel, covariates = _panel(tables["state"], tables["known_future"], series_ids, periods, cfg)
    first_origin, last_origin = split.origins[0], split.trained_until
    before = (panel.origin >= first_origin) & (panel.origin < last_origin) & level_known(panel.state)
    test = None
    if split.test_origin is not None:
        at_cutoff = panel.origin == split.test_origin
        if not at_cutoff.any():
            raise DataError(
                f"state: 0 of {len(panel)} rows have origin {split.test_origin}, the last one before the cutoff: "
                "compute the state for the origins of plan_origins"
            )
        test = panel.take(np.flatnonzero(at_cutoff))
    if not before.any():
        raise DataError(
            f"state: 0 of {len(panel)} rows have an origin in [{first_origin}, {last_origin}) and a known level: "
            "compute the state for the origins of plan_origins"
        )
    return Dataset(
        frequency=cfg.frequency,
        horizon=cfg.horizon,
        unit=unit,
        series_ids=series_ids,
        series_keys=_series_keys(tables["series"], series_ids),
        periods=periods,
        values=values,
        usable=usable,
        short=short,
        split=split,
        covariates=covariates,
        panel=panel.take(np.flatnonzero(before)),
        test=test,
        fingerprint=_fingerprint(values, usable, short, panel),
    )


def _sales_matrices(sales: Any, cfg: Config) -> tuple[npt.NDArray[np.str_], Dates, Float, Bools, Bools, str]:
    need_columns("sales", sales, SALES_COLUMNS)
    if sales.num_rows == 0:
        raise DataError("sales: 0 rows: give at least one series")
    units = sorted({str(unit) for unit in sales["unit"].unique().to_pylist()})
    if len(units) != 1:
        raise DataError(
            f"sales.unit: {len(units)} units {units[:5]}: a forecaster is trained on one unit; split the table by unit"
        )
    ids, series = encode("sales", sales)
    dates = to_dates("sales", sales, "period_start")
    days = PERIOD_DAYS[cfg.frequency]
    offset = (dates - dates.min()).astype(np.int64)
    if off_grid := int(np.sum(offset % days != 0)):
        raise DataError(
            f"sales.period_start: {off_grid} of {dates.size} rows do not lie {days} days apart from {dates.min()}: "
            f"are the periods {cfg.frequency}? Align them to one first day"
        )
    index = offset // days
    cell = series * (int(index.max()) + 1) + index
    if duplicates := cell.size - int(np.count_nonzero(np.bincount(cell))):
        raise DataError(f"sales: {duplicates} rows repeat a (series_id, period_start): keep one row of each")
    shape = (ids.size, int(index.max()) + 1)
    values = np.full(shape, np.nan)
    usable = np.zeros(shape, dtype=bool)
    value = np.asarray(sales["value"].to_numpy(zero_copy_only=False), dtype=np.float64)
    if infinite := int(np.isinf(value).sum()):
        raise DataError(f"sales.value: {infinite} of {value.size} rows are infinite: mend or quarantine them")
    values[series, index] = value
    short = np.zeros(shape, dtype=bool)
    known, censored = flags(sales, "open", True) & ~np.isnan(value), flags(sales, "censored", False)
    usable[series, index], short[series, index] = known & ~censored, known & censored
    periods = dates.min() + (np.arange(shape[1]) * days).astype("timedelta64[D]")
    return ids, periods, values, usable, short, units[0]


def _panel(
    state: Any, future: Any, ids: npt.NDArray[np.str_], periods: Dates, cfg: Config
) -> tuple[Panel, tuple[str, ...]]:
    need_columns("state", state, (*STATE_KEYS, "scale"))
    origin = to_dates("state", state, "origin")
    series = series_index("state", state, ids)
    day = (origin - periods[0]).astype(np.int64)
    if off_grid := int(np.sum(day % PERIOD_DAYS[cfg.frequency] != 0)):
        raise DataError(
            f"state.origin: {off_grid} of {day.size} rows do not lie on the {cfg.frequency} periods of sales from "
            f"{periods[0]} on: use period_start of the last known period as origin"
        )
    key = series * _KEY_BASE + day
    order = np.argsort(key, kind="stable")
    if repeated := int(np.sum(np.diff(key[order]) == 0)):
        raise DataError(f"state: {repeated} rows repeat a (series_id, origin): keep one row of each")
    columns = {name: floats("state", state, name) for name in sorted(state.column_names) if name not in STATE_KEYS}
    scale = columns["scale"]
    kept = order[np.isfinite(scale[order]) & (scale[order] > 0)]
    panel = Panel(
        series[kept],
        day[kept] // PERIOD_DAYS[cfg.frequency],
        origin[kept],
        {name: values[kept] for name, values in columns.items()},
        {},
    )
    covariates = tuple(sorted(name for name in future.column_names if name not in FUTURE_KEYS))
    if not covariates:
        return panel, ()
    known_future = _align_future(future, covariates, ids, periods, key=key[kept], cfg=cfg)
    return Panel(panel.series, panel.period, panel.origin, panel.state, known_future), covariates


_KEY_BASE = 1 << 24  # days fit into it a hundred times over


def _align_future(
    future: Any, covariates: tuple[str, ...], ids: npt.NDArray[np.str_], periods: Dates, *, key: Ints, cfg: Config
) -> dict[str, Float]:
    need_columns("known_future", future, ("series_id", "origin", "step"))
    step = np.asarray(future["step"].to_numpy(zero_copy_only=False), dtype=np.int64)
    if step.size and (step.min() < 1):
        raise DataError(f"known_future.step: lowest is {step.min()}: steps count from 1")
    day = (to_dates("known_future", future, "origin") - periods[0]).astype(np.int64)
    future_key = series_index("known_future", future, ids) * _KEY_BASE + day
    place = np.minimum(np.searchsorted(key, future_key), key.size - 1)
    wanted = (key[place] == future_key) & (step <= cfg.horizon)
    taken = slice(None) if wanted.all() else wanted  # without a copy of each covariate
    cell = place[taken] * cfg.horizon + step[taken] - 1
    cells = np.bincount(cell, minlength=key.size * cfg.horizon)
    if wrong := int(np.sum(cells != 1)):
        raise DataError(
            f"known_future: {wrong} of {cells.size} (series_id, origin, step) are missing or repeated: "
            f"give exactly one row for every state row and step 1..{cfg.horizon}"
        )
    aligned: dict[str, Float] = {}
    for name in covariates:
        grid = np.empty(cells.size, dtype=np.float32)  # every cell has its row
        grid[cell] = floats("known_future", future, name)[taken]
        aligned[name] = grid.reshape(key.size, cfg.horizon)
    return aligned


def _series_keys(series: Any, ids: npt.NDArray[np.str_]) -> dict[str, npt.NDArray[np.object_]]:
    need_columns("series", series, ("series_id",))
    own = np.asarray(series["series_id"].to_pylist(), dtype=np.str_)
    order = np.argsort(own)
    place = np.minimum(np.searchsorted(own, ids, sorter=order), own.size - 1)
    if own.size == 0 or (missing := int(np.sum(own[order[place]] != ids))):
        raise DataError(
            f"series: {ids.size if own.size == 0 else missing} of {ids.size} series of sales have no row: add them"
        )
    names = [name for name in ("store_id", "product_id", "category", "region") if name in series.column_names]
    return {name: np.asarray(series[name].to_pylist(), dtype=object)[order[place]] for name in names}


def _fingerprint(values: Float, usable: Bools, short: Bools, panel: Panel) -> str:
    digest = hashlib.sha256()
    for name, array in (
        ("values", values),
        ("usable", usable),
        ("short", short),
        ("series", panel.series),
        ("period", panel.period),
    ):
        digest.update(f"{name}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).data)
    for group in (panel.state, panel.known_future):
        for name, array in sorted(group.items()):
            digest.update(f"{name}{array.shape}".encode())
            digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()
