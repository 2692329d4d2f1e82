"""From detections to what was carried: what moves, frame by frame, in one camera.

Most packages stand still. Detections that come back at the same place in several pictures are a *place*; what is left over and
moves on smoothly from picture to picture is in a hand. Assignment from picture to picture is the Hungarian method's, as in SORT
(Bewley et al. 2016, arXiv:1602.00763), with likeness of names beside nearness.
"""

from dataclasses import dataclass, field

import numpy as np

from models.detector.assignment import assign
from models.detector.boxes import inside, overlaps
from models.detector.observed import Bools, Floats, Ints, Recording

_SAME_PLACE = 0.5  # least overlap with a place
_ALIKE = 0.02  # least likeness of names, sum over products of both shares
_ONE_PRODUCT = 0.1  # least likeness of packages in one hand
_HIDDEN = 0.7  # a box that lies so far in a place's box is a part of what stands there
_LONGEST_GAP_S = 0.6  # without a detection of what is carried
_REACH = 1.3  # how far a thing may be from where it was expected, in its own diagonals


@dataclass(frozen=True, eq=False)
class Carry:
    """Something in a hand as one camera saw it at times `at_s` (n,): middles `centre` (n, 2) and ends `foot` (n, 2) of its boxes
    in pixels, mean log of the boxes' areas `log_area` (n,), `count` (n,) boxes; names `log_probs` (P,), the mean over detections,
    and their number `seen`."""

    camera: int
    at_s: Floats
    centre: Floats
    foot: Floats
    log_area: Floats
    count: Ints
    log_probs: Floats
    seen: int


@dataclass(frozen=True, eq=False)
class Watched:
    """`still` (D,) tells detections of what stands; `carries` is what was carried."""

    still: Bools
    carries: tuple[Carry, ...]


@dataclass(eq=False)
class _Thread:
    rows: list[int] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    speed: Floats = field(default_factory=lambda: np.zeros(2))


def watch(recording: Recording, *, least_pictures: int) -> Watched:
    """What stands and what is carried. What is found at one place in `least_pictures` of a camera stands there."""
    found = recording.detections
    probs = found.shares
    still = np.ones(found.picture.size, dtype=bool)
    carries: list[Carry] = []
    bounds = np.searchsorted(found.picture, np.arange(recording.at_s.size + 1))
    for camera in range(len(recording.cameras)):
        pictures = np.flatnonzero(recording.camera == camera)
        pictures = pictures[np.argsort(recording.at_s[pictures], kind="stable")]
        frames = [np.arange(bounds[picture], bounds[picture + 1]) for picture in pictures]
        loose = _loose(found.box, probs, frames, min(least_pictures, max(len(frames) - 1, 1)))
        still[loose] = False
        threads = _threads(found.box, probs, [f[~still[f]] for f in frames], recording.at_s[pictures])
        carries += _carries(recording, camera, probs, threads)
    return Watched(still, tuple(carries))


def _loose(box: Floats, probs: Floats, frames: list[Ints], least: int) -> Ints:
    """Rows of one camera's detections that belong to nothing that stands."""
    rows_in_all = sum(len(rows) for rows in frames)
    where, name, times = np.zeros((rows_in_all, 4)), np.zeros((rows_in_all, probs.shape[1])), np.zeros(rows_in_all)
    place, places = np.full(len(box), -1), 0
    for rows in frames:
        if not rows.size:
            continue
        taken, best = np.zeros(len(rows), dtype=bool), np.zeros(len(rows), dtype=np.int64)
        if places:
            near = overlaps(box[rows], where[:places])
            near[~_likely(near >= _SAME_PLACE, probs, rows, name)] = 0.0
            # Each other's best: packages stand apart, so no assignment could do better.
            best = near.argmax(axis=1)
            taken = (near[np.arange(len(rows)), best] > 0) & (near.argmax(axis=0)[best] == np.arange(len(rows)))
        old, new = best[taken], rows[~taken]
        times[old] += 1
        share = 1.0 / times[old][:, None]
        where[old] += share * (box[rows[taken]] - where[old])
        name[old] += share * (probs[rows[taken]] - name[old])
        place[rows[taken]] = old
        born = np.arange(places, places + len(new))
        place[new], where[born], name[born], times[born] = born, box[new], probs[new], 1
        places += len(new)
    own = np.concatenate(frames) if frames else np.zeros(0, dtype=np.int64)
    stands = times >= least
    rest = own[~stands[place[own]]]
    part = _likely(inside(box[rest], where[stands]) >= _HIDDEN, probs, rest, name[stands]).any(axis=1)
    return np.asarray(rest[~part])


def _likely(near: Bools, probs: Floats, rows: Ints, name: Floats) -> Bools:
    """Those of `near` (n, M) pairs whose names are alike; few are near, so names are compared for those alone."""
    i, j = np.nonzero(near)
    alike = np.zeros(near.shape, dtype=bool)
    alike[i, j] = np.einsum("kp,kp->k", probs[rows[i]], name[j]) >= _ALIKE
    return alike


def _threads(box: Floats, probs: Floats, frames: list[Ints], at_s: Floats) -> list[_Thread]:
    """Join the left-over detections of each picture to those of the pictures before."""
    done: list[_Thread] = []
    open_: list[_Thread] = []
    centre, size = (box[:, :2] + box[:, 2:]) / 2, np.linalg.norm(box[:, 2:] - box[:, :2], axis=1)
    for rows, now in zip(frames, at_s.tolist(), strict=True):
        done += [thread for thread in open_ if now - thread.times[-1] > _LONGEST_GAP_S]
        open_ = [thread for thread in open_ if now - thread.times[-1] <= _LONGEST_GAP_S]
        fresh = set(rows.tolist())
        if open_ and rows.size:
            last = np.array([thread.rows[-1] for thread in open_])
            gap = np.array([now - thread.times[-1] for thread in open_])
            ahead = centre[last] + gap[:, None] * np.array([thread.speed for thread in open_])
            far = np.linalg.norm(centre[rows] - ahead[:, None], axis=2) / size[last][:, None]
            alike = probs[last] @ probs[rows].T
            fits = (far <= _REACH) & (alike >= _ALIKE)
            cost = np.where(fits, far - 0.3 * np.log(np.maximum(alike, _ALIKE)), 1e3)
            for k, j in zip(*assign(cost), strict=True):
                if fits[k, j]:
                    moved = (centre[rows[j]] - centre[last[k]]) / max(float(gap[k]), 1e-6)
                    open_[k].speed = moved if len(open_[k].rows) == 1 else (open_[k].speed + moved) / 2
                    open_[k].rows.append(int(rows[j]))
                    open_[k].times.append(now)
                    fresh.discard(int(rows[j]))
        open_ += [_Thread([row], [now]) for row in sorted(fresh)]
    return done + open_


def _carries(recording: Recording, camera: int, probs: Floats, threads: list[_Thread]) -> list[Carry]:
    """Threads of one product that go side by side are packages in one hand."""
    groups: list[list[_Thread]] = []
    names: list[Floats] = []
    for thread in sorted(threads, key=lambda each: (-len(each.rows), each.times[0])):
        name = probs[thread.rows].mean(axis=0)
        for number, group in enumerate(groups):
            if float(name @ names[number]) >= _ONE_PRODUCT and _together(recording, thread, group):
                group.append(thread)
                names[number] = probs[[row for each in group for row in each.rows]].mean(axis=0)
                break
        else:
            groups.append([thread])
            names.append(name)
    return [carry for group in groups if (carry := _carry(recording, camera, group)) is not None]


def _together(recording: Recording, thread: _Thread, group: list[_Thread]) -> bool:
    """Whether a thread and a group overlap nearly in time, and where they do lie near each other."""
    box = recording.detections.box
    for other in group:
        if thread.times[0] > other.times[-1] + _LONGEST_GAP_S or other.times[0] > thread.times[-1] + _LONGEST_GAP_S:
            continue
        apart = np.abs(np.subtract.outer(thread.times, other.times))
        i, j = np.unravel_index(int(apart.argmin()), apart.shape)
        a, b = box[thread.rows[int(i)]], box[other.rows[int(j)]]
        size = float(np.linalg.norm(b[2:] - b[:2]))
        if np.linalg.norm((a[:2] + a[2:] - b[:2] - b[2:]) / 2) <= size * (2.0 + 2.0 * float(apart[i, j])):
            return True
    return False


def _carry(recording: Recording, camera: int, group: list[_Thread]) -> Carry | None:
    rows = np.array(sorted(row for thread in group for row in thread.rows))
    found = recording.detections
    pictures, number = np.unique(found.picture[rows], return_inverse=True)
    if pictures.size < 2:
        return None
    order = np.argsort(recording.at_s[pictures], kind="stable")
    box, count = found.box[rows], np.bincount(number)
    area = np.log(np.maximum((box[:, 2:] - box[:, :2]).prod(axis=1), 1.0))

    def mean(values: Floats) -> Floats:
        return (np.bincount(number, values) / count)[order]

    x, y = (box[:, 0] + box[:, 2]) / 2, (box[:, 1] + box[:, 3]) / 2
    return Carry(
        camera,
        recording.at_s[pictures][order],
        np.stack([mean(x), mean(y)], axis=1),
        np.stack([mean(x), mean(box[:, 3])], axis=1),
        mean(area),
        count[order],
        found.log_probs[rows].mean(axis=0),
        rows.size,
    )
