"""Buckets of steps: near and far periods err differently, so calibration and blend keep figures for each."""

import numpy as np
import numpy.typing as npt

HORIZON_BUCKETS: tuple[tuple[int, int], ...] = ((1, 7), (8, 14), (15, 28), (29, 42))
_LAST = np.array([last for _, last in HORIZON_BUCKETS])


def buckets_of(step: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Index (M,) of the bucket of `HORIZON_BUCKETS` that each step (from 1) lies in."""
    return np.asarray(np.searchsorted(_LAST, step), dtype=np.int64)
