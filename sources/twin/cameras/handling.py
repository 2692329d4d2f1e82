"""What stands on a gondola while hands take things from it and put things into it."""

from collections.abc import Sequence

import numpy as np

from sources.twin.arrays import Floats
from sources.twin.cameras.appearance import Appearances
from sources.twin.cameras.camera import turned
from sources.twin.cameras.packages import Placed
from sources.twin.cameras.planogram import BOARD_CM, Gondola, Lane
from sources.twin.cameras.story import Standing
from sources.twin.cameras.truth import Deed, Event

_BETWEEN_CM = 0.6


class Handling:
    """Packages numbered from 0 as in `stocked`, those that customers bring after them. `standing` and `events` grow with
    each deed, which must come in order of time."""

    def __init__(self, gondola: Gondola, stocked: Sequence[Placed], looks: Appearances) -> None:
        self.gondola = gondola
        self.items = list(stocked)  # all packages by number, as they stand or last stood
        self.events: list[Event] = []
        self._looks = looks
        self._lane = {placed.item: self._lane_at(placed) for placed in stocked}
        self.standing = [self._snapshot(0.0)]

    def begin(self) -> None:
        """Tell anew: what stands now stands from 0 on, and nothing has happened yet."""
        self.events, self.standing = [], [self._snapshot(0.0)]

    def bring(self, product: int) -> int:
        """Number of a package that a customer brings along. It stands nowhere before it is put."""
        self.items.append(Placed(len(self.items), product, np.array([0.0, 0.0, 100.0]), np.eye(3)))
        return len(self.items) - 1

    def stocked_lanes(self) -> list[int]:
        """Lanes in which something stands, ascending."""
        return sorted(set(self._lane.values()))

    def queue(self, lane: Lane) -> list[Placed]:
        """Packages of a lane, those at the front first."""
        return sorted((self.items[i] for i, at in self._lane.items() if at == lane.lane), key=lambda p: -p.position[2])

    def fits(self, product: int, lane: Lane) -> bool:
        """Whether a package of `product` is low and narrow enough for a lane."""
        look = self._looks[product]
        boards = (*self.gondola.boards, self.gondola.top)
        high = boards[lane.level + 1] - boards[lane.level] - BOARD_CM
        return look.height + 1.0 < high and look.width <= (lane.right - lane.left) / lane.columns + 0.5

    def front(self, lane: Lane) -> Floats:
        """Where (3,) a hand touches what belongs in a lane."""
        height = 0.5 * self._looks[lane.product].height
        return np.array([(lane.left + lane.right) / 2, self.gondola.boards[lane.level] + height, 2.0])

    def palm(self, placed: Placed) -> Floats:
        """Where (3,) a hand grasps a package."""
        look = self._looks[placed.product]
        return np.asarray(placed.middle(look) + np.array([0.0, 0.0, look.depth / 2 + 1.5]))

    def take(self, product: int, count: int, lane: Lane, at_s: float, shopper: str) -> tuple[Placed, ...]:
        """Take up to `count` packages of `product` from a lane, front ones first; those taken, none where none stands there."""
        taken = tuple([placed for placed in self.queue(lane) if placed.product == product][:count])
        for placed in taken:
            del self._lane[placed.item]
        if taken:
            self._note("take", product, len(taken), lane, at_s, shopper)
        return taken

    def put(
        self,
        product: int,
        own: Sequence[int],
        count: int,
        lane: Lane,
        at_s: float,
        shopper: str,
        rng: np.random.Generator,
    ) -> tuple[Placed, ...]:
        """Put packages of `product` into a lane while there is room: up to `count` of the numbers `own`, the last first, or
        `count` new ones where `own` is empty; those put, as they stand."""
        done: list[int] = []
        while len(done) < (min(count, len(own)) if own else count):
            item = own[-1 - len(done)] if own else len(self.items)
            if not self._place(item, product, lane, rng):
                break
            done.append(item)
        if done:
            self._note("put", product, len(done), lane, at_s, shopper)
        return tuple(self.items[item] for item in done)

    def _lane_at(self, placed: Placed) -> int:
        middle = placed.middle(self._looks[placed.product])
        level = max(self.gondola.level_of(float(middle[1])), 0)
        near = [lane for lane in self.gondola.lanes if lane.level == level]
        return min(near, key=lambda lane: abs((lane.left + lane.right) / 2 - float(middle[0]))).lane

    def _snapshot(self, at_s: float) -> Standing:
        return Standing(at_s, tuple(self.items[item] for item in self._lane), dict(self._lane))

    def _note(self, deed: Deed, product: int, count: int, lane: Lane, at_s: float, shopper: str) -> None:
        self.events.append(Event(deed, product, count, lane.lane, at_s, shopper))
        self.standing.append(self._snapshot(at_s))

    def _place(self, item: int, product: int, lane: Lane, rng: np.random.Generator) -> bool:
        """Stand a package at the front of the column with most room, pushing back what is in its way; False without room."""
        look = self._looks[product]
        pitch = (lane.right - lane.left) / lane.columns
        columns = []
        for column in range(lane.columns):
            x = lane.left + (column + 0.5) * pitch
            others = [p for p in self.queue(lane) if abs(p.position[0] - x) <= pitch / 2]
            reach = [self._looks[p.product].depth / 2 for p in others]
            front = max((p.position[2] + r for p, r in zip(others, reach, strict=True)), default=-self.gondola.depth)
            back = min((p.position[2] - r for p, r in zip(others, reach, strict=True)), default=0.0)
            columns.append((front, x, others, back))
        front, x, others, back = min(columns, key=lambda column: column[0])
        push = max(0.0, front + look.depth + _BETWEEN_CM + 1.0)
        if back - push < -self.gondola.depth - 0.5:
            return False
        for p in others:
            self.items[p.item] = Placed(p.item, p.product, p.position - np.array([0, 0, push]), p.rotation)
        at = np.array([x, self.gondola.boards[lane.level], -1.0 - look.depth / 2])
        self.items[item : item + 1] = [Placed(item, product, at, turned(float(rng.normal(0, 0.25))))]
        self._lane[item] = lane.lane
        return True
