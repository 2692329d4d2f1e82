"""What is true of pictures and clips and in no table: boxes, identities, and who took what."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias
from weakref import WeakKeyDictionary

import numpy as np

from sources.twin.arrays import Bools, Floats, Ints
from sources.twin.cameras.canvas import Canvas, Outline, extent
from sources.twin.cameras.packages import Placed
from sources.twin.cameras.seen import Seen

Deed: TypeAlias = Literal["take", "put"]
_Row: TypeAlias = tuple[float, ...]


@dataclass(frozen=True, eq=False)
class Boxes:
    """Rows, one for each item drawn in each picture. `picture` (N,) counts the pictures of the scene, `item` (N,) its packages,
    the same number in all its pictures; `product` (N,) is the number of the product in the catalogue.

    Boxes (N, 4) are left, top, right, bottom in pixels, right and bottom one past the last pixel. `amodal` spans the whole item as
    if nothing hid it and may reach beyond the picture; `visible` spans the pixels that show it, 0 where none does; `share` (N,)
    is pixels shown over all its pixels.
    """

    picture: Ints
    item: Ints
    product: Ints
    amodal: Floats
    visible: Floats
    share: Floats

    def where(self, kept: Bools) -> "Boxes":
        """The rows for which `kept` (N,) is true."""
        return Boxes(
            self.picture[kept],
            self.item[kept],
            self.product[kept],
            self.amodal[kept],
            self.visible[kept],
            self.share[kept],
        )

    def of(self, picture: int, *, least_share: float = 0.0) -> "Boxes":
        """Rows of one picture of which more than `least_share` is seen."""
        return self.where((self.picture == picture) & (self.share > least_share))


def boxes_of(canvases: Iterable[Canvas], items: Sequence[Placed]) -> Boxes:
    """Boxes counted in the pictures of numbers beside the colours. In a copied canvas only what was drawn over is counted anew."""
    product = {placed.item: placed.product for placed in items}
    known: WeakKeyDictionary[Canvas, dict[int, _Row]] = WeakKeyDictionary()
    rows: list[tuple[float, ...]] = []
    for number, canvas in enumerate(canvases):
        same: dict[int, _Row] = {}
        if canvas.origin is not None:
            if canvas.origin not in known:
                known[canvas.origin] = {
                    item: _row(canvas.origin, item, outline) for item, outline in canvas.origin.outlines.items()
                }
            same = _untouched(canvas, canvas.origin, known[canvas.origin])
        for each, outline in sorted(canvas.outlines.items()):
            rows.append((number, each, product[each], *(same.get(each) or _row(canvas, each, outline))))
    table = np.array(rows, dtype=np.float64).reshape(-1, 12)
    picture, item, kind = (table[:, k].astype(np.int64) for k in range(3))
    return Boxes(picture, item, kind, table[:, 3:7], table[:, 7:11], table[:, 11])


def _row(canvas: Canvas, item: int, outline: Outline) -> _Row:
    """Amodal box, visible box and share of an item."""
    left, top, right, bottom = outline.box
    left, top = max(left, 0), max(top, 0)
    shown = canvas.ids[top : max(bottom, 0), left : max(right, 0)] == item + 1
    return (*outline.box, *(extent(shown, left, top) or (0, 0, 0, 0)), np.count_nonzero(shown) / outline.pixels)


def _untouched(canvas: Canvas, origin: Canvas, rows: dict[int, _Row]) -> dict[int, _Row]:
    """Rows of the origin's items that nothing drawn since reaches."""
    boxes = np.array([row[:4] for row in rows.values()], dtype=np.int64).reshape(-1, 1, 4)
    over = np.array(canvas.drawn_over, dtype=np.int64).reshape(1, -1, 4)
    before, after = boxes[..., 2:] <= over[..., :2], boxes[..., :2] >= over[..., 2:]
    apart: Bools = np.all(np.concatenate([before, after], axis=-1).any(axis=-1), axis=1)
    return {
        item: row
        for (item, row), free in zip(rows.items(), apart.tolist(), strict=True)
        if free and canvas.outlines[item] is origin.outlines[item]
    }


@dataclass(frozen=True, eq=False)
class SceneTruth:
    """`boxes` of all pictures of a scene and the `items` in it with their poses."""

    boxes: Boxes
    items: Sequence[Placed]


@dataclass(frozen=True, eq=False)
class Scene:
    """What is seen, and apart from it what is true."""

    seen: Seen
    truth: SceneTruth


@dataclass(frozen=True)
class Event:
    """`count` packages of `product` taken from or put into `lane` by `shopper` at `at_s`, the time by a true clock at which they
    leave or reach the board. `lane` is the lane of that place, also where another product belongs there."""

    deed: Deed
    product: int
    count: int
    lane: int
    at_s: float
    shopper: str


@dataclass(frozen=True, eq=False)
class ClipTruth:
    """`events` in order of time; `boxes` of the pictures in their order; `items` that stood on the shelf first, then all that
    customers brought; `clock_offset_s` of each camera, scale and antenna: its clock minus the true one; `tags` EPC -> item."""

    events: Sequence[Event]
    boxes: Boxes
    items: Sequence[Placed]
    clock_offset_s: dict[str, float]
    tags: dict[str, int]
