"""What happens at a gondola during a clip, told by the true clock: arms' ways, what they hold, and what stands where."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sources.twin.arrays import Floats
from sources.twin.cameras.hands import Arm
from sources.twin.cameras.packages import Placed
from sources.twin.cameras.truth import Event


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
class Grasp:
    """One thing done by a hand that rests at `place` (3,) on a level from `arrives_s` for `dwell_s`: what it `put` down or `taken`
    away in the middle of that time."""

    level: int
    arrives_s: float
    dwell_s: float
    place: Floats
    put: tuple[Placed, ...] = ()
    taken: tuple[Placed, ...] = ()

    @property
    def acts_s(self) -> float:
        """When it is done."""
        return self.arrives_s + self.dwell_s / 2

    @property
    def leaves_s(self) -> float:
        """When the hand moves on."""
        return self.arrives_s + self.dwell_s


def reach_of(arm: Arm, from_s: float, leg_s: float, grasps: Sequence[Grasp], rng: np.random.Generator) -> Reach:
    """An arm's way through its grasps, `leg_s` for each way between them, from somewhere before the gondola and back there."""
    now, times, points = from_s, [from_s], []
    grips: list[Grip] = []
    for grasp in grasps:
        points += [grasp.place, grasp.place]
        times += [grasp.arrives_s, grasp.leaves_s]
        if grasp.put:
            grips.append(Grip(now, grasp.acts_s, grasp.put))
        if grasp.taken:
            grips.append(Grip(grasp.acts_s, grasp.acts_s + grasp.dwell_s / 2 + leg_s, grasp.taken))
        now = grasp.leaves_s
    away = rng.uniform((-16, -34, 26), (16, -14, 40))
    times.append(now + leg_s)
    points = [points[0] * (1, 1, 0) + away, *points, points[-1] * (1, 1, 0) + away * (-0.5, 1, 1)]
    elbow = rng.uniform((-16, -34, 10), (16, -20, 22))
    touches = tuple((grasp.level, grasp.arrives_s, grasp.leaves_s) for grasp in grasps)
    return Reach(arm, np.array(times), np.array(points), elbow, tuple(grips), touches)


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
