"""Writes down what happens in the online shop: showings, clicks, carts and purchases with their times."""

import numpy as np

from sources.twin.arrays import Bools, Floats, Ints
from sources.twin.customers.choices import Choices
from sources.twin.customers.protocol import Feedback
from sources.twin.customers.records import CART, CLICK, NO_IMPRESSION, PURCHASE, Events, Impressions
from sources.twin.customers.visits import Visits
from sources.twin.keyed_random import KeyedRandom

_SECOND_US = 1_000_000
_LOOK_US = 4 * _SECOND_US  # from one position to the next
# Seconds from showing to click, from click to cart, from cart to purchase: least and most.
_WAITS_S = ((1, 20), (5, 60), (30, 300))


class Recorder:
    """Makes the records of one shop; times are keyed by session and item."""

    def __init__(self, random: KeyedRandom, choices: Choices) -> None:
        self._random = random
        self._choices = choices

    def impressions(self, batch: Feedback, rows: Ints, chance: Floats) -> Impressions:
        """Showings of a batch whose sessions are `rows` (R,) of the day's visits, slate by slate; chances (R, K)."""
        requests, slates = batch.requests, batch.slates
        places = slates.items.shape[1]
        position = np.tile(np.arange(places), len(rows))
        return Impressions(
            session=np.repeat(rows, places),
            customer=np.repeat(requests.customer, places),
            item=slates.items.ravel().astype(np.int64),
            position=position,
            shown_us=np.repeat(requests.time_us, places) + position * _LOOK_US,
            propensity=slates.propensities.ravel().astype(np.float64),
            clicked=batch.clicked.ravel(),
            chance=chance.ravel(),
        )

    def events(self, batch: Feedback, rows: Ints, shown_before: int) -> Events:
        """Events of a batch; `shown_before` showings of the day came before it."""
        requests, items = batch.requests, batch.slates.items
        request, position = np.nonzero(batch.clicked)
        item = items[request, position]
        return self._chain(
            kinds=np.stack([grid[request, position] for grid in (batch.clicked, batch.carted, batch.bought)]),
            row=rows[request],
            session=requests.session[request],
            customer=requests.customer[request],
            item=item,
            impression=shown_before + request * items.shape[1] + position,
            start_us=requests.time_us[request] + position * _LOOK_US,
            price=requests.price[item],
        )

    def followed(self, visits: Visits, rows: Ints, session: Ints, item: Ints, price: Floats) -> Events:
        """Purchases of `item` (F,) in the visits `rows` (F,) of followers, who were shown nothing."""
        kinds = np.zeros((3, len(rows)), dtype=np.bool_)
        kinds[PURCHASE] = True
        return self._chain(
            kinds=kinds,
            row=rows,
            session=session,
            customer=visits.customer[rows],
            item=item,
            impression=np.full(len(rows), NO_IMPRESSION),
            start_us=visits.start_us[rows],
            price=price[item],
        )

    def _chain(
        self,
        *,
        kinds: Bools,
        row: Ints,
        session: Ints,
        customer: Ints,
        item: Ints,
        impression: Ints,
        start_us: Ints,
        price: Floats,
    ) -> Events:
        """Events of N candidates that reached `kinds` (3, N), each some time after the one before."""
        waits = np.stack(
            [self._random.integers(f"online.wait_{k}", *_WAITS_S[k], session, item) for k in (CLICK, CART, PURCHASE)]
        )
        time_us = start_us[None, :] + np.cumsum(waits, axis=0) * _SECOND_US
        kind, at = np.nonzero(kinds)
        units = np.where(kind == PURCHASE, self._choices.units(customer[at], session[at], item[at]), 0)
        return Events(
            session=row[at],
            customer=customer[at],
            item=item[at],
            impression=impression[at],
            kind=kind,
            time_us=time_us[kind, at],
            units=units,
            price=np.where(kind == PURCHASE, price[at], np.nan),
        )
