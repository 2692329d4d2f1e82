"""What may be told of a group: nothing about fewer than `group_min` visits, also when reports are subtracted from one another.

The atom of all reports is a day and a cell (of floor, or a product). An atom of fewer visits, or of which one visit makes most of the
seconds, is left out of every report, sums and totals included (minimum frequency and dominance rules; Hundepool et al. 2012,
"Statistical Disclosure Control", ch. 4). Reports are sums of whole atoms, so that any difference of two is one as well: no window of
days and no total isolates a visit. This holds as long as cells and `group_min` stay as they are.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.behaviour.shop import Floats, Ints
from models.common.protocols import DataError

DOMINANT = 0.5  # share of an atom's seconds that one visit may make
GROUP_MIN_LEAST = 2
ROUNDED_S = 1.0  # to which seconds of an atom are rounded: a known visit must not show in decimals


@dataclass(frozen=True, eq=False)
class Released:
    """A atoms in order: `day` (A,), `cell` (A,), `visits` (A,) and `seconds` (A,), rounded; `withheld` counts the others."""

    day: npt.NDArray[np.datetime64]
    cell: Ints
    visits: Ints
    seconds: Floats
    withheld: int

    def by_cell(self, cells: int, *, days: Sequence[np.datetime64] | None = None) -> Floats:
        """Seconds (cells,) over some days, all by default; NaN for cells of which no atom may be told."""
        kept = (
            np.ones(len(self.day), dtype=bool)
            if days is None
            else np.isin(self.day, np.array(days, dtype="datetime64[D]"))
        )
        seconds = np.bincount(self.cell[kept], weights=self.seconds[kept], minlength=cells)
        told = np.bincount(self.cell[kept], minlength=cells) > 0
        return np.asarray(np.where(told, seconds, np.nan))


def release(visit: Ints, day: npt.NDArray[np.datetime64], cell: Ints, seconds: Floats, *, group_min: int) -> Released:
    """The atoms of R rows, each some `seconds` (R,) of a visit (R,) on a day (R,) in a cell (R,), that may be told.

    DataError for a `group_min` below 2 or seconds below 0.
    """
    if group_min < GROUP_MIN_LEAST:
        raise DataError(
            f"group_min {group_min}: expected at least {GROUP_MIN_LEAST}: a report of one visit is about a person"
        )
    if len(seconds) and not (np.isfinite(seconds) & (seconds >= 0)).all():
        raise DataError(f"seconds: {seconds.min()}: expected finite numbers of at least 0: drop those rows")
    here = seconds > 0
    days, number = np.unique(day[here], return_inverse=True)
    shares, owner = np.unique(np.stack([number, cell[here], visit[here]], axis=1), axis=0, return_inverse=True)
    by_visit = np.bincount(owner.ravel(), weights=seconds[here], minlength=len(shares))
    atoms, first, visits = np.unique(shares[:, :2], axis=0, return_index=True, return_counts=True)
    if not len(atoms):
        return Released(days, atoms[:, 1], visits, np.zeros(0), 0)
    sums, most = np.add.reduceat(by_visit, first), np.maximum.reduceat(by_visit, first)
    told = (visits >= group_min) & (most <= DOMINANT * sums)
    rounded = ROUNDED_S * np.round(sums[told] / ROUNDED_S)
    return Released(days[atoms[told, 0]], atoms[told, 1], visits[told], rounded, int((~told).sum()))
