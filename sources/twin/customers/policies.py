"""Recommendation policies that need no training: random, popular, and, for evaluation alone, all-knowing."""

from typing import TYPE_CHECKING

import numpy as np

from sources.twin.arrays import Bools, Floats, Ints
from sources.twin.customers.params import PlainPolicyParams
from sources.twin.customers.protocol import Feedback, Requests, Slates
from sources.twin.keyed_random import KeyedRandom

if TYPE_CHECKING:
    from sources.twin.customers.truth import OnlineTruth


class RandomPolicy:
    """Every order of K available items is equally likely: propensity 1 / available items."""

    name = "random"

    def __init__(self, seed: int) -> None:
        self._random = KeyedRandom(seed)

    def slates(self, requests: Requests) -> Slates:
        """K different items for each request, drawn by the session's number."""
        items = random_orders(self._random, "policy.random", requests.session, requests)
        return Slates(items, np.full(items.shape, 1.0 / requests.available.sum()))

    def feedback(self, batch: Feedback) -> None:
        """Learns nothing."""


class PopularityPolicy:
    """Shows what is clicked most when shown, with a logged randomisation whose propensities are exact.

    Available items stand in order of clicks per impression (shrunken to the shop's mean). Position k draws among ranks
    k, k + K, k + 2K, ... in proportion to (clicks per impression)^(1 / temperature), so that no item can come twice; a
    share epsilon of the slates is a random order of all items. An item's propensity at k is therefore
    (1 - epsilon) x its share of that draw (0 if another position draws it) + epsilon / available items.
    """

    name = "popularity"

    def __init__(
        self,
        params: PlainPolicyParams,
        seed: int,
        items: int,
        *,
        shown: Floats | None = None,
        clicked: Floats | None = None,
    ) -> None:
        self._params = params
        self._random = KeyedRandom(seed)
        self.shown = np.zeros(items) if shown is None else shown
        self.clicked = np.zeros(items) if clicked is None else clicked
        self._day: int | None = None

    def slates(self, requests: Requests) -> Slates:
        """K different items for each request, drawn by the session's number."""
        self._fade(requests.day)
        places, epsilon = requests.slate_size, self._params.epsilon
        offered = np.flatnonzero(requests.available)
        score = np.log(clicks_per_impression(self.shown, self.clicked)[offered]) / self._params.temperature
        ranked = np.argsort(-score, kind="stable")
        heaps = -(-len(ranked) // places)
        padded = np.full(heaps * places, -1)
        padded[: len(ranked)] = ranked
        heap = padded.reshape(heaps, places).T  # (K, ranks drawn by a position)
        weight = np.where(heap >= 0, np.exp(score[heap] - score[ranked[0]]), 0.0)
        share = weight / weight.sum(axis=1, keepdims=True)
        place = np.arange(places)[None, :]
        u = self._random.uniform("policy.popularity", requests.session[:, None], place)
        reached = np.cumsum(share, axis=1)
        reached /= reached[:, -1:]  # rounding must not leave a sliver to the padding
        drawn = np.minimum((u[:, :, None] > reached[None, :, :-1]).sum(axis=2), heaps - 1)
        items: Ints = offered[heap[place, drawn]]
        explores = self._random.uniform("policy.explores", requests.session) < epsilon
        items[explores] = random_orders(self._random, "policy.explored", requests.session[explores], requests)
        at_place = np.zeros((places, len(requests.available)))
        at_place[np.repeat(np.arange(places), heaps)[heap.ravel() >= 0], offered[heap[heap >= 0]]] = share[heap >= 0]
        return Slates(items, (1.0 - epsilon) * at_place[place, items] + epsilon / len(offered))

    def feedback(self, batch: Feedback) -> None:
        """Counts impressions and clicks."""
        count_answers(batch, self.shown, self.clicked)

    def _fade(self, day: int) -> None:
        if self._day is not None and day > self._day:
            left = fading(self._params.memory_days) ** (day - self._day)
            self.shown *= left
            self.clicked *= left
        self._day = day


class OraclePolicy:
    """Ranks by the true utility at the time of the request; holds truth, so only an evaluation may use it."""

    name = "oracle"

    def __init__(self, truth: "OnlineTruth") -> None:
        self._truth = truth

    def slates(self, requests: Requests) -> Slates:
        """The K available items of highest utility, the best first."""
        return Slates(
            best(self._truth.utilities(requests), requests.available, requests.slate_size),
            np.ones((len(requests), requests.slate_size)),
        )

    def feedback(self, batch: Feedback) -> None:
        """Knows already."""


def best(scores: Floats, available: Bools, places: int) -> Ints:
    """The `places` available items (R, K) of highest score (R, M), the best first; ties go to the lower number."""
    masked = np.where(available[None, :], -scores, np.inf)
    if places < masked.shape[1]:
        # Partition first: sorting all of a large assortment would cost most of a policy's time.
        top = np.sort(np.argpartition(masked, places - 1, axis=1)[:, :places], axis=1)
    else:
        top = np.broadcast_to(np.arange(masked.shape[1]), masked.shape).copy()
    order = np.argsort(np.take_along_axis(masked, top, axis=1), axis=1, kind="stable")
    return np.take_along_axis(top, order, axis=1)


def random_orders(random: KeyedRandom, domain: str, sessions: Ints, requests: Requests) -> Ints:
    """K different available items (R, K) for each of `sessions` (R,), every order equally likely."""
    offered = np.flatnonzero(requests.available)
    draws = random.uniform(domain, sessions[:, None], offered[None, :])
    return np.asarray(offered[best(draws, np.ones(len(offered), dtype=np.bool_), requests.slate_size)])


def clicks_per_impression(shown: Floats, clicked: Floats, *, prior_impressions: float = 20.0) -> Floats:
    """Clicks per impression (M,), shrunken to the mean of all items as if it had been seen `prior_impressions` times."""
    mean = (clicked.sum() + 1.0) / (shown.sum() + 20.0)
    return np.asarray((clicked + prior_impressions * mean) / (shown + prior_impressions))


def count_answers(batch: Feedback, shown: Floats, clicked: Floats) -> None:
    """Add a batch's impressions and clicks to counts (M,) in place."""
    items = batch.slates.items
    shown += np.bincount(items.ravel(), minlength=len(shown))
    clicked += np.bincount(items[batch.clicked], minlength=len(clicked))


def fading(days: float) -> float:
    """Share of a memory left after a day, if a third (1/e) is left after `days`."""
    return float(np.exp(-1.0 / days))
