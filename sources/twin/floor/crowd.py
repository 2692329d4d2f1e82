"""Who comes to the shop: arrivals over a day, groups, shopping lists and the order of stops. Each visit is drawn by its own key."""

from collections.abc import Sequence

import numpy as np

from sources.twin.arrays import Floats
from sources.twin.cameras.hands import Arm
from sources.twin.floor.params import CrowdParams
from sources.twin.floor.shopper import Shop, Shopper, packages
from sources.twin.floor.visit import HandOver, Person, Visit
from sources.twin.keyed_random import KeyedRandom

CLOTHES = 8  # numbers of an appearance
_OUTSIDE_M = 0.8  # before the gates, where persons are first and last seen
_NEAR_EXIT_M = 1.0  # from the gate, where a group waits for its last
_DETOUR = 0.3  # spread of the logarithm of how far a gondola seems


class Crowd:
    """The visits of a shop: `visit(day, number)` is the same whoever else comes."""

    def __init__(self, shop: Shop, random: KeyedRandom, world: KeyedRandom) -> None:
        self._shop, self._random = shop, random
        self._sold, self._share = shop.assortment.demand(shop.params.shopping.popularity)
        kinds = np.arange(shop.params.ceiling.wardrobes)
        self._wardrobes: Floats = world.normal("floor.wardrobe", kinds[:, None], np.arange(CLOTHES))

    def visit(self, day: int, number: int) -> Visit:
        """Visit `number` of day `day`; numbers say nothing about the order of times."""
        rng = np.random.default_rng(int(self._random.bits("floor.visit", day, number)))
        crowd = self._shop.params.crowd
        opened = arrival(crowd, rng)
        share = rng.random()
        size = 3 if share < crowd.trios else 2 if share < crowd.trios + crowd.pairs else 1
        side_by_side = size > 1 and rng.random() < crowd.together
        wanted = self._list(rng)
        speed = crowd.speed_m_s * np.exp(crowd.speed_spread * rng.normal(size=size))
        if side_by_side:
            speed[:] = speed.min()
        shoppers = [Shopper(self._shop, member, float(speed[member]), rng) for member in range(size)]
        enters = self._enter(shoppers, opened, speed, rng)
        hand_overs = self._together(shoppers, wanted, rng) if side_by_side else self._apart(shoppers, wanted, rng)
        leaves = self._exit(shoppers, speed, rng)
        people = [
            self._person(shopper, member, enters[member], leaves[member], rng)
            for member, shopper in enumerate(shoppers)
        ]
        visit_id = f"V{day:04d}-{number:05d}"
        return Visit(number, visit_id, opened, side_by_side, wanted, people, hand_overs)

    def _list(self, rng: np.random.Generator) -> dict[int, int]:
        shopping = self._shop.params.shopping
        count = min(1 + int(rng.poisson(shopping.list_mean)), self._sold.size)
        chosen = rng.choice(self._sold, count, replace=False, p=self._share).tolist()
        return {product: packages(shopping, rng) for product in chosen}

    def _enter(
        self, shoppers: Sequence[Shopper], opened: float, speed: Floats, rng: np.random.Generator
    ) -> list[float]:
        """All through one opening of the gate, one behind another; when each crosses it."""
        x, at_s, crossed = self._shop.plan.entrance.x, opened + float(rng.uniform(0.8, 2.0)), []
        for member, shopper in enumerate(shoppers):
            own = x + float(rng.normal(0, 0.1))
            shopper.appear(at_s - _OUTSIDE_M / float(speed[member]), own, -_OUTSIDE_M)
            shopper.straight_to(own, _OUTSIDE_M, float(speed[member]))
            crossed.append(at_s)
            at_s += float(rng.uniform(0.8, 1.6))
        return crossed

    def _exit(self, shoppers: Sequence[Shopper], speed: Floats, rng: np.random.Generator) -> list[float]:
        """Wait for the last near the exit, then leave one behind another; when each crosses it."""
        x, crossed = self._shop.plan.exit.x, []
        for member, shopper in enumerate(shoppers):
            shopper.walk_to(x + 0.45 * (member - (len(shoppers) - 1) / 2), _NEAR_EXIT_M)
        ready = max(shopper.now for shopper in shoppers)
        for member, shopper in enumerate(shoppers):
            shopper.wait_until(ready)
            shopper.straight_to(x + float(rng.normal(0, 0.1)), 0.0, float(speed[member]))
            crossed.append(shopper.now)
            shopper.straight_to(x, -_OUTSIDE_M, float(speed[member]))
            ready += float(rng.uniform(0.9, 2.0))
        return crossed

    def _tour(
        self, start: Floats, wanted: dict[int, int], rng: np.random.Generator
    ) -> list[tuple[int, dict[int, int]]]:
        """Gondolas to stop at, near ones first, each with what is wanted there."""
        assortment, places = self._shop.assortment, self._shop.plan.places
        there: dict[int, dict[int, int]] = {}
        for product, count in wanted.items():
            homes = assortment.home[product]
            there.setdefault(homes[int(rng.integers(len(homes)))], {})[product] = count
        for gondola in rng.integers(0, len(places), int(rng.poisson(self._shop.params.shopping.browse_stops))).tolist():
            there.setdefault(gondola, {})
        tour, spot = [], start
        while there:
            left = list(there)
            middles = np.array([(places[g].x, places[g].y) for g in left])
            seems = np.linalg.norm(middles - spot, axis=1) * np.exp(_DETOUR * rng.normal(size=len(left)))
            nearest = left[int(seems.argmin())]
            spot = middles[int(seems.argmin())]
            tour.append((nearest, there.pop(nearest)))
        return tour

    def _apart(self, shoppers: Sequence[Shopper], wanted: dict[int, int], rng: np.random.Generator) -> list[HandOver]:
        """Each shops a part of the list."""
        owner = {product: int(rng.integers(len(shoppers))) for product in wanted}
        for member, shopper in enumerate(shoppers):
            own = {product: count for product, count in wanted.items() if owner[product] == member}
            for gondola, there in self._tour(shopper.spot, own, rng):
                shopper.stay(gondola, there, gives=False)
                shopper.leave(shopper.now + float(rng.uniform(0.3, 2.0)))
        return []

    def _together(
        self, shoppers: Sequence[Shopper], wanted: dict[int, int], rng: np.random.Generator
    ) -> list[HandOver]:
        """All stop at the same gondolas and go on together; what one takes, another may carry or put back."""
        found: list[HandOver] = []
        for gondola, there in self._tour(shoppers[0].spot, wanted, rng):
            owner = {product: int(rng.integers(len(shoppers))) for product in there}
            given = []
            for member, shopper in enumerate(shoppers):
                own = {product: count for product, count in there.items() if owner[product] == member}
                given.append(shopper.stay(gondola, own, gives=True))
            for giver, things in enumerate(given):
                for thing in things:
                    receiver = (giver + 1 + int(rng.integers(len(shoppers) - 1))) % len(shoppers)
                    found.append(HandOver(giver, receiver, thing.product, thing.count, thing.at_s))
                    if rng.random() < self._shop.params.shopping.regret_share:
                        shoppers[receiver].put_back(thing.product, thing.count, thing.at_s + float(rng.uniform(0.5, 3)))
            ready = max(shopper.now for shopper in shoppers)
            for member, shopper in enumerate(shoppers):
                shopper.leave(ready + 0.7 * member + float(rng.uniform(0.3, 0.6)))
        return found

    def _person(self, shopper: Shopper, member: int, enters: float, leaves: float, rng: np.random.Generator) -> Person:
        params = self._shop.params
        clothes = self._wardrobes[int(rng.integers(len(self._wardrobes)))]
        clothes = clothes + params.ceiling.clothes_spread * rng.normal(size=CLOTHES)
        heard, shields = rng.random(2) < (params.radio.heard, params.exit.shielded_share)
        offset = float(params.radio.device_db * rng.normal())
        return Person(
            member,
            Arm.drawn(rng),
            clothes,
            offset if heard else None,
            bool(shields),
            enters,
            leaves,
            np.array(shopper.knots),
            tuple(shopper.stops),
        )


def arrival(crowd: CrowdParams, rng: np.random.Generator) -> float:
    """When a visit begins, seconds since midnight: about a peak or at any hour, while the shop is open."""
    while True:
        hour = float(rng.uniform(crowd.opens_h, crowd.closes_h))
        if crowd.peaks_h and rng.random() < crowd.peak_share:
            hour = float(rng.normal(crowd.peaks_h[int(rng.integers(len(crowd.peaks_h)))], crowd.peak_spread_h))
        if crowd.opens_h <= hour <= crowd.closes_h:
            return 3600.0 * hour
