"""Scans from the contract's tables `wifi_scans` and `wifi_fingerprints`: the only place of positioning that knows column names."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from models.behaviour.rssi import HIGHEST_DBM, LOWEST_DBM, MOST_ACCESS_POINTS, MOST_SCANS, Floats, Ints
from models.common.arrow_columns import need_columns, numbers, refuse_nulls
from models.common.protocols import DataError

SCANS, HEARD = "wifi_scans", "wifi_fingerprints"
SCAN_COLUMNS = ("scan_id", "at", "device_id", "split", "building", "floor", "x", "y", "coordinates")
HEARD_COLUMNS = ("scan_id", "access_point", "rssi_dbm")


@dataclass(frozen=True, order=True)
class Level:
    """One floor of one building."""

    building: str
    floor: int


@dataclass(frozen=True, eq=False)
class Scans:
    """N scans. rssi (N, A) in dBm, NaN where unheard; level (N,) in `levels`, x and y (N,) in the unit of `coordinates`, -1 and NaN
    where nobody knows the place; device (N,) and scan_id (N,) text; at (N,) local time."""

    access_points: tuple[str, ...]
    levels: tuple[Level, ...]
    coordinates: str
    scan_id: npt.NDArray[np.str_]
    device: npt.NDArray[np.str_]
    at: npt.NDArray[np.datetime64]
    rssi: npt.NDArray[np.float32]
    level: Ints
    x: Floats
    y: Floats

    def __len__(self) -> int:
        return len(self.rssi)

    @property
    def heard(self) -> npt.NDArray[np.bool_]:
        """Whether each scan heard anything, (N,)."""
        return np.asarray(~np.isnan(self.rssi).all(axis=1))

    def take(self, rows: npt.NDArray[Any]) -> "Scans":
        """The scans of these rows (indices or a mask)."""
        arrays = {each.name: getattr(self, each.name) for each in fields(self)}
        return replace(self, **{name: value[rows] for name, value in arrays.items() if isinstance(value, np.ndarray)})

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 (hex) over everything."""
        digest = hashlib.sha256(repr((self.access_points, self.levels, self.coordinates)).encode())
        for each in (self.scan_id, self.device, self.at, self.rssi, self.level, self.x, self.y):
            digest.update(np.ascontiguousarray(each).tobytes())
        return digest.hexdigest()


def read_scans(
    tables: Mapping[str, Any],
    *,
    split: str | None = None,
    access_points: tuple[str, ...] | None = None,
    levels: tuple[Level, ...] | None = None,
) -> Scans:
    """Scans of a split (None: all), ascending by scan_id, from clean Arrow tables.

    access_points and levels are those of a survey, so that visits meet it column by column: what else was heard is left out, and
    a place on another level is unknown. Without them, those that occur. DataError names table, column, count and remedy.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    scans, heard = tables[SCANS], tables[HEARD]
    need_columns(SCANS, scans, SCAN_COLUMNS)
    need_columns(HEARD, heard, HEARD_COLUMNS)
    if split is not None:
        scans = scans.filter(pc.equal(scans["split"], split))
    for column in ("scan_id", "at", "device_id"):
        refuse_nulls(SCANS, scans, column, "every scan has one; release no such row")
    for column in HEARD_COLUMNS:
        refuse_nulls(HEARD, heard, column, "drop the row: an access point without a row was not heard")
    if not 1 <= scans.num_rows <= MOST_SCANS:
        raise DataError(
            f"{SCANS}: {scans.num_rows:,} rows of split {split!r}, 1 to {MOST_SCANS:,} are read: cut the table"
        )
    scans = scans.sort_by("scan_id")
    if len(pc.unique(scans["scan_id"])) < scans.num_rows:
        raise DataError(f"{SCANS}.scan_id: {scans.num_rows} rows repeat some ids: keep one row a scan")
    row = pc.index_in(heard["scan_id"], value_set=scans["scan_id"].combine_chunks())
    heard = heard.append_column("row", row).filter(pc.is_valid(row))
    if access_points is None:
        access_points = tuple(sorted(pc.unique(heard["access_point"]).to_pylist()))
    if not 1 <= len(access_points) <= MOST_ACCESS_POINTS:
        raise DataError(
            f"{HEARD}: {len(access_points):,} access points, 1 to {MOST_ACCESS_POINTS:,} are read: cut the table"
        )
    column = pc.index_in(heard["access_point"], value_set=pa.array(access_points, heard["access_point"].type))
    heard = heard.append_column("column", column).filter(pc.is_valid(column))
    found, place = _levels(scans, levels)
    return Scans(
        access_points=access_points,
        levels=found,
        coordinates=_coordinates(scans),
        scan_id=_texts(scans, "scan_id"),
        device=_texts(scans, "device_id"),
        at=scans["at"].to_numpy().astype("datetime64[us]"),
        rssi=_dense(heard, scans.num_rows, len(access_points)),
        level=place,
        x=numbers(SCANS, scans, "x"),
        y=numbers(SCANS, scans, "y"),
    )


def _dense(heard: Any, scans: int, access_points: int) -> npt.NDArray[np.float32]:
    dbm = numbers(HEARD, heard, "rssi_dbm")
    if (outside := dbm[(dbm < LOWEST_DBM) | (dbm > HIGHEST_DBM)]).size:
        raise DataError(
            f"{HEARD}.rssi_dbm: {outside.size} rows outside {LOWEST_DBM:g} to {HIGHEST_DBM:g}, first {outside[0]:g}: "
            "drop the rows of what was not heard"
        )
    rssi = np.full((scans, access_points), np.nan, dtype=np.float32)
    rssi[heard["row"].to_numpy(), heard["column"].to_numpy()] = dbm
    return rssi


def _levels(scans: Any, levels: tuple[Level, ...] | None) -> tuple[tuple[Level, ...], Ints]:
    """The levels, ascending unless told, and each scan's place among them, -1 where it has none."""
    floors = numbers(SCANS, scans, "floor")
    told = [
        None if building is None or np.isnan(floor) else Level(building, int(floor))
        for building, floor in zip(scans["building"].to_pylist(), floors.tolist(), strict=True)
    ]
    found = tuple(sorted({level for level in told if level is not None})) if levels is None else levels
    places = {level: place for place, level in enumerate(found)}
    return found, np.array([-1 if level is None else places.get(level, -1) for level in told], dtype=np.int64)


def _coordinates(scans: Any) -> str:
    kinds = sorted({kind for kind in scans["coordinates"].unique().to_pylist() if kind is not None})
    if len(kinds) > 1:
        raise DataError(
            f"{SCANS}.coordinates: {', '.join(kinds)} in one table: positions are compared within one kind, choose it"
        )
    return kinds[0] if kinds else ""


def _texts(table: Any, column: str) -> npt.NDArray[np.str_]:
    return np.array(table[column].to_pylist(), dtype=np.str_)
