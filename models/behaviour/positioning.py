"""Wi-Fi positioning: the level by the weight of evidence, the place by the fingerprints of that level most alike, a radius that holds.

Weighted k nearest neighbours in signal space (Bahl and Padmanabhan 2000, RADAR). The radius is split-conformal with a normalised
score (Lei et al. 2018, "Distribution-free predictive inference for regression"): error over the neighbours' own spread, on scans
that were held out of the survey.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from models.behaviour.positioning_config import PositioningConfig
from models.behaviour.positioning_data import Level
from models.behaviour.rssi import Floats, Heard, Ints, Likeness, Readings, checked
from models.common.protocols import DataError

FORMAT_VERSION = 1
UNKNOWN = -1  # the level of a scan that heard no access point of the survey
_TOGETHER = 128  # scans compared with all fingerprints at once: memory stays the same whatever is asked
_LEAST_DISTANCE = 1e-6  # a scan that is a fingerprint to the last reading lies at its place

Similarities = npt.NDArray[np.float32]


class PositionerSpec(BaseModel):
    """What a positioner says of itself, beside its fingerprints."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format_version: int
    config: PositioningConfig
    access_points: tuple[str, ...] = Field(min_length=1)
    levels: tuple[Level, ...] = Field(min_length=1)
    coordinates: str = Field(description="what x and y count, in the words of the contract")
    sharpness: float = Field(
        gt=0, description="by how much one more in likeness outweighs in the evidence for a level, as a logarithm"
    )
    usual_spread: float = Field(gt=0, description="median spread of the neighbours of a held-out scan, in units of x")
    radius_factor: float = Field(gt=0, description="radius over spread plus usual spread")
    judged: int = Field(ge=1, description="held-out scans behind these three")
    held_out_error: float = Field(ge=0, description="mean error of theirs, in units of x")
    held_out_levels: float = Field(ge=0, le=1, description="share of theirs on the right level")


@dataclass(frozen=True, eq=False)
class Places:
    """Places of N scans: level (N,) in `levels`, probabilities (N, L) of the levels, x, y and radius (N,) in the unit of the survey.

    The true place lies within `radius` with the configured probability, whatever its level. A scan that heard no access point of
    the survey has level UNKNOWN, its numbers are NaN.
    """

    levels: tuple[Level, ...]
    level: Ints
    probabilities: Floats
    x: Floats
    y: Floats
    radius: Floats

    @property
    def known(self) -> npt.NDArray[np.bool_]:
        """Whether each scan could be placed, (N,)."""
        return np.asarray(self.level != UNKNOWN)


@dataclass(frozen=True, eq=False)
class Survey:
    """F fingerprints, ascending by level: `starts` (L,) is the first of each level; x, y (F,)."""

    heard: Heard
    starts: Ints
    x: Floats
    y: Floats

    def __post_init__(self) -> None:
        fingerprints = self.heard.fingerprints
        if self.x.shape != (fingerprints,) or self.y.shape != (fingerprints,):
            raise DataError(f"x {self.x.shape}, y {self.y.shape}: expected ({fingerprints},), one place a fingerprint")
        if self.starts[0] != 0 or (np.diff(self.starts, append=fingerprints) < 1).any():
            raise DataError(f"starts {self.starts.tolist()}: expected 0 first, ascending below {fingerprints}")
        if not (np.isfinite(self.x).all() and np.isfinite(self.y).all()):
            raise DataError("a fingerprint has no finite place: keep surveyed scans alone")

    @property
    def level(self) -> Ints:
        """Level of each fingerprint, (F,)."""
        return np.asarray(np.repeat(np.arange(len(self.starts)), np.diff(self.starts, append=self.heard.fingerprints)))


@dataclass(frozen=True, eq=False)
class Averaged:
    """x, y and the root mean square distance of the weighed neighbours from there, (N,) each."""

    x: Floats
    y: Floats
    spread: Floats


def level_probabilities(likeness: Similarities, starts: Ints, sharpness: float) -> Floats:
    """Probabilities (N, L) of levels from likeness (N, F) to their fingerprints: each of these is evidence exp(sharpness x
    likeness). A row without any likeness is NaN."""
    best = likeness.max(axis=1, keepdims=True)
    evidence = np.where(likeness > 0, np.exp(sharpness * (likeness - best)), 0.0)
    sums = np.add.reduceat(evidence, starts, axis=1).astype(np.float64)
    total = sums.sum(axis=1, keepdims=True)
    return np.asarray(np.divide(sums, total, out=np.full_like(sums, np.nan), where=total > 0))


def average(likeness: Similarities, survey: Survey, level: Ints, cfg: PositioningConfig) -> Averaged:
    """Weighted mean place of the neighbours on each scan's `level` (N,), by likeness (N, F)."""
    on_level = np.where(survey.level == level[:, None], likeness, 0.0)
    k = min(cfg.neighbours, on_level.shape[1])
    nearest = np.argpartition(-on_level, k - 1, axis=1)[:, :k]
    near = np.take_along_axis(on_level, nearest, axis=1).astype(np.float64)
    weight = np.where(near > 0, (1.0 - near + _LEAST_DISTANCE) ** -cfg.closeness, 0.0)
    weight /= weight.sum(axis=1, keepdims=True)
    x, y = survey.x[nearest], survey.y[nearest]
    at_x, at_y = (weight * x).sum(axis=1), (weight * y).sum(axis=1)
    away = (x - at_x[:, None]) ** 2 + (y - at_y[:, None]) ** 2
    return Averaged(at_x, at_y, np.sqrt((weight * away).sum(axis=1)))


class Positioner:
    """Places scans; thread-safe, holds no state. NumPy and pydantic alone."""

    def __init__(self, spec: PositionerSpec, survey: Survey) -> None:
        if (len(spec.access_points), len(spec.levels)) != (len(survey.heard.starts) - 1, len(survey.starts)):
            raise DataError(
                f"{len(spec.access_points)} access points and {len(spec.levels)} levels are named, fingerprints have "
                f"{len(survey.heard.starts) - 1} and {len(survey.starts)}: fit again"
            )
        self.spec = spec
        self.survey = survey
        self._likeness = Likeness(survey.heard, exponent=spec.config.exponent, shifts_db=spec.config.shifts_db)

    def locate(self, rssi: Readings) -> Places:
        """Places of scans (N, A) in dBm, columns as `spec.access_points`, NaN where unheard. InputError says what is wrong."""
        rssi = checked(rssi, len(self.spec.access_points))
        parts = [self._locate(rssi[begin : begin + _TOGETHER]) for begin in range(0, max(len(rssi), 1), _TOGETHER)]
        columns = (
            np.concatenate([getattr(part, name) for part in parts])
            for name in ("level", "probabilities", "x", "y", "radius")
        )
        return Places(self.spec.levels, *columns)

    def _locate(self, rssi: Readings) -> Places:
        spec = self.spec
        likeness = self._likeness(rssi)
        known = likeness.any(axis=1)
        probabilities = np.full((len(rssi), len(spec.levels)), np.nan)
        level = np.full(len(rssi), UNKNOWN)
        x, y, radius = (np.full(len(rssi), np.nan) for _ in range(3))
        if known.any():
            probabilities[known] = level_probabilities(likeness[known], self.survey.starts, spec.sharpness)
            level[known] = probabilities[known].argmax(axis=1)
            found = average(likeness[known], self.survey, level[known], spec.config)
            x[known], y[known] = found.x, found.y
            radius[known] = spec.radius_factor * (found.spread + spec.usual_spread)
        return Places(spec.levels, level, probabilities, x, y, radius)
