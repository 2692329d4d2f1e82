"""A picture with boxes and names drawn into it, for people to look at."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from models.common.pictures import Pixels
from models.detector.model import Item

SURE, UNSURE, WRONG = (22, 128, 60), (178, 104, 0), (186, 26, 26)  # dark enough for white letters on them
SURE_FROM: Final = 0.8  # confidence
_LONGEST = 24  # letters of a name


@dataclass(frozen=True)
class Note:
    """A box (left, top, right, bottom) in pixels with some words, in a colour."""

    box: tuple[float, float, float, float]
    text: str
    colour: tuple[int, int, int]


def note_of(item: Item) -> Note:
    """What is to be seen of an item: its name and confidence, or that it is unknown."""
    if item.product is None:
        return Note(item.box, "unknown", UNSURE)
    return Note(
        item.box, f"{short(item.product)} {item.confidence:.0%}", SURE if item.confidence >= SURE_FROM else UNSURE
    )


def short(name: str) -> str:
    """A name that fits above a box."""
    return name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}…"


def annotated(picture: Pixels, notes: Sequence[Note]) -> Pixels:
    """The picture (H, W, 3) with notes; lines and letters grow with it. Words are left out where their box is too small for them."""
    from PIL import Image, ImageDraw, ImageFont

    image = Image.fromarray(picture)
    drawing = ImageDraw.Draw(image)
    longer = max(picture.shape[:2])
    line, size = max(1, round(longer / 500)), max(9, round(longer / 60))
    font = ImageFont.load_default(size)
    for note in notes:
        left, top, right, bottom = note.box
        drawing.rectangle((left, top, max(right - 1, left), max(bottom - 1, top)), outline=note.colour, width=line)
    taken: list[tuple[float, float, float, float]] = []
    for note in notes:  # after all boxes, so that no line runs through a word
        left, top, _, bottom = note.box
        x0, y0, x1, y1 = drawing.textbbox((0, 0), note.text, font=font)
        width, height = x1 - x0 + 6, y1 - y0 + 4
        left = min(max(left, 0), picture.shape[1] - width)
        for above in (top - height, top, bottom - height):
            place = (left, above, left + width, above + height)
            if 0 <= above <= picture.shape[0] - height and not any(_meet(place, other) for other in taken):
                taken.append(place)
                drawing.rectangle(place, fill=note.colour)
                drawing.text((left + 3 - x0, above + 2 - y0), note.text, fill=(255, 255, 255), font=font)
                break
    return np.asarray(image)


def _meet(one: tuple[float, float, float, float], other: tuple[float, float, float, float]) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
