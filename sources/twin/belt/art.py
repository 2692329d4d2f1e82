"""What is printed on a package: its film, its label with art and text, and the dot-matrix date; RGBA arrays at twice picture size.

Everything is laid out in fractions of the picture's side, so that a larger picture shows the same package.
"""

import unicodedata
from colorsys import hsv_to_rgb
from dataclasses import dataclass
from datetime import date
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from sources.twin.categories import BRANDS, CATEGORIES
from sources.twin.keyed_random import KeyedRandom

Pixels = npt.NDArray[np.uint8]
# x, y, width, height in fractions of the side.
PACKAGE, LABEL, DATE = (0.12, 0.08, 0.76, 0.84), (0.21, 0.17, 0.58, 0.44), (0.2, 0.685, 0.6, 0.125)
OVER = 2  # pixels drawn for one shown, each way
_FONT = {
    "0": "01110100011001110101110011000101110", "1": "00100011000010000100001000010001110",
    "2": "01110100010000100010001000100011111", "3": "11111000100010000010000011000101110",
    "4": "00010001100101010010111110001000010", "5": "11111100001111000001000011000101110",
    "6": "00110010001000011110100011000101110", "7": "11111000010001000100010000100001000",
    "8": "01110100011000101110100011000101110", "9": "01110100011000101111000010001001100",
    ".": "00000000000000000000000000110001100",
}  # fmt: skip


@dataclass(frozen=True)
class Look:
    """How a product is dressed: hues in turns, a pattern's number and the words on the label."""

    film: float
    paper: float
    accent: float
    pattern: int
    name: str
    brand: str


def box(part: tuple[float, float, float, float], side: int) -> tuple[int, int, int, int]:
    """x, y, width, height of a part in pixels of a canvas."""
    x, y, width, height = (round(each * side) for each in part)
    return x, y, width, height


def look(random: KeyedRandom, product: int) -> Look:
    """The dress of a product, by its number alone."""
    kind = CATEGORIES[product % len(CATEGORIES)]
    film, paper, accent = (float(each) for each in random.uniform("belt.hue", product, np.arange(3)))
    return Look(
        film=film,
        paper=paper,
        accent=accent,
        pattern=int(random.integers("belt.pattern", 0, 4, product)),
        name=_plain(kind.items[product // len(CATEGORIES) % len(kind.items)]),
        brand=_plain(BRANDS[int(random.integers("belt.brand", 0, len(BRANDS), product))]),
    )


def film(dress: Look, side: int) -> Pixels:
    """The package without label and date (side, side, 4): film with sealed ends, opaque where the package is."""
    import cv2

    canvas = np.zeros((side, side, 4), np.uint8)
    x, y, width, height = box(PACKAGE, side)
    colour = _rgb(dress.film, 0.35, 0.78)
    corner = round(0.05 * side)
    cv2.rectangle(canvas, (x, y + corner), (x + width, y + height - corner), (*colour, 255), -1)
    cv2.rectangle(canvas, (x + corner, y), (x + width - corner, y + height), (*colour, 255), -1)
    for across in (x + corner, x + width - corner):
        for down in (y + corner, y + height - corner):
            cv2.circle(canvas, (across, down), corner, (*colour, 255), -1, cv2.LINE_AA)
    # The film bulges: lighter along its middle, darker to its edges.
    down, across = np.mgrid[0:side, 0:side] / side - 0.5
    bulge = 1.06 - 0.9 * across**2 - 0.5 * down**2
    canvas[..., :3] = np.clip(canvas[..., :3] * bulge[..., None], 0, 255)
    seal = round(0.045 * side)
    for start in (y, y + height - seal):
        for line in range(start + 1, start + seal, max(2, side // 64)):
            inked = canvas[line, :, :3].astype(np.float64) * 0.86
            canvas[line, :, :3] = inked
    return canvas


def label(dress: Look, side: int, turned_hue: float = 0.0) -> Pixels:
    """A label (h, w, 4) with art, product and brand; `turned_hue` turns the art's hue, as on another variety's label."""
    import cv2

    _, _, width, height = box(LABEL, side)
    paper, accent = _rgb(dress.paper, 0.12, 0.96), _rgb(dress.accent + turned_hue, 0.75, 0.7)
    other = _rgb(dress.accent + turned_hue + 0.45, 0.6, 0.85)
    art = np.empty((height, width, 4), np.uint8)
    art[:] = (*paper, 255)
    top = round(0.62 * height)
    if dress.pattern == 0:
        cv2.circle(art, (width // 3, top // 2), round(0.24 * height), (*accent, 255), -1, cv2.LINE_AA)
        cv2.circle(art, (2 * width // 3, top // 2), round(0.16 * height), (*other, 255), -1, cv2.LINE_AA)
    elif dress.pattern == 1:
        for number in range(5):
            start = round((0.08 + 0.19 * number) * width)
            ink = accent if number % 2 else other
            cv2.rectangle(art, (start, round(0.1 * height)), (start + round(0.1 * width), top), (*ink, 255), -1)
    elif dress.pattern == 2:
        x = np.arange(width)
        for number, ink in enumerate((accent, other, accent)):
            wave = (0.16 + 0.18 * number + 0.06 * np.sin(2 * np.pi * 2 * x / width + number)) * height
            cv2.polylines(
                art, [np.stack([x, wave], 1).astype(np.int32)], False, (*ink, 255), max(2, side // 48), cv2.LINE_AA
            )
    else:
        peaks = np.array([[0.05, 0.6], [0.3, 0.1], [0.5, 0.45], [0.68, 0.2], [0.95, 0.6]]) * (width, height)
        cv2.fillPoly(art, [peaks.astype(np.int32)], (*accent, 255), cv2.LINE_AA)
        cv2.circle(
            art, (round(0.85 * width), round(0.18 * height)), round(0.09 * height), (*other, 255), -1, cv2.LINE_AA
        )
    _text(art, dress.name, (0.05, 0.82), 0.9, (30, 30, 30, 255))
    _text(art, dress.brand, (0.05, 0.96), 0.6, (*accent, 255))
    cv2.rectangle(art, (0, 0), (width - 1, height - 1), (*accent, 255), max(1, side // 128))
    return art


def date_text(day: date) -> str:
    """A day as it is printed: 12.05.26."""
    return f"{day:%d.%m.%y}"


def date_field(text: str, side: int) -> Pixels:
    """The white field (h, w, 4) with a dot-matrix date such as "12.05.26"."""
    import cv2

    _, _, width, height = box(DATE, side)
    cells = np.zeros((9, 6 * len(text) + 1), np.uint8)
    for number, glyph in enumerate(text):
        cells[1:8, 6 * number + 1 : 6 * number + 6] = np.array(list(_FONT[glyph]), np.uint8).reshape(7, 5)
    ink = cv2.resize(cells.astype(np.float32), (width, height), interpolation=cv2.INTER_AREA)
    if width > cells.shape[1]:
        ink = cv2.resize(cells.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR)
    field = np.empty((height, width, 4), np.uint8)
    field[..., :3] = np.clip(236 - 200 * np.clip(1.25 * ink, 0, 1), 0, 255)[..., None]
    field[..., 3] = 255
    return field


def paste(canvas: Pixels, patch: Pixels, part: tuple[float, float, float, float]) -> None:
    """Lay an RGBA patch over its place of the canvas, in place."""
    x, y, _, _ = box(part, canvas.shape[0])
    there = canvas[y : y + patch.shape[0], x : x + patch.shape[1], :3]
    weight = patch[..., 3:].astype(np.uint16)
    there[:] = ((patch[..., :3] * weight + there * (255 - weight)) // 255).astype(np.uint8)


@lru_cache(maxsize=8)
def belt_rubber(seed: int, side: int) -> Pixels:
    """The belt's rubber, (2 side, 2 side, 3): dark, ribbed, a little dusty."""
    import cv2

    rows, columns = np.ogrid[: 2 * side, : 2 * side]
    dust = KeyedRandom(seed).normal("belt.rubber", rows, columns).astype(np.float32)
    ribs = 5.0 * np.sin(2 * np.pi * columns * 16 / side)
    grey = 52.0 + ribs + 5.0 * cv2.GaussianBlur(dust, (0, 0), 1.0)
    return np.repeat(np.clip(grey, 0, 255).astype(np.uint8)[..., None], 3, axis=2)


def _text(art: Pixels, words: str, place: tuple[float, float], share: float, ink: tuple[int, ...]) -> None:
    """Words from a place on, no wider than a share of the label."""
    import cv2

    height, width = art.shape[:2]
    thick = max(1, width // 140)
    natural = cv2.getTextSize(words, cv2.FONT_HERSHEY_SIMPLEX, 1.0, thick)[0]
    scale = min(share * width / natural[0], 0.15 * height / natural[1])
    at = (round(place[0] * width), round(place[1] * height))
    cv2.putText(art, words, at, cv2.FONT_HERSHEY_SIMPLEX, scale, ink, thick, cv2.LINE_AA)


def _rgb(hue: float, saturation: float, value: float) -> tuple[int, int, int]:
    red, green, blue = (round(255 * each) for each in hsv_to_rgb(hue % 1.0, saturation, value))
    return red, green, blue


def _plain(words: str) -> str:
    """Letters without accents: the drawn alphabet has none."""
    return unicodedata.normalize("NFKD", words.replace("ø", "o").replace("ð", "d")).encode("ascii", "ignore").decode()
