"""Steps in the readings of a noisy, drifting scale, and what they say about packages taken or put.

A hand that rests on the board makes readings useless while it does, so a step is the difference between two quiet stretches,
whatever happens between them.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from models.detector.beliefs import ScaleNoise
from models.detector.observed import Floats, Ints, ScaleReadings

QUIET_READINGS = 4  # fewer in a row may look quiet by chance under a resting hand
_FACTOR = 5.0  # a difference of neighbouring readings beyond so many standard deviations is no noise
MOST_COUNT = 3


@dataclass(frozen=True)
class Step:
    """A change of `grams` (standard deviation `sd_g`) on board `level` some time between `from_s` and `to_s`."""

    level: int
    from_s: float
    to_s: float
    grams: float
    sd_g: float

    @property
    def at_s(self) -> float:
        """The middle of the time in which it happened."""
        return (self.from_s + self.to_s) / 2


def steps(weights: ScaleReadings, noise: ScaleNoise) -> list[Step]:
    """Steps of all scales in order of time."""
    found = [
        step
        for level in np.unique(weights.level)
        for step in _steps(
            int(level), weights.at_s[weights.level == level], weights.grams[weights.level == level], noise
        )
    ]
    return sorted(found, key=lambda step: step.at_s)


def _steps(level: int, at_s: Floats, grams: Floats, noise: ScaleNoise) -> list[Step]:
    if at_s.size < 2 * QUIET_READINGS:
        return []
    calm = np.abs(np.diff(grams)) <= _FACTOR * np.sqrt(2) * noise.reading_g
    # A stretch is a run of readings with calm differences; it must be long enough not to be chance.
    edges = np.flatnonzero(np.diff(np.concatenate([[False], calm, [False]]).astype(np.int8)))
    stretches = [(a, b + 1) for a, b in edges.reshape(-1, 2) if b + 1 - a >= QUIET_READINGS]
    rate = (at_s.size - 1) / max(at_s[-1] - at_s[0], 1e-9)
    # Beyond this many readings the drift spoils a mean more than further readings mend it.
    most = max(QUIET_READINGS, round((3 * noise.reading_g**2 * rate / max(noise.drift_g, 1e-6) ** 2) ** 0.5))
    found = []
    for (a, b), (c, d) in pairwise(stretches):
        before, after = grams[max(a, b - most) : b], grams[c : min(d, c + most)]
        apart_s = at_s[c] - at_s[b - 1] + (before.size + after.size) / 3 / rate
        sd = float(np.sqrt(noise.reading_g**2 * (1 / before.size + 1 / after.size) + noise.drift_g**2 * apart_s))
        change = float(after.mean() - before.mean())
        if abs(change) > _FACTOR * sd:
            found.append(Step(level, float(at_s[b - 1]), float(at_s[c]), change, sd))
    return found


def step_log_ratio(step: Step, sign: int, weight_g: Floats, noise: ScaleNoise) -> Floats:
    """Log-likelihood ratio (P, 3) of `step` if 1 to 3 packages of each product came (`sign` 1) or went (-1), against a step
    without cause. `weight_g` (P,) of one package."""
    count: Ints = np.arange(1, MOST_COUNT + 1)
    expected = sign * weight_g[:, None] * count
    variance = step.sd_g**2 + count * (noise.package_share * weight_g[:, None]) ** 2
    given = -0.5 * (step.grams - expected) ** 2 / variance - 0.5 * np.log(2 * np.pi * variance)
    without = np.log(noise.false) - np.log(2 * noise.broad_g)
    return np.asarray(given - without)
