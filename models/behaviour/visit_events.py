"""What happened at shelves and at the exit, and what of it is told of each visit: plain records, as a till hears them.

Metres, seconds since midnight. Products are numbers of the shop's catalogue.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from models.behaviour.people_observed import Floats
from models.common.protocols import InputError

MOST_DEEDS, MOST_READS = 200_000, 5_000_000
_ROUNDING = 1e-6
Tags: TypeAlias = Literal["unseen", "followed", "returned"]


@dataclass(frozen=True)
class Option:
    """`count` packages of `product`, and the chance that it was so."""

    product: int
    count: int
    chance: float


@dataclass(frozen=True)
class ShelfDeed:
    """`count` packages of `product` taken from or put into gondola `gondola` at `at_s`, `along_m` to the right of its middle for who
    faces it; `confidence` in [0, 1] that deed, product and count are right. `others` are what it may have been instead; what all
    chances leave to 1 is that it was none of these, or nothing. `epcs` are the tags that shelf antennas
    saw move with it; `traced` if they tell of all its packages, of dead tags that they are."""

    deed: Literal["take", "put"]
    product: int
    count: int
    gondola: int
    along_m: float
    at_s: float
    confidence: float
    others: tuple[Option, ...] = ()
    epcs: tuple[str, ...] = ()
    traced: bool = False

    @property
    def options(self) -> tuple[Option, ...]:
        """All that it may have been, the likeliest first."""
        return (Option(self.product, self.count, self.confidence), *self.others)

    def check(self, gondolas: int) -> None:
        """InputError for what lies outside its bounds."""
        if not 0 <= self.gondola < gondolas:
            raise InputError(f"a deed at gondola {self.gondola}: the plan has {gondolas}, numbered from 0")
        if not (np.isfinite(self.along_m) and np.isfinite(self.at_s)):
            raise InputError(f"a deed at {self.at_s} s, {self.along_m} m along: give finite numbers")
        if any(not 0 <= option.chance <= 1 or option.count < 1 for option in self.options):
            raise InputError(f"a deed of {self.count} packages, confidence {self.confidence}: from 1, and in [0, 1]")
        if (total := sum(option.chance for option in self.options)) > 1 + _ROUNDING:
            raise InputError(f"a deed's options have a chance of {total:g} together: at most 1, as shares of it")


@dataclass(frozen=True, eq=False)
class GateReads:
    """Reads of the antenna at the exit: `epc` and `at_s`, `rssi_dbm` (R,); `product` (R,) is what the books say each tag is on."""

    epc: Sequence[str]
    at_s: Floats
    rssi_dbm: Floats
    product: Sequence[int]

    def check(self) -> None:
        """InputError for what does not fit together, is not finite or is too much."""
        count = len(self.epc)
        if count > MOST_READS:
            raise InputError(f"{count:,} reads, {MOST_READS:,} is the bound: give one day of one shop")
        if self.at_s.shape != (count,) or self.rssi_dbm.shape != (count,) or len(self.product) != count:
            raise InputError(
                f"at_s {self.at_s.shape}, rssi_dbm {self.rssi_dbm.shape}, {len(self.product)} products: expected {count} each"
            )
        if not (np.isfinite(self.at_s).all() and np.isfinite(self.rssi_dbm).all()):
            raise InputError("a read's at_s or rssi_dbm is not finite: leave such reads out")


@dataclass(frozen=True)
class Came:
    """A visit began."""

    visit_id: str
    at_s: float


@dataclass(frozen=True)
class Handled:
    """A deed is a visit's: `share` is the posterior that it is, `confidence` that deed, product, count and visit are right. `tags`
    are `followed` if shelf antennas told of all its packages, so that both hold what the exit read of them, and `returned` if all
    came back to a shelf, whoever it was."""

    visit_id: str
    deed: Literal["take", "put"]
    product: int
    count: int
    gondola: int
    at_s: float
    share: float
    confidence: float
    tags: Tags = "unseen"


@dataclass(frozen=True)
class Carried:
    """Tags, `epc` and product, that the exit read while a visit passed."""

    visit_id: str
    at_s: float
    tags: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class Went:
    """The last of a visit has left."""

    visit_id: str
    at_s: float


VisitEvent: TypeAlias = Came | Handled | Carried | Went
