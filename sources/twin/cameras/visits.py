"""What customers do at a gondola: reaches into it, what they take and put back, and what stands where afterwards."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sources.twin.arrays import Floats
from sources.twin.cameras.appearance import Appearances
from sources.twin.cameras.camera import turned
from sources.twin.cameras.hands import Arm
from sources.twin.cameras.packages import Placed
from sources.twin.cameras.params import ClipParams
from sources.twin.cameras.planogram import BOARD_CM, Gondola, Lane
from sources.twin.cameras.truth import Event

_BETWEEN_CM = 0.6
_STILL_S = 0.8  # nothing happens before the first reach, between two and after the last


@dataclass(frozen=True, eq=False)
class Grip:
    """Packages in the hand between two times."""

    from_s: float
    to_s: float
    items: tuple[Placed, ...]


@dataclass(frozen=True, eq=False)
class Reach:
    """One arm's way: the palm is at `points` (n, 3) at `times` (n,), the elbow `elbow` (3,) from it. `touches` are the level and
    the times between which the hand rests on what stands there."""

    arm: Arm
    times: Floats
    points: Floats
    elbow: Floats
    grips: tuple[Grip, ...]
    touches: tuple[tuple[int, float, float], ...]

    def palm(self, at_s: float) -> Floats | None:
        """Place (3,) of the palm, None while the arm is away. It speeds up and slows down on each leg."""
        if not self.times[0] <= at_s <= self.times[-1]:
            return None
        leg = min(int(np.searchsorted(self.times, at_s, side="right")) - 1, len(self.times) - 2)
        share = (at_s - self.times[leg]) / (self.times[leg + 1] - self.times[leg])
        eased = share * share * (3 - 2 * share)
        return np.asarray(self.points[leg] + eased * (self.points[leg + 1] - self.points[leg]))


@dataclass(frozen=True, eq=False)
class Standing:
    """What stands on the gondola from a time on: packages and the lane each is in."""

    from_s: float
    items: tuple[Placed, ...]
    lanes: dict[int, int]


@dataclass(frozen=True, eq=False)
class Story:
    """A clip's happenings by the true clock, which starts at 0 and ends at `length_s`."""

    length_s: float
    reaches: Sequence[Reach]
    standing: Sequence[Standing]
    events: Sequence[Event]
    items: Sequence[Placed]

    def at(self, at_s: float) -> Standing:
        """What stands on the gondola at a time."""
        return [state for state in self.standing if state.from_s <= at_s][-1]

    def held(self, at_s: float) -> tuple[Placed, ...]:
        """What a customer holds at a time."""
        return tuple(
            item
            for reach in self.reaches
            for grip in reach.grips
            if grip.from_s <= at_s < grip.to_s
            for item in grip.items
        )


def tell(
    params: ClipParams, gondola: Gondola, stocked: Sequence[Placed], appearances: Appearances, rng: np.random.Generator
) -> Story:
    """One customer's reaches into a stocked gondola."""
    return _Teller(params, gondola, stocked, appearances, rng).story()


class _Teller:
    def __init__(
        self,
        params: ClipParams,
        gondola: Gondola,
        stocked: Sequence[Placed],
        looks: Appearances,
        rng: np.random.Generator,
    ) -> None:
        self._params, self._gondola, self._looks, self._rng = params, gondola, looks, rng
        self._items = list(stocked)  # all packages by number, as they stand or last stood
        self._lane = {placed.item: self._lane_at(placed) for placed in stocked}
        self._carried: list[int] = []
        self._events: list[Event] = []
        self._standing = [self._snapshot(0.0)]
        self._shopper = f"U{int(rng.integers(1, 100_000)):05d}"

    def story(self) -> Story:
        now, reaches, arm = _STILL_S, [], Arm.drawn(self._rng)
        for _ in range(int(self._rng.integers(1, self._params.visits + 1))):
            reach = self._reach(now, arm)
            reaches.append(reach)
            now = float(reach.times[-1]) + _STILL_S
        return Story(now, reaches, self._standing, self._events, self._items)

    def _lane_at(self, placed: Placed) -> int:
        middle = placed.middle(self._looks[placed.product])
        level = max(self._gondola.level_of(float(middle[1])), 0)
        near = [lane for lane in self._gondola.lanes if lane.level == level]
        return min(near, key=lambda lane: abs((lane.left + lane.right) / 2 - float(middle[0]))).lane

    def _snapshot(self, at_s: float) -> Standing:
        return Standing(at_s, tuple(self._items[item] for item in self._lane), dict(self._lane))

    def _reach(self, start: float, arm: Arm) -> Reach:
        rng, params = self._rng, self._params
        kind = rng.random()
        deeds: tuple[str, ...] = ("take",)
        if kind < params.browse_share:
            deeds = ("touch",)
        elif kind < params.browse_share + params.swap_share:
            deeds = ("put", "take")
        elif kind < params.browse_share + params.swap_share + params.put_share:
            deeds = ("put",)
        leg = params.visit_s * rng.uniform(0.85, 1.2) / 2.6
        now, times, points = start, [start], []
        grips: list[Grip] = []
        touches: list[tuple[int, float, float]] = []
        for deed in deeds:
            dwell = leg * rng.uniform(0.4, 0.8)
            arrives, acts = now + leg, now + leg + dwell / 2
            lane, at, put, taken = self._act(deed, acts)
            points += [at, at]
            times += [arrives, arrives + dwell]
            if put:
                grips.append(Grip(now, acts, put))
            if taken:
                grips.append(Grip(acts, acts + dwell / 2 + leg, taken))
            touches.append((lane.level, arrives, arrives + dwell))
            now = arrives + dwell
        first, last = points[0], points[-1]
        away = rng.uniform((-16, -34, 26), (16, -14, 40))
        times.append(now + leg)
        points = [first * (1, 1, 0) + away, *points, last * (1, 1, 0) + away * (-0.5, 1, 1)]
        elbow = rng.uniform((-16, -34, 10), (16, -20, 22))
        return Reach(arm, np.array(times), np.array(points), elbow, tuple(grips), tuple(touches))

    def _act(self, deed: str, at_s: float) -> tuple[Lane, Floats, tuple[Placed, ...], tuple[Placed, ...]]:
        """Do it: the lane, where the palm is, what was put down and what was taken."""
        if deed == "put" and (done := self._put(at_s)) is not None:
            return done
        stocked = sorted(set(self._lane.values()))
        if not stocked or deed == "touch":
            lane = self._gondola.lanes[int(self._rng.integers(len(self._gondola.lanes)))]
            height = 0.5 * self._looks[lane.product].height
            at = np.array([(lane.left + lane.right) / 2, self._gondola.boards[lane.level] + height, 2.0])
            return lane, at, (), ()
        lane = self._gondola.lanes[stocked[int(self._rng.integers(len(stocked)))]]
        queue = self._queue(lane)
        product = queue[0].product
        count = int(self._rng.integers(1, self._params.most_items + 1))
        taken = tuple([placed for placed in queue if placed.product == product][:count])
        for placed in taken:
            del self._lane[placed.item]
            self._carried.append(placed.item)
        self._note("take", product, len(taken), lane, at_s)
        return lane, self._palm(taken[0]), (), taken

    def _queue(self, lane: Lane) -> list[Placed]:
        """Packages of a lane, those at the front first."""
        return sorted((self._items[i] for i, at in self._lane.items() if at == lane.lane), key=lambda p: -p.position[2])

    def _palm(self, placed: Placed) -> Floats:
        look = self._looks[placed.product]
        return np.asarray(placed.middle(look) + np.array([0.0, 0.0, look.depth / 2 + 1.5]))

    def _note(self, deed: str, product: int, count: int, lane: Lane, at_s: float) -> None:
        self._events.append(Event("put" if deed == "put" else "take", product, count, lane.lane, at_s, self._shopper))
        self._standing.append(self._snapshot(at_s))

    def _put(self, at_s: float) -> tuple[Lane, Floats, tuple[Placed, ...], tuple[Placed, ...]] | None:
        """Put back what was taken before, or what was brought along; None where there is no room for it."""
        rng, lanes = self._rng, self._gondola.lanes
        product = lanes[int(rng.integers(len(lanes)))].product
        if self._carried:
            product = self._items[self._carried[-1]].product
        own_items = [item for item in self._carried if self._items[item].product == product]
        count = int(rng.integers(1, self._params.most_items + 1))
        wrong = rng.random() < self._params.wrong_place_share
        choice = [
            lane
            for lane in lanes
            if (lane.product != product and self._fits(product, lane) if wrong else lane.product == product)
        ]
        for k in rng.permutation(len(choice)):
            done: list[int] = []
            while len(done) < (min(count, len(own_items)) if own_items else count):
                item = own_items[-1 - len(done)] if own_items else len(self._items)
                if not self._place(item, product, choice[k]):
                    break
                done.append(item)
            if done:
                self._carried = [item for item in self._carried if item not in done]
                self._note("put", product, len(done), choice[k], at_s)
                put = tuple(self._items[item] for item in done)
                return choice[k], self._palm(put[0]), put, ()
        return None

    def _fits(self, product: int, lane: Lane) -> bool:
        look = self._looks[product]
        boards = (*self._gondola.boards, self._gondola.top)
        high = boards[lane.level + 1] - boards[lane.level] - BOARD_CM
        return look.height + 1.0 < high and look.width <= (lane.right - lane.left) / lane.columns + 0.5

    def _place(self, item: int, product: int, lane: Lane) -> bool:
        """Stand a package at the front of the column with most room, pushing back what is in its way; False without room."""
        look = self._looks[product]
        pitch = (lane.right - lane.left) / lane.columns
        columns = []
        for column in range(lane.columns):
            x = lane.left + (column + 0.5) * pitch
            others = [p for p in self._queue(lane) if abs(p.position[0] - x) <= pitch / 2]
            reach = [self._looks[p.product].depth / 2 for p in others]
            front = max((p.position[2] + r for p, r in zip(others, reach, strict=True)), default=-self._gondola.depth)
            back = min((p.position[2] - r for p, r in zip(others, reach, strict=True)), default=0.0)
            columns.append((front, x, others, back))
        front, x, others, back = min(columns, key=lambda column: column[0])
        push = max(0.0, front + look.depth + _BETWEEN_CM + 1.0)
        if back - push < -self._gondola.depth - 0.5:
            return False
        for p in others:
            self._items[p.item] = Placed(p.item, p.product, p.position - np.array([0, 0, push]), p.rotation)
        at = np.array([x, self._gondola.boards[lane.level], -1.0 - look.depth / 2])
        self._items[item : item + 1] = [Placed(item, product, at, turned(float(self._rng.normal(0, 0.25))))]
        self._lane[item] = lane.lane
        return True
