"""What passes between the online shop and a recommendation policy: requests, slates, feedback. Nothing here is latent."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from sources.twin.arrays import Bools, Floats, Ints

DEVICES = ("mobile", "desktop", "tablet", "app")


@dataclass(frozen=True)
class Requests:
    """A batch of sessions that ask for a slate, columns (R,) in order of time, and the shop's offer, columns (M,).

    `customer`, `device` and `region` by number; `session` is a number that no other session has; `time_us`
    microseconds since 1970; `hour` of the day. `available` (M,) says which items can be shown, `price` (M,) what a unit
    costs now. `slate_size` K is the number of items to show.
    """

    day: int
    session: Ints
    customer: Ints
    time_us: Ints
    hour: Ints
    device: Ints
    region: Ints
    temp_c: Floats
    rain_mm: Floats
    available: Bools
    price: Floats
    slate_size: int

    def __len__(self) -> int:
        return len(self.customer)


@dataclass(frozen=True)
class Slates:
    """What is shown: `items` (R, K) by number, first position first, and `propensities` (R, K) in (0, 1].

    A propensity is the chance, before the draw, that the policy puts that item at that position for that request.
    """

    items: Ints
    propensities: Floats


@dataclass(frozen=True)
class Feedback:
    """What the shop saw of a batch: `clicked`, `carted` and `bought` (R, K), each within the one before."""

    requests: Requests
    slates: Slates
    clicked: Bools
    carted: Bools
    bought: Bools


@runtime_checkable
class RecommendationPolicy(Protocol):
    """Decides what each session is shown, batch by batch, and learns of what came of it.

    `name` goes into the table of impressions.
    """

    @property
    def name(self) -> str:
        """Name of the policy, as the impressions tell it."""
        ...

    def slates(self, requests: Requests) -> Slates:
        """K different available items for each request; a batch comes only after the feedback to the one before."""
        ...

    def feedback(self, batch: Feedback) -> None:
        """Observed outcome of the batch that was just answered."""
        ...
