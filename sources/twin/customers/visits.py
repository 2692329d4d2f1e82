"""Who comes to the shop on a day, at what time and on which device; no decision moves it."""

from dataclasses import dataclass, fields

import numpy as np

from sources.twin.arrays import Ints
from sources.twin.customers.population import Population, device_used
from sources.twin.keyed_random import KeyedRandom
from sources.twin.lines import DAY_US

MOST_VISITS = 8  # of one customer a day, of their own accord
SESSIONS_A_DAY = 100  # numbers set aside for a customer and day, follow-up visits included
_SECOND_US = 1_000_000
# Visits of each hour, from midnight: quiet nights, lunch, and most after work.
_HOURLY = np.array([1, 0.5, 0.3, 0.2, 0.3, 0.7, 2, 3, 4, 4, 4, 4.5, 6, 5, 4, 4, 4.5, 6, 7, 8, 9, 8, 5, 2])
_CUMULATIVE = np.cumsum(_HOURLY / _HOURLY.sum())[:-1]
_LAST_SECOND = 2_700  # of an hour: what follows a visit's start falls into the same hour


@dataclass(frozen=True)
class Visits:
    """Sessions of a day, columns (Q,): `turn` counts a customer's sessions of the day, times in microseconds since 1970."""

    customer: Ints
    turn: Ints
    hour: Ints
    start_us: Ints
    device: Ints

    def __len__(self) -> int:
        return len(self.customer)


def own_visits(people: Population, random: KeyedRandom, day: int) -> Visits:
    """Sessions of a day in order of time, Poisson about each customer's mean."""
    n = np.arange(len(people))
    mean = people.visits_on(day)
    u = random.uniform("online.visits", n, day)
    chance = np.exp(-mean)
    count = np.zeros(n.shape, dtype=np.int64)
    below = chance.copy()
    for k in range(1, MOST_VISITS + 1):
        count += u > below
        chance = chance * mean / k
        below += chance
    customer = np.repeat(n, count)
    turn = np.arange(len(customer)) - np.repeat(np.cumsum(count) - count, count)
    return _timed(people, random, day, customer, turn)


def joined(first: Visits, second: Visits) -> Visits:
    """The first visits, then the second."""
    return Visits(*(np.concatenate([getattr(first, f.name), getattr(second, f.name)]) for f in fields(Visits)))


def follow_up_visits(people: Population, random: KeyedRandom, day: int, customer: Ints) -> Visits:
    """One session for each of `customer` (F,), who come for what a friend bought; a customer may be named again."""
    order = np.argsort(customer, kind="stable")
    ranked = customer[order]
    first = np.flatnonzero(np.diff(ranked, prepend=-1))
    turn = np.empty(len(customer), dtype=np.int64)
    turn[order] = np.arange(len(ranked)) - np.repeat(first, np.diff(np.append(first, len(ranked))))
    return _unsorted(people, random, day, customer, MOST_VISITS + turn)


def session_number(day: int, customer: Ints, turn: Ints, customers: int) -> Ints:
    """A whole number that no other session has."""
    return np.asarray((np.int64(day) * customers + customer) * SESSIONS_A_DAY + turn)


def _timed(people: Population, random: KeyedRandom, day: int, customer: Ints, turn: Ints) -> Visits:
    visits = _unsorted(people, random, day, customer, turn)
    order = np.argsort(visits.start_us, kind="stable")
    return Visits(customer[order], turn[order], visits.hour[order], visits.start_us[order], visits.device[order])


def _unsorted(people: Population, random: KeyedRandom, day: int, customer: Ints, turn: Ints) -> Visits:
    key = (customer, day, turn)
    hour = np.searchsorted(_CUMULATIVE, random.uniform("online.hour", *key), side="right").astype(np.int64)
    second = hour * 3600 + random.integers("online.second", 0, _LAST_SECOND, *key)
    # Microseconds apart, so that two sessions of a customer never share an instant.
    start = day * DAY_US + second * _SECOND_US + turn
    return Visits(customer, turn, hour, start, device_used(random, people.device[customer], customer, day, turn))
