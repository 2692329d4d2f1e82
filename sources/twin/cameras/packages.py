"""Packages as flat textures in space: what of a product is drawn where, seen from a camera.

Boxes show up to three sides, pouches one, round packages a picture of their own that faces the camera. Drawn textures are kept,
the least recently used ones given up first, so memory stays bounded however many products there are.
"""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np

from sources.twin.arrays import Floats
from sources.twin.cameras import labels
from sources.twin.cameras.appearance import Appearance, Appearances
from sources.twin.cameras.camera import Camera
from sources.twin.cameras.pixels import Pixels
from sources.twin.cameras.rounds import Body, view

T = TypeVar("T")
_STEP = float(np.radians(12.0))  # round packages are drawn for directions this far apart
_KEPT, _KEPT_FINE = 3_000, 300  # textures; at about 90 and 560 kB each, under 300 and 200 MB
_COARSE, _FINE = 170.0, 420.0  # pixels along a package's longest side
_FRONT = 0.42  # of the way round a package, which is more than is seen at once without bending
_SMALLEST_PX = 10  # of a texture's halvings
_BLANK: Pixels = np.zeros((2, 2, 3), dtype=np.uint8)
_SHADE = {"front": 1.0, "back": 0.95, "left": 0.72, "right": 0.8, "top": 1.1, "bottom": 0.5}
# Right-hand and upward direction of each side of a box, in the package's axes; their cross product points out of it.
_AXES = {
    "front": ((1, 0, 0), (0, 1, 0)), "back": ((-1, 0, 0), (0, 1, 0)), "left": ((0, 0, 1), (0, 1, 0)),
    "right": ((0, 0, -1), (0, 1, 0)), "top": ((1, 0, 0), (0, 0, -1)), "bottom": ((1, 0, 0), (0, 0, 1)),
}  # fmt: skip


def _corners(right: Floats, up: Floats) -> Floats:
    return np.array([up - right, up + right, right - up, -up - right]) + np.cross(right, up)


_CORNERS = {name: _corners(*(np.array(axis, dtype=float) for axis in axes)) for name, axes in _AXES.items()}


@dataclass(frozen=True, eq=False)
class Placed:
    """A package in the scene: `position` (3,) of the middle of its bottom in cm, `rotation` (3, 3) from its axes (front along
    z) to the scene's. `item` is its number in the scene."""

    item: int
    product: int
    position: Floats
    rotation: Floats

    def middle(self, look: Appearance) -> Floats:
        """Centre (3,) of the package."""
        return np.asarray(self.position + self.rotation[:, 1] * (look.height / 2))


@dataclass(frozen=True, eq=False)
class Face:
    """A textured quadrilateral: `corners` (4, 3) in the scene from the texture's top left clockwise; `levels` the texture and
    its halvings, each RGB or RGB and coverage."""

    corners: Floats
    levels: Sequence[Pixels]


@dataclass(frozen=True)
class _Drawn:
    levels: Sequence[Pixels]
    ends: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)  # of round packages: left, top, right, bottom in cm


class _Kept(Generic[T]):
    """What was made last, up to `most` things."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._things: OrderedDict[tuple[object, ...], T] = OrderedDict()

    def get(self, key: tuple[object, ...], make: Callable[[], T]) -> T:
        if key in self._things:
            self._things.move_to_end(key)
            return self._things[key]
        thing = self._things[key] = make()
        if len(self._things) > self._most:
            self._things.popitem(last=False)
        return thing


class Wrapping:
    """Draws and keeps the textures of packages. `fine` ones suit a package that fills the picture; `blank` ones have nothing
    printed on them and the same outlines, for canvases without colour."""

    def __init__(self, appearances: Appearances, *, fine: bool = False, blank: bool = False) -> None:
        self.appearances = appearances
        self._blank = blank
        self._long_side = _FINE if fine else _COARSE
        most = _KEPT_FINE if fine else _KEPT
        self._drawn: _Kept[_Drawn] = _Kept(most)
        self._bodies: _Kept[Body] = _Kept(most // 6)

    def faces(self, placed: Placed, camera: Camera) -> list[Face]:
        """The sides of a package that a camera sees; those of one package do not hide one another."""
        look = self.appearances[placed.product]
        if look.is_round:
            return [self._round(look, placed, camera)]
        towards = placed.rotation.T @ (camera.position - placed.position)  # in the package's own axes
        w, h, d = look.width / 2, look.height, look.depth / 2
        if look.shape == "pouch":  # a cushion is thin at its rim, so it is one sheet with a cushion's shades
            seen = {"front": towards[2] > 0, "back": towards[2] <= 0}
            d = 0.0
        else:
            seen = {
                "front": towards[2] > d, "back": towards[2] < -d, "right": towards[0] > w, "left": towards[0] < -w,
                "top": towards[1] > h, "bottom": towards[1] < 0,
            }  # fmt: skip
        half = np.array([w, h / 2, d])
        found = []
        for name in (name for name, is_seen in seen.items() if is_seen):
            own = _CORNERS[name] * half + (0, h / 2, 0)
            found.append(Face(placed.position + own @ placed.rotation.T, self._side(look, name).levels))
        return found

    def _round(self, look: Appearance, placed: Placed, camera: Camera) -> Face:
        middle, axis, front = placed.middle(look), placed.rotation[:, 1], placed.rotation[:, 2]
        towards = camera.position - middle
        towards = towards / np.linalg.norm(towards)
        sine = float(np.clip(axis @ towards, -0.999, 0.999))
        level = towards - sine * axis
        level = level / np.linalg.norm(level)
        right = _cross(axis, level)
        turns = round(float(np.arctan2(front @ right, front @ level)) / _STEP)
        tilt = int(np.floor(np.arcsin(sine) / _STEP))
        turns = 0 if self._blank else turns
        drawn = self._drawn.get((look.product, turns, tilt), lambda: self._seen(look, turns, tilt))
        left, top, far, bottom = drawn.ends
        up = _cross(towards, right)
        ends = ((left, top), (far, top), (far, bottom), (left, bottom))
        return Face(np.array([middle + x * right + y * up for x, y in ends]), drawn.levels)

    def _seen(self, look: Appearance, turns: int, tilt: int) -> _Drawn:
        body = self._bodies.get((look.product,), lambda: self._body(look))
        seen = view(body, turns * _STEP, (tilt + 0.5) * _STEP, self._resolution(look))
        return _Drawn(_halved(seen.picture), (seen.left, seen.top, seen.right, seen.bottom))

    def _resolution(self, look: Appearance) -> float:
        return self._long_side / max(look.width, look.height, look.depth)

    def _pixels(self, look: Appearance, cm: float) -> int:
        return max(8, round(cm * self._resolution(look)))

    def _side(self, look: Appearance, name: str) -> _Drawn:
        return self._drawn.get((look.product, name), lambda: _Drawn(_halved(self._printed(look, name))))

    def _printed(self, look: Appearance, name: str) -> Pixels:
        """One side of a box or pouch with its shade."""
        if self._blank and look.shape != "pouch":
            return _BLANK
        wide = look.depth if name in ("left", "right") else look.width
        high = look.depth if name in ("top", "bottom") else look.height
        rows, columns = self._pixels(look, high), self._pixels(look, wide)
        tray_top = look.shape == "tray" and name == "top"
        if self._blank:
            picture = np.zeros((rows, columns, 3), dtype=np.uint8)
        elif name == "front" or tray_top:
            picture = labels.front(rows, columns, look)
        elif name == "top":
            picture = labels.lid(rows, columns, look)
        elif name == "bottom":
            picture = labels.ground(rows, columns, look)
        else:
            picture = labels.side(rows, columns, look)
        shade = 1.0 if tray_top else _SHADE[name]
        lit: Pixels = np.clip(picture * np.float32(shade), 0, 255).astype(np.uint8)
        return _cushion(lit, look.gloss) if look.shape == "pouch" else lit

    def _body(self, look: Appearance) -> Body:
        """The unrolled surface of a round package: its label between bottom and lid, the front in the middle."""
        if self._blank:
            return Body(look.shape, look.width, look.height, _BLANK, _BLANK, 0.0)
        rows, columns = self._pixels(look, look.height), self._pixels(look, np.pi * look.width)
        wrap: Pixels = np.empty((rows, columns, 3), dtype=np.uint8)
        # From the top: where the label begins and ends, and where lid or cap ends, as shares of the height.
        begins, ends, cap = {
            "can": (0.07, 0.96, 0.06), "bottle": (0.42, 0.95, 0.1), "jar": (0.3, 0.94, 0.2), "tub": (0.11, 0.98, 0.1),
        }[look.shape]  # fmt: skip
        content = labels.contents(look)
        wrap[:] = content
        wrap[: round(cap * rows)] = labels.cap(look)
        first, last = round(begins * rows), round(ends * rows)
        wide = round(_FRONT * columns)
        left = (columns - wide) // 2
        printed = labels.side(last - first, left, look)
        wrap[first:last, :left] = printed
        wrap[first:last, left : left + wide] = labels.front(last - first, wide, look)
        wrap[first:last, columns - left :] = printed
        across = self._pixels(look, look.width)
        return Body(look.shape, look.width, look.height, wrap, labels.lid(across, across, look), look.gloss)


def _cross(a: Floats, b: Floats) -> Floats:
    """Cross product of two vectors (3,): numpy's own is made for many and slow for one."""
    (ax, ay, az), (bx, by, bz) = a.tolist(), b.tolist()
    return np.array([ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx])


def _cushion(picture: Pixels, gloss: float) -> Pixels:
    """A pouch: darker towards its rim, crimped at top and bottom, rounded at the corners, with a sheen across."""
    rows, columns = picture.shape[:2]
    y, x = np.ogrid[-1 : 1 : rows * 1j, -1 : 1 : columns * 1j]
    bulge = np.clip((1 - np.abs(x) ** 3) * (1 - np.abs(y) ** 4), 0, 1) ** 0.4
    sheen = np.exp(-(((x + 0.35 + 0.15 * y) / 0.12) ** 2)) * 70 * gloss * (np.abs(y) < 0.85)
    crimp = np.where(np.abs(y) > 0.93, 0.75 + 0.25 * (np.floor(x * 20) % 2), 1.0)
    lit = picture * (0.55 + 0.5 * bulge * crimp)[..., None] + sheen[..., None]
    waist = 0.97 - 0.05 * np.cos(np.pi * y) ** 2  # the filled middle draws the sides in
    cover = np.where(np.abs(x) <= waist, 255, 0).astype(np.uint8) + np.zeros_like(y, dtype=np.uint8)
    return np.dstack([np.clip(lit, 0, 255).astype(np.uint8), cover])


def _halved(picture: Pixels) -> list[Pixels]:
    """The picture and its halvings, while they are of some size."""
    import cv2

    levels = [np.ascontiguousarray(picture)]
    while min(levels[-1].shape[:2]) >= 2 * _SMALLEST_PX:
        rows, columns = levels[-1].shape[:2]
        halved = cv2.resize(levels[-1], (columns // 2, rows // 2), interpolation=cv2.INTER_AREA)
        levels.append(np.asarray(halved, dtype=np.uint8))
    return levels
