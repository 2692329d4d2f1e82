"""Whose account pays for a visit, and which visits belong to the panel: draws of their own, which change no other."""

from collections.abc import Sequence

import numpy as np

from sources.twin.arrays import Bools, Ints
from sources.twin.keyed_random import KeyedRandom


def accounts(
    random: KeyedRandom, day: int, visits: Ints, customer_ids: Sequence[str], *, strangers: float
) -> list[str | None]:
    """The customer who pays for each visit (N,) of a day, any of `customer_ids` (C,) alike; a share of `strangers` has no account.

    Customers who are appended for later days change no day before.
    """
    known = random.uniform("floor.stranger", day, visits) >= strangers
    if not len(customer_ids):
        return [None] * len(visits)
    chosen = random.integers("floor.account", 0, len(customer_ids), day, visits)
    return [customer_ids[who] if there else None for who, there in zip(chosen.tolist(), known.tolist(), strict=True)]


def of_panel(random: KeyedRandom, day: int, visits: Ints, *, share: float) -> Bools:
    """Whether the persons of each visit (N,) of a day wear eye trackers."""
    return np.asarray(random.uniform("floor.panel_member", day, visits) < share)
