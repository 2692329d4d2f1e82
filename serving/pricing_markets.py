"""Items of one market, from a request to what the model room and the ladder answer."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from models.pricing.answering import MarketShelves, by_left
from models.pricing.explain import PriceReasons, explain, reference_of
from models.pricing.fresh_explain import FreshReasons
from models.pricing.instances import FactorName
from models.pricing.ladder import ApprovedLadder
from models.pricing.market import Bools, Ints
from models.pricing.what_if import Curve, what_if
from serving.pricing_champion import Model
from serving.pricing_schemas import Item, Shelves


@dataclass(frozen=True)
class MarketItems(MarketShelves):
    """N items of one market, `serving.pricing_batches.Asked`, by the caller's own ids."""

    item_ids: tuple[str, ...]
    endpoint: str = ""

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

    def explain(self, model: Model, rows: Bools) -> PriceReasons:
        """Why."""
        return explain(model.predictor, model.markets[self.market], self.request(model, rows))

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
        return what_if(model.predictor, market, bounds, self.request(model, np.array([True])))

    def passed_over(self, model: Model) -> str | None:
        """Factors that the market does not watch."""
        extra = sorted(set(self.factors) - set(model.ranges[self.market].factors))
        return f"{', '.join(extra)}: not watched by {self.market}, passed over" if extra else None


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
        np.asarray(period, dtype=np.int64),
        by_left(stock),
        np.asarray(before, dtype=np.float64),
        {str(name): np.asarray(column, dtype=np.float64) for name, column in factors.items()},
        np.asarray(lowest, dtype=np.float64),
        np.asarray(people, dtype=np.float64),
        tuple(item_ids),
    )
