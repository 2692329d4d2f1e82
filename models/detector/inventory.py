"""What stands on the shelf before and after: expected numbers of seen packages of each product, by picture."""

from dataclasses import dataclass

import numpy as np

from models.detector.beliefs import ShelfNoise
from models.detector.observed import Bools, Floats, Ints, Recording
from models.detector.scales import MOST_COUNT


@dataclass(frozen=True, eq=False)
class ShelfEvidence:
    """Log-likelihood ratios (T, P, 3) at times `at_s` (T,) that 1 to 3 packages of each product were taken (`take`) or put then."""

    at_s: Floats
    take: Floats
    put: Floats


def shelf_evidence(recording: Recording, still: Bools, *, apart_s: float, noise: ShelfNoise) -> ShelfEvidence:
    """Compare the pictures that end `apart_s` before each time with those that begin as long after it; between them hands are
    in the way. `still` (D,) tells detections of what stands."""
    found = recording.detections
    seen = np.zeros((recording.at_s.size, found.log_probs.shape[1]))
    rows = np.flatnonzero(still)
    if rows.size:
        first = np.flatnonzero(np.diff(found.picture[rows], prepend=-1))
        seen[found.picture[rows[first]]] = np.add.reduceat(found.shares[rows], first, axis=0)
    at_s = np.unique(recording.at_s)
    middles: Floats = (at_s[1:] + at_s[:-1]) / 2
    change = np.zeros((middles.size, seen.shape[1]))
    noisy = np.zeros(middles.size)
    told: Ints = np.zeros(middles.size, dtype=np.int64)
    for camera in range(len(recording.cameras)):
        mine = np.flatnonzero(recording.camera == camera)
        before = recording.at_s[mine][None, :] <= middles[:, None] - apart_s
        after = recording.at_s[mine][None, :] >= middles[:, None] + apart_s
        both: Bools = np.asarray(before.any(axis=1) & after.any(axis=1))
        early, late = (each / np.maximum(each.sum(axis=1, keepdims=True), 1) for each in (before, after))
        change += np.where(both[:, None], (late - early) @ seen[mine], 0.0)
        noisy += np.where(both, (early**2 + late**2).sum(axis=1), 0.0)
        told += both
    change /= np.maximum(told, 1)[:, None]
    quiet = (
        noise.lasting**2 + noise.passing**2 * noisy / np.maximum(told, 1) ** 2
    )  # variance (T,) where nothing happened
    take, put = (
        np.where(told[:, None, None] > 0, _log_ratio(change, sign, quiet[:, None, None], noise), 0.0)
        for sign in (-1, 1)
    )
    return ShelfEvidence(middles, take, put)


def _log_ratio(change: Floats, sign: int, quiet: Floats, noise: ShelfNoise) -> Floats:
    """(T, P, 3) of a change (T, P) of seen numbers, which has variance `quiet` (T, 1, 1) where nothing happened."""
    count = np.arange(1, MOST_COUNT + 1)
    variance = quiet + count * noise.spread**2
    # A change the other way is no better a sign than none, though it lies as far out in the tails.
    along = np.maximum(sign * change[..., None], 0.0)
    given = (along - noise.shown * count) ** 2 / variance + np.log(variance)
    without = along**2 / quiet + np.log(quiet)
    return np.asarray(np.clip((without - given) / 2, -noise.most, noise.most))
