"""One person on their way through the shop: where they walk, what they look at, what they reach for and think better of."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from sources.twin.arrays import Floats
from sources.twin.cameras.planogram import Lane
from sources.twin.floor.assortment import Assortment
from sources.twin.floor.params import FloorParams, ShoppingParams
from sources.twin.floor.plan import FloorPlan
from sources.twin.floor.routes import Routes
from sources.twin.floor.visit import Look, Plan, PlannedReach, Stop

_BEFORE_M = (0.42, 0.52)  # of a gondola's edge one stands
_BEHIND_M, _BESIDE_M = (0.0, 0.33, 0.33), (0.0, 0.28, -0.28)  # the others of a group stand behind its first, and aside
_SIDE_STEP_M_S = 0.6
_APPEAL, _TASTE, _MOOD = 0.7, 0.5, 0.5  # shares of interest: the product's, the person's for its category, the moment's
_MOST_AT_ONCE = 3


@dataclass(frozen=True, eq=False)
class Shop:
    """What every shopper meets."""

    params: FloorParams
    plan: FloorPlan
    routes: Routes
    assortment: Assortment


@dataclass(frozen=True)
class Given:
    """Something taken that is about to be handed to another of the group."""

    product: int
    count: int
    at_s: float


class Shopper:
    """Grows from stop to stop; `now` and `spot` (2,) are where it has got to. Draws with the visit's generator."""

    def __init__(self, shop: Shop, member: int, speed: float, rng: np.random.Generator) -> None:
        self._shop, self._member, self._speed, self._rng = shop, member, speed, rng
        self.now = 0.0
        self.spot: Floats = np.zeros(2)
        self.knots: list[tuple[float, float, float]] = []
        self.stops: list[Stop] = []
        self._looks: list[Look] = []
        self._reaches: list[PlannedReach] = []
        self._gondola, self._begun, self._before = -1, 0.0, 0.0
        self._to_put: list[tuple[int, int, int]] = []  # product, count, gondola it was taken from
        category = shop.assortment.category
        taste = rng.normal(0, _TASTE, int(category.max()) + 1)
        mood = rng.normal(0, _MOOD, category.size)
        self._interest: Floats = _APPEAL * shop.assortment.appeal + taste[category] + mood

    @property
    def _shopping(self) -> ShoppingParams:
        return self._shop.params.shopping

    def appear(self, at_s: float, x: float, y: float) -> None:
        """Begin there."""
        self.now, self.spot = at_s, np.array([x, y])
        self.knots.append((at_s, x, y))

    def straight_to(self, x: float, y: float, speed: float) -> None:
        """Walk straight to a spot."""
        goal = np.array([x, y])
        self.now += float(np.linalg.norm(goal - self.spot)) / speed
        self.spot = goal
        self.knots.append((self.now, x, y))

    def walk_to(self, x: float, y: float) -> None:
        """Walk round what stands in the way."""
        for point in self._shop.routes.way(self.spot, np.array([x, y]), self._rng)[1:].tolist():
            self.straight_to(point[0], point[1], self._speed)

    def wait_until(self, at_s: float) -> None:
        """Stay where they are."""
        if at_s > self.now:
            self.now = at_s
            self.knots.append((at_s, float(self.spot[0]), float(self.spot[1])))

    def stay(self, gondola: int, wanted: Mapping[int, int], *, gives: bool) -> list[Given]:
        """Come to a gondola, look at what is wanted there and at other things, and take some; `gives` to others of the group if
        they are near, then returns what. `leave` ends the stop."""
        rng, shopping, lanes = self._rng, self._shopping, self._shop.assortment.lanes[gondola]
        others = [product for product in lanes if product not in wanted]
        pull = np.exp(0.8 * self._interest[others])
        count = min(int(rng.poisson(shopping.other_looks)), len(others))
        if not wanted:
            count = max(count, 1)
        seen = [*wanted, *rng.choice(others, count, replace=False, p=pull / pull.sum()).tolist()]
        self._gondola, self._before = gondola, float(rng.uniform(*_BEFORE_M)) + _BEHIND_M[self._member]
        self._looks, self._reaches = [], []
        given: list[Given] = []
        for place, product in enumerate(np.array(seen, dtype=np.int64)[rng.permutation(len(seen))].tolist()):
            lane = lanes[product][int(rng.integers(len(lanes[product])))]
            self._face(lane, walks=place == 0)
            if place == 0:
                self._begun = self.now
            self._look(product, lane)
            interest = float(np.exp(0.6 * self._interest[product]))
            if product in wanted or rng.random() < shopping.impulse_share * interest:
                number = wanted[product] if product in wanted else packages(shopping, rng)
                given += self._take(product, number, lane, gives=gives)
            elif rng.random() < shopping.touch_share:
                self._reach(Plan("touch", product, 0, lane.lane))
        self._put_from_elsewhere()
        return given

    def put_back(self, product: int, count: int, from_s: float) -> None:
        """Put what another has handed over back, where it belongs or beside it."""
        self.wait_until(from_s)
        self._put(product, count, wrong=self._rng.random() < self._shopping.wrong_lane_share)

    def leave(self, at_s: float) -> None:
        """End the stop, not before a time."""
        self.wait_until(at_s)
        self.stops.append(Stop(self._gondola, self._begun, self.now, tuple(self._looks), tuple(self._reaches)))

    def _face(self, lane: Lane, *, walks: bool = False) -> None:
        """Stand before a lane, as far as its gondola reaches."""
        place = self._shop.plan.places[self._gondola]
        along = (lane.left + lane.right) / 200 + _BESIDE_M[self._member] + float(self._rng.normal(0, 0.08))
        edge = place.width / 2 - 0.1
        spot = place.at(float(np.clip(along, -edge, edge)), self._before)
        if walks:
            self.walk_to(*spot)
        else:
            self.straight_to(*spot, _SIDE_STEP_M_S)

    def _look(self, product: int, lane: Lane) -> None:
        shopping = self._shopping
        long = shopping.look_s * np.exp(
            shopping.look_spread * self._rng.normal() + shopping.interest * self._interest[product]
        )
        self._looks.append(Look(product, lane.lane, self.now, self.now + float(long)))
        self.wait_until(self.now + float(long))

    def _reach(self, *plans: Plan) -> None:
        leg = self._shopping.reach_s * self._rng.uniform(0.85, 1.2) / 2.6
        dwell = tuple((leg * self._rng.uniform(0.4, 0.8, len(plans))).tolist())
        self._reaches.append(PlannedReach(self._gondola, self.now, float(leg), dwell, plans))
        self.wait_until(self._reaches[-1].to_s)

    def _take(self, product: int, count: int, lane: Lane, *, gives: bool) -> list[Given]:
        """Take it, and perhaps give it away, swap it or put it back."""
        rng, shopping = self._rng, self._shopping
        self._reach(Plan("take", product, count, lane.lane))
        if gives and rng.random() < shopping.hand_over_share:
            return [Given(product, count, self.now + float(rng.uniform(0.3, 1.5)))]
        fate = rng.random()
        if fate < shopping.swap_share:
            self._swap(product, lane)
        elif fate < shopping.swap_share + shopping.regret_share:
            some = int(rng.integers(1, count + 1))
            if rng.random() < shopping.elsewhere_share:
                self._to_put.append((product, some, self._gondola))
            else:
                self.wait_until(self.now + float(rng.uniform(1.5, 6.0)))
                self._put(product, some, wrong=rng.random() < shopping.wrong_lane_share)
        return []

    def _swap(self, product: int, lane: Lane) -> None:
        """Find something better beside it: one back, the other out, by one reach."""
        lanes = self._shop.assortment.lanes[self._gondola]
        others = [other for other in lanes if other != product]
        if not others:
            return
        pull = np.exp(self._interest[others])
        other = int(self._rng.choice(others, p=pull / pull.sum()))
        its = lanes[other][int(self._rng.integers(len(lanes[other])))]
        self._face(its)
        self._look(other, its)
        self._reach(Plan("put", product, 1, lane.lane), Plan("take", other, 1, its.lane))

    def _put(self, product: int, count: int, *, wrong: bool) -> None:
        assortment, rng = self._shop.assortment, self._rng
        own = [lane.lane for lane in assortment.lanes[self._gondola].get(product, [])]
        other = assortment.wrong_lanes(self._gondola, product)
        choice = other if (wrong and other) or not own else own
        if not choice:
            return
        lane = self._shop.assortment.stands[self._gondola].gondola.lanes[choice[int(rng.integers(len(choice)))]]
        self._face(lane)
        self._reach(Plan("put", product, count, lane.lane))

    def _put_from_elsewhere(self) -> None:
        kept = []
        for product, count, home in self._to_put:
            if home == self._gondola:
                kept.append((product, count, home))
            else:
                self._put(product, count, wrong=True)
        self._to_put = kept


def packages(shopping: ShoppingParams, rng: np.random.Generator) -> int:
    """How many packages of a product are wanted."""
    count = 1
    while count < _MOST_AT_ONCE and rng.random() < shopping.more_share:
        count += 1
    return count
