"""Numbers made by hand from steps, for the models that the network stands beside: of a stay at a gondola, its lanes, and a moment.

A stay is all of a path's steps in one gondola's zone.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from models.behaviour.data import Dataset
from models.behaviour.sequences import STEP_S
from models.behaviour.shop import Floats, Ints

_SLOW_M_S = 0.35  # a standing person's place, twice a second, seems to move as fast
_INPUT_SPEED, _INPUT_BEFORE, _INPUT_SINCE, _INPUT_TAKES = 5, 8, 9, 13  # columns of a step's inputs
_WIDTHS_M = (0.06, 0.12, 0.25)  # of the kernels by which time before a lane counts
_NEAREST_M = 0.1  # beside a lane's half width, within which it is one of the nearest
_CHUNK = 20_000


@dataclass(frozen=True, eq=False)
class Stays:
    """K stays: `path` (K,), `gondola` (K,), `numbers` (K, F). Of each lane of each stay, C rows: `stay` (C,), `lane` (C,), `features`
    (C, D), and `nearest_s` (C,) its equal share of the seconds for which it was one of the nearest lanes."""

    path: Ints
    gondola: Ints
    numbers: Floats
    stay: Ints
    lane: Ints
    features: Floats
    nearest_s: Floats


def stays(data: Dataset) -> Stays:
    """All stays of all paths."""
    steps, shop = data.steps, data.shop
    at = np.flatnonzero(steps.faced < shop.gondolas)
    order = at[np.lexsort([at, steps.faced[at], steps.path[at]])]
    key = steps.path[order] * shop.gondolas + steps.faced[order]
    cells, first, stay = np.unique(key, return_index=True, return_inverse=True)
    path, gondola = np.divmod(cells, shop.gondolas)
    told, slow = steps.inputs[order], steps.inputs[order, _INPUT_SPEED] < _SLOW_M_S

    def sums(values: npt.NDArray[Any]) -> Floats:
        return np.asarray(np.add.reduceat(values.astype(np.float64), first, axis=0))

    def most(values: npt.NDArray[Any]) -> Floats:
        return np.asarray(np.maximum.reduceat(values.astype(np.float64), first, axis=0))

    seconds = STEP_S * sums(np.ones(len(order)))
    mats, before = STEP_S * sums(steps.mats[order]), told[:, _INPUT_BEFORE]
    along, slot_s = steps.along[order, 1], np.zeros((len(cells), shop.slots.shape[1], len(_WIDTHS_M) + 4))
    for begin in range(0, len(cells), _CHUNK // 40):
        some = slice(begin, begin + _CHUNK // 40)
        low, high = first[some][0], np.append(first, len(order))[min(begin + _CHUNK // 40, len(cells))]
        lanes = shop.slots[gondola[stay[low:high]]]
        half, middle = (shop.right - shop.left)[lanes] / 2, (shop.left + shop.right)[lanes] / 2
        aside = np.abs(along[low:high, None] - middle)
        close = (aside <= half + _NEAREST_M) & (lanes >= 0)
        share = close / np.maximum(close.sum(axis=1, keepdims=True), 1)
        kernels = [np.exp(-0.5 * (aside / width) ** 2) * slow[low:high, None] for width in _WIDTHS_M]
        near = steps.near[order[low:high]]
        parts = np.stack([*kernels, share, share * slow[low:high, None], near[..., 0], near[..., 1]], axis=2)
        slot_s[some] = STEP_S * np.add.reduceat(parts, first[some] - low, axis=0)
    takes, puts = (most(told[:, _INPUT_TAKES + k]) + most(-told[:, _INPUT_TAKES + k]) for k in range(2))
    numbers = np.column_stack(
        [
            seconds,
            STEP_S * sums(slow),
            np.expm1(most(told[:, _INPUT_SINCE])),
            sums(before) / (seconds / STEP_S),
            -most(-before),
            sums(along) / (seconds / STEP_S),
            np.sqrt(np.maximum(sums(along**2) / (seconds / STEP_S) - (sums(along) / (seconds / STEP_S)) ** 2, 0)),
            sums(told[:, _INPUT_SPEED]) / (seconds / STEP_S),
            takes,
            puts,
            data.seen.party[path],
            mats.sum(axis=(1, 2)),
            gondola,
        ]
    )
    row, slot = np.nonzero(shop.slots[gondola] >= 0)
    lane = shop.slots[gondola[row], slot]
    own = slot_s[row, slot]
    whole = np.add.reduceat(own, np.flatnonzero(np.diff(row, prepend=-1)), axis=0)[row]
    features = np.column_stack(
        [
            own,
            own[:, : len(_WIDTHS_M)] / np.maximum(whole[:, : len(_WIDTHS_M)], 1e-6),
            _events(data, path[row], lane),
            mats[row, shop.level[lane]],
            shop.level[lane],
            (shop.right - shop.left)[lane],
            (shop.right + shop.left)[lane] / 2,
            numbers[row],
        ]
    )
    return Stays(path, gondola, numbers, row, lane, features, own[:, len(_WIDTHS_M)])


def moments(data: Dataset) -> Floats:
    """Numbers (S, F) of each step that tell how far a stop has got, all of them known by its end."""
    steps, inputs = data.steps, data.steps.inputs.astype(np.float64)
    since = np.rint(np.expm1(inputs[:, _INPUT_SINCE]) / STEP_S).astype(np.int64)
    at = np.arange(len(inputs))
    begin = np.where(since > 0, at - since + 1, at)
    slow = inputs[:, _INPUT_SPEED] < _SLOW_M_S
    moved = np.concatenate([[0.0], np.cumsum(STEP_S * inputs[:, _INPUT_SPEED])])
    stood = np.roll(slow, 1)
    stood[steps.start[:-1]] = False
    starts = np.concatenate([[0], np.cumsum(slow & ~stood)])
    still = at - np.maximum.accumulate(np.where(slow, 0, at))
    earlier = np.maximum(begin - 1, steps.start[steps.path])
    events = inputs[:, _INPUT_TAKES : _INPUT_TAKES + 2] - inputs[earlier, _INPUT_TAKES : _INPUT_TAKES + 2]
    return np.column_stack(
        [
            inputs,
            STEP_S * since,
            np.minimum(STEP_S * still, STEP_S * since),
            moved[at + 1] - moved[begin],
            starts[at + 1] - starts[begin],
            events,
            steps.mats[:, :, 1],
            steps.near[:, :, 1].max(axis=1),
            np.abs(inputs[:, _INPUT_BEFORE] - inputs[begin, _INPUT_BEFORE]),
        ]
    )


def _events(data: Dataset, path: Ints, lane: Ints) -> Floats:
    """Own events (C, 5) of paths (C,): taken from and put into lanes (C,), into lanes beside, on their board, at their gondola."""
    seen, shop, lanes = data.seen, data.shop, len(data.shop.gondola)
    counts = np.zeros((len(data.day), lanes, 2))
    np.add.at(counts, (seen.event_path, seen.event_lane, seen.event_put.astype(np.int64)), 1)
    middle = (shop.left + shop.right) / 2
    same = shop.gondola[:, None] == shop.gondola
    beside = same & (np.abs(middle[:, None] - middle) < 2 * _NEAREST_M)
    board = same & (shop.level[:, None] == shop.level)
    both = counts.sum(axis=2)
    wider = [(both @ each.T)[path, lane] for each in (beside, board, same)]
    return np.column_stack([counts[path, lane], *wider])
