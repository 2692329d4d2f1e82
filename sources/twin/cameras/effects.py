"""What light, lens, sensor and file do to a drawn picture.

Light belongs to the scene and is alike for all its cameras; the rest is each camera's own. Order as in a camera: light, glass in
front, lens and movement, sensor noise, file (after Hendrycks and Dietterich, 2019, "Benchmarking neural network robustness to
common corruptions").
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from sources.twin.cameras.canvas import Canvas
from sources.twin.cameras.packages import Placed, Wrapping
from sources.twin.cameras.params import EffectParams
from sources.twin.cameras.pixels import Pixels

_VIGNETTE = 0.18  # loss of light towards the corners of any lens
_SHARP_PX = 0.2  # blur below this changes no pixel to speak of
_NOISE_SPARE = 256  # rows and columns by which the kept noise is larger than a picture: where it is cut is drawn
_NOISE_STEP = 1.0  # grey levels between strengths of kept noise
Grey = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Light:
    """Light of a scene: `gains` of red, green and blue, `gamma` of the tone curve, `spots` (x, y, size, strength) as shares of
    the picture, and the slope of brightness from left to right."""

    gains: tuple[float, float, float]
    gamma: float
    spots: tuple[tuple[float, float, float, float], ...]
    slope: float

    @classmethod
    def drawn(cls, params: EffectParams, rng: np.random.Generator) -> "Light":
        """The light of some shop at some hour."""
        warmth = params.warmth * rng.normal()
        level = float(np.exp(params.exposure * rng.normal()))
        if rng.random() < params.dim_share:
            level *= rng.uniform(0.33, 0.66)
        level = float(np.clip(level, 0.25, 1.6))
        spots = tuple(
            (rng.uniform(0, 1), rng.uniform(0, 1), rng.uniform(0.15, 0.5), rng.uniform(0.2, 0.7))
            for _ in range(int(rng.integers(params.spotlights + 1)))
        )
        gains = level * np.exp(warmth / 2), level, level * np.exp(-warmth / 2)
        uneven = 0.5 * params.exposure  # also in the tone curve and from side to side
        return cls(gains, float(np.exp(uneven * rng.normal())), spots, float(uneven * rng.normal()))


@dataclass(frozen=True, eq=False)
class Lens:
    """A camera's own share: blur `sigma_px`, movement `motion` (length in pixels and angle; None = none), what a glass door adds
    (`reflection` (H, W, 3), None = no door), `noise` in grey levels, and the `quality` of its files (None = no file)."""

    sigma_px: float
    motion: tuple[float, float] | None
    reflection: Grey | None
    noise: float
    quality: int | None

    @classmethod
    def drawn(
        cls, params: EffectParams, height: int, width: int, rng: np.random.Generator, *, still: bool = False
    ) -> "Lens":
        """Some camera; a `still` one has no motion blur."""
        reflects, moves = rng.random(2) < (params.reflection, params.motion_share)
        motion = (
            (float(rng.uniform(2, params.motion_px)), float(rng.uniform(0, np.pi))) if params.motion_px > 2 else None
        )
        sigma = params.defocus_px * float(np.exp(params.defocus_spread * rng.normal()))
        noise = params.noise * float(rng.uniform(0.3, 1.7))
        quality = int(rng.integers(params.jpeg_lowest, 100)) if params.jpeg_lowest < 100 else None
        reflection = _reflection(height, width, rng) if reflects else None
        return cls(sigma, motion if moves and not still else None, reflection, noise, quality)


def apply(picture: Pixels, light: Light, lens: Lens, rng: np.random.Generator) -> Pixels:
    """The picture (H, W, 3) as a camera stores it, same shape."""
    import cv2

    height, width = picture.shape[:2]
    seen: npt.NDArray[Any] = cv2.multiply(picture, _field(light, height, width), dtype=cv2.CV_8U)
    if lens.reflection is not None:
        seen = cv2.add(seen, lens.reflection, dtype=cv2.CV_8U)
    if light.gamma != 1.0:
        table = np.round(255 * (np.arange(256) / 255) ** light.gamma).astype(np.uint8)
        seen = cv2.LUT(seen, table)
    if lens.sigma_px > _SHARP_PX:
        seen = cv2.GaussianBlur(seen, (0, 0), lens.sigma_px)
    if lens.motion is not None:
        seen = cv2.filter2D(seen, -1, _motion(*lens.motion))
    if lens.noise:
        # Dim pictures are amplified, and their noise with them.
        strength = lens.noise / np.sqrt(max(light.gains[1], 0.25))
        seen = cv2.add(seen, _noise(height, width, strength, rng), dtype=cv2.CV_8U)
    stored: Pixels = np.asarray(seen, dtype=np.uint8)
    if lens.quality is not None:
        _, file = cv2.imencode(".jpg", stored, [cv2.IMWRITE_JPEG_QUALITY, lens.quality])
        stored = np.asarray(cv2.imdecode(file, cv2.IMREAD_COLOR), dtype=np.uint8)
    return stored


def _field(light: Light, height: int, width: int) -> Grey:
    """Light (H, W, 3) on each pixel, computed coarsely: light has no edges."""
    import cv2

    y, x = np.mgrid[0:1:24j, 0:1:32j]
    level = 1 + light.slope * (2 * x - 1) - _VIGNETTE * ((x - 0.5) ** 2 + (y - 0.5) ** 2)
    for sx, sy, size, strength in light.spots:
        level += strength * np.exp(-((x - sx) ** 2 + (y - sy) ** 2) / (2 * size**2 / 4))
    coarse = (level[..., None] * np.array(light.gains)).astype(np.float32)
    return np.asarray(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR), dtype=np.float32)


def _reflection(height: int, width: int, rng: np.random.Generator) -> Grey:
    """Bright smears of lamps and windows in a glass door."""
    import cv2

    coarse = np.zeros((48, 64, 3), dtype=np.float32)
    for _ in range(int(rng.integers(1, 4))):
        x, y = rng.uniform(0, 64), rng.uniform(0, 48)
        dx, dy = rng.normal(0, 12, 2)
        tone = rng.uniform(25, 95) * np.array([1.0, rng.uniform(0.9, 1.0), rng.uniform(0.8, 1.1)])
        ends = (round(x), round(y)), (round(x + dx), round(y + dy))
        cv2.line(coarse, *ends, tone.tolist(), int(rng.integers(2, 7)))
    soft = cv2.GaussianBlur(coarse, (0, 0), 1.6)
    return np.asarray(cv2.resize(soft, (width, height), interpolation=cv2.INTER_LINEAR), dtype=np.float32)


def _motion(length: float, angle: float) -> Grey:
    """Kernel of a straight movement, `length` pixels."""
    import cv2

    size = 2 * int(np.ceil(length / 2)) + 1
    kernel = np.zeros((size, size), dtype=np.float32)
    half, middle = length / 2, (size - 1) / 2
    way = np.array([np.cos(angle), np.sin(angle)]) * half
    ends = [tuple(round(16 * c) for c in middle + sign * way) for sign in (-1, 1)]
    cv2.line(kernel, ends[0], ends[1], 1.0, 1, cv2.LINE_AA, 4)
    return np.asarray(kernel / kernel.sum(), dtype=np.float32)


@lru_cache(maxsize=8)  # 11 MB each for a picture of 1280 x 960
def _kept_noise(height: int, width: int, strength: int) -> npt.NDArray[np.int16]:
    drawn = np.random.default_rng(0).standard_normal((height, width, 3), dtype=np.float32)
    return np.round(drawn * np.float32(strength * _NOISE_STEP)).astype(np.int16)


def _noise(height: int, width: int, strength: float, rng: np.random.Generator) -> npt.NDArray[np.int16]:
    kept = _kept_noise(height + _NOISE_SPARE, width + _NOISE_SPARE, max(1, round(strength / _NOISE_STEP)))
    top, left = rng.integers(0, _NOISE_SPARE, 2)
    return np.ascontiguousarray(kept[top : top + height, left : left + width])


def glare(
    canvas: Canvas, items: Sequence[Placed], wrapping: Wrapping, params: EffectParams, rng: np.random.Generator
) -> None:
    """Patches of lamp light on glossy packages, each on its own pixels."""
    lit = rng.random(len(items)) < params.glare * np.array([wrapping.appearances[p.product].gloss for p in items])
    for placed in (items[int(k)] for k in np.flatnonzero(lit)):
        share, width, strength, lean = rng.uniform((0.2, 0.06, 60, -0.5), (0.8, 0.16, 170, 0.5))
        outline = canvas.outlines.get(placed.item)
        if outline is None:
            continue
        height, columns = canvas.ids.shape
        left, top, right, bottom = outline.box
        x0, y0, x1, y1 = max(left, 0), max(top, 0), min(right, columns), min(bottom, height)
        if x0 >= x1 or y0 >= y1:
            continue
        here = (slice(y0, y1), slice(x0, x1))
        x = (np.arange(x0, x1, dtype=np.float32) - left) / (right - left)
        y = (np.arange(y0, y1, dtype=np.float32) - top)[:, None] / (bottom - top)
        patch = np.exp(-(((x - share + lean * (y - 0.5) * 0.4) / width) ** 2) - ((y - 0.45) / 0.3) ** 2) * strength
        patch *= canvas.ids[here] == placed.item + 1
        canvas.colour[here] = np.minimum(canvas.colour[here] + patch[..., None], 255).astype(np.uint8)
