"""What ceiling cameras and gates tell of the people in a shop, and the plan that they walk on.

Metres on the plan, seconds since midnight by each sensor's own clock. Letters: N finds, G gondolas, K looks.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.common.protocols import InputError

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
MOST_FINDS, MOST_OPENINGS, MOST_LOOKS, MOST_GONDOLAS = 20_000_000, 50_000, 512, 10_000


@dataclass(frozen=True, eq=False)
class Finds:
    """Persons found by ceiling cameras: number of the `camera` (N,), `at_s` (N,), place `xy` (N, 2), numbers of how they look
    (`looks` (N, K), each spread by about 1 between persons)."""

    camera: Ints
    at_s: Floats
    xy: Floats
    looks: Floats

    def check(self) -> None:
        """InputError for what does not fit together, is not finite or is too much."""
        count = self.at_s.size
        if count > MOST_FINDS:
            raise InputError(f"{count:,} finds, {MOST_FINDS:,} is the bound: give one day of one shop")
        looks = self.looks.shape[1] if self.looks.ndim == 2 else -1
        if not 0 <= looks <= MOST_LOOKS:
            raise InputError(f"looks {self.looks.shape}: expected (N, K) with K from 0, no looks, to {MOST_LOOKS}")
        for name, part, shape in (
            ("camera", self.camera, (count,)),
            ("at_s", self.at_s, (count,)),
            ("xy", self.xy, (count, 2)),
            ("looks", self.looks, (count, looks)),
        ):
            if part.shape != shape:
                raise InputError(f"{name} {part.shape}: expected {shape}, one row for each find")
            if not np.isfinite(part).all():
                raise InputError(f"{name} holds a value that is not finite: leave such finds out")

    def take(self, rows: Ints) -> "Finds":
        """The finds of these rows."""
        return Finds(self.camera[rows], self.at_s[rows], self.xy[rows], self.looks[rows])


@dataclass(frozen=True)
class GondolaPlace:
    """Where a gondola stands: (`x`, `y`) the middle of its front edge, (`to_x`, `to_y`) the unit direction of its customers."""

    x: float
    y: float
    to_x: float
    to_y: float

    def seen_from(self, xy: Floats) -> tuple[Floats, Floats]:
        """Of spots (..., 2): how far to the right of its middle, for who faces it, and how far before its edge, metres."""
        away_x, away_y = xy[..., 0] - self.x, xy[..., 1] - self.y
        return -self.to_y * away_x + self.to_x * away_y, self.to_x * away_x + self.to_y * away_y


@dataclass(frozen=True, eq=False)
class ShopPlan:
    """Gates' middles `entrance` and `exit` (2,), and the gondolas by number."""

    entrance: Floats
    exit: Floats
    gondolas: Sequence[GondolaPlace]

    def __post_init__(self) -> None:
        if len(self.gondolas) > MOST_GONDOLAS:
            raise InputError(f"{len(self.gondolas):,} gondolas, {MOST_GONDOLAS:,} is the bound: give one shop")


@dataclass(frozen=True, eq=False)
class Openings:
    """Openings of the entrance by a token: `visit_id` and `at_s` (V,)."""

    visit_id: Sequence[str]
    at_s: Floats

    def check(self) -> None:
        """InputError for what does not fit together, is not finite, said twice or too much."""
        count = len(self.visit_id)
        if count > MOST_OPENINGS:
            raise InputError(f"{count:,} openings, {MOST_OPENINGS:,} is the bound: give one day of one shop")
        if self.at_s.shape != (count,) or not np.isfinite(self.at_s).all():
            raise InputError(f"openings' at_s {self.at_s.shape}: expected ({count},), finite, one for each visit_id")
        if len(set(self.visit_id)) < count:
            raise InputError(f"{count} openings repeat some visit_id: a visit is opened once")


@dataclass(frozen=True, eq=False)
class DevicePlaces:
    """Places of scans of devices: pseudonym `device` (S,), `at_s` (S,), `xy` (S, 2), NaN where a scan has none, and `sd_m` (S,),
    the standard deviation along each axis."""

    device: npt.NDArray[np.str_]
    at_s: Floats
    xy: Floats
    sd_m: Floats

    @classmethod
    def none(cls) -> "DevicePlaces":
        """No device was heard."""
        return cls(np.empty(0, dtype=np.str_), np.empty(0), np.empty((0, 2)), np.empty(0))
