"""Row of finding packages by the base checkpoint alone, in shelf scenes, on counters and in clips of worlds that it has not seen."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from bench_row import BenchContext, BenchResult, BenchRow

if TYPE_CHECKING:
    from models.common.pictures import Pixels
    from sources.twin.cameras.truth import Boxes

PRODUCTS = 200
WORLDS = (
    (31, 901),
    (32, 902),
    (33, 903),
)  # packages, and what happens in the scenes; none drawn for the base checkpoint
FIRST_UNSEEN, SCENES, CLIPS, FRAMES = 1_000, 8, 2, 4
LEAST_MAP50, LEAST_MAP = 0.95, 0.75
KINDS = ("shelf", "counter", "clip")


def judged_pictures() -> Iterator[tuple[str, "Pixels", "Boxes"]]:
    """Kind, picture and true boxes: scenes of each world, and some pictures of its clips."""
    from recognition import pictures

    from sources.twin.cameras.params import CameraParams
    from sources.twin.cameras.studio import Studio

    numbers = range(FIRST_UNSEEN, FIRST_UNSEEN + SCENES)
    for world, seed in WORLDS:
        studio = Studio(CameraParams(products=PRODUCTS), seed, world_seed=world)
        for pixels, boxes in pictures(studio.shelf_scene(number) for number in numbers):
            yield "shelf", pixels, boxes
        for pixels, boxes in pictures(studio.checkout_scene(number) for number in numbers):
            yield "counter", pixels, boxes
        for number in range(FIRST_UNSEEN, FIRST_UNSEEN + CLIPS):
            clip = studio.clip(number)
            seen = clip.seen.pictures
            for place in np.linspace(0, len(seen) - 1, FRAMES + 2)[1:-1].round().astype(int).tolist():
                yield "clip", seen[place].pixels, clip.truth.boxes.of(place)


def _found(context: BenchContext) -> BenchResult:
    del context
    from recognition import base_finder, precision

    finder = base_finder(least_score=0.001)  # average precision asks for the whole curve
    kinds, found, boxes = [], [], []
    for kind, pixels, true in judged_pictures():
        kinds.append(kind)
        found.append(finder.detect(pixels))
        boxes.append(true)
    map50, whole, recall = precision(found, boxes)
    parts = []
    for kind in KINDS:
        rows = [row for row, each in enumerate(kinds) if each == kind]
        one, all_ious, _ = precision([found[row] for row in rows], [boxes[row] for row in rows])
        parts.append(f"{kind} {one:.3f} and {all_ious:.3f} ({len(rows)} pictures)")
    note = f"mAP50-95 {whole:.3f}, recall {recall:.3f}; mAP50 and mAP50-95 by kind: {', '.join(parts)}"
    return finder_verdict(map50, whole, note)


def finder_verdict(map50: float, whole: float, note: str) -> BenchResult:
    """Both averages are asked."""
    met = map50 >= LEAST_MAP50 and whole >= LEAST_MAP
    bound = f"mAP50 >= {LEAST_MAP50:g}, mAP50-95 >= {LEAST_MAP:g}"
    return BenchResult(map50, "mAP50", bound=bound, met=met, note=note)


ROWS = [
    BenchRow(
        "detector-finding",
        "detector",
        "packages of unseen worlds found by the base checkpoint",
        _found,
        rooms=("models", "sources"),
    )
]
