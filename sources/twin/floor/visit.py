"""A visit as it is meant: who comes, where they stop, what they look at, and the reaches they plan. All of it is truth.

Times are seconds since midnight by a true clock. What shelves hold decides later which deeds come about (`happenings`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from sources.twin.arrays import Floats
from sources.twin.cameras.hands import Arm

Kind: TypeAlias = Literal["take", "put", "touch"]


@dataclass(frozen=True)
class Look:
    """Attention to `product` at its `lane` between two times."""

    product: int
    lane: int
    from_s: float
    to_s: float


@dataclass(frozen=True)
class Plan:
    """`count` packages of `product` to be taken from or put into `lane`, or what stands there only touched."""

    kind: Kind
    product: int
    count: int
    lane: int


@dataclass(frozen=True)
class PlannedReach:
    """One reach into a gondola: `leg_s` for each way of the hand, `dwell_s` for each of its `plans`."""

    gondola: int
    from_s: float
    leg_s: float
    dwell_s: tuple[float, ...]
    plans: tuple[Plan, ...]

    @property
    def arrives_s(self) -> tuple[float, ...]:
        """When the hand comes to each plan's place."""
        times, now = [], self.from_s
        for dwell in self.dwell_s:
            times.append(now + self.leg_s)
            now += self.leg_s + dwell
        return tuple(times)

    @property
    def to_s(self) -> float:
        """When the hand is back."""
        return self.arrives_s[-1] + self.dwell_s[-1] + self.leg_s


@dataclass(frozen=True)
class HandOver:
    """`product` from one member of a group to another, as many packages as were just taken."""

    giver: int
    receiver: int
    product: int
    count: int
    at_s: float


@dataclass(frozen=True, eq=False)
class Stop:
    """A stay before a gondola with its looks and reaches in order of time."""

    gondola: int
    from_s: float
    to_s: float
    looks: Sequence[Look]
    reaches: Sequence[PlannedReach]


@dataclass(frozen=True, eq=False)
class Person:
    """Member `member` of a group; 0 opens the gate and pays. `knots` (K, 3) are times and places x, y between which they walk
    straight; they cross the gates at `enters_s` and `leaves_s`. `clothes` (8,) is how they look from above, `device_db` the offset
    of their device, None where it is not heard; `shields` whether their body hides tags at the exit."""

    member: int
    arm: Arm
    clothes: Floats
    device_db: float | None
    shields: bool
    enters_s: float
    leaves_s: float
    knots: Floats
    stops: Sequence[Stop]


@dataclass(frozen=True, eq=False)
class Visit:
    """A group's visit. The gate opens at `opened_s`; `wanted` is the shopping list, product -> packages."""

    number: int
    visit_id: str
    opened_s: float
    side_by_side: bool
    wanted: Mapping[int, int]
    people: Sequence[Person]
    hand_overs: Sequence[HandOver]

    def name(self, member: int) -> str:
        """The name of a member in what is true."""
        return f"{self.visit_id}.{member}"
