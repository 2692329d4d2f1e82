"""What is true of customers and online shop and in no table: tastes, segments, influence, and what any slate would earn."""

from dataclasses import dataclass

import numpy as np

from sources.twin.arrays import Floats, Ints
from sources.twin.customers.appeal import Appeal, DayAppeal
from sources.twin.customers.population import Population
from sources.twin.customers.protocol import Requests
from sources.twin.customers.social import Network
from sources.twin.customers.state import OnlineState
from sources.twin.decisions import DecisionError


@dataclass
class Moment:
    """What the shop lives through right now: the day's appeal and the memory that every batch changes."""

    day: int
    today: DayAppeal
    state: OnlineState


@dataclass(frozen=True)
class Influence:
    """True strengths as a sparse matrix (N, N) in rows: those of source a are begins[a] to begins[a + 1]."""

    begins: Ints
    target: Ints
    strength: Floats

    def out_strength(self) -> Floats:
        """Friends whom each customer (N,) persuades directly, in the mean."""
        source = np.repeat(np.arange(len(self.begins) - 1), np.diff(self.begins))
        return np.asarray(np.bincount(source, weights=self.strength, minlength=len(self.begins) - 1), dtype=np.float64)


class OnlineTruth:
    """The truth of one shop. `people` and `network` are the customers and ties; `segment` (N,) and `taste` (N, D) at rest.

    Utilities and chances are those of the moment: ask while a policy is asked for slates, or about the last day lived.
    """

    def __init__(self, people: Population, network: Network, appeal: Appeal) -> None:
        self.people = people
        self.network = network
        self.influence = Influence(network.begins, network.target, network.strength)
        self.moment: Moment | None = None
        self._appeal = appeal

    @property
    def segment(self) -> Ints:
        """Segment of each customer (N,), an index into `segments.SEGMENTS`."""
        return self.people.segment

    @property
    def item_factors(self) -> Floats:
        """Factors (M, D) that customers' tastes meet."""
        return self._appeal.factors

    def taste(self) -> Floats:
        """Taste (N, D) of every customer on the day of the moment, its walk included."""
        return self._now().today.taste

    def utilities(self, requests: Requests) -> Floats:
        """True utility (R, M) of every item for every request."""
        now = self._now()
        if requests.day != now.day:
            raise DecisionError(
                f"requests of day {requests.day} asked on day {now.day}; ask for utilities while that day is lived"
            )
        return self._appeal.utilities(now.today, now.state, requests)

    def expected_clicks(self, requests: Requests, items: Ints) -> Floats:
        """Chance (R, K) of a click on each item of slates (R, K), without noise."""
        return self._appeal.click_chances(self.utilities(requests), items)

    def _now(self) -> Moment:
        if self.moment is None:
            raise DecisionError("no day of the online shop has been lived yet; advance it first")
        return self.moment
