"""Motifs of label art as outlines around the origin, about 1 in radius, and how they are laid out and drawn."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from sources.twin.arrays import Floats
from sources.twin.cameras.appearance import Appearance, Colour
from sources.twin.cameras.pixels import Pixels

Tone: TypeAlias = Literal["main", "light", "dark", "leaf"]
_LEAF: Colour = (64, 132, 60)
_SUBPIXEL_BITS = 4
# Centre x, y and size of each copy of the motif in a panel from -1 to 1.
_PLACES: tuple[tuple[tuple[float, float, float], ...], ...] = (
    ((0.0, 0.0, 0.95),),
    ((-0.46, 0.08, 0.6), (0.48, -0.1, 0.6)),
    ((0.0, -0.45, 0.52), (-0.5, 0.4, 0.52), (0.5, 0.4, 0.52)),
    ((-0.68, 0.0, 0.4), (0.0, 0.0, 0.4), (0.68, 0.0, 0.4)),
    ((0.22, 0.12, 0.68), (-0.66, -0.56, 0.26), (-0.66, 0.5, 0.26)),
    ((-0.5, -0.5, 0.38), (0.5, -0.5, 0.38), (-0.5, 0.5, 0.38), (0.5, 0.5, 0.38)),
)


@dataclass(frozen=True)
class Part:
    """A filled outline (N, 2), x to the right and y down, and its tone."""

    outline: Floats
    tone: Tone = "main"


def _polar(radius: Floats, turn: float = 0.0) -> Floats:
    angle = np.linspace(0, 2 * np.pi, radius.size, endpoint=False) + turn
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)


def _ellipse(x: float, y: float, a: float, b: float, turn: float = 0.0) -> Floats:
    angle = np.linspace(0, 2 * np.pi, 28, endpoint=False)
    px, py = a * np.cos(angle), b * np.sin(angle)
    c, s = np.cos(turn), np.sin(turn)
    return np.stack([x + c * px - s * py, y + s * px + c * py], axis=1)


def _spikes(points: int, inner: float) -> Floats:
    return _polar(np.where(np.arange(2 * points) % 2, inner, 1.0), -np.pi / 2)


def _petals(petals: int, swing: float) -> Floats:
    angle = np.linspace(0, 2 * np.pi, 72, endpoint=False)
    return _polar(1 - swing + swing * np.cos(petals * angle))


def _fruit() -> tuple[Part, ...]:
    shine = Part(_ellipse(-0.3, -0.1, 0.18, 0.28, 0.5), "light")
    return Part(_ellipse(0, 0.15, 0.85, 0.8)), shine, Part(_ellipse(0.3, -0.8, 0.36, 0.15, -0.5), "leaf")


def _berries() -> tuple[Part, ...]:
    spots = ((0.0, 0.62), (-0.38, 0.1), (0.38, 0.1), (-0.62, -0.45), (0.0, -0.42), (0.62, -0.45))
    discs = [Part(_ellipse(x, y, 0.36, 0.36), "main" if k % 2 else "dark") for k, (x, y) in enumerate(spots)]
    return *discs, Part(_ellipse(0.15, -0.92, 0.4, 0.14, -0.3), "leaf")


def _leaf() -> tuple[Part, ...]:
    t = np.linspace(0, np.pi, 20)
    side = np.stack([np.linspace(-1, 1, 20), 0.5 * np.sin(t) ** 1.3], axis=1)
    vein = np.array([(-1, -0.04), (0.9, -0.04), (0.9, 0.04), (-1, 0.04)])
    return Part(np.concatenate([side, side[::-1] * (1, -1)])), Part(vein, "light")


def _drop() -> tuple[Part, ...]:
    angle = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    outline = np.stack([0.75 * np.sin(angle) * np.sin(angle / 2) ** 1.4, -np.cos(angle)], axis=1)
    return Part(outline), Part(_ellipse(-0.22, 0.35, 0.12, 0.26, 0.3), "light")


def _citrus() -> tuple[Part, ...]:
    wedges = []
    for k in range(7):
        mid = 2 * np.pi * k / 7
        fan = np.linspace(mid - 0.36, mid + 0.36, 8)
        rim = np.stack([0.76 * np.cos(fan), 0.76 * np.sin(fan)], axis=1)
        wedges.append(Part(np.concatenate([[(0.1 * np.cos(mid), 0.1 * np.sin(mid))], rim])))
    return Part(_ellipse(0, 0, 1, 1)), Part(_ellipse(0, 0, 0.87, 0.87), "light"), *wedges


def _wheat() -> tuple[Part, ...]:
    grains = [
        Part(_ellipse(side * 0.3, y, 0.34, 0.16, -side * 0.8), "main" if side > 0 else "dark")
        for y in (-0.6, -0.2, 0.2)
        for side in (-1.0, 1.0)
    ]
    return Part(np.array([(-0.05, -0.8), (0.05, -0.8), (0.05, 1.0), (-0.05, 1.0)]), "dark"), *grains


def _hills() -> tuple[Part, ...]:
    front = np.array([(-1, 0.7), (-0.35, -0.75), (0.1, 0.1), (0.45, -0.3), (1, 0.7)])
    return Part(front), Part(np.array([(-0.52, -0.36), (-0.35, -0.75), (-0.13, -0.34), (-0.34, -0.2)]), "light")


def _waves() -> tuple[Part, ...]:
    x = np.linspace(-1, 1, 30)
    bands = []
    for y, tone in ((-0.5, "main"), (0.0, "dark"), (0.5, "main")):
        crest = np.stack([x, y - 0.18 + 0.14 * np.sin(6 * x + 3 * y)], axis=1)
        trough = np.stack([x, y + 0.14 + 0.14 * np.sin(6 * x + 3 * y)], axis=1)
        bands.append(Part(np.concatenate([crest, trough[::-1]]), "dark" if tone == "dark" else "main"))
    return tuple(bands)


def _bean() -> tuple[Part, ...]:
    t = np.linspace(-0.85, 0.85, 20)
    line = np.stack([0.16 * np.sin(3.5 * t), t], axis=1)
    return Part(_ellipse(0, 0, 0.68, 0.98)), Part(np.concatenate([line - (0.05, 0), line[::-1] - (-0.05, 0)]), "light")


def _fish() -> tuple[Part, ...]:
    tail = np.array([(0.45, 0.0), (1.0, -0.5), (0.85, 0.0), (1.0, 0.5)])
    return Part(_ellipse(-0.2, 0, 0.78, 0.46)), Part(tail, "dark"), Part(_ellipse(-0.6, -0.1, 0.09, 0.09), "light")


def _heart() -> tuple[Part, ...]:
    t = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    y = -(13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t)) / 16
    return (Part(np.stack([np.sin(t) ** 3, y], axis=1)),)


def _ring() -> tuple[Part, ...]:
    return Part(_ellipse(0, 0, 1, 1)), Part(_ellipse(0, 0, 0.62, 0.62), "light"), Part(_ellipse(0, 0, 0.3, 0.3), "dark")


def _cup() -> tuple[Part, ...]:
    body = np.array([(-0.75, -0.45), (0.55, -0.45), (0.35, 0.75), (-0.55, 0.75)])
    handle = Part(_ellipse(0.6, 0.0, 0.34, 0.36)), Part(_ellipse(0.6, 0.0, 0.18, 0.2), "light")
    return *handle, Part(body), Part(_ellipse(-0.1, -0.45, 0.65, 0.16), "dark")


def _checks() -> tuple[Part, ...]:
    diamond = np.array([(0, -0.46), (0.46, 0), (0, 0.46), (-0.46, 0)])
    spots = ((0.0, -0.5), (-0.5, 0.0), (0.5, 0.0), (0.0, 0.5))
    return tuple(Part(diamond + spot, "dark" if k % 3 else "main") for k, spot in enumerate(spots))


MOTIF_PARTS: tuple[tuple[Part, ...], ...] = (
    _fruit(), _berries(), _leaf(), _drop(), _citrus(), _wheat(), _hills(), _waves(), _bean(), _fish(), _heart(), _ring(), _cup(),
    _checks(), (Part(_spikes(5, 0.42)), Part(_spikes(5, 0.42) * 0.45, "light")),
    (Part(_petals(6, 0.3)), Part(_ellipse(0, 0, 0.3, 0.3), "light")),
)  # fmt: skip


def tinted(colour: Colour, towards: Colour, share: float) -> Colour:
    """`colour` mixed with a share of another."""
    red, green, blue = (round(a + share * (b - a)) for a, b in zip(colour, towards, strict=True))
    return red, green, blue


def fill(picture: Pixels, outline: Floats, colour: Colour) -> None:
    """Fill an outline (N, 2) in pixels, smooth at its edge."""
    import cv2

    points = np.round(outline * 2**_SUBPIXEL_BITS).astype(np.int32)
    cv2.fillPoly(picture, [points], colour, cv2.LINE_AA, _SUBPIXEL_BITS)


def draw_art(picture: Pixels, box: tuple[float, float, float, float], look: Appearance) -> None:
    """Draw a product's art into `box` (left, top, right, bottom; pixels): soft blobs behind, its motif in front."""
    left, top, right, bottom = box
    centre = np.array([(left + right) / 2, (top + bottom) / 2])
    half = np.array([right - left, bottom - top]) / 2
    radius = half.min()
    rng = np.random.default_rng(look.art)
    pale = tinted(look.second, (255, 255, 255), 0.45)
    for _ in range(int(rng.integers(1, 4))):
        middle = centre + rng.uniform(-0.55, 0.55, 2) * half
        angle = np.linspace(0, 2 * np.pi, 40, endpoint=False)
        wobble = sum(rng.uniform(-0.22, 0.22) * np.cos(k * angle + rng.uniform(0, 6.3)) for k in (1, 2, 3))
        blob = middle + _polar(radius * rng.uniform(0.45, 0.8) * (1 + np.asarray(wobble)))
        fill(picture, np.clip(blob, (left, top), (right, bottom)), pale)
    tones: dict[Tone, Colour] = {
        "main": look.accent,
        "light": tinted(look.accent, (255, 252, 235), 0.8),
        "dark": tinted(look.accent, (30, 20, 20), 0.45),
        "leaf": _LEAF,
    }
    lean = rng.uniform(-0.5, 0.5)
    for x, y, size in _PLACES[look.arrangement]:
        turn = lean + rng.uniform(-0.25, 0.25)
        spin = np.array([(np.cos(turn), np.sin(turn)), (-np.sin(turn), np.cos(turn))])
        where = centre + 0.95 * half * (x, y)
        for part in MOTIF_PARTS[look.motif]:
            fill(picture, where + radius * size * part.outline @ spin, tones[part.tone])
