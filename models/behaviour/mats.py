"""Pressure mats: where on a board how many grams came or went, from the matrices that it sends while hands are there.

A mat sends one matrix before a hand comes, some while it rests, and one when it has gone. Matrices that follow closely make a burst;
what differs between its first and its last, in cells that touch one another, came or went as one.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field
from scipy import ndimage

from models.behaviour.people_observed import Floats, Ints
from models.common.protocols import InputError

Bools = npt.NDArray[np.bool_]
MOST_MATRICES, MOST_CELLS = 2_000_000, 100_000_000
_STAY = 4  # matrices of one stay of a hand
_WINDOW = 3  # cells each way over which light things show
_TOUCHING = np.ones((3, 3), dtype=np.int64)


class MatConfig(BaseModel):
    """How mats are read. Grams and seconds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    noise_g: float = Field(2.0, gt=0, le=50, description="standard deviation of a cell's reading")
    pause_s: float = Field(0.85, gt=0, le=10, description="between matrices after which another burst begins")
    cell_sds: float = Field(3.5, gt=0, le=20, description="standard deviations from which a cell has changed")
    hand_g: float = Field(150.0, ge=0, le=5_000, description="load of a resting hand")
    window_sds: float = Field(
        4.5, gt=0, le=20, description="and from which the cells about one have: a light package is little on each"
    )
    still_sds: float = Field(
        4.5, gt=0, le=20, description="standard deviations below which no cell of a still board moves"
    )
    hand_cm: float = Field(5.0, gt=0, le=50, description="from a hand's place to the same hand's a moment later")
    back_s: float = Field(
        1.6, gt=0, le=10, description="time within which what has changed and changes back was a hand"
    )
    least_g: float = Field(15.0, gt=0, le=1_000, description="less is no package")


@dataclass(frozen=True, eq=False)
class MatMatrices:
    """N matrices: `gondola`, board `level` (N,), `at_s` (N,) by the mat's own clock, `grams` (N, C, D) on cells of columns between
    `edges_cm` (C + 1,), from left to right for who faces the gondola, 0 in its middle, and rows from the front edge to the back."""

    gondola: Ints
    level: Ints
    at_s: Floats
    grams: Floats
    edges_cm: Floats

    def check(self) -> None:
        """InputError for what does not fit together, is not finite or is too much."""
        count = self.at_s.size
        if count > MOST_MATRICES or self.grams.size > MOST_CELLS:
            raise InputError(
                f"{count:,} matrices of {self.grams.size:,} cells, {MOST_MATRICES:,} and {MOST_CELLS:,} are the bounds: give one day"
            )
        if self.grams.ndim != 3 or self.grams.shape[:2] != (count, self.edges_cm.size - 1):
            raise InputError(f"grams {self.grams.shape}: expected ({count}, {self.edges_cm.size - 1}, D)")
        if self.gondola.shape != (count,) or self.level.shape != (count,):
            raise InputError(f"gondola {self.gondola.shape}, level {self.level.shape}: expected ({count},) each")
        if not all(np.isfinite(part).all() for part in (self.at_s, self.grams, self.edges_cm)):
            raise InputError("at_s, grams or edges_cm hold a value that is not finite: leave such matrices out")
        if (np.diff(self.edges_cm) <= 0).any():
            raise InputError("edges_cm do not ascend: give them from left to right")


@dataclass(frozen=True)
class MatChange:
    """`grams` (standard deviation `sd_g`) came (above 0) or went at `at_s`, about `centre_cm` along the board, which is off by
    `off_cm` (standard deviation). Not `whole` where a
    dead cell lies under or beside it, so that some of it may not be told."""

    gondola: int
    level: int
    at_s: float
    grams: float
    sd_g: float
    centre_cm: float
    off_cm: float
    whole: bool


def mat_changes(told: MatMatrices, cfg: MatConfig | None = None) -> list[MatChange]:
    """Changes in order of time, whatever the order of the matrices."""
    cfg = cfg or MatConfig()
    told.check()
    if not told.at_s.size:
        return []
    order = np.lexsort([told.at_s, told.level, told.gondola])
    gondola, level, at_s = told.gondola[order], told.level[order], told.at_s[order]
    moved_on = (np.diff(gondola, prepend=-1) != 0) | (np.diff(level, prepend=-1) != 0)
    firsts = np.flatnonzero(moved_on | (np.diff(at_s, prepend=-np.inf) > cfg.pause_s))
    boards = np.flatnonzero(moved_on)
    dead = {
        (int(gondola[a]), int(level[a])): (told.grams[order[a:b]] == 0).all(axis=0)
        for a, b in zip(boards, [*boards[1:], order.size], strict=True)
    }
    middles = (told.edges_cm[1:] + told.edges_cm[:-1]) / 2
    found: list[MatChange] = []
    for a, b in zip(firsts.tolist(), [*firsts[1:].tolist(), order.size], strict=True):
        board = int(gondola[a]), int(level[a])
        grams = told.grams[order[a:b]]
        for part in _stays(grams, cfg):
            found += [
                _change(board, at_s[a:b][part], grams[part], cells, dead[board], middles, cfg)
                for cells in _regions(grams[part][-1] - grams[part][0], dead[board], cfg)
            ]
    found.sort(key=lambda each: (each.gondola, each.level, each.at_s, each.centre_cm))
    return sorted(_without_hands(found, cfg), key=lambda each: (each.at_s, each.gondola, each.level, each.centre_cm))


def _without_hands(changes: list[MatChange], cfg: MatConfig) -> list[MatChange]:
    """Changes of one board after another, without those that the next one takes back at once: nobody puts back so fast."""
    kept: list[MatChange] = []
    for each in changes:
        last = kept[-1] if kept else None
        if (
            last is not None
            and (last.gondola, last.level) == (each.gondola, each.level)
            and each.at_s - last.at_s < cfg.back_s
            and abs(each.centre_cm - last.centre_cm) < cfg.hand_cm
            and abs(each.grams + last.grams) < min(abs(each.grams), cfg.hand_g) / 2
        ):
            kept.pop()
        else:
            kept.append(each)
    return kept


def _stays(grams: Floats, cfg: MatConfig) -> list[slice]:
    """Parts of a burst (N, C, D) between which the board lay still: of two matrices that are alike one ends a hand's stay and one
    begins the next. Within a stay, which has four, a hand may lie still too."""
    still = (np.abs(np.diff(grams, axis=0)) < cfg.still_sds * cfg.noise_g * np.sqrt(2)).all(axis=(1, 2))
    ends = [0]
    for cut in (np.flatnonzero(still) + 1).tolist():
        if min(cut - ends[-1], len(grams) - cut) > _STAY - 2:
            ends.append(cut)
    return [slice(a, b) for a, b in pairwise([*ends, len(grams)])]


def _regions(change: Floats, dead: Bools, cfg: MatConfig) -> list[Bools]:
    """Cells (C, D) of each thing that came or went. A dead cell beside one that changed may have, and parts nothing."""
    noise = cfg.noise_g * np.sqrt(2)
    about = ndimage.uniform_filter(change, _WINDOW, mode="constant") * _WINDOW  # as noisy as one cell
    found = []
    for sign in (-1, 1):
        some = (sign * about > cfg.window_sds * noise) & (sign * change > noise)
        changed = some | (sign * change > cfg.cell_sds * noise)
        changed |= dead & ndimage.binary_dilation(changed, structure=_TOUCHING)
        label, count = ndimage.label(changed, structure=_TOUCHING)
        regions = (label == number for number in range(1, count + 1))
        found += [cells for cells in regions if abs(float(change[cells].sum())) >= cfg.least_g]
    return _apart(found)


def _apart(regions: list[Bools]) -> list[Bools]:
    """Regions of a column or two in common are one: a package that is taken lets those behind it come forward."""
    left = list(regions)
    found: list[Bools] = []
    while left:
        cells = left.pop()
        near = [k for k, other in enumerate(left) if (cells.any(axis=1) & other.any(axis=1)).any()]
        for k in reversed(near):
            cells = cells | left.pop(k)
        if near:
            left.append(cells)
        else:
            found.append(cells)
    return found


def _change(
    board: tuple[int, int], at_s: Floats, grams: Floats, cells: Bools, dead: Bools, middles: Floats, cfg: MatConfig
) -> MatChange:
    wide = ndimage.binary_dilation(cells, structure=_TOUCHING)
    change = grams[-1] - grams[0]
    own = np.where(cells, change, 0.0).sum(axis=1)
    moved = float(own.sum())
    if abs(moved) < cfg.least_g:  # what came and what went weigh alike
        own, moved = cells.sum(axis=1).astype(np.float64), float(np.count_nonzero(cells))
    centre = float(own @ middles / moved)
    arms = np.where(cells, middles[:, None] - centre, 0.0)
    off = cfg.noise_g * np.sqrt(2 * (arms**2).sum()) / max(abs(moved), cfg.least_g)
    # When it happened: the cut between matrices that best parts those like the first from those like the last; a hand that rests
    # there blurs it, so that the middle of a hand's stay is as good a guess.
    to_first, to_last = ((np.abs(grams - grams[k]) * wide).sum(axis=(1, 2)) for k in (0, -1))
    aside = cfg.hand_g * np.abs(np.arange(at_s.size + 1) - at_s.size / 2)
    cuts = [float(to_first[:k].sum() + to_last[k:].sum() + aside[k]) for k in range(1, at_s.size)]
    cut = int(np.argmin(cuts)) + 1
    return MatChange(
        *board,
        float(at_s[cut - 1] + at_s[cut]) / 2,
        float(change[wide].sum()),
        float(cfg.noise_g * np.sqrt(2 * np.count_nonzero(wide))),
        centre,
        float(off),
        not bool((wide & dead).any()),
    )
