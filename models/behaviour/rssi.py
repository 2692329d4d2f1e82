"""What scans heard, and how alike two scans are: the Soerensen index of received power, found through an inverted index.

Powers and index as Torres-Sospedra et al. (2015, "Comprehensive analysis of distance and similarity measures for Wi-Fi
fingerprinting indoor positioning systems") found best among 51 measures.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from models.common.protocols import DataError, InputError

Floats = npt.NDArray[np.float64]
Readings = npt.NDArray[np.floating[Any]]
Ints = npt.NDArray[np.int64]

LOWEST_DBM, HIGHEST_DBM = -110.0, 0.0
INAUDIBLE_DBM = -105.0
MOST_SCANS, MOST_ACCESS_POINTS = 200_000, 5_000


def checked(rssi: Readings, access_points: int) -> Readings:
    """Readings in dBm (N, A), NaN where unheard; InputError names shape or reading, the bound and the remedy."""
    rssi = np.asarray(rssi)
    if rssi.ndim != 2 or rssi.shape[1] != access_points or not np.issubdtype(rssi.dtype, np.floating):
        raise InputError(
            f"rssi {rssi.shape} of {rssi.dtype}: expected floats (N, {access_points}), a column for each access point of the survey"
        )
    if len(rssi) > MOST_SCANS:
        raise InputError(f"{len(rssi):,} scans, {MOST_SCANS:,} is the bound: ask in parts")
    if (outside := rssi[(rssi < LOWEST_DBM) | (rssi > HIGHEST_DBM)]).size:
        raise InputError(
            f"rssi {outside[0]:g} dBm lies outside {LOWEST_DBM:g} to {HIGHEST_DBM:g}: give NaN where an access point was not heard"
        )
    return rssi


def power(rssi: Readings, exponent: float) -> Floats:
    """Received power from 0 (inaudible, or NaN) to 1 (0 dBm), same shape."""
    audible = np.maximum(np.nan_to_num(rssi, nan=INAUDIBLE_DBM) - INAUDIBLE_DBM, 0.0) / -INAUDIBLE_DBM
    return np.asarray(audible**exponent, dtype=np.float64)


@dataclass(frozen=True, eq=False)
class Heard:
    """F fingerprints by access point, as a text index keeps documents by word: entries `starts[a]` to `starts[a + 1]` say which
    `rows` heard access point a, and how strongly (`dbm`). starts (A + 1,), rows (E,), dbm (E,)."""

    starts: Ints
    rows: npt.NDArray[np.int32]
    dbm: npt.NDArray[np.float32]
    fingerprints: int

    def __post_init__(self) -> None:
        entries = len(self.rows)
        if (
            self.starts[0] != 0
            or self.starts[-1] != entries
            or (np.diff(self.starts) < 0).any()
            or self.dbm.shape != (entries,)
        ):
            raise DataError(f"starts up to {self.starts[-1]} for {entries} entries: keep what `of` made")
        if entries and not 0 <= self.rows.min() <= self.rows.max() < self.fingerprints:
            raise DataError(
                f"rows {self.rows.min()} to {self.rows.max()} of {self.fingerprints} fingerprints: keep what `of` made"
            )

    @classmethod
    def of(cls, rssi: Readings) -> "Heard":
        """From readings (F, A), NaN where unheard."""
        points, rows = np.nonzero(~np.isnan(rssi.T))
        starts = np.searchsorted(points, np.arange(rssi.shape[1] + 1))
        return cls(starts.astype(np.int64), rows.astype(np.int32), rssi[rows, points].astype(np.float32), len(rssi))

    def dense(self) -> Readings:
        """Readings (F, A) as they were given to `of`."""
        rssi = np.full((self.fingerprints, len(self.starts) - 1), np.nan, dtype=np.float32)
        rssi[self.rows, np.repeat(np.arange(len(self.starts) - 1), np.diff(self.starts))] = self.dbm
        return rssi


class Likeness:
    """Soerensen index of scans and F fingerprints, 2 sum min(a, b) / (sum a + sum b) over powers: 1 the same, 0 nothing shared.

    A scan is tried at each shift, in dB, and its best index counts for each fingerprint, so that how well a device hears drops
    out. Only entries of the access points that a scan heard are looked at.
    """

    def __init__(self, heard: Heard, *, exponent: float, shifts_db: tuple[float, ...]) -> None:
        self._heard = heard
        self._exponent = exponent
        self._shifts = np.array(shifts_db)[:, None]
        self._powers = power(heard.dbm, exponent)
        self._totals = np.bincount(heard.rows, self._powers, heard.fingerprints)

    def __call__(self, rssi: Readings) -> npt.NDArray[np.float32]:
        """Index (N, F) of scans (N, A)."""
        found = np.zeros((len(rssi), self._heard.fingerprints), dtype=np.float32)
        for row, scan in enumerate(rssi):
            self._one(scan, found[row])
        return found

    def _one(self, scan: Readings, found: npt.NDArray[np.float32]) -> None:
        points = np.flatnonzero(~np.isnan(scan))
        begins, ends = self._heard.starts[points], self._heard.starts[points + 1]
        if not (ends > begins).any():
            return
        entries = np.concatenate([np.arange(begin, end) for begin, end in zip(begins, ends, strict=True)])
        rows, powers = self._heard.rows[entries], self._powers[entries]
        own = power(scan[points] + self._shifts, self._exponent)
        for shifted in own:
            shared = np.bincount(rows, np.minimum(np.repeat(shifted, ends - begins), powers), len(found))
            np.maximum(found, 2.0 * shared / (shifted.sum() + self._totals), out=found, casting="same_kind")
