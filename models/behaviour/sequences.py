"""From fixes, shelf events and stirring mats to steps of half a second: what one person was seen to do, step by step.

What the forward memory reads of a step was known by its end; only what tells attention afterwards looks ahead.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.behaviour.config import Config
from models.behaviour.shop import Floats, Ints, Shop

STEP_S = 0.5
_DAY_S = 1e6  # more than the seconds of a day: one search over all days and persons
_WINDOW = 4  # steps of the longer of the two movements, and reach of the smoothing
_PLAIN = 16  # numbers of a step beside those of each gondola
Halves = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Seen:
    """N paths, each one person of a visit: `day` (N,) and `party` (N,) persons of the visit. R fixes of `path` (R,): `at_s`, `x`, `y`
    (R,); E shelf events of `event_path` (E,) at `event_s` in `event_lane` (E,), `event_put` (E,) or taken; A stirrings of mats on
    `mat_day`, of `mat_gondola` and `mat_level`, at `mat_s` (A,). Times in seconds since midnight, places in metres."""

    day: Ints
    party: Ints
    path: Ints
    at_s: Floats
    x: Floats
    y: Floats
    event_path: Ints
    event_s: Floats
    event_lane: Ints
    event_put: npt.NDArray[np.bool_]
    mat_day: Ints
    mat_gondola: Ints
    mat_level: Ints
    mat_s: Floats


@dataclass(frozen=True, eq=False)
class Sequences:
    """S steps of N paths, those of path n from `start[n]` to `start[n + 1]`. Of each step: `path` (S,), its end `at_s` (S,), `inputs`
    (S, F) what was known by then, `faced` (S,) the gondola or G, `along` (S, 2) m to the right of its middle as seen and smoothed,
    `near` (S, M, 2) how close in time an own event lies in each of its lanes, after and before, `mats` (S, V, 2) likewise of mats by
    level."""

    start: Ints
    path: Ints
    at_s: Floats
    inputs: Halves
    faced: Ints
    along: Halves
    near: Halves
    mats: Halves

    @property
    def lengths(self) -> Ints:
        """Steps of each path (N,)."""
        return np.diff(self.start)


def sequences(seen: Seen, shop: Shop, cfg: Config) -> Sequences:
    """The steps of all paths, each of which has at least one fix."""
    number = np.floor(seen.at_s / STEP_S).astype(np.int64)
    first, last = (np.zeros(len(seen.day), dtype=np.int64) for _ in range(2))
    first[:] = np.iinfo(np.int64).max
    np.minimum.at(first, seen.path, number)
    np.maximum.at(last, seen.path, number)
    start = np.concatenate([[0], np.cumsum(last - first + 1)])
    path = np.repeat(np.arange(len(seen.day)), np.diff(start))
    place = np.arange(start[-1]) - start[path]
    at_s = STEP_S * (first[path] + place + 1.0)
    xy = _places(seen, start[seen.path] + number - first[seen.path], start[-1])
    ahead, faced = facing(xy, shop, cfg)
    steps = np.arange(start[-1])
    along = np.stack([ahead[steps, np.minimum(faced, shop.gondolas - 1), 0], np.zeros(start[-1])], axis=1)
    smooth = np.mean(
        [xy[np.clip(steps + k, start[path], start[path + 1] - 1)] for k in range(-_WINDOW // 2, _WINDOW // 2 + 1)],
        axis=0,
    )
    along[:, 1] = _ahead(smooth, shop)[steps, np.minimum(faced, shop.gondolas - 1), 0]
    near = _near(seen, shop, cfg, start, at_s, faced)
    mats = _mats(seen, shop, cfg, seen.day[path], at_s, faced)
    inputs = _inputs(seen, shop, cfg, start, path, at_s, xy, ahead, faced, mats[:, :, 1].max(axis=1))
    return Sequences(start, path, at_s, inputs, faced, along.astype(np.float32), near, mats)


def facing(xy: Floats, shop: Shop, cfg: Config) -> tuple[Floats, Ints]:
    """Of places (S, 2): along and before each gondola (S, G, 2) in m, and the gondola whose zone they are in (S,), else G."""
    ahead = _ahead(xy, shop)
    beside = np.maximum(np.abs(ahead[..., 0]) - shop.width / 2, 0.0)
    inside = (ahead[..., 1] >= 0) & (ahead[..., 1] <= cfg.zone_m) & (beside <= cfg.zone_beside_m)
    away = np.where(inside, ahead[..., 1] + beside, np.inf)
    return ahead, np.where(inside.any(axis=1), away.argmin(axis=1), shop.gondolas)


def inputs_of(shop: Shop) -> int:
    """How many numbers a step has."""
    return _PLAIN + 3 * shop.gondolas


def _ahead(xy: Floats, shop: Shop) -> Floats:
    away = xy[:, None] - shop.front
    right = np.stack([-shop.facing[:, 1], shop.facing[:, 0]], axis=1)
    return np.stack([(away * right).sum(axis=2), (away * shop.facing).sum(axis=2)], axis=2)


def _places(seen: Seen, step: Ints, count: int) -> Floats:
    """Mean place of the fixes of each step (S, 2), else the last one known: a later fix was not known yet."""
    fixes = np.bincount(step, minlength=count)
    held = np.maximum.accumulate(np.where(fixes > 0, np.arange(count), 0))
    sums = (np.bincount(step, weights=each, minlength=count) for each in (seen.x, seen.y))
    return np.stack([each / np.maximum(fixes, 1) for each in sums], axis=1)[held]


def _inputs(
    seen: Seen,
    shop: Shop,
    cfg: Config,
    start: Ints,
    path: Ints,
    at_s: Floats,
    xy: Floats,
    ahead: Floats,
    faced: Ints,
    stirred: Halves,
) -> Halves:
    steps = np.arange(len(path))
    before = xy[np.maximum(steps - 1, start[path])]
    moved, went = (xy - before) / STEP_S, xy - xy[np.maximum(steps - _WINDOW, start[path])]
    went_m = np.linalg.norm(went, axis=1)
    changed = np.diff(faced, prepend=-1) != 0
    changed[start[:-1]] = True
    since = STEP_S * (steps - np.maximum.accumulate(np.where(changed, steps, 0)) + 1)
    inside = faced < shop.gondolas
    g = np.minimum(faced, shop.gondolas - 1)
    own = np.lexsort([seen.event_s, seen.event_path])
    keys = seen.event_path[own] * _DAY_S + seen.event_s[own]
    puts = np.concatenate([[0], np.cumsum(seen.event_put[own])])
    at, from_ = (np.searchsorted(keys, path * _DAY_S + each, side="right") for each in (at_s, 0.0))
    ago = np.where(at > from_, path * _DAY_S + at_s - keys[np.maximum(at - 1, 0)] if len(keys) else np.inf, np.inf)
    lenses = xy[:, None] - shop.front
    far = np.linalg.norm(lenses, axis=2)
    toward = -(lenses * went[:, None]).sum(axis=2) / np.maximum(far * went_m[:, None], 0.05)
    plain = (
        *xy.T,
        *moved.T,
        went_m,
        np.linalg.norm(moved, axis=1),
        inside,
        np.where(inside, ahead[steps, g, 0], 0.0),
        np.where(inside, ahead[steps, g, 1], 0.0),
        np.where(inside, np.log1p(since), 0.0),
        np.log1p(at_s - at_s[start[path]]),
        seen.party[path],
        np.exp(-ago / cfg.recency_s),
        at - from_ - (puts[at] - puts[from_]),
        puts[at] - puts[from_],
        stirred,
    )
    one_hot = faced[:, None] == np.arange(shop.gondolas)
    return np.column_stack([*plain, one_hot, np.exp(-far), toward]).astype(np.float32)


def _near(seen: Seen, shop: Shop, cfg: Config, start: Ints, at_s: Floats, faced: Ints) -> Halves:
    near = np.zeros((len(faced), shop.slots.shape[1], 2), dtype=np.float32)
    event, step = spread(start[seen.event_path], start[seen.event_path + 1])
    here = faced[step] == shop.gondola[seen.event_lane[event]]
    event, step = event[here], step[here]
    later = seen.event_s[event] - at_s[step]
    closeness = np.exp(-np.abs(later) / cfg.recency_s).astype(np.float32)
    np.maximum.at(near, (step, shop.slot[seen.event_lane[event]], (later <= 0).astype(np.int64)), closeness)
    return near


def _mats(seen: Seen, shop: Shop, cfg: Config, day: Ints, at_s: Floats, faced: Ints) -> Halves:
    boards = seen.mat_gondola * shop.levels + seen.mat_level
    many = (shop.gondolas + 1) * shop.levels
    keys = np.sort((seen.mat_day * many + boards) * _DAY_S + seen.mat_s)
    mats = np.zeros((len(faced), shop.levels, 2), dtype=np.float32)
    for level in range(shop.levels if len(keys) else 0):
        now = (day * many + faced * shop.levels + level) * _DAY_S + at_s
        place = np.searchsorted(keys, now, side="right")
        for side, other in enumerate((np.minimum(place, len(keys) - 1), np.maximum(place - 1, 0))):
            away = np.where((keys[other] > now) == (side == 0), np.abs(keys[other] - now), np.inf)
            mats[:, level, side] = np.exp(-away / cfg.recency_s)
    return mats


def spread(first: Ints, last: Ints) -> tuple[Ints, Ints]:
    """Whose (K,) and which (K,) of all numbers from `first` (N,) up to but not including `last` (N,)."""
    counts = np.maximum(last - first, 0)
    whose = np.repeat(np.arange(len(counts)), counts)
    return whose, np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts) + first[whose]
