"""Policies for the twin's online shop made of the recommender's own parts: the offline ranker alone, and re-weighted online.

What a policy knows is what a shop would: clicks, showings, prices, devices and times. They see the clicks of the stream as
they come; of the offline ranker nothing but a customer's history moves.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.recommender.exploration import DRAWS, ExplorationConfig, explore
from models.recommender.histories import Histories
from models.recommender.online import Bools, Floats
from models.recommender.online_features import text_codes
from models.recommender.online_learner import OnlineLearner
from models.recommender.online_log import Impressions
from models.recommender.predict import Predictor
from models.recommender.reweighting import Candidates, Context, Reweighting
from models.recommender.slates import Choice, SlateConfig, slates
from sources.twin.customers.policies import best
from sources.twin.customers.protocol import DEVICES, Feedback, RecommendationPolicy, Requests, Slates
from sources.twin.customers.setting import Items
from sources.twin.customers.tables import customer_ids
from sources.twin.keyed_random import KeyedRandom

Ints = npt.NDArray[np.int64]
NEVER = np.iinfo(np.int64).max
LOOK_US, CLICK_US = 4_000_000, 10_000_000  # from one position to the next, and to a click, in the log of the loop
RECENT_DAYS = 3.0  # days after which a third of a showing is remembered


class ShopMemory:
    """What the shop saw of N customers and M items: first clicks, and showings, which fade."""

    def __init__(self, customers: int, items: int) -> None:
        self._first: Ints = np.full((customers, items), NEVER)
        self._shown = np.zeros((customers, items), dtype=np.float32)
        self._day: int | None = None

    def copy(self) -> "ShopMemory":
        """An independent copy, for a policy to go on with."""
        found = ShopMemory(0, 0)
        found._first, found._shown, found._day = self._first.copy(), self._shown.copy(), self._day
        return found

    def saw(self, batch: Feedback) -> None:
        """Remember a batch."""
        requests, items = batch.requests, batch.slates.items
        self._fade(requests.day)
        np.add.at(self._shown, (requests.customer[:, None], items), np.float32(1.0))
        row, place = np.nonzero(batch.clicked)
        when = requests.time_us[row] + place * LOOK_US
        np.minimum.at(self._first, (requests.customer[row], items[row, place]), when)

    def clicks(self) -> tuple[Ints, Ints, Ints]:
        """Customer, item and time in microseconds of first clicks, in order of customer and time."""
        who, what = np.nonzero(self._first < NEVER)
        when = self._first[who, what]
        order = np.lexsort((when, who))
        return who[order], what[order], when[order]

    def histories(self, customers: Ints, items: Ints) -> Histories:
        """What `customers` (R,) clicked of `items` (I,), oldest first, by place in `items`."""
        first = self._first[customers][:, items]
        order = np.argsort(first, axis=1, kind="stable")
        lengths = (first < NEVER).sum(axis=1)
        return Histories.of([row[:length] for row, length in zip(order, lengths.tolist(), strict=True)])

    def recent(self, day: int, customers: Ints) -> Floats:
        """Fading count of showings (R, M) on `day`."""
        self._fade(day)
        return self._shown[customers].astype(np.float64)

    def _fade(self, day: int) -> None:
        if self._day is not None and day > self._day:
            self._shown *= np.float32(np.exp((self._day - day) / RECENT_DAYS))
        self._day = day


class OfflineRanking:
    """A predictor's scores of all M items for the customers of requests."""

    def __init__(self, predictor: Predictor, items: Items, memory: ShopMemory) -> None:
        self.memory = memory
        self._predictor = predictor
        at = {name: number for number, name in enumerate(items.ids)}
        self._known: Ints = np.array([at[name] for name in predictor.spec.items], dtype=np.int64)
        self._items = len(items)

    def scores(self, customers: Ints) -> Floats:
        """Scores (R, M); an item that came after training is worth the mean of the others: nothing is known of it."""
        found = self._predictor.scores(self.memory.histories(customers, self._known), with_taken=True)
        scores = np.repeat(found.mean(axis=1, keepdims=True).astype(np.float64), self._items, axis=1)
        scores[:, self._known] = found
        return scores


class FrozenPolicy:
    """The offline ranker's order; histories grow, nothing is learned."""

    name = "frozen"

    def __init__(self, ranking: OfflineRanking) -> None:
        self._ranking = ranking

    def slates(self, requests: Requests) -> Slates:
        """The K best by the offline scores."""
        items = best(self._ranking.scores(requests.customer), requests.available, requests.slate_size)
        return Slates(items, np.ones(items.shape))

    def feedback(self, batch: Feedback) -> None:
        """Remembers clicks as histories."""
        self._ranking.memory.saw(batch)


@dataclass(frozen=True)
class ShopNames:
    """Codes of what impressions name: items (M,), categories (M,), brands (M,), customers (N,), devices."""

    items: Ints
    categories: Ints
    brands: Ints
    customers: Ints
    devices: Ints

    @classmethod
    def of(cls, items: Items, customers: Ints) -> "ShopNames":
        """Of the shop's assortment and its customers' numbers."""
        return cls(
            text_codes(np.array(items.ids)),
            items.category.astype(np.int64),
            items.brand.astype(np.int64),
            text_codes(np.array(customer_ids(customers))),
            text_codes(np.array(DEVICES)),
        )


@dataclass(frozen=True)
class _Shown:
    """What was shown and not yet answered: codes (R * K, C) and offsets (R * K,)."""

    codes: Ints
    offsets: Floats


class ReweightedPolicy:
    """The offline ranker re-weighted by the online learner, whose journal gets every impression and click."""

    name = "reweighted"

    def __init__(
        self,
        ranking: OfflineRanking,
        reweighting: Reweighting,
        learner: OnlineLearner,
        shop: tuple[Items, ShopNames],
        *,
        seed: int,
        rules: SlateConfig,
        exploration: ExplorationConfig,
    ) -> None:
        self._ranking, self._way, self._learner = ranking, reweighting, learner
        self._items, self._names = shop
        self._random = KeyedRandom(seed)
        self._rules, self._exploration = rules, exploration
        self._scorer = learner.scorer()
        self._shown: _Shown | None = None

    def slates(self, requests: Requests) -> Slates:
        """Slates by re-weighted scores, with a trial here and there, and the propensity of each."""
        offered = np.flatnonzero(requests.available)
        candidates = self._candidates(requests, offered)
        context = self._context(requests)
        choice = Choice(
            self._way.scores(self._scorer, context, candidates),
            candidates.categories,
            np.ones(candidates.scores.shape, dtype=np.bool_),  # what is out of stock is no candidate
        )
        slate = slates(choice, requests.slate_size, self._rules)
        draws = self._random.uniform("policy.trial", requests.session[:, None], np.arange(DRAWS)[None, :])
        explored = explore(choice, slate, draws, self._exploration, self._rules)
        offsets = np.take_along_axis(self._way.offsets(candidates.scores), explored.slate, axis=1)
        position = np.broadcast_to(np.arange(requests.slate_size), offsets.shape)
        codes = self._way.codes(context, candidates.take(explored.slate), offsets, position)
        self._shown = _Shown(codes, offsets.ravel())
        return Slates(offered[explored.slate], explored.propensity)

    def feedback(self, batch: Feedback) -> None:
        """To the journal: impressions, clicks; then what fell due is learned."""
        if self._shown is None:
            raise ValueError("feedback without slates: answer a batch before it is told of")
        self._ranking.memory.saw(batch)
        requests, (rows, places) = batch.requests, batch.slates.items.shape
        ids = [f"{session}-{place}" for session in requests.session.tolist() for place in range(places)]
        shown_us = (requests.time_us[:, None] + np.arange(places) * LOOK_US).ravel()
        journal = self._learner.journal
        weight = np.ones(rows * places)
        journal.accept_impressions(Impressions(ids, shown_us, self._shown.codes, self._shown.offsets, weight))
        taken = np.flatnonzero(batch.clicked.ravel())
        journal.accept_clicks([ids[place] for place in taken.tolist()], shown_us[taken] + CLICK_US)
        if rows:
            journal.settle(int(shown_us.max()) + CLICK_US)
        self._learner.catch_up()
        self._scorer = self._learner.scorer()

    def _candidates(self, requests: Requests, offered: Ints) -> Candidates:
        """All that is offered, for each request."""
        scores = self._ranking.scores(requests.customer)[:, offered]
        names = self._names

        def each(values: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
            return np.broadcast_to(values[offered], scores.shape)

        return Candidates(
            items=each(names.items),
            categories=each(names.categories),
            brands=each(names.brands),
            scores=scores,
            discount=each(1.0 - requests.price / self._items.list_price),
            recent=self._ranking.memory.recent(requests.day, requests.customer)[:, offered],
        )

    def _context(self, requests: Requests) -> Context:
        names = self._names
        return Context(
            names.devices[requests.device],
            requests.hour,
            np.full(len(requests), ""),
            names.customers[requests.customer],
        )


class SplitPolicy:
    """Customers of one world dealt to policies: arm (N,) says to which; each learns of its own customers alone."""

    name = "split"

    def __init__(self, policies: Sequence[RecommendationPolicy], arm: Ints) -> None:
        self._policies, self._arm = tuple(policies), arm

    def slates(self, requests: Requests) -> Slates:
        """Each request answered by its customer's policy."""
        shape = (len(requests), requests.slate_size)
        items, propensities = np.zeros(shape, dtype=np.int64), np.ones(shape)
        for rows, policy in self._parts(requests):
            found = policy.slates(some(requests, rows))
            items[rows], propensities[rows] = found.items, found.propensities
        return Slates(items, propensities)

    def feedback(self, batch: Feedback) -> None:
        """To each policy what came of its own slates."""
        for rows, policy in self._parts(batch.requests):
            shown = Slates(batch.slates.items[rows], batch.slates.propensities[rows])
            answers = (grid[rows] for grid in (batch.clicked, batch.carted, batch.bought))
            policy.feedback(Feedback(some(batch.requests, rows), shown, *answers))

    def _parts(self, requests: Requests) -> list[tuple[Ints, RecommendationPolicy]]:
        parts = [(np.flatnonzero(self._arm[requests.customer] == arm), p) for arm, p in enumerate(self._policies)]
        return [(rows, policy) for rows, policy in parts if rows.size]


class WatchedPolicy:
    """Another policy, whose batches are remembered."""

    def __init__(self, policy: RecommendationPolicy, memory: ShopMemory) -> None:
        self.name = policy.name
        self.batches: list[Feedback] = []
        self._policy, self._memory = policy, memory

    def slates(self, requests: Requests) -> Slates:
        """As the other policy decides."""
        return self._policy.slates(requests)

    def feedback(self, batch: Feedback) -> None:
        """Passed on and kept."""
        self._policy.feedback(batch)
        self._memory.saw(batch)
        self.batches.append(batch)


def some(requests: Requests, rows: Ints | Bools) -> Requests:
    """Some requests of a batch."""
    columns = ("session", "customer", "time_us", "hour", "device", "region", "temp_c", "rain_mm")
    from dataclasses import replace

    return replace(requests, **{name: getattr(requests, name)[rows] for name in columns})
