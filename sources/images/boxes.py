"""Boxes in pixels of the upright picture, and how each labelling tool writes them.

The origin is the upper left corner of the upper left pixel, so that a box around everything is (0, 0, width, height).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

ROUNDING_PX: Final = 1.0  # tools round edges to whole pixels or few digits: so far outside a picture means its edge


class BoxError(ValueError):
    """Numbers that say no box; the message is fit to be the `problem` of a label."""


@dataclass(frozen=True)
class Box:
    """Edges in pixels. Nothing is promised of them: what is absurd is for the gate to say."""

    x_min: float
    y_min: float
    x_max: float
    y_max: float

    def snapped(self, width: float, height: float) -> "Box":
        """Edges that lie outside the picture by a tool's rounding, put onto its edge."""
        return Box(
            _snap(self.x_min, width), _snap(self.y_min, height), _snap(self.x_max, width), _snap(self.y_max, height)
        )

    def cells(self) -> dict[str, float]:
        """As columns of `image_labels`."""
        return {"x_min_px": self.x_min, "y_min_px": self.y_min, "x_max_px": self.x_max, "y_max_px": self.y_max}

    def to_yolo(self, width: float, height: float) -> tuple[float, float, float, float]:
        """Centre x, centre y, width and height as shares of the picture's."""
        return (
            (self.x_min + self.x_max) / 2 / width,
            (self.y_min + self.y_max) / 2 / height,
            (self.x_max - self.x_min) / width,
            (self.y_max - self.y_min) / height,
        )

    def to_coco(self) -> tuple[float, float, float, float]:
        """Left, top, width, height in pixels."""
        return self.x_min, self.y_min, self.x_max - self.x_min, self.y_max - self.y_min

    def to_percent(self, width: float, height: float) -> tuple[float, float, float, float]:
        """Left, top, width, height in percent of the picture's, as Label Studio has them."""
        x, y, wide, high = self.to_coco()
        return 100 * x / width, 100 * y / height, 100 * wide / width, 100 * high / height


def from_yolo(numbers: Sequence[float], width: float, height: float) -> Box:
    """Of (centre x, centre y, width, height) as shares of the picture's. Errors: BoxError for what is no number."""
    x, y, wide, high = _finite(numbers)
    return Box((x - wide / 2) * width, (y - high / 2) * height, (x + wide / 2) * width, (y + high / 2) * height)


def from_coco(numbers: Sequence[float]) -> Box:
    """Of (left, top, width, height) in pixels. Errors: BoxError for other than four numbers."""
    if len(numbers) != 4:
        raise BoxError(f"a box has 4 numbers (left, top, width, height), not {len(numbers)}")
    x, y, wide, high = _finite(numbers)
    return Box(x, y, x + wide, y + high)


def from_polygon(numbers: Sequence[float], width: float = 1.0, height: float = 1.0) -> Box:
    """The box around x1, y1, x2, y2, ..., each times width or height. Errors: BoxError for fewer than 3 corners."""
    if len(numbers) < 6 or len(numbers) % 2:
        raise BoxError(f"a polygon has at least 3 corners of 2 numbers each, not {len(numbers)} numbers")
    numbers = _finite(numbers)
    xs, ys = numbers[0::2], numbers[1::2]
    return Box(min(xs) * width, min(ys) * height, max(xs) * width, max(ys) * height)


def from_percent(numbers: Sequence[float], width: float, height: float, rotation_deg: float = 0.0) -> Box:
    """Of Label Studio's (left, top, width, height) in percent; a box turned clockwise about its upper left corner becomes
    the upright box around it. Errors: BoxError for what is no number."""
    x, y, wide, high, turn = _finite([*numbers, rotation_deg])
    left, top, wide, high = x * width / 100, y * height / 100, wide * width / 100, high * height / 100
    if turn == 0.0:
        return Box(left, top, left + wide, top + high)
    cos, sin = math.cos(math.radians(turn)), math.sin(math.radians(turn))
    corners = [(0.0, 0.0), (wide * cos, wide * sin), (-high * sin, high * cos)]
    corners.append((corners[1][0] + corners[2][0], corners[1][1] + corners[2][1]))
    return from_polygon([number for dx, dy in corners for number in (left + dx, top + dy)])


def _finite(numbers: Sequence[float]) -> list[float]:
    try:
        values = [float(number) for number in numbers]
    except (TypeError, ValueError) as error:
        raise BoxError(f"no number: {error}") from error
    if not all(math.isfinite(value) for value in values):
        raise BoxError(f"numbers of a box are finite, not {values}")
    return values


def _snap(edge: float, end: float) -> float:
    if -ROUNDING_PX <= edge < 0:
        return 0.0
    return end if end < edge <= end + ROUNDING_PX else edge
