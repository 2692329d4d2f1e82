"""What is true of a day on the floor and in no observed table."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from sources.twin.floor.visit import Visit
from sources.twin.floor.walking import Track


@dataclass(frozen=True)
class ShelfEvent:
    """`person` of a visit took `count` packages of `product` out of `lane` of a gondola, or put them into it, at `at_s`; `units` are
    their numbers. `lane` is that of the place, also where another product belongs there."""

    visit_id: str
    person: str
    deed: Literal["take", "put"]
    product: int
    count: int
    gondola: int
    lane: int
    at_s: float
    units: tuple[int, ...]


@dataclass(frozen=True)
class Handed:
    """`giver` handed packages to `receiver` of the same visit at `at_s`."""

    visit_id: str
    giver: str
    receiver: str
    product: int
    count: int
    at_s: float
    units: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class FloorTruth:
    """A day's truth, times in seconds since midnight by a true clock.

    `visits` as they were meant, `tracks` by person, `events` and `handed` in order of time. `baskets` are the packages that each
    visit left with, visit -> product -> count; `carried` the units that each person left with; `devices` whose each pseudonym is;
    `tags` EPC -> unit; `clock_offset_s` of each sensor: its clock minus the true one.
    """

    visits: Sequence[Visit]
    tracks: Mapping[str, Track]
    events: Sequence[ShelfEvent]
    handed: Sequence[Handed]
    baskets: Mapping[str, Mapping[int, int]]
    carried: Mapping[str, Sequence[int]]
    devices: Mapping[str, str]
    tags: Mapping[str, int]
    clock_offset_s: Mapping[str, float]

    def attention(self, visit_id: str) -> dict[int, float]:
        """Seconds for which a visit's persons looked at each product, product -> seconds."""
        visit = next(visit for visit in self.visits if visit.visit_id == visit_id)
        seconds: dict[int, float] = {}
        looks = (look for person in visit.people for stop in person.stops for look in stop.looks)
        for look in looks:
            seconds[look.product] = seconds.get(look.product, 0.0) + look.to_s - look.from_s
        return seconds

    def dwell_s(self, visit_id: str) -> dict[int, float]:
        """Seconds that a visit's persons stood at each gondola, gondola -> seconds."""
        visit = next(visit for visit in self.visits if visit.visit_id == visit_id)
        seconds: dict[int, float] = {}
        for stop in (stop for person in visit.people for stop in person.stops):
            seconds[stop.gondola] = seconds.get(stop.gondola, 0.0) + stop.to_s - stop.from_s
        return seconds
