"""From strengths of ties to influence and to seeds of a campaign that do not overlap."""

import numpy as np

from models.profiles.behaviour import Floats, Ints
from models.profiles.data import Ties

_LONGEST = 30  # steps of a cascade


def influence(ties: Ties, strength: Floats, customers: int) -> Floats:
    """Friends (N,) whom a customer is expected to move, over two steps: strength (E,) times (1 + the friend's own)."""
    own = np.bincount(ties.source, weights=strength, minlength=customers)
    reach = np.bincount(ties.source, weights=strength * (1.0 + own[ties.target]), minlength=customers)
    return np.asarray(reach, dtype=np.float64)


def choose_seeds(ties: Ties, strength: Floats, customers: int, count: int, *, seed: int, samples: int) -> Ints:
    """`count` customers who together are expected to reach most, best first: greedy over reverse reachable sets.

    Each of `samples` sets holds who would have reached a customer drawn by chance, were every tie to persuade with its
    strength; a customer who lies in many sets reaches many, and who covers sets that nobody chosen covers adds most.
    Borgs et al. 2014, "Maximizing social influence in nearly optimal time"; Tang, Shi, Xiao 2015.
    """
    member, of_set = _reverse_sets(ties, strength, customers, samples, np.random.default_rng(seed))
    order = np.argsort(member, kind="stable")
    begins = np.concatenate([[0], np.cumsum(np.bincount(member, minlength=customers))])
    sets_of = of_set[order]
    by_set = np.argsort(of_set, kind="stable")
    set_begins = np.concatenate([[0], np.cumsum(np.bincount(of_set, minlength=samples))])
    adds = np.bincount(member, minlength=customers)
    covered = np.zeros(samples, dtype=bool)
    chosen: list[int] = []
    for _ in range(min(count, customers)):
        pick = int(np.argmax(adds))
        chosen.append(pick)
        fresh = sets_of[begins[pick] : begins[pick + 1]]
        fresh = fresh[~covered[fresh]]
        covered[fresh] = True
        for each in fresh:
            np.subtract.at(adds, member[by_set[set_begins[each] : set_begins[each + 1]]], 1)
        adds[pick] = -1
    return np.array(chosen, dtype=np.int64)


def _reverse_sets(
    ties: Ties, strength: Floats, customers: int, samples: int, rng: np.random.Generator
) -> tuple[Ints, Ints]:
    """Members of all sets and the set of each member, walking ties backwards in all sets at once."""
    into = np.argsort(ties.target, kind="stable")
    begins = np.concatenate([[0], np.cumsum(np.bincount(ties.target, minlength=customers))])
    front = rng.integers(0, customers, samples) + np.arange(samples) * customers
    seen = front
    for _ in range(_LONGEST):
        who, of_set = front % customers, front // customers
        counts = begins[who + 1] - begins[who]
        owner = np.repeat(np.arange(len(front)), counts)
        tie = into[begins[who][owner] + np.arange(len(owner)) - np.repeat(np.cumsum(counts) - counts, counts)]
        moved = rng.random(len(tie)) < strength[tie]
        front = np.setdiff1d(of_set[owner][moved] * customers + ties.source[tie][moved], seen)
        if not front.size:
            break
        seen = np.concatenate([seen, front])
    return seen % customers, seen // customers
