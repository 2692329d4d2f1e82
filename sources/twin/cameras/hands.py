"""A customer's arm: sleeve, forearm, hand and fingers as tapered rods between points in the scene, shaded across."""

from dataclasses import dataclass

import numpy as np

from sources.twin.arrays import Floats
from sources.twin.cameras.appearance import Colour
from sources.twin.cameras.camera import NEAREST_CM
from sources.twin.cameras.canvas import Canvas
from sources.twin.cameras.label_art import tinted

_SKINS: tuple[Colour, ...] = (
    (240, 202, 176),
    (222, 172, 138),
    (192, 138, 102),
    (150, 100, 70),
    (104, 68, 48),
    (74, 48, 36),
)
_SLEEVES: tuple[Colour, ...] = (
    (38, 44, 62), (122, 30, 36), (84, 96, 90), (226, 224, 216), (44, 92, 132), (30, 30, 32), (186, 150, 66), (92, 62, 104),
)  # fmt: skip
_FINGERS = 4
_UPPER_ARM_CM = 60.0  # longer than any, so that no picture shows where it ends


@dataclass(frozen=True)
class Arm:
    """How a customer's arm looks; `sleeve_share` is how far the sleeve reaches from the elbow to the wrist."""

    skin: Colour
    sleeve: Colour
    sleeve_share: float
    thickness: float  # times the usual

    @classmethod
    def drawn(cls, rng: np.random.Generator) -> "Arm":
        """Anybody's arm."""
        skin, sleeve = _SKINS[rng.integers(len(_SKINS))], _SLEEVES[rng.integers(len(_SLEEVES))]
        return cls(skin, sleeve, float(rng.uniform(0.1, 1.0)), float(rng.uniform(0.85, 1.2)))


def draw_arm(canvas: Canvas, arm: Arm, elbow: Floats, palm: Floats) -> None:
    """Draw the arm from the shoulder over the `elbow` (3,) to the back of the hand, whose `palm` (3,) touches what it reaches
    for; cm."""
    along = palm - elbow
    along = along / np.linalg.norm(along)
    wrist = palm - 9.0 * along
    cuff = elbow + arm.sleeve_share * (wrist - elbow)
    t = arm.thickness
    _rod(canvas, elbow - _UPPER_ARM_CM * along, elbow, 6.4 * t, 5.6 * t, arm.sleeve)
    _rod(canvas, elbow, wrist, 4.6 * t, 2.9 * t, arm.skin)
    _rod(canvas, elbow, cuff, 5.6 * t, 4.4 * t, arm.sleeve)
    _rod(canvas, wrist, palm - 3.5 * along, 2.9 * t, 4.1 * t, arm.skin)


def draw_fingers(canvas: Canvas, arm: Arm, elbow: Floats, palm: Floats, spread_cm: float) -> None:
    """Draw the fingers over what the hand holds, a thing `spread_cm` wide."""
    along = palm - elbow
    along = along / np.linalg.norm(along)
    across = np.cross(along, (0.0, 1.0, 0.0))
    across = across / max(float(np.linalg.norm(across)), 1e-6)
    up = np.cross(across, along)
    base = palm - 3.5 * along
    t = arm.thickness
    for k in range(_FINGERS):
        lift = (1.5 - k) * 1.9 * t
        knuckle = base + 1.2 * across + lift * up + 2.0 * along
        tip = base + min(spread_cm / 2 + 1.0, 6.0) * across + lift * up * 0.9 + 6.5 * along
        _rod(canvas, knuckle, tip, 1.0 * t, 0.8 * t, tinted(arm.skin, (60, 30, 20), 0.06 * k))
    thumb = base - min(spread_cm / 2 + 0.5, 5.0) * across + 5.0 * along - 1.0 * up
    _rod(canvas, base - 2.2 * across, thumb, 1.3 * t, 0.9 * t, arm.skin)


def _rod(canvas: Canvas, start: Floats, end: Floats, r0: float, r1: float, colour: Colour) -> None:
    """A rod with round ends, lit from above left, laid over the picture."""
    import cv2

    camera = canvas.camera
    ends = np.stack([start, end])
    depth = camera.depth(ends)
    if depth.max() < 2 * NEAREST_CM:
        return
    if depth.min() < 2 * NEAREST_CM:  # what reaches behind the lens is cut just before it
        share = (2 * NEAREST_CM - depth[0]) / (depth[1] - depth[0])
        ends[int(depth.argmin())] = start + share * (end - start)
    flat = camera.project(ends)
    radii = np.array([r0, r1]) * [camera.scale(point) for point in ends]
    radii = np.clip(radii, 0.5, canvas.camera.width / 3)
    low = np.floor((flat - radii[:, None]).min(axis=0)).astype(int) - 1
    high = np.ceil((flat + radii[:, None]).max(axis=0)).astype(int) + 2
    height, width = canvas.ids.shape
    low, high = np.maximum(low, 0), np.minimum(high, (width, height))
    if (high <= low).any():
        return
    size = (int(high[1] - low[1]), int(high[0] - low[0]))
    shown = np.empty((*size, 3), dtype=np.uint8) if canvas.coloured else None
    covered = np.zeros(size, dtype=np.uint8)
    # From dark and wide to light and narrow, the light strips moved towards the light: a rounded look for four fills.
    for share, shade, lift in ((1.0, 0.62, 0.0), (0.86, 0.82, 0.06), (0.64, 1.0, 0.16), (0.3, 1.08, 0.3)):
        tone = tuple(min(255, round(part * shade)) for part in colour)
        shift = -lift * radii[:, None] * np.array([0.6, 0.8])
        outline = _capsule(flat - low + shift, radii * share)
        points = np.round(outline * 16).astype(np.int32)
        if share == 1.0:
            cv2.fillConvexPoly(covered, points, 255, cv2.LINE_8, 4)
        if shown is None:
            break
        if share == 1.0:
            shown[:] = tone
        else:
            cv2.fillConvexPoly(shown, points, tone, cv2.LINE_AA, 4)
    canvas.stamp(shown, covered, int(low[0]), int(low[1]))


def _capsule(ends: Floats, radii: Floats) -> Floats:
    """Convex outline (N, 2) round two discs."""
    import cv2

    angle = np.linspace(0, 2 * np.pi, 20, endpoint=False)
    disc = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    both = np.concatenate([ends[0] + radii[0] * disc, ends[1] + radii[1] * disc])
    return np.asarray(cv2.convexHull(both.astype(np.float32)), dtype=np.float64)[:, 0]
