"""The floor plan: room, walls, gondolas, gates, cameras and access points.

Axes in metres: x along the wall with the gates, from left to right as seen on the plan, y into the room. A gondola has axes of its
own, those of its cameras: `along` to the right of a person who faces it, `before` its front edge.
"""

from dataclasses import dataclass

import numpy as np

from sources.base import SourceError
from sources.twin.arrays import Floats
from sources.twin.cameras.params import ShelfParams
from sources.twin.floor.params import FloorParams, RoomParams

GATE_M = 1.1  # width of a gate
_BACK_M = 0.03  # between a shelf's depth and its back panel's far side
_FREE_CORNER_M = 1.4  # of a wall, from its end to the first gondola
_BETWEEN_M = 0.1  # gondolas beside one another at a wall
_SCREEN_M = (1.5, 0.1)  # length and thickness of the screen between the gates
_INSET_M = 0.3  # access points from the walls


@dataclass(frozen=True)
class Place:
    """Where gondola `gondola` stands: (`x`, `y`) the middle of its front edge, `facing` the direction of its customers."""

    gondola: int
    x: float
    y: float
    facing: tuple[int, int]
    width: float
    depth: float

    @property
    def along(self) -> tuple[int, int]:
        """The direction to the right of a person who faces it."""
        return -self.facing[1], self.facing[0]

    def at(self, along: float, before: float) -> tuple[float, float]:
        """The spot `along` from its middle to the right and `before` its front edge."""
        (ux, uy), (nx, ny) = self.along, self.facing
        return self.x + along * ux + before * nx, self.y + along * uy + before * ny

    @property
    def block(self) -> tuple[float, float, float, float]:
        """Left, bottom, right and top of the ground it stands on."""
        corners = [self.at(side * self.width / 2, before) for side in (-1, 1) for before in (0.0, -self.depth)]
        x, y = ([corner[axis] for corner in corners] for axis in (0, 1))
        return min(x), min(y), max(x), max(y)


@dataclass(frozen=True)
class Gate:
    """A gate in the wall y = 0 about `x`."""

    name: str
    x: float


@dataclass(frozen=True, eq=False)
class FloorPlan:
    """`blocks` (B, 4) left, bottom, right, top of what nobody walks through, those of the gondolas first; `walls` (W, 4) inner
    walls from (x0, y0) to (x1, y1); `ceiling` (C, 2) places of the cameras, `access_points` (A, 2)."""

    width: float
    depth: float
    places: tuple[Place, ...]
    blocks: Floats
    walls: Floats
    entrance: Gate
    exit: Gate
    ceiling: Floats
    access_points: Floats


def floor_plan(params: FloorParams) -> FloorPlan:
    """The plan that the parameters ask for. Raises `SourceError` where the room is too small for its gondolas."""
    room, shelf = params.room, params.cameras.shelf
    width, depth = room.width_m, room.depth_m
    places = _places(room, shelf)
    middle, side = width / 2, room.store_room_m
    walls = [(middle, 0.0, middle, _SCREEN_M[0])]
    blocks = [place.block for place in places]
    blocks.append((middle - _SCREEN_M[1] / 2, 0.0, middle + _SCREEN_M[1] / 2, _SCREEN_M[0]))
    if side:
        walls += [(width - side, depth - side, width, depth - side), (width - side, depth - side, width - side, depth)]
        blocks.append((width - side, depth - side, width, depth))
    across, deep = params.ceiling.across, params.ceiling.deep
    x, y = np.meshgrid((np.arange(across) + 0.5) * width / across, (np.arange(deep) + 0.5) * depth / deep)
    return FloorPlan(
        width,
        depth,
        places,
        np.array(blocks),
        np.array(walls),
        Gate("entrance", 0.18 * width),
        Gate("exit", width - 0.16 * width),
        np.column_stack([x.ravel(), y.ravel()]),
        _round_the_walls(width - 2 * _INSET_M, depth - 2 * _INSET_M, params.radio.access_points) + _INSET_M,
    )


def _places(room: RoomParams, shelf: ShelfParams) -> tuple[Place, ...]:
    """Half of the gondolas at the walls, the others back to back in islands of up to four."""
    long, deep = shelf.width_cm / 100, shelf.depth_cm / 100 + _BACK_M
    spots = _at_walls(room, long, deep)[: room.gondolas // 2]
    spots += _in_islands(room, long, deep)[: room.gondolas - len(spots)]
    if len(spots) < room.gondolas:
        raise SourceError(
            f"a room of {room.width_m:g} x {room.depth_m:g} m holds {len(spots)} gondolas of {long:g} m, not {room.gondolas}; "
            "enlarge floor.room or ask for fewer"
        )
    return tuple(Place(number, x, y, facing, long, deep) for number, (x, y, facing) in enumerate(spots))


def _at_walls(room: RoomParams, long: float, deep: float) -> list[tuple[float, float, tuple[int, int]]]:
    """Front middles and facings, left and right wall in turn from the gates on, then the far wall."""
    step = long + _BETWEEN_M
    first, last = _FREE_CORNER_M + long / 2, room.depth_m - max(room.store_room_m, _FREE_CORNER_M) - long / 2
    spots: list[tuple[float, float, tuple[int, int]]] = []
    for y in np.arange(first, last + 1e-9, step).tolist():
        spots += [(deep, y, (1, 0)), (room.width_m - deep, y, (-1, 0))]
    end = room.width_m - max(room.store_room_m, _FREE_CORNER_M) - long / 2
    return spots + [(x, room.depth_m - deep, (0, -1)) for x in np.arange(first, end + 1e-9, step).tolist()]


def _in_islands(room: RoomParams, long: float, deep: float) -> list[tuple[float, float, tuple[int, int]]]:
    """Front middles and facings, in a grid of islands in the middle of what the walls' gondolas leave."""
    margin, aisle = deep + room.aisle_m, room.aisle_m
    columns = int((room.width_m - 2 * margin + aisle) // (2 * long + aisle))
    rows = int((room.depth_m - _SCREEN_M[0] - room.aisle_m / 2 - margin + aisle) // (2 * deep + aisle))
    wanted = -(-(room.gondolas - room.gondolas // 2) // 4)
    columns = min(columns, wanted)
    rows = min(rows, -(-wanted // max(columns, 1)))
    middle_y = (_SCREEN_M[0] + room.depth_m - deep) / 2
    spots: list[tuple[float, float, tuple[int, int]]] = []
    for row in range(rows):
        y = middle_y + (row - (rows - 1) / 2) * (2 * deep + aisle)
        for column in range(columns):
            x = room.width_m / 2 + (column - (columns - 1) / 2) * (2 * long + aisle)
            spots += [(x + side * long / 2, y - deep, (0, -1)) for side in (-1, 1)]
            spots += [(x + side * long / 2, y + deep, (0, 1)) for side in (-1, 1)]
    return spots


def _round_the_walls(width: float, depth: float, count: int) -> Floats:
    """Places (count, 2) at even steps round a rectangle with a corner at (0, 0)."""
    ways = np.array([width, depth, width, depth])
    corners = np.array([(0, 0), (width, 0), (width, depth), (0, depth), (0, 0)], dtype=float)
    at = (np.arange(count) + 0.5) / count * ways.sum()
    ends = np.concatenate([[0.0], ways.cumsum()])
    return np.column_stack([np.interp(at, ends, corners[:, axis]) for axis in (0, 1)])


def crossings(start: Floats, end: Floats, blocks: Floats) -> Floats:
    """How far each straight way runs within each block, m: ways (N, 2) to (N, 2), blocks (B, 4), result (N, B)."""
    way = (end - start)[:, None, :]
    with np.errstate(divide="ignore", invalid="ignore"):
        low = (blocks[None, :, :2] - start[:, None]) / way
        high = (blocks[None, :, 2:] - start[:, None]) / way
    # A way along an axis lies between the other axis' sides for all of its length or for none.
    within = (start[:, None] > blocks[None, :, :2]) & (start[:, None] < blocks[None, :, 2:])
    flat = np.broadcast_to(np.abs(way) < 1e-12, low.shape)
    enters = np.where(flat, np.where(within, -np.inf, np.inf), np.minimum(low, high)).max(axis=-1)
    leaves = np.where(flat, np.where(within, np.inf, -np.inf), np.maximum(low, high)).min(axis=-1)
    share = np.clip(np.minimum(leaves, 1.0) - np.maximum(enters, 0.0), 0.0, None)
    return np.asarray(share * np.linalg.norm(way, axis=-1))
