"""Bodies of revolution seen from one side: cans, bottles, jars and tubs as pictures with coverage.

Rays are cut with the cones of the body's profile, the rays being parallel, which at a shelf's distance of ten packages or more
is off by less than a pixel. A picture is drawn once for a direction and then only warped.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from sources.twin.arrays import Bools
from sources.twin.cameras.appearance import Shape
from sources.twin.cameras.pixels import Pixels

# Height above the bottom and radius, as shares of height and half the width, from the bottom up; heights never repeat, as a
# cone needs some height.
PROFILES: dict[Shape, tuple[tuple[float, float], ...]] = {
    "can": ((0.0, 0.9), (0.04, 1.0), (0.94, 1.0), (1.0, 0.9)),
    "bottle": ((0.0, 0.94), (0.03, 1.0), (0.62, 1.0), (0.8, 0.45), (0.9, 0.36), (0.905, 0.42), (1.0, 0.42)),
    "jar": ((0.0, 0.93), (0.04, 1.0), (0.74, 1.0), (0.8, 0.86), (0.805, 0.93), (1.0, 0.93)),
    "tub": ((0.0, 0.78), (0.9, 0.96), (0.905, 1.0), (1.0, 1.0)),
}
Grid: TypeAlias = npt.NDArray[np.float32]
_LIGHT = np.array([0.32, 0.62, 0.72])  # towards the light: right, along the axis, to the camera
_EDGE_PX = 2
_KEPT_COLUMNS = 180


@dataclass(frozen=True)
class Body:
    """A round package: its shape and size (cm), `wrap` the unrolled surface (height from top to bottom, once round with the
    front in the middle), `cover` what is seen from above, `gloss` 0 to 1."""

    shape: Shape
    width: float
    height: float
    wrap: Pixels
    cover: Pixels
    gloss: float


@dataclass(frozen=True)
class View:
    """A drawn direction: `picture` (H, W, 4) spans `left, top, right, bottom` in cm about the body's middle, y up."""

    picture: Pixels
    left: float
    top: float
    right: float
    bottom: float


@dataclass(frozen=True, eq=False)
class _Geometry:
    """What each ray from a direction meets, (H, W) each: `angle` round the axis from the viewer, `row` share of the height from
    the top, `light` to multiply and `stripe` to add, where it meets the `end` and where anything at all (`hit`); `across` (H, W, 2)
    are places on the end from 0 to 1. `reach`: left, top, right, bottom in widths of the package."""

    angle: Grid
    row: Grid
    light: Grid
    stripe: Grid
    end: Bools
    across: Grid
    hit: Bools
    reach: tuple[float, float, float, float]


def view(body: Body, yaw: float, pitch: float, pixels_per_cm: float) -> View:
    """The body seen from `pitch` above its middle height, its front turned to the viewer's right by `yaw`; radians.

    `pitch` must lie off 0 by a degree or more: at 0 rays run along the rings and the cut has two equal roots.
    """
    import cv2

    columns = round(body.width * pixels_per_cm)
    # Large ones are asked for once or twice, and would fill the memory.
    geometry = _geometry if columns <= _KEPT_COLUMNS else _geometry.__wrapped__
    seen = geometry(body.shape, round(body.height / body.width, 4), pitch, columns)
    u = ((seen.angle - np.float32(yaw)) * np.float32(0.5 / np.pi) + np.float32(0.5)) % 1.0
    u *= body.wrap.shape[1] - 1
    colour = cv2.remap(body.wrap, u, seen.row * np.float32(body.wrap.shape[0] - 1), cv2.INTER_LINEAR).astype(np.float32)
    colour *= seen.light[..., None]
    colour += (seen.stripe * np.float32(95 * body.gloss))[..., None]
    if pitch > 0:
        places = seen.across * np.float32(body.cover.shape[0] - 1)
        colour[seen.end] = cv2.remap(body.cover, places[..., 0], places[..., 1], cv2.INTER_LINEAR)[seen.end]
    else:
        colour[seen.end] = 70.0  # the bottom is plain and dark
    left, top, right, bottom = (body.width * part for part in seen.reach)
    return View(_covered(np.clip(colour, 0, 255).astype(np.uint8), seen.hit), left, top, right, bottom)


@lru_cache(maxsize=192)
def _geometry(shape: Shape, aspect: float, pitch: float, columns: int) -> _Geometry:
    """Rays through a package 1 wide and `aspect` high. Packages come in few aspects, so most of this is found ready."""
    c, s = float(np.cos(pitch)), float(np.sin(pitch))
    rings = np.array(PROFILES[shape]) * (aspect, 0.5)
    heights, radii = (part.tolist() for part in (rings[:, 0] - aspect / 2, rings[:, 1]))
    top = max(h * c + r * abs(s) for h, r in zip(heights, radii, strict=True))
    bottom = min(h * c - r * abs(s) for h, r in zip(heights, radii, strict=True))
    columns, rows = max(4, columns), max(4, round((top - bottom) * columns))
    x = np.linspace(-0.5, 0.5, 2 * columns + 1, dtype=np.float32)[1::2][None, :]
    v = np.linspace(top, bottom, 2 * rows + 1, dtype=np.float32)[1::2][:, None]
    best = np.full((rows, columns), -np.inf, dtype=np.float32)
    y, z, slope = (np.zeros((rows, columns), dtype=np.float32) for _ in range(3))
    for low, high, r0, r1 in zip(heights[:-1], heights[1:], radii[:-1], radii[1:], strict=True):
        b = (r1 - r0) / (high - low)
        a = r0 - b * low
        # (y c - v)^2 = s^2 ((a + b y)^2 - x^2), a quadratic in the height y at which a ray meets the cone.
        qa = c * c - s * s * b * b
        qa = qa if abs(qa) > 1e-6 else 1e-6
        qb = -2 * c * v - 2 * s * s * a * b
        qc = v * v - s * s * (a * a - x * x)
        inner = qb * qb - 4 * qa * qc
        root = np.sqrt(np.maximum(inner, 0.0))
        for sign in (-1.0, 1.0):
            at = (-qb + sign * root) / (2 * qa)
            out = (at * c - v) / s
            near = at * s + out * c
            met = (at >= low) & (at <= high) & (np.abs(x) <= a + b * at) & (near > best) & (inner >= 0)
            for kept, new in ((best, near), (y, at), (z, out), (slope, np.float32(b))):
                np.copyto(kept, new, where=met)
    end, radius = (heights[-1], radii[-1]) if s > 0 else (heights[0], radii[0])
    out = (end * c - v) / s
    flat = (x * x + out * out <= radius * radius) & (end * s + out * c >= best - 1e-4)
    size = np.hypot(x, z) + np.float32(1e-6)
    lean = 1 / np.sqrt(1 + slope * slope)
    normal = (x / size * lean, -slope * lean, z / size * lean)
    facing = np.clip(normal[1] * s + normal[2] * c, 0, 1)
    lit = sum(float(towards) * part for towards, part in zip(_LIGHT, normal, strict=True))
    angle = np.arctan2(x, z)
    return _Geometry(
        angle=angle,
        row=(0.5 - y / np.float32(aspect)).astype(np.float32),
        light=(0.5 + 0.5 * np.clip(lit, 0, 1) - 0.22 * (1 - facing) ** 2).astype(np.float32),
        stripe=np.exp(-(((angle - 0.5) / 0.13) ** 2)).astype(np.float32),
        end=flat,
        across=np.stack(np.broadcast_arrays(0.5 + x / (2 * radius), 0.5 + out / (2 * radius)), -1).astype(np.float32),
        hit=np.isfinite(best) | flat,
        reach=(-0.5, top, 0.5, bottom),
    )


def _covered(colour: Pixels, hit: Bools) -> Pixels:
    """Colour and coverage (H, W, 4); colours run on past the edge, so that shrinking mixes in no black."""
    import cv2

    colour[~hit] = 0
    grown = cv2.dilate(colour, np.ones((2 * _EDGE_PX + 1, 2 * _EDGE_PX + 1), np.uint8))
    colour = np.where(hit[..., None], colour, grown)
    return np.dstack([colour, np.where(hit, 255, 0).astype(np.uint8)])
