"""All that the delivery slots carry from one day to the next."""

from dataclasses import dataclass, fields

import numpy as np

from sources.twin.arrays import Floats, Ints
from sources.twin.slots.params import PARTS, SlotParams


@dataclass(frozen=True)
class SlotState:
    """Windows by days to delivery 1..H, area and part (H, A, P): slots `left` and the `fee` of the day before, as of the
    morning; `rival` (A,) the number of the competitor's fee. A day makes a new state and leaves the old one as it was."""

    left: Ints
    fee: Floats
    rival: Ints

    @classmethod
    def fresh(cls, params: SlotParams) -> "SlotState":
        """Nothing is booked."""
        shape = (params.horizon_days, params.areas, len(PARTS))
        middle = np.full(params.areas, len(params.competitor) // 2, dtype=np.int64)
        return cls(np.full(shape, params.capacity), np.full(shape, params.list_fee), middle)

    def copy(self) -> "SlotState":
        """An independent copy."""
        return SlotState(*(getattr(self, f.name).copy() for f in fields(self)))
