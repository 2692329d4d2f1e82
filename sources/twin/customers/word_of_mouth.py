"""What a purchase sets off among friends: a pull on what they are shown, and purchases that follow within days."""

from dataclasses import dataclass, replace

import numpy as np

from sources.twin.arrays import Bools, Floats, Ints
from sources.twin.customers.params import SocialParams
from sources.twin.customers.population import Population
from sources.twin.customers.segments import LAPSED_VISITS, of_segments
from sources.twin.customers.social import Network
from sources.twin.customers.state import OnlineState
from sources.twin.keyed_random import KeyedRandom


@dataclass(frozen=True)
class Followers:
    """Customers (F,) who come today for an item (F,) that a friend bought."""

    customer: Ints
    item: Ints


class WordOfMouth:
    """Passes purchases on along the network's ties, by their true strength."""

    def __init__(self, params: SocialParams, people: Population, network: Network, random: KeyedRandom) -> None:
        self._params = params
        self._people = people
        self._network = network
        self._random = random
        self._follows = of_segments("follows")
        self._full_price = of_segments("full_price")

    def tell(self, state: OnlineState, day: int, customer: Ints, item: Ints) -> OnlineState:
        """The state once friends know of purchases (B,); `state.pull` is written to, the columns are new."""
        ties, purchase = self._network.rows_of(customer)
        friend, what = self._network.target[ties], item[purchase]
        strength = self._network.strength[ties]
        np.add.at(state.pull, (friend, what), strength.astype(np.float32))
        key = (customer[purchase], friend, what, day)
        follows = self._random.uniform("online.follows", *key) < self._params.word_of_mouth * strength
        wait = self._random.integers("online.follows_after", 1, self._params.follow_within_days + 1, *key)
        follows &= self._people.registered[friend] <= day + wait
        return replace(
            state,
            due=np.concatenate([state.due, (day + wait)[follows]]),
            follower=np.concatenate([state.follower, friend[follows]]),
            item=np.concatenate([state.item, what[follows]]),
        )

    def due(self, state: OnlineState, day: int, available: Bools, log_price: Floats) -> Followers:
        """Who comes on `day`, each once an item; what is not available, or not to a segment's mind, is forgotten.

        `log_price` (M,) is relative to the list price.
        """
        here = (state.due == day) & available[state.item]
        customer, item = np.unique(np.stack([state.follower[here], state.item[here]]), axis=1)
        segment = self._people.segment[customer]
        ready = self._follows[segment] * np.where(log_price[item] < 0, 1.0, self._full_price[segment])
        ready = np.where(day >= self._people.lapses[customer], LAPSED_VISITS, ready)
        comes = self._random.uniform("online.still_follows", customer, item, day) < ready
        return Followers(customer[comes], item[comes])
