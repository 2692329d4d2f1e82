"""What `evaluate` may ask of a simulated world: campaigns of chosen customers, and the true segments."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np

from models.profiles.behaviour import Floats, Ints
from models.profiles.data import Dataset
from models.profiles.follows import Follows
from models.profiles.influence import Told
from models.profiles.spread import choose_seeds

SEED_SHARE = 0.02  # of the customers: who is made the offer
DRAWS = 200
SAMPLES = 50_000  # reverse reachable sets by which seeds are chosen
RANDOM, DEGREE, RATES, ORACLE = "random customers", "highest degree", "follow rates", "oracle"
_CREDIT_PURCHASES = 30.0  # purchases and friends at the usual rate that the plain estimate credits a customer with


@runtime_checkable
class CampaignWorld(Protocol):
    """A world in which an offer is made to customers and what comes of it is counted."""

    def converted(self, customer_ids: Sequence[str], draw: int) -> int:
        """Conversions of a campaign seeded at these customers; another `draw` meets other luck, one draw the same."""
        ...

    def best(self, count: int) -> Sequence[str]:
        """Customers who together reach many by the true strengths: the oracle."""
        ...


@runtime_checkable
class SegmentTruth(Protocol):
    """The true segments."""

    @property
    def segments(self) -> Mapping[str, str]:
        """Name of the true segment of each customer id."""
        ...


@dataclass(frozen=True)
class Campaign:
    """Conversions (D,) of one way to choose seeds, draw by draw."""

    name: str
    conversions: Floats


def follow_rates(data: Dataset, follows: Follows) -> Floats:
    """The plain estimate of influence (N,): purchases that friends added per purchase, shrunken, times friends."""
    own = follows.by_source(data.ties.source, len(data.customers))
    usual = own.excess.sum() / max(own.chances.sum(), 1.0)
    rate = (own.excess + _CREDIT_PURCHASES * usual) / (own.chances + _CREDIT_PURCHASES)
    return np.asarray(rate * data.ties.degree)


def seeds_by(name: str, data: Dataset, follows: Follows, told: Told, count: int, seed: int) -> Ints:
    """Seeds by the network's strengths, or by the plain ways beside it."""
    if name == DEGREE:
        return np.argsort(-data.ties.degree, kind="stable")[:count]
    if name == RATES:
        return np.argsort(-follow_rates(data, follows), kind="stable")[:count]
    return choose_seeds(data.ties, told.strength, len(data.customers), count, seed=seed, samples=SAMPLES)


def run_campaigns(
    world: CampaignWorld, data: Dataset, follows: Follows, told: Told, *, champion: str, seed: int, draws: int = DRAWS
) -> list[Campaign]:
    """Campaigns of equally many seeds, in the same luck draw by draw; random customers are drawn anew each time."""
    count = max(1, round(SEED_SHARE * len(data.customers)))
    rng = np.random.default_rng(seed)
    chosen: dict[str, Sequence[str]] = {
        name: data.customers[seeds_by(name, data, follows, told, count, seed)].tolist()
        for name in (champion, RATES, DEGREE)
    }
    chosen[ORACLE] = world.best(count)
    campaigns = [
        Campaign(name, np.array([world.converted(ids, draw) for draw in range(draws)], dtype=np.float64))
        for name, ids in chosen.items()
    ]
    chance = [
        world.converted(data.customers[rng.choice(len(data.customers), count, replace=False)].tolist(), draw)
        for draw in range(draws)
    ]
    return [*campaigns, Campaign(RANDOM, np.array(chance, dtype=np.float64))]


def lift(
    campaign: Floats, other: Floats, rng: np.random.Generator, *, resamples: int = 2_000
) -> tuple[float, float, float]:
    """By how much a campaign's mean surpasses another's, as a share of it, and its 95 % interval over draws (paired)."""
    rows = rng.integers(0, len(campaign), (resamples, len(campaign)))
    found = campaign[rows].mean(axis=1) / other[rows].mean(axis=1) - 1.0
    low, high = np.quantile(found, [0.025, 0.975])
    return float(campaign.mean() / other.mean() - 1.0), float(low), float(high)
