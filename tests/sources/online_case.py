"""Small online shops for the tests, and policies that decide as told."""

from datetime import date, timedelta

import numpy as np

from sources.twin.customers.params import OnlineParams
from sources.twin.customers.policies import best
from sources.twin.customers.protocol import Feedback, RecommendationPolicy, Requests, Slates
from sources.twin.customers.records import OnlineDay
from sources.twin.customers.setting import Setting
from sources.twin.customers.shop import OnlineShop

START = date(2024, 1, 1)
PARAMS = OnlineParams(customers=300)


def a_shop(params: OnlineParams = PARAMS, seed: int = 11, *, items: int = 60, days: int = 90) -> OnlineShop:
    return OnlineShop(params, seed, Setting.alone(seed, items=items, days=days))


def lived(shop: OnlineShop, first: int, end: int, policy: RecommendationPolicy | None = None) -> list[OnlineDay]:
    """Days first, ..., end - 1 from the start."""
    return [shop.advance(START + timedelta(days=n), policy) for n in range(first, end)]


def expected_clicks(days: list[OnlineDay]) -> float:
    """Mean chance of a click over all impressions of the days: without noise."""
    return float(np.concatenate([day.impressions.chance for day in days]).mean())


class FixedPolicy:
    """Shows the available items in the order of fixed scores (M,), and keeps what it is told."""

    name = "fixed"

    def __init__(self, scores: np.ndarray) -> None:
        self._scores = scores
        self.batches: list[Feedback] = []
        self.asked: list[Requests] = []

    def slates(self, requests: Requests) -> Slates:
        self.asked.append(requests)
        scores = np.broadcast_to(self._scores, (len(requests), len(self._scores)))
        items = best(scores, requests.available, requests.slate_size)
        return Slates(items, np.ones(items.shape))

    def feedback(self, batch: Feedback) -> None:
        self.batches.append(batch)
