"""The persons of a day side by side, as sensors meet them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sources.twin.arrays import Floats, Ints
from sources.twin.floor.crowd import CLOTHES
from sources.twin.floor.visit import Person, Visit
from sources.twin.floor.walking import Track, track
from sources.twin.keyed_random import KeyedRandom


@dataclass(frozen=True, eq=False)
class People:
    """N persons: their `visit` and `person` records, tracks, names, and numbers of visit and member (N,), which key what is drawn
    about each."""

    visits: Sequence[Visit]
    persons: Sequence[Person]
    tracks: Sequence[Track]
    names: Sequence[str]
    visit: Ints
    member: Ints

    def __len__(self) -> int:
        return len(self.names)

    @property
    def clothes(self) -> Floats:
        """Appearances (N, 8)."""
        return np.array([person.clothes for person in self.persons]).reshape(-1, CLOTHES)


def people_of(visits: Sequence[Visit], sway_m: float, random: KeyedRandom, day: int) -> People:
    """All persons of some visits with their tracks."""
    pairs = [(visit, person) for visit in visits for person in visit.people]
    seeds = [int(random.bits("floor.sway", day, visit.number, person.member)) for visit, person in pairs]
    return People(
        [visit for visit, _ in pairs],
        [person for _, person in pairs],
        [track(person, sway_m, np.random.default_rng(s)) for (_, person), s in zip(pairs, seeds, strict=True)],
        [visit.name(person.member) for visit, person in pairs],
        np.array([visit.number for visit, _ in pairs], dtype=np.int64),
        np.array([person.member for _, person in pairs], dtype=np.int64),
    )
