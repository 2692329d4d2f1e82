"""What is true of delivery slots and in no table: who comes, what they would pay, how strong each window's demand is."""

from dataclasses import dataclass

import numpy as np

from sources.twin.arrays import Floats, Ints
from sources.twin.keyed_random import KeyedRandom
from sources.twin.slots.params import PARTS, WEEK, SlotParams

MONDAY = 3  # 1970-01-01 was a Thursday


@dataclass(frozen=True)
class SlotTruth:
    """Demand of all windows. G segments, H days to delivery, A areas, P parts."""

    params: SlotParams
    random: KeyedRandom

    def arrivals(self) -> Floats:
        """Mean arrivals (G, H) of each segment for a usual window, by days to delivery 1..H."""
        ahead = np.arange(1, self.params.horizon_days + 1)
        rows = []
        for segment in self.params.segments:
            bell = np.exp(-0.5 * ((ahead - segment.comes_days) / segment.within_days) ** 2)
            rows.append(segment.arrivals * bell / bell.sum())
        return np.array(rows)

    def usual(self, delivered: Ints) -> Floats:
        """Times a usual window's arrivals (N, A, P), for windows delivered on days (N,), but for their strength."""
        area = np.exp(self.params.area_spread * self.random.normal("slots.area", np.arange(self.params.areas)))
        week = np.array(self.params.weekdays)[weekday(delivered)]
        return np.asarray(week[:, None, None] * area[:, None] * np.array(self.params.parts))

    def strength(self, delivered: Ints) -> Floats:
        """Times that (N, A, P): a window's own luck, the mean of all windows being 1."""
        spread = self.params.strength_spread
        a, p = np.arange(self.params.areas)[:, None], np.arange(len(PARTS))
        drawn = self.random.normal("slots.strength", delivered[:, None, None], a, p)
        return np.exp(spread * drawn - spread**2 / 2)

    def rival_effect(self) -> Floats:
        """Times the willingness, by number of the competitor's fee."""
        return np.array(self.params.competitor) ** self.params.competitor_pull


def weekday(days: Ints) -> Ints:
    """Weekday, Monday 0, of days since 1970."""
    return np.asarray((days + MONDAY) % WEEK)
