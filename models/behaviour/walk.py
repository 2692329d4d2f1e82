"""One track of a visit from the places of its scans: a constant-velocity Kalman filter, and its smoother once the visit is over.

Rauch, Tung and Striebel (1965) for the smoother; a scan that lies surprisingly far off counts less, by Huber's weight
(Masreliez and Martin 1977). Both axes move alike, so they share one covariance.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from models.common.protocols import InputError

Floats = npt.NDArray[np.float64]
MOST_SCANS = 100_000


class WalkConfig(BaseModel):
    """How people walk. Lengths are in the unit of the places, for which the defaults take metres."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sway: float = Field(
        0.5, gt=0, le=100, description="m/s gained or lost within a second, standard deviation: shoppers stop and turn"
    )
    speed: float = Field(1.0, gt=0, le=100, description="m/s at first, standard deviation along each axis")
    longest_gap_s: float = Field(
        300.0,
        gt=0,
        le=3_600,
        description="seconds without a place after which another visit begins, of which nothing is foretold",
    )
    surprise: float = Field(
        2.5,
        ge=1,
        le=1e6,
        description="standard deviations off what is foretold beyond which a scan counts less: some lie far off",
    )


@dataclass(frozen=True, eq=False)
class Track:
    """x, y and speed along each (T,), and the radius within which the place lies as often as within those of the scans. NaN before
    the first scan that has a place."""

    x: Floats
    y: Floats
    speed_x: Floats
    speed_y: Floats
    radius: Floats


@dataclass(frozen=True, eq=False)
class Walk:
    """What could be told at the time of each scan, and what is told afterwards."""

    filtered: Track
    smoothed: Track


@dataclass(frozen=True, eq=False)
class _States:
    """mean (T, 2, 2), position and speed by axis, and their covariance (T, 2, 2), the same along both axes."""

    mean: Floats
    covariance: Floats

    @classmethod
    def empty(cls, steps: int) -> "_States":
        return cls(np.full((steps, 2, 2), np.nan), np.full((steps, 2, 2), np.nan))

    def track(self, deviations: float) -> Track:
        (x, y), (speed_x, speed_y) = self.mean.transpose(1, 2, 0)
        return Track(x, y, speed_x, speed_y, deviations * np.sqrt(self.covariance[:, 0, 0]))


def follow(seconds: Floats, x: Floats, y: Floats, radius: Floats, *, coverage: float, cfg: WalkConfig) -> Walk:
    """Fuse T scans of one device, ascending by `seconds` (T,): places x, y (T,) whose `radius` (T,) holds with chance `coverage`.

    NaN in all three is a scan without a place: the track goes on as it went, and after `longest_gap_s` begins anew. InputError says
    what is wrong.
    """
    places, known = _checked(seconds, x, y, radius, coverage)
    deviations = float(np.sqrt(-2.0 * np.log1p(-coverage)))  # of a circular normal distribution
    noise = (radius / deviations) ** 2
    filtered, foretold, smoothed = (_States.empty(len(seconds)) for _ in range(3))
    seen = np.flatnonzero(known)
    begins = seen[np.diff(seconds[seen], prepend=-np.inf) > cfg.longest_gap_s]
    ends = np.append(begins[1:], len(seconds))[: len(begins)]
    for begin, end in zip(begins, ends, strict=True):
        _filter(seconds, places, np.where(known, noise, np.inf), slice(begin, end), filtered, foretold, cfg)
        _smooth(seconds, slice(begin, end), filtered, foretold, smoothed, cfg)
    return Walk(filtered.track(deviations), smoothed.track(deviations))


def _filter(
    seconds: Floats, places: Floats, noise: Floats, visit: slice, filtered: _States, foretold: _States, cfg: WalkConfig
) -> None:
    """Fill in the steps of one visit, whose first has a place; noise (T,) is a variance, infinite where there is none."""
    mean, covariance = np.stack([places[visit.start], np.zeros(2)]), np.diag([noise[visit.start], cfg.speed**2])
    filtered.mean[visit.start], filtered.covariance[visit.start] = mean, covariance
    for step in range(visit.start + 1, visit.stop):
        move, unrest = _motion(seconds[step] - seconds[step - 1], cfg.sway)
        mean, covariance = move @ mean, move @ covariance @ move.T + unrest
        foretold.mean[step], foretold.covariance[step] = mean, covariance
        if np.isfinite(noise[step]):
            off = places[step] - mean[0]
            distrust = max(float(np.sqrt(off @ off / (covariance[0, 0] + noise[step]))) / cfg.surprise, 1.0)
            gain = covariance[:, 0] / (covariance[0, 0] + noise[step] * distrust)
            mean = mean + np.outer(gain, off)
            left = np.eye(2) - np.outer(
                gain, [1.0, 0.0]
            )  # Joseph's form stays a covariance however numbers are rounded
            covariance = left @ covariance @ left.T + noise[step] * distrust * np.outer(gain, gain)
        filtered.mean[step], filtered.covariance[step] = mean, covariance


def _smooth(
    seconds: Floats, visit: slice, filtered: _States, foretold: _States, smoothed: _States, cfg: WalkConfig
) -> None:
    smoothed.mean[visit], smoothed.covariance[visit] = filtered.mean[visit], filtered.covariance[visit]
    for step in range(visit.stop - 2, visit.start - 1, -1):
        move, unrest = _motion(seconds[step + 1] - seconds[step], cfg.sway)
        back = np.linalg.solve(foretold.covariance[step + 1], move @ filtered.covariance[step]).T
        smoothed.mean[step] += back @ (smoothed.mean[step + 1] - foretold.mean[step + 1])
        # As P + B (S - F) B', in which large numbers would cancel: what the way there leaves open, and what the next step does.
        left = np.eye(2) - back @ move
        smoothed.covariance[step] = (
            left @ filtered.covariance[step] @ left.T + back @ (unrest + smoothed.covariance[step + 1]) @ back.T
        )


def _motion(seconds: float, sway: float) -> tuple[Floats, Floats]:
    """How position and speed go on over a stretch of time, and the covariance that white acceleration adds."""
    move = np.array([[1.0, seconds], [0.0, 1.0]])
    unrest = sway**2 * np.array([[seconds**3 / 3, seconds**2 / 2], [seconds**2 / 2, seconds]])
    return move, unrest


def _checked(
    seconds: Floats, x: Floats, y: Floats, radius: Floats, coverage: float
) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """Places (T, 2), and which scans have one."""
    if not 0 < coverage < 1:
        raise InputError(f"coverage {coverage}: give the share of true places within the radius, above 0 and below 1")
    if seconds.ndim != 1 or any(each.shape != seconds.shape for each in (x, y, radius)):
        raise InputError(
            f"seconds {seconds.shape}, x {x.shape}, y {y.shape}, radius {radius.shape}: expected (T,) each"
        )
    if len(seconds) > MOST_SCANS:
        raise InputError(
            f"{len(seconds):,} scans of one visit, {MOST_SCANS:,} is the bound: cut it where the device was away"
        )
    if not np.isfinite(seconds).all() or (np.diff(seconds) < 0).any():
        raise InputError("seconds are not finite and ascending: sort the scans of one device by time")
    known = ~np.isnan(x)
    if (np.isnan(y) == known).any() or (np.isnan(radius) == known).any():
        raise InputError("x, y and radius are not NaN together: a scan has a place or none")
    places = np.stack([x, y], axis=1)
    if not np.isfinite(places[known]).all() or not (np.isfinite(radius[known]) & (radius[known] > 0)).all():
        raise InputError("a place is not finite or its radius not above 0: give NaN for a scan without a place")
    return places, known
