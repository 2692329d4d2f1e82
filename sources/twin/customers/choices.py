"""What customers do with what they are shown: click, put into the cart, buy, and how much."""

import numpy as np

from sources.twin.arrays import Floats, Ints
from sources.twin.customers.params import ChoiceParams
from sources.twin.customers.population import Population
from sources.twin.customers.protocol import Feedback, Requests, Slates
from sources.twin.customers.segments import of_segments
from sources.twin.keyed_random import KeyedRandom

_PRICE_IN_CART = 0.3  # part of the price sensitivity that acts once more on the way to the cart
_MOST_UNITS = 60
_HIGHEST_CHANCE = 0.97


class Choices:
    """Draws by (session, item): two policies that show the same item in the same session meet the same luck."""

    def __init__(self, params: ChoiceParams, people: Population, random: KeyedRandom) -> None:
        self._people = people
        self._random = random
        self._cart = params.cart_rate * of_segments("cart")
        self._buy = np.minimum(params.buy_rate * of_segments("buy"), _HIGHEST_CHANCE)
        self._full_price = of_segments("full_price")
        self._units = of_segments("units")

    def made(self, requests: Requests, slates: Slates, chance: Floats, log_price: Floats) -> Feedback:
        """What comes of slates (R, K) with click chances (R, K); log relative price of all items (M,)."""
        items = slates.items
        key = (requests.session[:, None], items)
        who = requests.customer
        segment = self._people.segment[who][:, None]
        dearness = self._people.price_sensitivity[who][:, None] * log_price[items]
        cheap_only = np.where(log_price[items] < 0, 1.0, self._full_price[segment])
        cart = np.minimum(self._cart[segment] * cheap_only * np.exp(-_PRICE_IN_CART * dearness), _HIGHEST_CHANCE)
        clicked = self._random.uniform("online.click", *key) < chance
        carted = clicked & (self._random.uniform("online.cart", *key) < cart)
        bought = carted & (self._random.uniform("online.buy", *key) < self._buy[segment])
        return Feedback(requests, slates, clicked, carted, bought)

    def units(self, customer: Ints, session: Ints, item: Ints) -> Ints:
        """Units of purchases (B,), geometric about the segment's mean."""
        mean = self._units[self._people.segment[customer]]
        u = self._random.uniform("online.units", session, item)
        more = np.floor(np.log(u) / np.log(1.0 - 1.0 / mean))
        return np.asarray(np.minimum(1 + more, _MOST_UNITS)).astype(np.int64)
