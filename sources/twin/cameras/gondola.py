"""Drawing a gondola with its packages, price rails and what stands in front of it, from far to near for any camera.

Boards part the space above them from the space below, so whichever side the camera is on is drawn after the other; within a bay
packages are drawn in order of depth.
"""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from sources.twin.arrays import Floats
from sources.twin.cameras.camera import Camera
from sources.twin.cameras.canvas import Canvas
from sources.twin.cameras.label_art import tinted
from sources.twin.cameras.labels import write
from sources.twin.cameras.packages import Face, Placed, Wrapping
from sources.twin.cameras.pixels import Pixels
from sources.twin.cameras.planogram import BOARD_CM, Gondola

RAIL_CM = 3.6
_RAIL_PX_PER_CM = 9
_PIECES = 4  # of a long side: a bent lens bends it piece by piece
_PLAIN: Pixels = np.zeros((4, _PIECES, 3), dtype=np.uint8)
_METALS = ((214, 214, 210), (236, 234, 228), (92, 94, 98), (176, 160, 138))
_RAILS = ((206, 208, 212), (186, 30, 40), (38, 70, 120), (240, 196, 60), (40, 40, 44))


def draw_gondola(
    canvas: Canvas, gondola: Gondola, items: Sequence[Placed], wrapping: Wrapping, prices: Floats, style: int
) -> None:
    """Draw the gondola and `items` on it. `prices` (products,) go on the rails; `style` chooses colours of metal and rail."""
    camera = canvas.camera
    metal = _METALS[style % len(_METALS)]
    rail = _RAILS[style // len(_METALS) % len(_RAILS)]
    bays: list[list[Placed]] = [[] for _ in gondola.boards]
    for placed in items:
        middle = placed.middle(wrapping.appearances[placed.product])
        bays[max(gondola.level_of(float(middle[1])), 0)].append(placed)
    eye = float(camera.position[1])
    own = max(gondola.level_of(eye), 0)
    above = list(range(len(bays) - 1, own, -1))
    x = gondola.width / 2
    for side in (-x, x):
        _slab(canvas, side, 0.0, gondola.top, gondola, tinted(metal, (0, 0, 0), 0.25))
    for level in above:
        _bay(canvas, gondola, level, bays[level], wrapping, metal)
        _board(canvas, gondola, level, prices, metal, rail)
    for level in range(own + 1):
        _board(canvas, gondola, level, prices, metal, rail)
        _bay(canvas, gondola, level, bays[level], wrapping, metal)


def draw_items(
    canvas: Canvas, items: Sequence[Placed], wrapping: Wrapping, gains: Sequence[float] | None = None
) -> None:
    """Draw packages from far to near."""
    middles = np.array([p.middle(wrapping.appearances[p.product]) for p in items]).reshape(-1, 3)
    for k in np.argsort(-canvas.camera.depth(middles), kind="stable"):
        placed = items[int(k)]
        gain = 1.0 if gains is None else gains[int(k)]
        canvas.draw_package(placed, wrapping, gain)


def _bay(
    canvas: Canvas,
    gondola: Gondola,
    level: int,
    items: Sequence[Placed],
    wrapping: Wrapping,
    metal: tuple[int, int, int],
) -> None:
    low = gondola.boards[level]
    high = (*gondola.boards, gondola.top)[level + 1] - BOARD_CM
    shade = np.linspace(0.38, 0.66, 16)[:, None, None] * np.array(metal)
    panel = np.broadcast_to(shade, (16, 16, 3)).astype(np.uint8)
    x, z = gondola.width / 2, -gondola.depth
    _strip(canvas, np.array([(-x, high, z), (x, high, z), (x, low, z), (-x, low, z)]), panel)
    # The board above keeps the lamps' light from what stands far back.
    gains = [float(np.clip(1.02 + 0.014 * placed.position[2], 0.5, 1.0)) for placed in items]
    draw_items(canvas, items, wrapping, gains)


def _board(
    canvas: Canvas,
    gondola: Gondola,
    level: int,
    prices: Floats,
    metal: tuple[int, int, int],
    rail: tuple[int, int, int],
) -> None:
    x, y, z = gondola.width / 2, gondola.boards[level], -gondola.depth
    below = y - BOARD_CM
    if canvas.camera.position[1] > y:
        light = np.broadcast_to(np.linspace(0.5, 0.95, 16)[:, None, None] * np.array(metal), (16, 16, 3))
        _strip(canvas, np.array([(-x, y, z), (x, y, z), (x, y, 0), (-x, y, 0)]), light.astype(np.uint8))
    else:
        dark = np.full((4, 12, 3), tinted(metal, (0, 0, 0), 0.72), dtype=np.uint8)
        _strip(canvas, np.array([(-x, below, 0), (x, below, 0), (x, below, z), (-x, below, z)]), dark)
    front = np.array([(-x, y, 0.2), (x, y, 0.2), (x, y - RAIL_CM, 0.2), (-x, y - RAIL_CM, 0.2)])
    _strip(canvas, front, _rail(gondola, level, prices, rail) if canvas.coloured else _PLAIN)


def _rail(gondola: Gondola, level: int, prices: Floats, colour: tuple[int, int, int]) -> Pixels:
    """The price rail of a board with a label under each lane."""
    rows, columns = round(RAIL_CM * _RAIL_PX_PER_CM), round(gondola.width * _RAIL_PX_PER_CM)
    picture: Pixels = np.empty((rows, columns, 3), dtype=np.uint8)
    picture[:] = colour
    picture[:2] = tinted(colour, (255, 255, 255), 0.4)
    for lane in gondola.lanes:
        if lane.level != level:
            continue
        label = _price_label(round(100 * float(prices[lane.product])))
        left = round(((lane.left + lane.right) / 2 + gondola.width / 2) * _RAIL_PX_PER_CM) - label.shape[1] // 2
        left = int(np.clip(left, 0, columns - label.shape[1]))
        picture[3 : 3 + label.shape[0], left : left + label.shape[1]] = label
    return picture


@lru_cache(maxsize=512)
def _price_label(cents: int) -> Pixels:
    label: Pixels = np.full((26, 50, 3), (250, 250, 244), dtype=np.uint8)
    if cents % 10 == 9 and cents % 3 == 0:
        label[:] = (252, 224, 70)
    write(label, f"{cents / 100:.2f}", (0.06, 0.05, 0.94, 0.75), (20, 20, 24), weight=800)
    label[20:24, 6 : 6 + cents % 30 : 3] = (40, 40, 44)
    return label


def _strip(canvas: Canvas, corners: Floats, texture: Pixels) -> None:
    """A long quadrilateral (4, 3) in pieces along its first side."""
    cuts = np.linspace(0, 1, min(_PIECES, texture.shape[1]) + 1)
    columns = np.round(cuts * texture.shape[1]).astype(int)
    for a, b, first, last in zip(cuts[:-1], cuts[1:], columns[:-1], columns[1:], strict=True):
        upper = [corners[0] + share * (corners[1] - corners[0]) for share in (a, b)]
        lower = [corners[3] + share * (corners[2] - corners[3]) for share in (b, a)]
        piece = np.ascontiguousarray(texture[:, first:last])
        canvas.draw_strip(np.array([*upper, *lower]), piece)


def _slab(canvas: Canvas, x: float, low: float, high: float, gondola: Gondola, colour: tuple[int, int, int]) -> None:
    """An upright across the depth of the gondola."""
    plain = np.full((4, 4, 3), colour, dtype=np.uint8)
    z = -gondola.depth
    _strip(canvas, np.array([(x, high, z), (x, high, 0), (x, low, 0), (x, low, z)]), plain)


def backdrop(canvas: Canvas, rng: np.random.Generator) -> None:
    """What is behind a gondola or round a counter: a shop out of focus."""
    import cv2

    height, width = canvas.ids.shape
    coarse = np.full((30, 40, 3), rng.uniform(60, 190), dtype=np.float32)
    for _ in range(14):
        x, y = rng.integers(0, 40), rng.integers(0, 30)
        coarse[y : y + rng.integers(2, 12), x : x + rng.integers(2, 9)] = np.clip(
            rng.uniform(20, 235) + rng.normal(0, 22, 3), 0, 255
        )
    soft = cv2.GaussianBlur(coarse, (0, 0), 1.5)
    canvas.colour[:] = cv2.resize(soft, (width, height), interpolation=cv2.INTER_CUBIC).clip(0, 255).astype(np.uint8)


def cardboard(x: float, floor: float, z: float, size: Floats, turn: float, camera: Camera) -> list[Face]:
    """The seen sides of a closed box of brown board; `size` (3,) width, height, depth in cm."""
    c, s = np.cos(turn), np.sin(turn)
    rotation = np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])
    at = np.array([x, floor, z])
    towards = rotation.T @ (camera.position - at)
    w, h, d = size[0] / 2, size[1], size[2] / 2
    sides = (
        (towards[2] > d, 1.0, [(-w, h, d), (w, h, d), (w, 0, d), (-w, 0, d)]),
        (towards[0] > w, 0.8, [(w, h, d), (w, h, -d), (w, 0, -d), (w, 0, d)]),
        (towards[0] < -w, 0.7, [(-w, h, -d), (-w, h, d), (-w, 0, d), (-w, 0, -d)]),
        (towards[1] > h, 1.12, [(-w, h, -d), (w, h, -d), (w, h, d), (-w, h, d)]),
    )
    return [
        Face(at + np.array(corners) @ rotation.T, [_board_texture(shade)]) for seen, shade, corners in sides if seen
    ]


@lru_cache(maxsize=8)
def _board_texture(shade: float) -> Pixels:
    picture: Pixels = np.empty((64, 96, 3), dtype=np.uint8)
    picture[:] = np.clip(np.array((186, 142, 94)) * shade, 0, 255)
    picture[:, ::6] = np.clip(np.array((176, 132, 86)) * shade, 0, 255)
    picture[:, 42:54] = np.clip(np.array((206, 176, 128)) * shade, 0, 255)
    write(picture, "FRAGILE", (0.08, 0.7, 0.4, 0.92), (90, 60, 40), weight=800)
    return picture
