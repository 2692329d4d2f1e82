"""Series that move with the weeks and remember; any day can be asked for without the days before it."""

import numpy as np
import numpy.typing as npt

from sources.twin.arrays import Floats
from sources.twin.keyed_random import KeyedRandom

_KNOT_DAYS = 7
_WEEKS_BACK = 12


class Drifting:
    """Standard normal series for each combination of ids: weekly knots joined by straight lines.

    A knot is a moving average of keyed weekly shocks with weights memory^k, so its autocorrelation a week apart is
    about `memory`, and every value hangs on (domain, ids, week) alone.
    """

    def __init__(self, random: KeyedRandom, domain: str, memory: float, *ids: npt.NDArray[np.integer]) -> None:
        self._random = random
        self._domain = domain
        self._ids = ids
        weights = memory ** np.arange(_WEEKS_BACK)
        self._weights: Floats = weights / np.sqrt((weights**2).sum())
        self._shocks: dict[int, Floats] = {}
        self._knots: dict[int, Floats] = {}

    def on(self, day: int) -> Floats:
        """Values on a day, in the shape of the broadcast ids."""
        week, into = divmod(day, _KNOT_DAYS)
        share = into / _KNOT_DAYS
        if week not in self._knots or week + 1 not in self._knots:
            self._knots = {w: self._knots[w] if w in self._knots else self._knot(w) for w in (week, week + 1)}
        return np.asarray((1.0 - share) * self._knots[week] + share * self._knots[week + 1])

    def _knot(self, week: int) -> Floats:
        needed = range(week - _WEEKS_BACK + 1, week + 1)
        self._shocks = {
            w: self._shocks[w] if w in self._shocks else self._random.normal(self._domain, *self._ids, w)
            for w in needed
        }
        total = np.zeros_like(self._shocks[week])
        for back, weight in enumerate(self._weights):
            total += weight * self._shocks[week - back]
        return total
