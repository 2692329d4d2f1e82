"""Who is whose friend, since when, and who moves whom how strongly (the last is truth)."""

from dataclasses import dataclass

import numpy as np

from sources.twin.arrays import Bools, Floats, Ints
from sources.twin.customers.params import OnlineParams
from sources.twin.customers.population import Population
from sources.twin.keyed_random import KeyedRandom

SINCE_UNKNOWN = np.iinfo(np.int32).min
_LARGEST_FAME = 60.0  # times the least: bounds the largest hub
_STRONGEST = 0.8


@dataclass(frozen=True)
class Network:
    """Directed ties (E,) in rows sorted by `source`, then `target`; both directions of a friendship are there.

    `begins` (N + 1,) delimits each source's rows. `since` in days since 1970, SINCE_UNKNOWN where nobody knows.
    `strength` (E,) in [0, 1] is truth: the chance that `source` persuades `target`. So is `persuasiveness` (N,).
    """

    source: Ints
    target: Ints
    since: Ints
    strength: Floats
    begins: Ints
    persuasiveness: Floats

    def rows_of(self, customers: Ints) -> tuple[Ints, Ints]:
        """Rows of all ties from `customers` (Q,), and for each the position in `customers` it belongs to."""
        counts = self.begins[customers + 1] - self.begins[customers]
        owner = np.repeat(np.arange(len(customers)), counts)
        offset = np.arange(len(owner)) - np.repeat(np.cumsum(counts) - counts, counts)
        return self.begins[customers][owner] + offset, owner

    def degree(self) -> Ints:
        """Number of friends of each customer, (N,)."""
        return np.diff(self.begins)


def build_network(params: OnlineParams, people: Population, random: KeyedRandom) -> Network:
    """A network with heavy-tailed degree, in which friends are mostly of one circle and region.

    Everybody seeks friends in proportion to their fame, and finds the famous oftener: degree follows fame. Persuasiveness
    is drawn apart from it, and a tie weakens with the number of its source's ties.
    """
    count = len(people)
    low, high = _pairs(params, people, random)
    source, target = np.concatenate([low, high]), np.concatenate([high, low])
    order = np.argsort(source * np.int64(max(count, 1)) + target, kind="stable")
    source, target = source[order], target[order]
    begins = np.concatenate([[0], np.cumsum(np.bincount(source, minlength=count))]).astype(np.int64)
    first, second = np.minimum(source, target), np.maximum(source, target)
    known = random.uniform("online.since_known", first, second) < 0.85
    later = np.maximum(people.registered[first], people.registered[second])
    since = later + random.integers("online.since", 0, 30, first, second)
    spread = params.social.persuasion_spread
    persuasive = np.exp(spread * random.normal("online.persuasive", np.arange(count)) - spread**2 / 2)
    return Network(
        source=source,
        target=target,
        since=np.where(known, since, SINCE_UNKNOWN),
        strength=_strengths(params, random, persuasive, np.diff(begins), source, target),
        begins=begins,
        persuasiveness=persuasive,
    )


def _pairs(params: OnlineParams, people: Population, random: KeyedRandom) -> tuple[Ints, Ints]:
    """Different pairs of customers, the lower number first."""
    count = len(people)
    if count < 2 or params.social.friends == 0:
        none = np.zeros(0, dtype=np.int64)
        return none, none
    n = np.arange(count)
    fame = np.minimum(random.uniform("online.fame", n) ** (-1.0 / (params.social.fame_tail - 1.0)), _LARGEST_FAME)
    wanted = params.social.friends / 2.0 * fame / fame.mean()
    sought = np.floor(wanted + random.uniform("online.seeks", n)).astype(np.int64)
    seeker = np.repeat(n, sought)
    turn = np.arange(len(seeker)) - np.repeat(np.cumsum(sought) - sought, sought)
    # Customers stand in a row by circle, each as wide as their fame: a point in the row is a friend found.
    group = people.region * params.taste.circles + people.circle
    row = np.argsort(group, kind="stable")
    ends = np.cumsum(fame[row])
    first = np.searchsorted(group[row], group[seeker], side="left")
    last = np.searchsorted(group[row], group[seeker], side="right") - 1
    near = random.uniform("online.seeks_near", seeker, turn) < params.social.homophily
    low = np.where(near & (first > 0), ends[first - 1], 0.0)
    high = np.where(near, ends[last], ends[-1])
    point = low + random.uniform("online.finds", seeker, turn) * (high - low)
    found = row[np.minimum(np.searchsorted(ends, point, side="right"), count - 1)]
    apart: Bools = found != seeker
    pairs = np.stack([np.minimum(seeker, found)[apart], np.maximum(seeker, found)[apart]])
    pairs = np.unique(pairs, axis=1)
    return pairs[0], pairs[1]


def _strengths(
    params: OnlineParams, random: KeyedRandom, persuasive: Floats, degree: Ints, source: Ints, target: Ints
) -> Floats:
    spread = params.social.susceptibility_spread
    open_to = np.exp(spread * random.normal("online.susceptible", np.arange(len(degree))) - spread**2 / 2)
    diluted = (max(params.social.friends, 1.0) / np.maximum(degree, 1)) ** params.social.dilution
    strength = params.social.persuasion * persuasive[source] * diluted[source] * open_to[target]
    return np.asarray(np.minimum(strength, _STRONGEST))
