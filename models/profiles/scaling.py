"""Features in usual ranges, and distances to centres: what training and answering share. numpy alone."""

from dataclasses import dataclass

import numpy as np

from models.profiles.behaviour import Floats, Ints


@dataclass(frozen=True)
class Scaling:
    """`center` (F,) medians, `spread` (F,) ranges from the 10th to the 90th percentile, and the bound after scaling."""

    center: Floats
    spread: Floats
    clip: float

    def apply(self, raw: Floats) -> Floats:
        """Features (N, F) in usual ranges from the median, at most `clip` of them."""
        return np.asarray(np.clip((raw - self.center) / self.spread, -self.clip, self.clip), dtype=np.float64)


def distances(scaled: Floats, centers: Floats) -> Floats:
    """Distances (N, K) to all centres, in usual ranges."""
    squared = (scaled**2).sum(axis=1)[:, None] - 2.0 * scaled @ centers.T + (centers**2).sum(axis=1)
    return np.asarray(np.sqrt(np.maximum(squared, 0.0)), dtype=np.float64)


def nearest(scaled: Floats, centers: Floats) -> Ints:
    """The nearest centre of each customer (N,)."""
    return np.asarray(distances(scaled, centers).argmin(axis=1), dtype=np.int64)
