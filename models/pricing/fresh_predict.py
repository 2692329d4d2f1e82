"""Prices of fresh goods: limits -> network -> limits, for any number of them at once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from models.common.artifact import ArtifactError
from models.common.protocols import InputError
from models.pricing.fresh import AHEAD, LEAST_LEVEL, MOST_LEVEL, WEEK, Goods, Situation, dearest
from models.pricing.fresh_rules import FreshNetwork
from models.pricing.fresh_state import WIDTH
from models.pricing.guardrails import HALF_CENT, Limits, limits_of_each, rule_names, shown_reference
from models.pricing.market import Bools, Floats, Ints
from models.pricing.network import ValueFunction
from models.pricing.requests import MAX_PRODUCTS, Reply, column, numbers, within
from models.pricing.spec import FreshSpec

MOST_UNITS = 1_000_000
MOST_EXPECTED = 10 * MOST_LEVEL  # units a day


@dataclass(frozen=True)
class FreshInput:
    """N shelves, fields (N,): `good` names; `list_price` money of today; `stock` (N, L) units by days left, those that expire
    tonight first, deliveries in; `before` the price until now, in money; `weekday` 0 on Monday. As far as they are known:
    `coming` units that arrive tomorrow whatever happens (none: 0), `wait` nights until the next order (none: 0), `expected`
    (N, AHEAD) units a day at list price from today on (none: as trained), `up_to` the order level (none: as trained), `lowest`
    price of the past 30 days, if a discount is to be shown."""

    good: Any
    list_price: Any
    stock: Any
    before: Any
    weekday: Any
    coming: Any = None
    wait: Any = None
    expected: Any = None
    up_to: Any = None
    lowest: Any = None


@dataclass(frozen=True)
class FreshReading:
    """N shelves as they were read, fields (N,): `number` of the good, situations, list price, price before and lowest price in
    money; `lowest` None where none was told."""

    number: Ints
    at: Situation
    list_price: Floats
    before: Floats
    lowest: Floats | None

    def rows(self, chosen: Ints) -> "FreshReading":
        """The shelves of numbers `chosen`."""
        lowest = None if self.lowest is None else self.lowest[chosen]
        return FreshReading(
            self.number[chosen], self.at.rows(chosen), self.list_price[chosen], self.before[chosen], lowest
        )


class FreshPredictor:
    """Prices the goods it was trained for; thread-safe, holds no state."""

    def __init__(self, spec: FreshSpec, goods: Goods, network: ValueFunction) -> None:
        self.spec, self.goods = spec, goods
        self.prices: Floats = np.array(spec.prices)
        if len(goods) != len(spec.goods) or (network.width, network.prices) != (
            WIDTH + len(self.prices),
            len(self.prices),
        ):
            raise ArtifactError("fresh: goods, network and prices do not fit one another: retrain")
        self.policy = FreshNetwork(self.prices, spec.waste_weight, network)
        self._number: Mapping[str, int] = {name: number for number, name in enumerate(spec.goods)}
        self._essential: Bools = np.array(spec.essential)

    def predict(self, request: FreshInput) -> Reply:
        """The price of each shelf; `worth` and `gain` count days to come less and less. InputError says what is wrong."""
        reading = self.read(request)
        listed, lowest = reading.list_price, reading.lowest
        values = self.policy.values(reading.at)
        bounds = self.limits(reading)
        asked = self.asked(reading)
        wanted = np.take_along_axis(asked, values.argmax(axis=1)[:, None], axis=1)[:, 0]
        open_ = (asked >= bounds.low[:, None] - HALF_CENT) & (asked <= bounds.high[:, None] + HALF_CENT)
        best = np.where(open_, values, -np.inf).argmax(axis=1)
        chosen = np.where(open_.any(axis=1), np.take_along_axis(asked, best[:, None], axis=1)[:, 0], wanted)
        price, _ = bounds.clip(chosen)
        _, rule = bounds.clip(wanted)
        nearest = np.abs(asked - price[:, None]).argmin(axis=1)
        money = values * listed[:, None]
        worth = np.take_along_axis(money, nearest[:, None], axis=1)[:, 0]
        at_list = int(np.abs(self.prices - 1.0).argmin())
        reference = np.full(len(listed), np.nan) if lowest is None else shown_reference(price, lowest)
        return Reply(
            price, wanted, rule_names(rule), bounds.yielded, worth, worth - money[:, at_list], money, reference
        )

    def read(self, request: FreshInput) -> FreshReading:
        """The shelves; InputError names the field, the value, the bound and the remedy."""
        number = self.number_of(request.good)
        at, listed, before = self._situation(request, number)
        lowest = None if request.lowest is None else column("lowest", request.lowest, 0.01, 1e8, len(number))
        return FreshReading(number, at, listed, before, lowest)

    def limits(self, reading: FreshReading) -> Limits:
        """The rules; of essential goods with their own, and no good above its own ceiling."""
        at, listed = reading.at, reading.list_price
        told = {"list_price": listed, "unit_cost": at.cost * listed, "ceiling": dearest(at.ceiling, listed)}
        return limits_of_each(self.spec.rules, self._essential[reading.number], before=reading.before, **told)

    def asked(self, reading: FreshReading) -> Floats:
        """Money (N, A) that each price of the ladder asks: none above a good's ceiling."""
        times = np.minimum(self.prices, reading.at.ceiling[:, None])
        return np.asarray(times * reading.list_price[:, None])

    def life_of(self, names: Sequence[str]) -> Ints:
        """Days that fresh units of the goods can be sold in (N,)."""
        return self.goods.life[self.number_of(names)]

    def wanted(self, at: Situation, listed: Floats) -> Floats:
        """What the network asks on N shelves, before the rules, in the money of their list prices (N,)."""
        return self.policy.choose(at) * listed

    def number_of(self, good: Any) -> Ints:
        """Numbers (N,) of goods; InputError for the first that is unknown."""
        if isinstance(good, str) or not hasattr(good, "__len__") or not 1 <= len(good) <= MAX_PRODUCTS:
            raise InputError(f"good: expected a list of 1 to {MAX_PRODUCTS} names")
        for name in good:
            if not isinstance(name, str) or name not in self._number:
                raise InputError(f"good: {str(name)[:60]!r} is unknown: name one the artifact was trained for")
        return np.array([self._number[name] for name in good], dtype=np.int64)

    def _situation(self, request: FreshInput, number: Ints) -> tuple[Situation, Floats, Floats]:
        """Situations, list prices and prices before in money (N,)."""
        of, count = self.goods.rows(number), len(number)
        listed = column("list_price", request.list_price, 0.01, 1e8, count)
        before = column("before", request.before, 0.01, 1e8, count)
        weekday = column("weekday", request.weekday, 0, WEEK - 1, count, whole=True).astype(np.int64)
        stock = numbers("stock", request.stock)
        ages = self.goods.ages
        if stock.ndim != 2 or len(stock) != count or stock.shape[1] > ages:
            raise InputError(f"stock: shape {stock.shape}: expected {(count, ages)} or narrower, units by days left")
        stock = np.pad(stock, ((0, 0), (0, ages - stock.shape[1])))
        within("stock", stock.ravel(), 0, MOST_UNITS, whole=True)
        if (beyond := (stock > 0) & (np.arange(self.goods.ages) >= of.life[:, None])).any():
            row = int(beyond.any(axis=1).argmax())
            raise InputError(f"stock: {request.good[row]} keeps {of.life[row]} days: no unit can have more left")
        optional = {
            name: default if given is None else column(name, given, 0, most, count, whole=True).astype(np.int64)
            for name, given, default, most in (
                ("coming", request.coming, np.zeros(count, dtype=np.int64), MOST_UNITS),
                ("wait", request.wait, np.zeros(count, dtype=np.int64), WEEK),
                ("up_to", request.up_to, of.up_to, MOST_UNITS),
            )
        }
        if request.expected is None:
            expected = self.usual_demand(number, weekday)
        else:
            expected = numbers("expected", request.expected)
            if expected.shape != (count, AHEAD):
                raise InputError(f"expected: shape {expected.shape}: expected {(count, AHEAD)}, units a day")
            within("expected", expected.ravel(), 0, MOST_EXPECTED)
        at = Situation(
            mean=np.maximum(expected, LEAST_LEVEL),
            elasticity=of.elasticity,
            elasticity_error=of.elasticity_error,
            dispersion=of.dispersion,
            cost=of.cost,
            disposal=of.disposal,
            ceiling=of.ceiling,
            life=of.life,
            lead=of.lead,
            up_to=optional["up_to"],
            scale=of.scale,
            stock=stock.astype(np.int64),
            coming=optional["coming"],
            wait=optional["wait"],
            before=np.clip(before / listed, 0.01, 100.0),
            weekday=weekday,
        )
        return at, listed, before

    def usual_demand(self, number: Ints, weekday: Ints) -> Floats:
        """Units (N, AHEAD) expected a day at list price from a `weekday` (N,) on, as trained."""
        days = (weekday[:, None] + np.arange(AHEAD)) % WEEK
        return np.asarray(self.goods.level[number][:, None] * self.goods.week[number[:, None], days])
