"""Social heat by category: an even murmur with sudden bursts that fade; nobody knows it ahead."""

import numpy as np

from sources.twin.arrays import Floats, Ints
from sources.twin.keyed_random import KeyedRandom

_FADES = 0.8  # share of a burst left after a day
_MEMORY_DAYS = 21
_BURSTS_A_DAY = 0.015


class SocialHeat:
    """Mentions a day of each category; any day can be asked for without the days before it."""

    def __init__(self, random: KeyedRandom, categories: int) -> None:
        self._random = random
        self._categories = np.arange(categories)[:, None]
        self.usual = 20.0 + 60.0 * random.uniform("heat.usual", self._categories)[:, 0]

    def on(self, days: Ints) -> Floats:
        """Heat (C, D) of days (D,), given in days since 1970."""
        back = np.arange(_MEMORY_DAYS)
        keys = (self._categories[:, :, None], days[None, :, None] - back)
        begins = self._random.uniform("heat.burst", *keys) < _BURSTS_A_DAY
        size = -3.0 * np.log(self._random.uniform("heat.size", *keys))
        burst = (begins * size) @ (_FADES**back)
        murmur = np.exp(0.1 * self._random.normal("heat.murmur", self._categories, days[None, :]))
        return np.asarray(np.round(self.usual[:, None] * (murmur + burst), 2), dtype=np.float64)
