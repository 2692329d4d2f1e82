"""Where people are, five times a second: their straight ways rounded off, with the sway of a body."""

from dataclasses import dataclass

import numpy as np

from sources.twin.arrays import Floats
from sources.twin.floor.visit import Person

TICK_S = 0.2  # tracks are known at whole ticks since midnight
_ROUND_S = 0.3  # standard deviation of the rounding
_SWAY_S = 1.5  # time constant of the sway


@dataclass(frozen=True, eq=False)
class Track:
    """Places `xy` (T, 2) in metres at ticks `first`, `first` + 1, ..., from outside the entrance to outside the exit."""

    first: int
    xy: Floats

    @property
    def times(self) -> Floats:
        """Seconds since midnight (T,)."""
        return np.asarray(TICK_S * (self.first + np.arange(len(self.xy))))

    def at(self, times: Floats) -> Floats:
        """Places (N, 2) at times (N,), those of the ends beyond them."""
        own = self.times
        return np.column_stack([np.interp(times, own, self.xy[:, axis]) for axis in (0, 1)])


def track(person: Person, sway_m: float, rng: np.random.Generator) -> Track:
    """The way of a person through their knots."""
    times, places = person.knots[:, 0], person.knots[:, 1:]
    first, last = int(np.ceil(times[0] / TICK_S)), int(times[-1] / TICK_S)
    ticks = TICK_S * np.arange(first, last + 1)
    straight = np.column_stack([np.interp(ticks, times, places[:, axis]) for axis in (0, 1)])
    return Track(first, _rounded(straight) + _sway(len(ticks), sway_m, rng))


def _rounded(straight: Floats) -> Floats:
    reach = int(np.ceil(3 * _ROUND_S / TICK_S))
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) * TICK_S / _ROUND_S) ** 2)
    kernel /= kernel.sum()
    padded = np.pad(straight, ((reach, reach), (0, 0)), mode="edge")
    return np.column_stack([np.convolve(padded[:, axis], kernel, mode="valid") for axis in (0, 1)])


def _sway(count: int, sway_m: float, rng: np.random.Generator) -> Floats:
    """A slow to and fro (count, 2): white noise seen through a falling exponential."""
    reach = int(4 * _SWAY_S / TICK_S)
    kernel = np.exp(-np.arange(reach) * TICK_S / _SWAY_S)
    kernel *= sway_m / np.sqrt((kernel**2).sum())
    noise = rng.normal(size=(count + reach - 1, 2))
    return np.column_stack([np.convolve(noise[:, axis], kernel, mode="valid") for axis in (0, 1)])
