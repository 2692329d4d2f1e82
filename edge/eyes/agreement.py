"""How far two sets of a camera's networks agree on pictures without labels: what they find, and how they name it.

Where labels are at hand, a score such as mAP says more; this says on the very pictures of a shop what 8 bits would change there.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from edge.eyes.tracks import TrackerConfig, associate
from models.common.pictures import Pixels
from models.detector.boxes import Floats, overlaps
from models.detector.networks import Detector, Namer

MATCH = 0.5  # least overlap of boxes of one item
UNSURE = 0.1  # of the score: what lies nearer to the bound of an item may fall on either side of it
NOTHING = 1.0  # agreement on nothing at all


class Looking(Protocol):
    """Two networks that work together."""

    @property
    def detector(self) -> Detector:
        """Finds items."""

    @property
    def namer(self) -> Namer:
        """Names them."""


@dataclass(frozen=True)
class Agreement:
    """Of `items` that the reference finds, the share `found` by the candidate, too, their mean `overlap`, the share `same_names`
    of these; `extra` is the share of the candidate's items that the reference does not find."""

    items: int
    found: float
    extra: float
    overlap: float
    same_names: float


def agreement(reference: Looking, candidate: Looking, pictures: Sequence[Pixels]) -> Agreement:
    """Both on the same pictures. Items are boxes whose score the tracker counts as high; those within `UNSURE` of that are held
    against neither."""
    least = TrackerConfig().high_score
    items = found = told = extra = same = 0
    overlap = 0.0
    for picture in pictures:
        first, second = reference.detector.detect(picture), candidate.detector.detect(picture)
        sure, also_sure = first.boxes[first.scores >= least + UNSURE], second.boxes[second.scores >= least + UNSURE]
        maybe, also_maybe = first.boxes[first.scores >= least - UNSURE], second.boxes[second.scores >= least - UNSURE]
        pairs = associate(sure, also_maybe, MATCH)
        items, found = items + len(sure), found + len(pairs)
        told, extra = told + len(also_sure), extra + len(also_sure) - len(associate(also_sure, maybe, MATCH))
        if pairs:
            chosen = sure[[row for row, _ in pairs]]
            overlap += float(np.diagonal(overlaps(chosen, also_maybe[[column for _, column in pairs]])).sum())
            same += _same_names(reference, candidate, picture, chosen)
    return Agreement(
        items,
        found / items if items else NOTHING,
        extra / told if told else 0.0,
        overlap / found if found else NOTHING,
        same / found if found else NOTHING,
    )


def _same_names(reference: Looking, candidate: Looking, picture: Pixels, boxes: Floats) -> int:
    """On one's boxes, so that the embedders alone are compared."""
    names = [[each.product for each in bot.namer.name(picture, boxes)] for bot in (reference, candidate)]
    return sum(first == second for first, second in zip(*names, strict=True))
