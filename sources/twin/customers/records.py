"""What happened in the online shop on one day, as columns; the tables are made of it."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from sources.twin.arrays import Bools, Floats, Ints
from sources.twin.customers.visits import Visits

KINDS = ("click", "cart", "purchase")
CLICK, CART, PURCHASE = range(3)
NO_IMPRESSION = -1
_TYPES: dict[str, Any] = {"propensity": np.float64, "chance": np.float64, "price": np.float64, "clicked": np.bool_}


@dataclass(frozen=True)
class Impressions:
    """Showings, columns (I,): `session` is a row of the day's visits. `chance` of a click is truth."""

    session: Ints
    customer: Ints
    item: Ints
    position: Ints
    shown_us: Ints
    propensity: Floats
    clicked: Bools
    chance: Floats

    def __len__(self) -> int:
        return len(self.item)

    @classmethod
    def joined(cls, parts: "Sequence[Impressions]") -> "Impressions":
        """All parts, one after the other."""
        return cls(*_together(parts, [f.name for f in fields(cls)]))


@dataclass(frozen=True)
class Events:
    """Events, columns (E,): rows of the day's visits and impressions, NO_IMPRESSION where nothing was shown.

    `units` and `price` hold for purchases, 0 and NaN else.
    """

    session: Ints
    customer: Ints
    item: Ints
    impression: Ints
    kind: Ints
    time_us: Ints
    units: Ints
    price: Floats

    @classmethod
    def joined(cls, parts: "Sequence[Events]") -> "Events":
        """All parts in order of time."""
        whole = cls(*_together(parts, [f.name for f in fields(cls)]))
        order = np.argsort(whole.time_us, kind="stable")
        return cls(*(getattr(whole, f.name)[order] for f in fields(cls)))


def _together(parts: Sequence[object], names: list[str]) -> list[Any]:
    empty = {name: np.zeros(0, dtype=_TYPES.get(name, np.int64)) for name in names}
    return [np.concatenate([empty[name], *(getattr(part, name) for part in parts)]) for name in names]


@dataclass(frozen=True)
class OnlineDay:
    """One day of the online shop. `impressions.chance` is truth, and so is `expected_clicks_per_impression`."""

    day: int
    policy: str
    visits: Visits
    impressions: Impressions
    events: Events

    @property
    def expected_clicks_per_impression(self) -> float:
        """Mean chance of a click over the day's impressions, NaN without any."""
        return float(self.impressions.chance.mean()) if len(self.impressions) else float("nan")
