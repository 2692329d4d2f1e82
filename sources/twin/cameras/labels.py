"""Labels: what is printed on the sides of a package, drawn flat.

A front follows its brand's layout; sides say in small what the front says, beside a table of contents and a barcode.
"""

from functools import lru_cache
from typing import Any

import numpy as np

from sources.twin.cameras.appearance import Appearance, Colour
from sources.twin.cameras.label_art import MOTIF_PARTS, draw_art, fill, tinted
from sources.twin.cameras.pixels import Pixels

_SMALLEST_TEXT = 5  # pixels: below it letters are smears, and a smear costs as much to draw
_LENGTHWISE = 1.7  # width over height
_WHITE: Colour = (250, 250, 246)
_INK: Colour = (34, 32, 36)
METAL: Colour = (188, 190, 194)
Box = tuple[float, float, float, float]  # left, top, right, bottom as shares of width and height


@lru_cache(maxsize=2)
def _font(slanted: bool) -> Any:
    import cv2

    return cv2.FontFace("italic" if slanted else "sans")


def contrast(colour: Colour) -> Colour:
    """Ink or white, whichever is read better on a colour."""
    luminance = 0.3 * colour[0] + 0.59 * colour[1] + 0.11 * colour[2]
    return _INK if luminance > 140 else _WHITE


def write(picture: Pixels, words: str, box: Box, colour: Colour, *, weight: int = 700, slanted: bool = False) -> None:
    """Write `words` in the middle of a box (shares of the picture), as large as fits."""
    import cv2

    rows, columns = picture.shape[:2]
    left, top, right, bottom = box[0] * columns, box[1] * rows, box[2] * columns, box[3] * rows
    font = _font(slanted)
    size = round(0.86 * (bottom - top))
    if size < _SMALLEST_TEXT:
        return
    wide = cv2.getTextSize((0, 0), words, (0, 0), font, size, weight)[2]
    size = min(size, int(size * 0.94 * (right - left) / max(wide, 1)))
    if size < _SMALLEST_TEXT:
        return
    wide = cv2.getTextSize((0, 0), words, (0, 0), font, size, weight)[2]
    at = round((left + right - wide) / 2), round((top + bottom) / 2 + 0.36 * size)
    cv2.putText(picture, words, at, colour, font, size, weight)


def band(picture: Pixels, box: Box, colour: Colour) -> None:
    """Fill a box given in shares of the picture."""
    rows, columns = picture.shape[:2]
    left, top, right, bottom = (round(b * s) for b, s in zip(box, (columns, rows, columns, rows), strict=True))
    picture[top:bottom, left:right] = colour


def ground(rows: int, columns: int, look: Appearance) -> Pixels:
    """The brand's ground colour with its pattern, (rows, columns, 3)."""
    picture: Pixels = np.empty((rows, columns, 3), dtype=np.uint8)
    picture[:] = look.base
    soft = tinted(look.base, look.second, 0.16)
    step = max(6, columns // 9)
    y, x = np.ogrid[:rows, :columns]
    if look.pattern == 1:
        picture[:, (x[0] // step) % 2 == 1] = soft
    elif look.pattern == 2:
        picture[((x + y) // step) % 2 == 1] = soft
    elif look.pattern == 3:
        picture[(x % step - step / 2) ** 2 + (y % step - step / 2) ** 2 < (0.28 * step) ** 2] = soft
    return picture


def front(rows: int, columns: int, look: Appearance) -> Pixels:
    """The front of a package, (rows, columns, 3)."""
    picture = ground(rows, columns, look)
    layout = _lengthwise if columns > _LENGTHWISE * rows else _LAYOUTS[look.layout]
    layout(picture, look)
    return picture


def _pixels(picture: Pixels, box: Box) -> Box:
    rows, columns = picture.shape[:2]
    return box[0] * columns, box[1] * rows, box[2] * columns, box[3] * rows


def _logo(picture: Pixels, look: Appearance, x: float, y: float, size: float, colour: Colour) -> None:
    rows, columns = picture.shape[:2]
    for part in MOTIF_PARTS[look.logo]:
        shade = colour if part.tone in ("main", "leaf") else tinted(colour, look.base, 0.5)
        fill(picture, np.array([x * columns, y * rows]) + size * columns * part.outline, shade)


def _words(picture: Pixels, look: Appearance, box: Box, colour: Colour) -> None:
    """The product's name, on two lines where it has two long words, above its amount."""
    left, top, right, bottom = box
    first, _, rest = look.item.partition(" ")
    lines = [first, rest] if len(look.item) > 10 and rest else [look.item]
    height = (bottom - top) / (len(lines) + 0.75)
    for k, line in enumerate(lines):
        write(picture, line, (left, top + k * height, right, top + (k + 1) * height), colour, weight=600)
    write(picture, look.amount, (left, bottom - 0.7 * height, right, bottom), colour, weight=500)


def _banner(picture: Pixels, look: Appearance) -> None:
    band(picture, (0, 0, 1, 0.24), look.second)
    _logo(picture, look, 0.13, 0.12, 0.08, look.base)
    write(picture, look.brand, (0.24, 0.03, 0.97, 0.21), look.base, slanted=True)
    draw_art(picture, _pixels(picture, (0.06, 0.27, 0.94, 0.7)), look)
    band(picture, (0, 0.71, 1, 0.74), look.accent)
    band(picture, (0, 0.74, 1, 1), look.second)
    _words(picture, look, (0.05, 0.75, 0.95, 0.985), contrast(look.second))


def _spine(picture: Pixels, look: Appearance) -> None:
    band(picture, (0, 0, 0.18, 1), look.second)
    band(picture, (0.18, 0, 0.22, 1), look.accent)
    _logo(picture, look, 0.09, 0.1, 0.07, look.base)
    write(picture, look.brand, (0.25, 0.04, 0.98, 0.2), contrast(look.base))
    _words(picture, look, (0.25, 0.22, 0.98, 0.46), contrast(look.base))
    draw_art(picture, _pixels(picture, (0.25, 0.5, 0.97, 0.96)), look)


def _medallion(picture: Pixels, look: Appearance) -> None:
    rows, columns = picture.shape[:2]
    angle = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    disc = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    centre = np.array([0.5 * columns, 0.48 * rows])
    half = np.array([0.46 * columns, min(0.28 * rows, 0.6 * columns)])
    fill(picture, centre + disc * half, look.second)
    fill(picture, centre + disc * half * 0.9, tinted(look.second, _WHITE, 0.7))
    draw_art(picture, (*(centre - 0.8 * half), *(centre + 0.8 * half)), look)
    write(picture, look.brand, (0.05, 0.03, 0.95, 0.19), look.second, slanted=True)
    band(picture, (0.06, 0.78, 0.94, 0.81), look.accent)
    _words(picture, look, (0.08, 0.815, 0.92, 0.985), contrast(look.base))


def _slope(picture: Pixels, look: Appearance) -> None:
    rows, columns = picture.shape[:2]
    fill(picture, np.array([(0, 0.55), (1, 0.3), (1, 1), (0, 1)]) * (columns, rows), look.second)
    fill(picture, np.array([(0, 0.5), (1, 0.25), (1, 0.31), (0, 0.56)]) * (columns, rows), look.accent)
    _logo(picture, look, 0.86, 0.09, 0.09, look.second)
    write(picture, look.brand, (0.03, 0.03, 0.74, 0.2), contrast(look.base), slanted=True)
    draw_art(picture, _pixels(picture, (0.05, 0.3, 0.95, 0.79)), look)
    _words(picture, look, (0.06, 0.79, 0.94, 0.98), contrast(look.second))


def _plate(picture: Pixels, look: Appearance) -> None:
    draw_art(picture, _pixels(picture, (0.05, 0.03, 0.95, 0.5)), look)
    band(picture, (0.05, 0.52, 0.95, 0.72), look.second)
    band(picture, (0.05, 0.72, 0.95, 0.75), look.accent)
    write(picture, look.brand, (0.09, 0.53, 0.91, 0.71), look.base)
    _words(picture, look, (0.06, 0.77, 0.94, 0.98), contrast(look.base))


def _lengthwise(picture: Pixels, look: Appearance) -> None:
    """The one layout for what is much wider than high: no brand has room for its own there."""
    band(picture, (0, 0, 0.3, 1), look.second)
    _logo(picture, look, 0.15, 0.24, 0.05, look.base)
    write(picture, look.brand, (0.02, 0.4, 0.28, 0.85), look.base, slanted=True)
    draw_art(picture, _pixels(picture, (0.32, 0.04, 0.66, 0.96)), look)
    band(picture, (0.67, 0, 0.69, 1), look.accent)
    _words(picture, look, (0.7, 0.06, 0.98, 0.94), contrast(look.base))


_LAYOUTS = (_banner, _spine, _medallion, _slope, _plate)


def side(rows: int, columns: int, look: Appearance) -> Pixels:
    """A side of a package: brand, art and name in small, a table of contents and a barcode."""
    picture = ground(rows, columns, look)
    band(picture, (0, 0, 1, 0.13), look.second)
    write(picture, look.brand, (0.05, 0.01, 0.95, 0.12), look.base, slanted=True)
    draw_art(picture, _pixels(picture, (0.08, 0.14, 0.92, 0.36)), look)
    band(picture, (0, 0.37, 1, 0.49), look.accent)
    write(picture, look.item, (0.04, 0.375, 0.96, 0.485), contrast(look.accent), weight=600)
    band(picture, (0.12, 0.53, 0.88, 0.77), _WHITE)
    for number, line in enumerate(np.linspace(0.55, 0.74, 6)):
        band(picture, (0.18, line, 0.82 - 0.2 * (number % 2), line + 0.014), (120, 120, 124))
    band(picture, (0.2, 0.81, 0.8, 0.95), _WHITE)
    bars = np.random.default_rng(look.art).integers(0, 2, 23)
    for k in np.flatnonzero(bars):
        band(picture, (0.24 + 0.023 * k, 0.825, 0.24 + 0.023 * (k + 1), 0.935), _INK)
    return picture


def contents(look: Appearance) -> Colour:
    """What shows where a round package has no label: sheet metal, the brand's ground, or what is in the glass."""
    if look.shape == "can":
        return METAL
    if look.shape == "tub":
        return look.base
    return tinted(tinted(look.second, look.base, 0.5), (96, 66, 40), 0.45)


def cap(look: Appearance) -> Colour:
    """Colour of a lid or screw cap: the brand's, but for a can's sheet metal."""
    return METAL if look.shape == "can" else look.second


def lid(rows: int, columns: int, look: Appearance) -> Pixels:
    """What is seen from above: sheet metal of a can, else the colours of the brand with its name
    and the product's."""
    picture = ground(rows, columns, look)
    if look.shape == "can":
        picture[:] = METAL
        y, x = np.ogrid[-1 : 1 : rows * 1j, -1 : 1 : columns * 1j]
        ring = np.abs(np.sqrt(x**2 + y**2) - 0.8) < 0.07
        picture[ring] = tinted(METAL, _INK, 0.3)
        return picture
    band(picture, (0, 0.5, 1, 0.76), look.accent)
    write(picture, look.brand, (0.16, 0.2, 0.84, 0.48), contrast(look.base))
    write(picture, look.item, (0.12, 0.51, 0.88, 0.75), contrast(look.accent), weight=600)
    return picture
