"""From a table of prices and units to a panel: the only place that knows column names; split by time."""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import numpy as np
import numpy.typing as npt

from models.common.arrow_columns import need_columns, refuse_nulls
from models.common.protocols import DataError
from models.elasticity.config import Config

TABLE = "price_panel"
COLUMNS = ("series_id", "group_id", "period_start", "price", "units")
MIN_PERIODS = 12
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Dataset:
    """N series over T periods. `units` (N, T), NaN where not observed; `price` (N, T) the log of price over `reference` (N,),
    its median before the test periods; `promoted` (N, T) in [0, 1]. `group` (N,) numbers `groups`. Test periods start at
    `test_from`."""

    series: tuple[str, ...]
    groups: tuple[str, ...]
    group: Ints
    periods: npt.NDArray[np.datetime64]
    units: Floats
    price: Floats
    promoted: Floats
    reference: Floats
    test_from: int
    config: Config
    fingerprint: str

    @property
    def trained_until(self) -> np.datetime64:
        """Last period that training sees."""
        return np.datetime64(self.periods[self.test_from - 1])

    def before(self, period: int) -> "Dataset":
        """The same series up to, and without, a period; all of it to train on."""
        cut = {name: getattr(self, name)[:, :period] for name in ("units", "price", "promoted")}
        return Dataset(
            self.series, self.groups, self.group, self.periods[:period], reference=self.reference, test_from=period,
            config=self.config, fingerprint=self.fingerprint, **cut,
        )  # fmt: skip


def prepare(tables: Mapping[str, Any], cfg: Config) -> Dataset:
    """From the Arrow table `price_panel`: series_id, group_id, period_start, price, units and, if known, promoted in [0, 1].

    Rows without a price or units may be left out. DataError names the column, the value, the bound and the remedy.
    """
    import pyarrow.compute as pc

    if TABLE not in tables:
        raise DataError(f"{TABLE}: missing: give one row a series and period with {', '.join(COLUMNS)}")
    table = tables[TABLE]
    need_columns(TABLE, table, COLUMNS)
    for column in COLUMNS:
        refuse_nulls(TABLE, table, column, "drop those rows")
    price, units = (np.asarray(table[name].to_numpy(), dtype=np.float64) for name in ("price", "units"))
    _refuse(~((price > 0) & np.isfinite(price)), price, "price", "above 0")
    _refuse(~((units >= 0) & np.isfinite(units)), units, "units", "0 or more")
    series, row = _numbered(table["series_id"])
    days = pc.cast(table["period_start"], "date32").to_numpy().astype("datetime64[D]")
    periods, place = np.unique(days, return_inverse=True)
    if len(periods) < MIN_PERIODS:
        raise DataError(f"{TABLE} has {len(periods)} periods, at least {MIN_PERIODS} are needed: give a longer history")
    if len(np.unique(row * len(periods) + place)) < len(row):
        raise DataError(f"{TABLE}: a series has two rows in one period: sum them first")
    groups, of_row = _numbered(table["group_id"])
    group = np.zeros(len(series), dtype=np.int64)
    group[row] = of_row
    if (group[row] != of_row).any():
        raise DataError(f"{TABLE}: series {series[row[group[row] != of_row][0]]!r} is in two groups: give it one")
    grid = np.full((3, len(series), len(periods)), np.nan)
    grid[0, row, place], grid[1, row, place] = units, np.log(price)
    grid[2] = 0.0
    if "promoted" in table.column_names:
        promoted = np.asarray(table["promoted"].to_numpy(), dtype=np.float64)
        _refuse(~((promoted >= 0) & (promoted <= 1)), promoted, "promoted", "0 to 1")
        grid[2, row, place] = promoted
    test_from = max(len(periods) - max(round(cfg.test_share * len(periods)), 1), MIN_PERIODS // 2)
    seen = grid[1, :, :test_from]
    never = np.isnan(seen).all(axis=1)
    middle = np.where(never, np.nanmedian(grid[1]), np.nanmedian(np.where(never[:, None], 0.0, seen), axis=1))
    content = b"".join(np.ascontiguousarray(each).tobytes() for each in (grid, group, periods.astype(np.int64)))
    return Dataset(
        series=tuple(series.tolist()),
        groups=tuple(groups.tolist()),
        group=group,
        periods=periods,
        units=grid[0],
        price=grid[1] - middle[:, None],
        promoted=grid[2],
        reference=np.exp(middle),
        test_from=test_from,
        config=cfg,
        fingerprint=sha256("|".join([*series, *groups]).encode() + content).hexdigest(),
    )


def _numbered(names: Any) -> tuple[npt.NDArray[np.str_], Ints]:
    """Names in order, and the number of each row's."""
    found, number = np.unique(names.to_numpy(zero_copy_only=False).astype(str), return_inverse=True)
    return found, number.astype(np.int64)


def _refuse(wrong: npt.NDArray[np.bool_], values: Floats, column: str, bound: str) -> None:
    if wrong.any():
        raise DataError(
            f"{TABLE}.{column}: {values[wrong][0]:g} in {int(wrong.sum())} rows, must be {bound}: mend or drop them"
        )
