"""What comes of the plans of a day's visits: hands take what is there, bags fill, and shelves stand as they were left.

Reaches into a gondola that lie close together in time make one episode, which is filmed as one clip, whoever's arms are in it.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from sources.twin.arrays import Ints
from sources.twin.cameras.handling import Handling
from sources.twin.cameras.story import Grasp, Reach, Story, reach_of
from sources.twin.cameras.studio import Studio
from sources.twin.cameras.visits import STILL_S
from sources.twin.floor.assortment import Assortment
from sources.twin.floor.truth import Handed, ShelfEvent
from sources.twin.floor.units import Morning
from sources.twin.floor.visit import HandOver, Person, Plan, PlannedReach, Visit
from sources.twin.keyed_random import KeyedRandom


@dataclass(frozen=True, eq=False)
class Episode:
    """What happened at a gondola from `from_s` (seconds since midnight), told by `story`; `units` (N,) are its packages."""

    gondola: int
    from_s: float
    story: Story
    units: Ints


@dataclass(frozen=True, eq=False)
class Happenings:
    """`episodes` in order of time, and what is true of them (see `truth.FloorTruth`). `left` are the units that stand on each
    gondola at the day's end."""

    episodes: Sequence[Episode]
    events: Sequence[ShelfEvent]
    handed: Sequence[Handed]
    carried: dict[str, list[int]]
    baskets: dict[str, dict[int, int]]
    left: Sequence[Sequence[int]]


@dataclass(eq=False)
class _Arm:
    """A reach under way."""

    visit: Visit
    person: Person
    reach: PlannedReach
    rng: np.random.Generator
    grasps: list[Grasp] = field(default_factory=list)

    @property
    def who(self) -> str:
        return self.visit.name(self.person.member)


@dataclass(eq=False)
class _Shelf:
    """A gondola on its day: packages by number and the unit of each."""

    handling: Handling
    units: list[int]

    def number(self, unit: int, product: int) -> int:
        """The number of a unit, a new one where it comes from elsewhere."""
        if unit not in self.units:
            self.units.append(unit)
            return self.handling.bring(product)
        return self.units.index(unit)


def happen(
    studio: Studio, assortment: Assortment, morning: Morning, visits: Sequence[Visit], random: KeyedRandom, day: int
) -> Happenings:
    """Live through the plans in order of time."""
    return _Day(studio, assortment, morning, visits, random, day).lived()


class _Day:
    def __init__(
        self,
        studio: Studio,
        assortment: Assortment,
        morning: Morning,
        visits: Sequence[Visit],
        random: KeyedRandom,
        day: int,
    ) -> None:
        self._visits, self._product = visits, morning.product
        self._shelves = [
            _Shelf(
                Handling(stand.gondola, stocked, studio.appearances),
                list(range(int(first), int(first) + len(stocked))),
            )
            for stand, stocked, first in zip(assortment.stands, morning.stocked, morning.first, strict=True)
        ]
        self._bags: dict[str, list[int]] = {visit.name(p.member): [] for visit in visits for p in visit.people}
        self._events: list[ShelfEvent] = []
        self._handed: list[Handed] = []
        self._arms = [
            _Arm(visit, person, reach, np.random.default_rng(int(random.bits("floor.reach", day, visit.number, k))))
            for visit in visits
            for k, (person, reach) in enumerate(
                (person, reach) for person in visit.people for stop in person.stops for reach in stop.reaches
            )
        ]

    def lived(self) -> Happenings:
        episodes = [(gondola, arms) for gondola in range(len(self._shelves)) for arms in self._close_together(gondola)]
        # An episode's deeds end before the next one of its gondola begins; those of different gondolas interleave.
        moments: list[tuple[float, int, int, int]] = []
        for number, (_, arms) in enumerate(episodes):
            moments.append((arms[0].reach.from_s - STILL_S, 0, number, 0))
            moments.append((max(arm.reach.to_s for arm in arms), 3, number, 0))
            for k, arm in enumerate(arms):
                moments += [
                    (at_s + dwell / 2, 1, number, k)
                    for at_s, dwell in zip(arm.reach.arrives_s, arm.reach.dwell_s, strict=True)
                ]
        given = [(visit, each) for visit in self._visits for each in visit.hand_overs]
        moments += [(each.at_s, 2, k, 0) for k, (_, each) in enumerate(given)]
        told: list[Episode] = []
        for at_s, kind, number, k in sorted(moments):
            if kind == 2:
                self._hand_over(*given[number])
                continue
            gondola, arms = episodes[number]
            if kind == 0:
                self._shelves[gondola].handling.begin()
            elif kind == 1:
                self._act(gondola, arms[k], at_s, arms[0].reach.from_s - STILL_S)
            else:
                told.append(self._episode(gondola, arms))
        baskets = {}
        for visit in self._visits:
            units = [unit for person in visit.people for unit in self._bags[visit.name(person.member)]]
            baskets[visit.visit_id] = dict(sorted(Counter(self._product[units].tolist()).items()))
        left = [[shelf.units[item] for item in shelf.handling.standing[-1].lanes] for shelf in self._shelves]
        told.sort(key=lambda episode: episode.from_s)
        return Happenings(told, self._events, self._handed, self._bags, baskets, left)

    def _close_together(self, gondola: int) -> list[list[_Arm]]:
        """Reaches into a gondola in order of time, those of one clip together."""
        found: list[list[_Arm]] = []
        ends = -np.inf
        for arm in sorted(
            (arm for arm in self._arms if arm.reach.gondola == gondola), key=lambda arm: arm.reach.from_s
        ):
            if arm.reach.from_s - STILL_S > ends:
                found.append([])
            found[-1].append(arm)
            ends = max(ends, arm.reach.to_s + STILL_S)
        return found

    def _act(self, gondola: int, arm: _Arm, at_s: float, from_s: float) -> None:
        """Do the next thing that an arm has planned."""
        shelf, k = self._shelves[gondola], len(arm.grasps)
        plan = arm.reach.plans[k]
        lane = shelf.handling.gondola.lanes[plan.lane]
        arrives, dwell = arm.reach.arrives_s[k] - from_s, arm.reach.dwell_s[k]
        before = len(shelf.handling.events)
        bag = self._bags[arm.who]
        if plan.kind == "take":
            moved = shelf.handling.take(plan.product, plan.count, lane, at_s - from_s, arm.who)
            bag += [shelf.units[placed.item] for placed in moved]
        else:
            numbers = [shelf.number(unit, plan.product) for unit in self._held(bag, plan)]
            moved = (
                shelf.handling.put(plan.product, numbers, plan.count, lane, at_s - from_s, arm.who, arm.rng)
                if numbers
                else ()
            )
            for placed in moved:
                bag.remove(shelf.units[placed.item])
        place = shelf.handling.palm(moved[0]) if moved else shelf.handling.front(lane)
        put, taken = (moved, ()) if plan.kind == "put" else ((), moved)
        arm.grasps.append(Grasp(lane.level, arrives, dwell, place, put, taken))
        if len(shelf.handling.events) > before:
            told, units = shelf.handling.events[-1], tuple(shelf.units[placed.item] for placed in moved)
            self._events.append(
                ShelfEvent(
                    arm.visit.visit_id, arm.who, told.deed, told.product, told.count, gondola, told.lane, at_s, units
                )
            )

    def _held(self, bag: Sequence[int], plan: Plan) -> list[int]:
        """Units of a product in a bag that are to be put, the last taken at the end; none where nothing is put."""
        if plan.kind != "put":
            return []
        return [unit for unit in bag if self._product[unit] == plan.product]

    def _hand_over(self, visit: Visit, each: HandOver) -> None:
        giver, receiver = visit.name(each.giver), visit.name(each.receiver)
        units = [unit for unit in self._bags[giver] if self._product[unit] == each.product][-each.count :]
        if not units:
            return
        self._bags[giver] = [unit for unit in self._bags[giver] if unit not in units]
        self._bags[receiver] += units
        self._handed.append(Handed(visit.visit_id, giver, receiver, each.product, len(units), each.at_s, tuple(units)))

    def _episode(self, gondola: int, arms: Sequence[_Arm]) -> Episode:
        shelf, from_s = self._shelves[gondola], arms[0].reach.from_s - STILL_S
        reaches: list[Reach] = [
            reach_of(arm.person.arm, arm.reach.from_s - from_s, arm.reach.leg_s, arm.grasps, arm.rng) for arm in arms
        ]
        length = max(arm.reach.to_s for arm in arms) + STILL_S - from_s
        done = shelf.handling
        story = Story(length, reaches, done.standing, done.events, list(done.items))
        return Episode(gondola, from_s, story, np.array(shelf.units, dtype=np.int64))
