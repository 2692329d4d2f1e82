"""Which product stands where on a gondola: lanes on boards, and the packages in them."""

from dataclasses import dataclass

import numpy as np

from sources.twin.arrays import Floats, Ints
from sources.twin.cameras.appearance import Appearance, Appearances
from sources.twin.cameras.camera import turned
from sources.twin.cameras.packages import Placed
from sources.twin.cameras.params import ShelfParams

_BETWEEN_CM = 0.9  # from lane to lane, and from row to row
_FRONT_CM = 1.0  # from the front edge of a board to the first row
BOARD_CM = 1.6  # thickness of a board


@dataclass(frozen=True)
class Lane:
    """A stretch of board planned for one product: `left` to `right` in cm along the shelf, `columns` of packages side by
    side."""

    lane: int
    level: int
    product: int
    left: float
    right: float
    columns: int


@dataclass(frozen=True)
class Gondola:
    """Lanes on boards whose upper sides lie at heights `boards` (levels,), lowest first; `top` is the end of the uprights."""

    width: float
    depth: float
    boards: tuple[float, ...]
    top: float
    lanes: tuple[Lane, ...]

    def level_of(self, height: float) -> int:
        """The bay between boards in which a height lies, -1 below the lowest board."""
        return int(np.searchsorted(self.boards, height, side="right")) - 1


def plan(params: ShelfParams, appearances: Appearances, products: Ints, rng: np.random.Generator) -> Gondola:
    """A gondola for the products numbered `products` (N,), those of like height on one board as shops do to save room."""
    per_board = max(2, int(params.width_cm / 7.0))
    chosen = rng.permutation(products)
    chosen = np.resize(chosen, max(params.levels * per_board, 1))  # a small catalogue has several lanes of a product
    height = np.array([appearances[int(p)].height for p in chosen])
    order = chosen[np.argsort(height + rng.normal(0, 1.0, height.size), kind="stable")]
    groups = np.array_split(order, params.levels)
    boards: list[float] = [0.0]
    lanes: list[Lane] = []
    for level, place in enumerate(rng.permutation(params.levels)):
        group = rng.permutation(groups[place])
        x, tallest = -params.width_cm / 2 + 1.5, 0.0
        for product in group.tolist():
            look = appearances[product]
            columns = int(rng.integers(1, params.facings + 1))
            wide = columns * (look.width + _BETWEEN_CM)
            if x + wide > params.width_cm / 2 - 1.0:
                continue
            lanes.append(Lane(len(lanes), level, product, x, x + wide, columns))
            x, tallest = x + wide, max(tallest, look.height)
        boards.append(boards[-1] + tallest + params.clearance_cm + BOARD_CM)
    return Gondola(params.width_cm, params.depth_cm, tuple(boards[:-1]), boards[-1], tuple(lanes))


def stock(
    gondola: Gondola, params: ShelfParams, appearances: Appearances, products: Ints, rng: np.random.Generator
) -> list[Placed]:
    """Packages in the lanes, numbered from 0: some lanes sold out, some packages turned, fallen or in a wrong lane."""
    placed: list[Placed] = []
    for lane in gondola.lanes:
        if rng.random() < params.gap_share:
            continue
        look = appearances[lane.product]
        if rng.random() < params.fallen_share * lane.columns and look.shape != "pouch":
            placed.append(_fallen(len(placed), lane, gondola, look, rng))
            continue
        pitch = (lane.right - lane.left) / lane.columns
        for column in range(lane.columns):
            deepest = int((gondola.depth - _FRONT_CM) // (look.depth + _BETWEEN_CM))
            most = min(params.rows, max(deepest, 1))
            rows = int(rng.integers(min(params.fewest_rows, most), most + 1))
            for row in range(rows):
                product = lane.product
                if row == 0 and rng.random() < params.misplaced_share:
                    other = int(rng.choice(products))
                    product = other if _fits(appearances[other], look) else product
                turn = rng.normal(0, 0.07)
                if rng.random() < params.turned_share:
                    turn = rng.uniform(-np.pi, np.pi) if appearances[product].is_round else rng.normal(0, 0.3)
                x = lane.left + (column + 0.5) * pitch + rng.normal(0, 0.12)
                z = -_FRONT_CM - (row + 0.5) * (look.depth + _BETWEEN_CM) - abs(rng.normal(0, 0.5))
                at = np.array([x, gondola.boards[lane.level], z])
                placed.append(Placed(len(placed), product, at, turned(turn)))
    return placed


def resting(item: int, product: int, look: Appearance, rotation: Floats, x: float, z: float, floor: float) -> Placed:
    """A package turned in any way that lies on a plane at height `floor`, its middle above (x, z)."""
    up = rotation[1]
    if look.is_round:
        low = abs(up[1]) * look.height / 2 + np.sqrt(max(0.0, 1 - up[1] ** 2)) * look.width / 2
    else:
        low = float(np.abs(up) @ (look.width / 2, look.height / 2, look.depth / 2))
    middle = np.array([x, floor + low, z])
    return Placed(item, product, middle - rotation[:, 1] * (look.height / 2), rotation)


def _fits(look: Appearance, planned: Appearance) -> bool:
    return (
        look.width <= planned.width + _BETWEEN_CM and look.height <= planned.height and look.depth <= planned.depth + 2
    )


def _fallen(item: int, lane: Lane, gondola: Gondola, look: Appearance, rng: np.random.Generator) -> Placed:
    """Along the shelf where the lane is long enough, else with its top or bottom to the aisle."""
    x, floor = (lane.left + lane.right) / 2, gondola.boards[lane.level]
    if look.height <= lane.right - lane.left:
        rotation = turned(rng.uniform(-0.6, 0.6), 0.0, rng.choice((-1.0, 1.0)) * np.pi / 2)
        return resting(item, lane.product, look, rotation, x, -_FRONT_CM - look.depth / 2 - 1.0, floor)
    rotation = turned(rng.uniform(-0.4, 0.4), rng.choice((-1.0, 1.0)) * np.pi / 2)
    return resting(item, lane.product, look, rotation, x, -_FRONT_CM - look.height / 2, floor)
