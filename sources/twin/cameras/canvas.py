"""A picture being drawn, with a second picture beside it that tells which item each pixel shows.

Things are drawn from far to near. For every item the canvas notes the whole outline, also what is hidden later or lies outside
the picture, so that boxes and visible shares are counted, not estimated.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import hypot
from weakref import WeakKeyDictionary

import numpy as np

from sources.twin.arrays import Bools, Floats
from sources.twin.cameras.camera import NEAREST_CM, Camera
from sources.twin.cameras.packages import Face, Placed, Wrapping
from sources.twin.cameras.pixels import Ids, Mask, Pixels

_SUBPIXEL_BITS = 4
_MOST_ITEMS = 60_000  # what the pictures of numbers can tell apart
_COVERED = 127


@dataclass(frozen=True)
class Outline:
    """The whole of an item as drawn: `box` (left, top, right, bottom; right and bottom are one past the last pixel), which may
    reach beyond the picture, and its number of `pixels`, hidden ones included."""

    box: tuple[int, int, int, int]
    pixels: int


@dataclass(frozen=True, eq=False)
class _Patch:
    """The pixels `covered` by a thing from column `left` and row `top` on; `outline` is None where there are none."""

    covered: Mask
    left: int
    top: int
    outline: Outline | None

    @classmethod
    def of(cls, covered: Mask, left: int, top: int) -> "_Patch":
        box = extent(covered, left, top)
        return cls(covered, left, top, Outline(box, int(np.count_nonzero(covered))) if box else None)


class Stencils:
    """Outlines that one camera sees of what stays where it is, kept from canvas to canvas while that exists."""

    def __init__(self) -> None:
        self.things: WeakKeyDictionary[Placed, _Patch | None] = WeakKeyDictionary()
        self.strips: dict[bytes, _Patch | None] = {}


class Canvas:
    """`colour` (H, W, 3) and `ids` (H, W), 0 where no item is seen, else its number plus 1. One that is not `coloured` has a colour
    (0, 0, 3) and the same ids, the sooner with `stencils`. A copy knows its `origin` and the boxes `drawn_over` since."""

    def __init__(
        self,
        camera: Camera,
        background: tuple[int, int, int] = (0, 0, 0),
        *,
        coloured: bool = True,
        stencils: Stencils | None = None,
    ) -> None:
        self.camera = camera
        self._stencils = None if coloured else stencils
        self.coloured = coloured
        size = (camera.height, camera.width) if coloured else (0, 0)
        self.colour: Pixels = np.empty((*size, 3), dtype=np.uint8)
        self.colour[:] = background
        self.ids: Ids = np.zeros((camera.height, camera.width), dtype=np.uint16)
        self.outlines: dict[int, Outline] = {}
        self.origin: Canvas | None = None
        self.drawn_over: list[tuple[int, int, int, int]] = []

    def copy(self) -> "Canvas":
        """An independent copy, to draw on in another way."""
        twin = Canvas.__new__(Canvas)
        twin.camera, twin.coloured, twin._stencils = self.camera, self.coloured, None
        twin.origin, twin.drawn_over = self, []
        twin.colour, twin.ids, twin.outlines = self.colour.copy(), self.ids.copy(), dict(self.outlines)
        return twin

    def draw(self, faces: Sequence[Face], item: int | None = None, gain: float = 1.0) -> None:
        """Draw the sides of one thing, brightness times `gain`; `item` is its number, None for what is not counted.

        A thing that reaches to or behind the lens, or lies wholly outside the picture, is left out.
        """
        shown, patch = self._cut(faces, gain)
        self._lay(shown, patch, item)

    def draw_package(self, placed: Placed, wrapping: Wrapping, gain: float = 1.0) -> None:
        """Draw a package that stands somewhere."""
        if self._stencils is None:
            self.draw(wrapping.faces(placed, self.camera), placed.item, gain)
            return
        if placed not in self._stencils.things:
            self._stencils.things[placed] = self._cut(wrapping.faces(placed, self.camera), gain)[1]
        self._lay(None, self._stencils.things[placed], placed.item)

    def draw_strip(self, corners: Floats, texture: Pixels) -> None:
        """Draw a quadrilateral (4, 3) that is no package."""
        if self._stencils is None:
            self.draw([Face(corners, [texture])])
            return
        key = corners.tobytes()
        if key not in self._stencils.strips:
            self._stencils.strips[key] = self._cut([Face(corners, [texture])], 1.0)[1]
        self._lay(None, self._stencils.strips[key], None)

    def _cut(self, faces: Sequence[Face], gain: float) -> tuple[Pixels | None, _Patch | None]:
        """What of a thing there is to lay over the picture."""
        import cv2

        if not faces:
            return None, None
        corners = np.concatenate([face.corners for face in faces])
        if self.camera.depth(corners).min() < 2 * NEAREST_CM:
            return None, None
        flat = self.camera.project(corners)
        left, top = np.floor(flat.min(axis=0)).astype(int)
        right, bottom = np.ceil(flat.max(axis=0)).astype(int) + 1
        height, width = self.ids.shape
        if right <= 0 or bottom <= 0 or left >= width or top >= height:
            return None, None
        # Far outside the picture nothing needs pixels: a quarter of it beyond each edge bounds the work.
        left, right = max(left, -width // 4), min(right, width + width // 4)
        top, bottom = max(top, -height // 4), min(bottom, height + height // 4)
        size = (int(right - left), int(bottom - top))
        shown: Pixels | None = np.zeros((size[1], size[0], 3), dtype=np.uint8) if self.coloured else None
        covered: Mask = np.zeros((size[1], size[0]), dtype=np.uint8)
        for number, face in enumerate(faces):
            quad = flat[4 * number : 4 * number + 4] - (left, top)
            self._face(shown, covered, quad, face.levels)
        if gain != 1.0 and shown is not None:
            shown = np.asarray(cv2.convertScaleAbs(shown, alpha=gain), dtype=np.uint8)
        return shown, _Patch.of(covered, int(left), int(top))

    def stamp(self, shown: Pixels | None, covered: Mask, left: int, top: int) -> None:
        """Lay a drawn patch over the picture; what it hides is no longer seen."""
        self._lay(shown, _Patch(covered, left, top, None), None)

    def visible(self, item: int) -> Bools:
        """Pixels (H, W) that show an item."""
        return np.asarray(self.ids == item + 1)

    @staticmethod
    def _face(shown: Pixels | None, covered: Mask, quad: Floats, levels: Sequence[Pixels]) -> None:
        """Draw one side into a patch, only on the rows and columns it spans there."""
        import cv2

        (ax, ay), (bx, by), (cx, cy), (dx, dy) = quad.tolist()
        rows, columns = covered.shape
        left, right = max(int(min(ax, bx, cx, dx)) - 1, 0), min(int(max(ax, bx, cx, dx)) + 2, columns)
        top, bottom = max(int(min(ay, by, cy, dy)) - 1, 0), min(int(max(ay, by, cy, dy)) + 2, rows)
        if left >= right or top >= bottom:
            return
        texture = _level(
            levels,
            max(hypot(bx - ax, by - ay), hypot(cx - dx, cy - dy)),
            max(hypot(cx - bx, cy - by), hypot(dx - ax, dy - ay)),
        )
        height, width = texture.shape[:2]
        own = np.array([(0, 0), (width, 0), (width, height), (0, height)], dtype=np.float32) - np.float32(0.5)
        local = quad - (left + 0.5, top + 0.5)
        size = (right - left, bottom - top)
        mask = np.zeros((bottom - top, right - left), dtype=np.uint8)
        points = np.round(local * 2**_SUBPIXEL_BITS).astype(np.int32)
        cv2.fillConvexPoly(mask, points, 255, cv2.LINE_8, _SUBPIXEL_BITS)
        here = (slice(top, bottom), slice(left, right))
        cut_out = texture.shape[2] == 4
        if shown is not None or cut_out:
            # Without colour the coverage alone is warped.
            source = texture if shown is not None else np.ascontiguousarray(texture[..., 3])
            to_picture = cv2.getPerspectiveTransform(own, local.astype(np.float32))
            warped = cv2.warpPerspective(
                source, to_picture, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
            )
            if cut_out:
                mask[(warped[..., 3] if shown is not None else warped) <= _COVERED] = 0
            if shown is not None:
                shown[here] = cv2.copyTo(np.ascontiguousarray(warped[..., :3]), mask, shown[here].copy())
        np.maximum(covered[here], mask, out=covered[here])

    def _lay(self, shown: Pixels | None, patch: _Patch | None, item: int | None) -> None:
        import cv2

        if patch is None:
            return
        height, width = self.ids.shape
        rows, columns = patch.covered.shape
        left, top = patch.left, patch.top
        if item is not None:
            if not 0 <= item < _MOST_ITEMS:
                raise ValueError(f"item number {item} lies outside [0, {_MOST_ITEMS}); draw fewer packages in a scene")
            if patch.outline is None:
                return
            self.outlines[item] = patch.outline
        x0, y0, x1, y1 = max(left, 0), max(top, 0), min(left + columns, width), min(top + rows, height)
        if x0 >= x1 or y0 >= y1:
            return
        inside = (slice(y0 - top, y1 - top), slice(x0 - left, x1 - left))
        here = (slice(y0, y1), slice(x0, x1))
        mask = np.ascontiguousarray(patch.covered[inside])
        if shown is not None:
            self.colour[here] = cv2.copyTo(np.ascontiguousarray(shown[inside]), mask, self.colour[here].copy())
        if self.origin is not None:
            self.drawn_over.append((x0, y0, x1, y1))
        self.ids[here][mask > 0] = 0 if item is None else item + 1


def _level(levels: Sequence[Pixels], across: float, along: float) -> Pixels:
    """The smallest of a texture's levels that still has a pixel for 1.5 of the picture's: sharp, and without shimmer."""
    texture = levels[0]
    for smaller in levels[1:]:
        if smaller.shape[1] * 1.5 < across or smaller.shape[0] * 1.5 < along:
            break
        texture = smaller
    return texture


def extent(mask: Mask | Bools, left: int = 0, top: int = 0) -> tuple[int, int, int, int] | None:
    """Box of what is not 0 in a mask that begins at (left, top), None where there is nothing."""
    import cv2

    if not mask.size:
        return None
    x, y, width, height = cv2.boundingRect(np.ascontiguousarray(mask).view(np.uint8))
    return (left + x, top + y, left + x + width, top + y + height) if width else None
