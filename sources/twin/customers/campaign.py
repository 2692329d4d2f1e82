"""Campaigns: offers to chosen customers, who take them up and persuade friends by an independent cascade.

Kempe, Kleinberg, Tardos (2003), "Maximizing the spread of influence through a social network": each newly converted
customer has one chance to persuade each friend, with the true strength of the tie.
"""

from dataclasses import dataclass

import numpy as np

from sources.twin.arrays import Bools, Floats, Ints
from sources.twin.customers.social import Network
from sources.twin.decisions import DecisionError
from sources.twin.keyed_random import KeyedRandom

_LONGEST_WAIT_DAYS = 4
_NOT_YET = np.iinfo(np.int64).max


@dataclass(frozen=True)
class Conversions:
    """What a campaign showed, columns (V,) in order of day: who converted, how many days after the offers went out, and
    whether an offer was made to them. Which friend persuaded whom is not observed."""

    customer: Ints
    after_days: Ints
    offered: Bools

    def __len__(self) -> int:
        return len(self.customer)


def run_campaign(
    network: Network,
    seed: int,
    seed_customers: Ints,
    *,
    present: Bools | None = None,
    campaign: int = 0,
    acceptance: float = 0.6,
    days: int = 28,
) -> Conversions:
    """Conversions within `days` of offers to `seed_customers`, each of whom accepts with chance `acceptance`.

    `present` (N,) says who can convert at all (default: everybody). Whether a customer accepts and whether a tie persuades
    is keyed by (seed, campaign, customers): two seed sets in one campaign meet the same luck, so more seeds never convert
    fewer. Another `campaign` number draws anew. Raises `DecisionError` for customers that do not exist or are named
    twice, and for a chance or days out of bounds.
    """
    count = len(network.begins) - 1
    _check(seed_customers, count, acceptance, days)
    random = KeyedRandom(seed)
    accepts = random.uniform("campaign.accepts", campaign, seed_customers) < acceptance
    reached = np.full(count, _NOT_YET)
    reached[seed_customers[accepts]] = 0
    persuades = random.uniform("campaign.persuades", campaign, network.source, network.target) < network.strength
    if present is not None:
        reached[~present] = _NOT_YET
        persuades &= present[network.target]
    wait = random.integers("campaign.waits", 1, _LONGEST_WAIT_DAYS + 1, campaign, network.source, network.target)
    for day in range(days + 1):
        ties, _ = network.rows_of(np.flatnonzero(reached == day))
        ties = ties[persuades[ties]]
        np.minimum.at(reached, network.target[ties], day + wait[ties])
    converted = np.flatnonzero(reached <= days)
    converted = converted[np.argsort(reached[converted], kind="stable")]
    return Conversions(converted, reached[converted], np.isin(converted, seed_customers))


def expected_spread(
    network: Network, seed: int, seed_customers: Ints, *, draws: int = 50, acceptance: float = 0.6, days: int = 28
) -> float:
    """Mean number of conversions over `draws` campaigns that no other number names: truth, for evaluation alone."""
    spread = [
        len(run_campaign(network, seed, seed_customers, campaign=-1 - draw, acceptance=acceptance, days=days))
        for draw in range(draws)
    ]
    return float(np.mean(spread))


def best_seeds(network: Network, count: int) -> Ints:
    """`count` customers who together reach many by the true strengths: truth, for evaluation alone.

    Reach is counted over two steps along the ties, and ties into customers who are reached already count less: greedy by
    what is added, in the spirit of degree discount (Chen, Wang, Yang 2009, "Efficient influence maximization in social
    networks").
    """
    size = len(network.begins) - 1
    own = _summed(network.strength, network.source, size)
    missed = np.ones(size)  # chance that a customer is not reached yet
    gain = 1.0 + _summed(network.strength * (1.0 + own[network.target]), network.source, size)
    chosen: list[int] = []
    for _ in range(min(count, size)):
        pick = int(np.argmax(gain))
        chosen.append(pick)
        gain[pick] = -np.inf
        ties = slice(int(network.begins[pick]), int(network.begins[pick + 1]))
        friends = network.target[ties]
        lost = missed[friends] * network.strength[ties]
        missed[friends] -= lost
        # Ties are there in both directions: the friends' own ties name all who would have reached them too.
        back, owner = network.rows_of(friends)
        sources = network.target[back]
        into = _into(network, back)
        np.subtract.at(gain, sources, into * (lost * (1.0 + own[friends]))[owner])
    return np.array(chosen, dtype=np.int64)


def _into(network: Network, ties: Ints) -> Floats:
    """Strength of the opposite direction of ties (T,)."""
    size = np.int64(len(network.begins) - 1)
    key = network.source * size + network.target  # ascending, as rows are sorted
    opposite = np.searchsorted(key, network.target[ties] * size + network.source[ties])
    return network.strength[opposite]


def _summed(values: Floats, by: Ints, size: int) -> Floats:
    return np.asarray(np.bincount(by, weights=values, minlength=size), dtype=np.float64)


def _check(seed_customers: Ints, count: int, acceptance: float, days: int) -> None:
    outside = seed_customers[(seed_customers < 0) | (seed_customers >= count)]
    if outside.size:
        raise DecisionError(f"campaign seeds customer {outside[0]}, outside 0..{count - 1}; give the customer's number")
    different, times = np.unique(seed_customers, return_counts=True)
    if (times > 1).any():
        raise DecisionError(f"campaign seeds customer {different[times > 1][0]} twice; name each customer once")
    if not 0 < acceptance <= 1:
        raise DecisionError(
            f"campaign's acceptance {acceptance:g} lies outside (0, 1]; give the chance to accept an offer"
        )
    if not 0 <= days <= 365:
        raise DecisionError(f"campaign of {days} days lies outside 0..365; give the days until it is counted")
