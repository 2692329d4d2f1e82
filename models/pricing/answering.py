"""Who prices each of N shelves, in the cloud and on a box alike: the network inside the range that it was trained on, outside
of it the last approved ladder."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import zip_longest
from typing import Protocol

import numpy as np

from models.pricing.fresh_ladder import FreshLadders
from models.pricing.fresh_predict import FreshInput
from models.pricing.fresh_range import FreshRange
from models.pricing.guardrails import HALF_CENT, RULES, Limits, Ruled, rule_names
from models.pricing.ladder import ApprovedLadder, FallbackError, Ladders
from models.pricing.market import Bools, Floats, Ints, Market, build_market
from models.pricing.predict import Predictor, PriceInput
from models.pricing.requests import WILLINGNESS, Reply
from models.pricing.training_range import Outside, TrainingRange

RULE_TEXT = rule_names(np.zeros(0, dtype=np.int64)).dtype


class UnsoundError(ArithmeticError):
    """A network's answer that may not be passed on."""


@dataclass(frozen=True)
class Known:
    """Networks, their markets as arrays and what each was trained on."""

    predictor: Predictor
    markets: Mapping[str, Market]
    ranges: Mapping[str, TrainingRange]

    @classmethod
    def of(cls, predictor: Predictor) -> "Known":
        """Of an artifact."""
        markets = {each.instance.name: build_market(each.instance) for each in predictor.spec.markets}
        return cls(predictor, markets, {name: TrainingRange.of(market) for name, market in markets.items()})

    @property
    def fresh_range(self) -> FreshRange:
        """What the network of fresh goods was trained on. InputError where the artifact has none."""
        return FreshRange(self.predictor.fresh.goods)


class Shelves(Protocol):
    """N shelves of one market, or of fresh goods, with the approved ladder that is always there for them."""

    @property
    def before(self) -> Floats:
        """Prices until now (N,)."""

    @property
    def lowest(self) -> Floats:
        """Of the past 30 days (N,), NaN for none."""

    def bounds(self, rows: Ints, /) -> Limits:
        """What the rules leave."""

    def by_ladder(self, rows: Ints, /) -> Ruled:
        """Prices by the approved ladder."""

    def outside(self, known: Known, /) -> tuple[tuple[Outside, ...], Bools]:
        """In which variables some lie outside the range of training, and which (N,) do in any."""

    def predict(self, known: Known, rows: Bools, /) -> Reply:
        """Prices by the network, of rows that all lie inside."""


@dataclass(frozen=True)
class MarketShelves:
    """`Shelves` of one market: period, before (N,), stock (N, W) by periods left, W of any length; factors, lowest and
    `people` behind a reading of willingness (N,) with NaN for none."""

    ladder: ApprovedLadder
    period: Ints
    stock: Ints
    before: Floats
    factors: Mapping[str, Floats]
    lowest: Floats
    people: Floats

    @property
    def market(self) -> str:
        """Its name."""
        return self.ladder.market

    def bounds(self, rows: Ints) -> Limits:
        """What the rules leave."""
        return self.ladder.bounds(self.before[rows])

    def by_ladder(self, rows: Ints) -> Ruled:
        """Prices by the approved ladder."""
        return self.ladder.answer(self.stock[rows], self.before[rows])

    def outside(self, known: Known) -> tuple[tuple[Outside, ...], Bools]:
        """See `Shelves`."""
        return known.ranges[self.market].outside(self.period, self.stock, self.before, self.factors)

    def predict(self, known: Known, rows: Bools) -> Reply:
        """Prices by the network."""
        return known.predictor.predict(self.request(known, rows))

    def request(self, known: Known, rows: Bools) -> PriceInput:
        """Some rows, all inside the range of training, as a predictor takes them; unknown factors are passed over."""
        trained = known.ranges[self.market]
        width = min(self.stock.shape[1], trained.ages)
        stock = np.zeros((int(rows.sum()), trained.ages), dtype=np.int64)
        stock[:, :width] = self.stock[rows, :width]
        factors = {name: self.factors[name][rows] for name in trained.factors}
        people = self.people[rows] if WILLINGNESS in factors else None
        return PriceInput(self.market, self.period[rows], stock, self.before[rows], factors, willingness_people=people)


@dataclass(frozen=True)
class FreshShelves:
    """`Shelves` of fresh goods: names `good`, list price, before (N,) in money, stock (N, W) by days left, W of any length;
    weekday, coming, wait (N,); expected (N, AHEAD), up_to and lowest (N,) with NaN for what was not told."""

    ladders: FreshLadders
    good: tuple[str, ...]
    listed: Floats
    stock: Ints
    before: Floats
    weekday: Ints
    coming: Ints
    wait: Ints
    expected: Floats
    up_to: Floats
    lowest: Floats

    @cached_property
    def number(self) -> Ints:
        """Of each good (N,), the same in ladders and artifact; InputError for one that is unknown."""
        return self.ladders.number_of(self.good)

    def bounds(self, rows: Ints) -> Limits:
        """What the rules leave."""
        return self.ladders.bounds(self.number[rows], self.listed[rows], self.before[rows])

    def by_ladder(self, rows: Ints) -> Ruled:
        """Prices by the approved ladders."""
        return self.ladders.answer(self.number[rows], self.listed[rows], self.stock[rows], self.before[rows])

    def outside(self, known: Known) -> tuple[tuple[Outside, ...], Bools]:
        """See `Shelves`; what was not told is as trained."""
        everything = self.request(known, np.ones(len(self.good), dtype=np.bool_))
        return known.fresh_range.outside(
            self.number, self.listed, self.stock, self.before, everything.expected, self.coming, self.wait, everything.up_to
        )  # fmt: skip

    def predict(self, known: Known, rows: Bools) -> Reply:
        """Prices by the network."""
        return known.predictor.predict(self.request(known, rows))

    def request(self, known: Known, rows: Bools) -> FreshInput:
        """Some rows as a predictor takes them, what was not told as trained."""
        fresh, number = known.predictor.fresh, self.number[rows]
        expected, up_to = self.expected[rows], self.up_to[rows]
        return FreshInput(
            good=[name for name, wanted in zip(self.good, rows.tolist(), strict=True) if wanted],
            list_price=self.listed[rows],
            stock=self.stock[rows, : fresh.goods.ages],
            before=self.before[rows],
            weekday=self.weekday[rows],
            coming=self.coming[rows],
            wait=self.wait[rows],
            expected=np.where(np.isnan(expected), fresh.usual_demand(number, self.weekday[rows]), expected),
            up_to=np.where(np.isnan(up_to), fresh.goods.up_to[number], up_to),
        )


@dataclass(frozen=True)
class Answered:
    """Prices of N shelves: `by_network` (N,) where it spoke, else the ladder did; `worth` and `gain` (N,) are NaN there; in
    which variables some lie outside the range of training."""

    ruled: Ruled
    by_network: Bools
    worth: Floats
    gain: Floats
    outside: tuple[Outside, ...]


def answer(asked: Shelves, known: Known) -> Answered:
    """Rows inside the range of training by the network, the others by the ladder; UnsoundError for a price out of the rules."""
    outside, beyond = asked.outside(known)
    count, inside = len(beyond), ~beyond
    price, wanted, worth, gain = np.full((4, count), np.nan)
    rule, yielded = np.zeros(count, dtype=RULE_TEXT), np.zeros((count, len(RULES)), dtype=np.bool_)
    if beyond.any():
        rows = np.flatnonzero(beyond)
        found = asked.by_ladder(rows)
        price[rows], wanted[rows], rule[rows], yielded[rows] = found.price, found.wanted, found.rule, found.yielded
    if inside.any():
        rows = np.flatnonzero(inside)
        reply, bounds = asked.predict(known, inside), asked.bounds(rows)
        sound = (reply.price >= bounds.low - HALF_CENT) & (reply.price <= bounds.high + HALF_CENT)
        if not (sound.all() and np.isfinite(reply.price).all() and np.isfinite(reply.worth).all()):
            raise UnsoundError("a price lies outside the rules, or its worth is no number")
        price[rows], wanted[rows], rule[rows], yielded[rows] = reply.price, reply.wanted, reply.rule, reply.yielded
        worth[rows], gain[rows] = reply.worth, reply.gain
    return Answered(Ruled(price, wanted, rule, yielded), inside, worth, gain, outside)


def check_ladders(ladders: Ladders, predictor: Predictor) -> None:
    """FallbackError unless the ladders of a release fit the artifact beside them."""
    spec, told = predictor.spec, ladders.fresh
    for each in spec.markets:
        name, ladder = each.instance.name, ladders.markets.get(each.instance.name)
        wanted = (each.limits(), each.instance.list_price, each.instance.unit_cost)
        if ladder is None or (ladder.rules, ladder.list_price, ladder.unit_cost) != wanted:
            raise FallbackError(f"the ladder of {name} lacks or has other rules: build the release again")
    if (spec.fresh is None) != (told is None):
        raise FallbackError("ladders of fresh goods lack, or the goods do: build the release again")
    if spec.fresh is not None and told is not None:
        goods = predictor.fresh.goods
        kept = [(each.good, each.essential, each.unit_cost, each.ceiling) for each in told.goods]
        numbers = (goods.cost.tolist(), goods.ceiling.tolist())
        known = list(zip(spec.fresh.goods, spec.fresh.essential, *numbers, strict=True))
        if told.rules != spec.fresh.rules or kept != known:
            raise FallbackError("the ladders are of other fresh goods or rules: build the release again")


def by_left(stock: Sequence[Sequence[int]]) -> Ints:
    """Rows of any lengths as units (N, W) by periods left."""
    return np.array(list(zip_longest(*stock, fillvalue=0)), dtype=np.int64).T
