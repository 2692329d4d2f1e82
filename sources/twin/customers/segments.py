"""The kinds of customers: how they visit, buy and pay. Which customer is of which kind is truth."""

from dataclasses import dataclass

import numpy as np

from sources.twin.arrays import Floats


@dataclass(frozen=True)
class Segment:
    """One kind of customer. Rates multiply the parameters' means; shares sum to 1 over the segments."""

    name: str
    share: float
    visits: float  # times sessions_per_customer_day
    click: float  # log-odds added to every click
    cart: float  # times cart_rate
    buy: float  # times buy_rate
    units: float  # mean units of a purchase
    price: float  # times price_sensitivity
    full_price: float  # times cart_rate where nothing is taken off the list price
    follows: float  # chance to carry out a purchase that a friend's set off
    stops: bool  # active at first, hardly ever seen later


SEGMENTS = (
    Segment("loyal", 0.25, 1.7, 0.2, 1.1, 1.15, 1.5, 0.7, 1.0, 1.0, False),
    Segment("bargain_hunter", 0.25, 1.0, 0.2, 1.5, 1.2, 1.5, 2.0, 0.06, 1.0, False),
    Segment("big_basket", 0.15, 0.35, 0.9, 1.6, 1.25, 7.0, 0.6, 1.0, 1.0, False),
    Segment("lapsed", 0.15, 1.3, 0.2, 1.1, 1.15, 1.5, 1.0, 1.0, 1.0, True),
    Segment("browser", 0.20, 1.7, 0.4, 0.12, 0.5, 1.2, 1.0, 1.0, 0.15, False),
)
LAPSED_VISITS = 0.03  # share of their visits that lapsed customers keep
LAPSES_AFTER_DAYS = (25, 95)  # from registration or the world's start, whichever is later


def of_segments(attribute: str) -> Floats:
    """One attribute of all segments (G,)."""
    return np.array([getattr(segment, attribute) for segment in SEGMENTS], dtype=np.float64)
