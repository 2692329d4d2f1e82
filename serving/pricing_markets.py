"""Items of one market, from a request to what the model room and the ladder answer."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import zip_longest
from typing import Any

import numpy as np

from models.pricing.explain import PriceReasons, explain, reference_of
from models.pricing.fresh_explain import FreshReasons
from models.pricing.guardrails import Limits, Ruled
from models.pricing.instances import FactorName
from models.pricing.ladder import ApprovedLadder
from models.pricing.market import Bools, Floats, Ints
from models.pricing.predict import PriceInput
from models.pricing.requests import WILLINGNESS, Reply
from models.pricing.training_range import Outside
from models.pricing.what_if import Curve, what_if
from serving.pricing_champion import Model
from serving.pricing_schemas import Item, Shelves


@dataclass(frozen=True)
class MarketItems:
    """N items of one market, `serving.pricing_batches.Asked`: period, before (N,), stock (N, W) by periods left, factors,
    lowest and `people` behind a reading of willingness (N,) with NaN for none."""

    ladder: ApprovedLadder
    item_ids: tuple[str, ...]
    period: Ints
    stock: Ints
    before: Floats
    factors: Mapping[str, Floats]
    lowest: Floats
    people: Floats
    endpoint: str = ""

    @property
    def market(self) -> str:
        """Its name."""
        return self.ladder.market

    @property
    def moment(self) -> Ints:
        """The period."""
        return self.period

    def titled(self, item_id: str) -> dict[str, str]:
        """By the caller's own id."""
        return {"item_id": item_id}

    def head(self) -> dict[str, Any]:
        """The market and the caller's own ids."""
        return {"market": self.market, "item_ids": self.item_ids}

    def bounds(self, rows: Ints) -> Limits:
        """What the rules leave."""
        return self.ladder.bounds(self.before[rows])

    def by_ladder(self, rows: Ints) -> Ruled:
        """Prices by the approved ladder."""
        return self.ladder.answer(self.stock[rows], self.before[rows])

    def outside(self, model: Model) -> tuple[tuple[Outside, ...], Bools]:
        """See `Asked`."""
        return model.ranges[self.market].outside(self.period, self.stock, self.before, self.factors)

    def predict(self, model: Model, rows: Bools) -> Reply:
        """Prices by the network."""
        return model.predictor.predict(self._request(model, rows))

    def explain(self, model: Model, rows: Bools) -> PriceReasons:
        """Why."""
        return explain(model.predictor, model.markets[self.market], self._request(model, rows))

    def reference(self, model: Model) -> dict[str, Any]:
        """The first morning of the market."""
        return {"reference": asdict(reference_of(model.markets[self.market]))}

    def usual(self, why: PriceReasons | FreshReasons) -> list[dict[str, Any]]:
        """None of its own."""
        return [{} for _ in why.base]

    def curve(self, model: Model) -> Curve:
        """What other prices would bring."""
        market = model.markets[self.market]
        bounds = self.ladder.bounds(np.full(len(market.prices), self.before[0]))
        return what_if(model.predictor, market, bounds, self._request(model, np.array([True])))

    def passed_over(self, model: Model) -> str | None:
        """Factors that the market does not watch."""
        extra = sorted(set(self.factors) - set(model.ranges[self.market].factors))
        return f"{', '.join(extra)}: not watched by {self.market}, passed over" if extra else None

    def _request(self, model: Model, rows: Bools) -> PriceInput:
        """Some rows, all inside the range of training, as the model room asks for them; unknown factors are passed over."""
        known = model.ranges[self.market]
        width = min(self.stock.shape[1], known.ages)
        stock = np.zeros((int(rows.sum()), known.ages), dtype=np.int64)
        stock[:, :width] = self.stock[rows, :width]
        factors = {name: self.factors[name][rows] for name in known.factors}
        return PriceInput(
            self.market,
            self.period[rows],
            stock,
            self.before[rows],
            factors,
            willingness_people=self.people[rows] if WILLINGNESS in factors else None,
        )


def of_items(ladder: ApprovedLadder, items: Sequence[Item]) -> MarketItems:
    """From a list of items."""
    names: set[FactorName] = {name for item in items for name in item.factors}
    return _items(
        ladder,
        [item.item_id for item in items],
        [item.period for item in items],
        [item.stock for item in items],
        [item.before for item in items],
        {name: [item.factors.get(name) for item in items] for name in names},
        [item.lowest for item in items],
        [item.willingness_people for item in items],
    )


def of_shelves(ladder: ApprovedLadder, shelves: Shelves) -> MarketItems:
    """From columns."""
    return _items(
        ladder,
        shelves.item_ids,
        shelves.period,
        shelves.stock,
        shelves.before,
        shelves.factors,
        [None] * len(shelves.item_ids) if shelves.lowest is None else shelves.lowest,
        [None] * len(shelves.item_ids) if shelves.willingness_people is None else shelves.willingness_people,
    )


def _items(
    ladder: ApprovedLadder,
    item_ids: Sequence[str],
    period: Sequence[int],
    stock: Sequence[Sequence[int]],
    before: Sequence[float],
    factors: Mapping[FactorName, Sequence[float | None]],
    lowest: Sequence[float | None],
    people: Sequence[int | None],
) -> MarketItems:
    return MarketItems(
        ladder,
        tuple(item_ids),
        np.asarray(period, dtype=np.int64),
        by_left(stock),
        np.asarray(before, dtype=np.float64),
        {str(name): np.asarray(column, dtype=np.float64) for name, column in factors.items()},
        np.asarray(lowest, dtype=np.float64),
        np.asarray(people, dtype=np.float64),
    )


def by_left(stock: Sequence[Sequence[int]]) -> Ints:
    """Rows of any lengths as units (N, W) by periods left."""
    return np.array(list(zip_longest(*stock, fillvalue=0)), dtype=np.int64).T
