"""From tables to arrays: the only place that knows the columns of the tables; what counts is settled by day.

Tables (pyarrow), of which the third is optional:

`assignments` (experiment, unit_id, arm, assigned_on): a row for each unit that entered, with its day.
`outcomes` (unit_id, day, numerator, denominator): sums of a unit on a day, any number of rows; no row means nothing
happened. The denominator is read for ratio metrics alone.
`covariates` (unit_id, observed_until, and one column per number known before the start): at most a row a unit, all of
it observed before the unit's assignment. The pre-period's own numerator and denominator are the best there is.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from models.common.arrow_columns import need_columns
from models.common.protocols import DataError
from models.experiments.config import Config
from models.experiments.moments import DENOMINATOR, NUMERATOR
from models.experiments.tables import DAY_ZERO, Float, Ints, days, floats, texts

ASSIGNMENT_COLUMNS = ("experiment", "unit_id", "arm", "assigned_on")
OUTCOME_COLUMNS = ("unit_id", "day", "numerator")
COVARIATE_KEYS = ("unit_id", "observed_until")
HAS_HISTORY = "has_history"
PENDING = -1


@dataclass(frozen=True)
class Counts:
    """Rows that were read and those that were not, and why."""

    outcome_rows: int
    before_assignment: int
    after_window: int
    of_other_units: int
    units: int
    units_pending: int
    units_without_history: int
    units_capped: int


@dataclass(frozen=True)
class Dataset:
    """N units of one experiment, D looks (days on which windows ended).

    arm (N,) index into `arms`, control 0; entered (N,) days since 1970; columns (N, K): numerator, denominator and
    covariates (`covariates` names the latter); look (N,) index of the day on which the unit's window ended, -1 while it
    runs; look_days (D,) dates; entry_days (E,) dates with the running counts of units assigned, entry_counts (E, A).
    """

    experiment: str
    arms: tuple[str, ...]
    arm: Ints
    entered: Ints
    columns: Float
    covariates: tuple[str, ...]
    look: Ints
    look_days: npt.NDArray[np.datetime64]
    entry_days: npt.NDArray[np.datetime64]
    entry_counts: Ints
    counts: Counts
    fingerprint: str


def prepare(tables: Mapping[str, Any], cfg: Config) -> Dataset:
    """Check and align the tables. DataError names the table, the column, the count and the remedy."""
    for name in ("assignments", "outcomes"):
        if name not in tables:
            raise DataError(f"tables {sorted(tables)}: table {name!r} is missing: hand it over too")
    experiment, unit_ids, arm, entered = _units(tables["assignments"], cfg)
    values, last_day, read = _outcomes(tables["outcomes"], unit_ids, entered, cfg)
    covariates, names, strangers = _covariates(tables.get("covariates"), unit_ids, entered, cfg)
    capped = 0
    if cfg.cap is not None:
        capped = int(np.sum(values[:, NUMERATOR] > cfg.cap))
        values[:, NUMERATOR] = np.minimum(values[:, NUMERATOR], cfg.cap)
    ends = entered + cfg.window_days - 1
    over = ends <= last_day
    if not over.any():
        raise DataError(
            f"outcomes: the last day is {DAY_ZERO + last_day}, no window of {cfg.window_days} days is over "
            f"(the first ends on {DAY_ZERO + ends.min()}): wait, or choose a shorter window_days before the start"
        )
    look_days, place = np.unique(ends[over], return_inverse=True)
    look = np.full(arm.size, PENDING, dtype=np.int64)
    look[over] = place
    columns = np.hstack([values, covariates])
    _check_denominators(columns[over], arm[over], cfg)
    entry_days, entry_counts = _running_counts(entered, arm, len(cfg.arms))
    counts = Counts(*read, arm.size, int(np.sum(~over)), strangers, capped)
    return Dataset(
        experiment=experiment,
        arms=cfg.arms,
        arm=arm,
        entered=entered,
        columns=columns,
        covariates=names,
        look=look,
        look_days=DAY_ZERO + look_days,
        entry_days=DAY_ZERO + entry_days,
        entry_counts=entry_counts,
        counts=counts,
        fingerprint=_fingerprint(arm, entered, columns, look),
    )


def _units(table: Any, cfg: Config) -> tuple[str, Any, Ints, Ints]:
    """Experiment, distinct unit ids (Arrow), arm and day of the first assignment of each."""
    import pyarrow.compute as pc

    need_columns("assignments", table, ASSIGNMENT_COLUMNS)
    present = sorted(pc.unique(texts("assignments", table, "experiment")).to_pylist())
    if cfg.experiment is None and len(present) != 1:
        raise DataError(
            f"assignments.experiment: {len(present)} experiments {present[:5]}: name one in Config.experiment"
        )
    experiment = cfg.experiment or present[0]
    table = table.filter(pc.equal(texts("assignments", table, "experiment"), experiment))
    if table.num_rows == 0:
        raise DataError(f"assignments: 0 rows of experiment {experiment!r}, there are {present[:5]}: check the name")
    arm = np.asarray(
        pc.fill_null(pc.index_in(texts("assignments", table, "arm"), value_set=_strings(cfg.arms)), -1), dtype=np.int64
    )
    if strange := int(np.sum(arm < 0)):
        names = sorted(pc.unique(texts("assignments", table, "arm")).to_pylist())
        raise DataError(
            f"assignments.arm: {strange} of {arm.size} rows are in none of the arms {cfg.arms}, found {names[:10]}: "
            "name all arms in Config.arms, control first"
        )
    encoded = texts("assignments", table, "unit_id").dictionary_encode()
    unit = np.asarray(encoded.indices.to_numpy(zero_copy_only=False), dtype=np.int64)
    size = len(encoded.dictionary)
    entered = np.full(size, np.iinfo(np.int64).max)
    np.minimum.at(entered, unit, days("assignments", table, "assigned_on"))
    of_unit = np.empty(size, dtype=np.int64)
    of_unit[unit] = arm
    if (torn := np.unique(unit[of_unit[unit] != arm])).size:
        named = encoded.dictionary.take(torn[:3]).to_pylist()
        raise DataError(
            f"assignments: {torn.size} of {size} units are in two arms, e.g. {named}: find out why before you read any "
            "effect; to drop them is safe only if the cause is the same in all arms"
        )
    found = np.bincount(of_unit, minlength=len(cfg.arms))
    if empty := [name for name, count in zip(cfg.arms, found, strict=True) if count == 0]:
        raise DataError(f"assignments.arm: no unit in arms {empty} of {cfg.arms}: check the assignment or Config.arms")
    return experiment, encoded.dictionary, of_unit, entered


def _outcomes(table: Any, unit_ids: Any, entered: Ints, cfg: Config) -> tuple[Float, int, tuple[int, int, int, int]]:
    """Numerator and denominator of each unit's window (N, 2), the last day, and counts of rows read and left out."""
    ratio = cfg.metric == "ratio"
    need_columns("outcomes", table, (*OUTCOME_COLUMNS, "denominator") if ratio else OUTCOME_COLUMNS)
    if table.num_rows == 0:
        raise DataError("outcomes: 0 rows: give at least one day of outcomes")
    unit, day = _index(texts("outcomes", table, "unit_id"), unit_ids), days("outcomes", table, "day")
    last_day = int(day.max()) if cfg.until is None else int((np.datetime64(cfg.until, "D") - DAY_ZERO).astype(np.int64))
    ours = unit >= 0
    start = entered[np.maximum(unit, 0)]
    early = ours & (day < start)
    late = ours & ((day >= start + cfg.window_days) | (day > last_day))
    kept = ours & ~early & ~late
    numerator = floats("outcomes", table, "numerator")
    values = np.ones((entered.size, 2))
    values[:, NUMERATOR] = np.bincount(unit[kept], weights=numerator[kept], minlength=entered.size)
    if ratio:
        denominator = floats("outcomes", table, "denominator")
        if negative := int(np.sum(denominator < 0)):
            raise DataError(f"outcomes.denominator: {negative} of {day.size} rows are negative: expected counts, >= 0")
        values[:, DENOMINATOR] = np.bincount(unit[kept], weights=denominator[kept], minlength=entered.size)
    return values, last_day, (day.size, int(early.sum()), int(late.sum()), int(np.sum(~ours)))


def _covariates(table: Any | None, unit_ids: Any, entered: Ints, cfg: Config) -> tuple[Float, tuple[str, ...], int]:
    """Covariates (N, K), their names, and how many units have none.

    A unit without a row (a new customer) gets the mean of the others and a 0 in `has_history`: both known before the start.
    """
    nothing = np.empty((entered.size, 0))
    if table is None or not cfg.adjust:
        return nothing, (), 0
    need_columns("covariates", table, COVARIATE_KEYS)
    names = tuple(name for name in table.column_names if name not in COVARIATE_KEYS)
    if not names:
        raise DataError(f"covariates: columns {table.column_names}: add at least one number known before the start")
    unit = _index(texts("covariates", table, "unit_id"), unit_ids)
    until = days("covariates", table, "observed_until")
    ours = np.flatnonzero(unit >= 0)
    if repeated := ours.size - np.unique(unit[ours]).size:
        raise DataError(f"covariates.unit_id: {repeated} rows repeat a unit: keep one row of each")
    if late := int(np.sum(until[ours] >= entered[unit[ours]])):
        raise DataError(
            f"covariates.observed_until: {late} of {ours.size} units were observed on or after their assignment: a "
            "covariate that the treatment can move biases the effect; end the pre-period the day before"
        )
    has_history = np.zeros(entered.size)
    has_history[unit[ours]] = 1.0
    columns = []
    for name in names:
        known = floats("covariates", table, name)[ours]
        column = np.full(entered.size, known.mean() if known.size else 0.0)
        column[unit[ours]] = known
        columns.append(column)
    strangers = int(entered.size - ours.size)
    if 0 < strangers < entered.size:
        return np.stack([*columns, has_history], axis=1), (*names, HAS_HISTORY), strangers
    return (np.stack(columns, axis=1), names, strangers) if ours.size else (nothing, (), strangers)


def _check_denominators(columns: Float, arm: Ints, cfg: Config) -> None:
    totals = np.bincount(arm, weights=columns[:, DENOMINATOR], minlength=len(cfg.arms))
    if empty := [name for name, total in zip(cfg.arms, totals, strict=True) if total <= 0]:
        raise DataError(
            f"outcomes: arms {empty} have no unit with a finished window, or denominators that sum to 0: "
            "wait until the windows of every arm are over, or check the denominators"
        )


def _running_counts(entered: Ints, arm: Ints, n_arms: int) -> tuple[Ints, Ints]:
    entry_days, place = np.unique(entered, return_inverse=True)
    counts = np.bincount(place * n_arms + arm, minlength=entry_days.size * n_arms)
    return entry_days, np.cumsum(counts.reshape(-1, n_arms), axis=0)


def _index(ids: Any, unit_ids: Any) -> Ints:
    import pyarrow.compute as pc

    return np.asarray(pc.fill_null(pc.index_in(ids, value_set=unit_ids), -1), dtype=np.int64)


def _strings(values: tuple[str, ...]) -> Any:
    import pyarrow as pa

    return pa.array(values, type=pa.string())


def _fingerprint(*arrays: npt.NDArray[Any]) -> str:
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(f"{array.dtype}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()
