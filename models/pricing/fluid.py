"""What a charge on every unit does to expected sales, as if demand came as its mean: the fluid problem behind bid prices.

Talluri and van Ryzin (2004), "The Theory and Practice of Revenue Management", chapter 2.5.
"""

from functools import cached_property

import numpy as np

from models.pricing.market import NO_TARGET, Floats, Ints, Market

BIDS = 64


class Fluid:
    """Expected sales of a market until a deadline under each of BIDS charges a unit, given the chain state now.

    The deadline is the end, or for goods that age the eve of the next delivery: what comes then is another matter.
    """

    def __init__(self, market: Market) -> None:
        self._market = market
        self.bids: Floats = np.linspace(0.0, market.prices[-1], BIDS)

    @cached_property
    def best(self) -> Ints:
        """The price (T, E, BIDS) that gains most over each charge."""
        market = self._market
        columns = [((market.prices - bid) * market.nominal).argmax(axis=2) for bid in self.bids]
        return np.stack(columns, axis=2)

    @cached_property
    def sales(self) -> Floats:
        """Units (T, E, BIDS) sold until the deadline, falling with the charge."""
        market = self._market
        now = np.take_along_axis(market.nominal, self.best, axis=2)
        now *= market.prices[self.best] > self.bids  # nothing is sold below the charge
        restocks = (market.delivered > 0) | (market.up_to != NO_TARGET)
        total = now.copy()
        for t in range(market.periods - 2, -1, -1):
            if market.keeps or not restocks[t + 1]:
                total[t] += market.chain.transition @ total[t + 1]
        return total

    def bid(self, t: Ints, e: Ints, units: Floats) -> Ints:
        """Number of the least charge (N,) at which no more than `units` (N,) are sold until the deadline."""
        enough = self.sales[t, e] <= units[:, None]
        return np.where(enough.any(axis=1), enough.argmax(axis=1), BIDS - 1)


def to_the_end(market: Market, now: Floats) -> Floats:
    """Sums (T, E, ...) of what each period brings from now to the end, expected given the chain state now."""
    total = now.copy()
    for t in range(market.periods - 2, -1, -1):
        total[t] += np.tensordot(market.chain.transition, total[t + 1], axes=1)
    return total
