"""From what is told of each person and lane to visits and products: expected seconds, and between which they lie."""

from dataclasses import dataclass

import numpy as np

from models.behaviour.requests import Reply
from models.behaviour.shop import Floats, Ints, Shop

BETWEEN = (0.1, 0.9)  # levels of the interval


@dataclass(frozen=True, eq=False)
class ByVisit:
    """Of V visits and the shop's P products: expected `seconds` of attention (V, P), between `low` and `high` (V, P) in eight of ten,
    and `dwell_s` (V, P) at the gondolas where the product stands."""

    seconds: Floats
    low: Floats
    high: Floats
    dwell_s: Floats


def by_visit(reply: Reply, visit: Ints, shop: Shop) -> ByVisit:
    """Sums of the paths (N,) of each visit, whose places `visit` tells.

    The interval is that of a gamma distribution of the told mean and spread: seconds are at least 0, and most often few. Lanes and
    persons are taken to err independently.
    """
    from scipy.stats import gamma

    visits, products = int(visit.max(initial=-1)) + 1, len(shop.products)

    def summed(by_lane: Floats) -> Floats:
        sums = np.zeros((visits, products))
        path, lane = np.indices(by_lane.shape)
        np.add.at(sums, (visit[path], shop.product[lane]), by_lane)
        return sums

    seconds, variance = summed(reply.attention_s), summed(reply.attention_sd_s**2)
    shape = np.divide(seconds**2, variance, out=np.ones_like(seconds), where=variance > 0)
    scale = np.divide(variance, seconds, out=np.zeros_like(seconds), where=seconds > 0)
    low, high = (
        np.nan_to_num(gamma.ppf(level, np.maximum(shape, 1e-3), scale=np.maximum(scale, 1e-12))) for level in BETWEEN
    )
    stands = np.zeros((shop.gondolas, products))
    stands[shop.gondola, shop.product] = 1.0
    stood = np.zeros((visits, shop.gondolas))
    np.add.at(stood, visit, reply.dwell_s)
    return ByVisit(seconds, low, high, stood @ stands)
