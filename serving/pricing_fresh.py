"""Fresh goods, from a request to what the model room and the ladders answer."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from models.pricing.explain import PriceReasons
from models.pricing.fresh import AHEAD
from models.pricing.fresh_explain import FreshReasons, explain_fresh
from models.pricing.fresh_ladder import FreshLadders
from models.pricing.fresh_predict import FreshInput
from models.pricing.fresh_what_if import what_if_fresh
from models.pricing.guardrails import Limits, Ruled
from models.pricing.market import Bools, Floats, Ints
from models.pricing.requests import Reply
from models.pricing.spec import FRESH
from models.pricing.training_range import Outside
from models.pricing.what_if import Curve
from serving.pricing_champion import Model
from serving.pricing_fresh_schemas import FreshItem, FreshShelves
from serving.pricing_markets import by_left

NOT_TOLD = [np.nan] * AHEAD


@dataclass(frozen=True)
class FreshItems:
    """N fresh goods, `serving.pricing_batches.Asked`: list price, before (N,) in money, stock (N, W) by days left, weekday,
    coming, wait (N,); expected (N, AHEAD), up_to and lowest (N,) with NaN for what was not told."""

    ladders: FreshLadders
    item_ids: tuple[str, ...]
    listed: Floats
    stock: Ints
    before: Floats
    weekday: Ints
    coming: Ints
    wait: Ints
    expected: Floats
    up_to: Floats
    lowest: Floats
    market: str = FRESH
    endpoint: str = "_fresh"

    @property
    def moment(self) -> Ints:
        """The day of the week."""
        return self.weekday

    @cached_property
    def number(self) -> Ints:
        """Of each good (N,), the same in ladders and artifact; InputError for one that is unknown."""
        return self.ladders.number_of(self.item_ids)

    def titled(self, item_id: str) -> dict[str, str]:
        """By its name."""
        return {"good": item_id}

    def head(self) -> dict[str, Any]:
        """Their names."""
        return {"good": self.item_ids}

    def bounds(self, rows: Ints) -> Limits:
        """What the rules leave."""
        return self.ladders.bounds(self.number[rows], self.listed[rows], self.before[rows])

    def by_ladder(self, rows: Ints) -> Ruled:
        """Prices by the approved ladders."""
        return self.ladders.answer(self.number[rows], self.listed[rows], self.stock[rows], self.before[rows])

    def outside(self, model: Model) -> tuple[tuple[Outside, ...], Bools]:
        """See `Asked`; what was not told is as trained."""
        everything = self._request(model, np.ones(len(self.item_ids), dtype=np.bool_))
        return model.fresh_range.outside(
            self.number, self.listed, self.stock, self.before, everything.expected, self.coming, self.wait, everything.up_to
        )  # fmt: skip

    def predict(self, model: Model, rows: Bools) -> Reply:
        """Prices by the network."""
        return model.predictor.predict(self._request(model, rows))

    def explain(self, model: Model, rows: Bools) -> FreshReasons:
        """Why."""
        return explain_fresh(model.predictor.fresh, self._request(model, rows))

    def reference(self, model: Model) -> dict[str, Any]:
        """Each good has its own."""
        del model
        return {}

    def usual(self, why: PriceReasons | FreshReasons) -> list[dict[str, Any]]:
        """Its usual morning."""
        assert isinstance(why, FreshReasons)
        usual = zip(why.usual.weekday.tolist(), why.usual.stock.tolist(), why.usual.before.tolist(), strict=True)
        return [{"usual": dict(zip(("weekday", "stock", "before"), each, strict=True))} for each in usual]

    def curve(self, model: Model) -> Curve:
        """What other prices would bring."""
        return what_if_fresh(model.predictor.fresh, self._request(model, np.array([True])))

    def passed_over(self, model: Model) -> str | None:
        """Nothing."""
        del model
        return None

    def _request(self, model: Model, rows: Bools) -> FreshInput:
        """Some rows as the model room asks for them, what was not told as trained."""
        fresh, number = model.predictor.fresh, self.number[rows]
        expected, up_to = self.expected[rows], self.up_to[rows]
        return FreshInput(
            good=[name for name, wanted in zip(self.item_ids, rows.tolist(), strict=True) if wanted],
            list_price=self.listed[rows],
            stock=self.stock[rows, : fresh.goods.ages],
            before=self.before[rows],
            weekday=self.weekday[rows],
            coming=self.coming[rows],
            wait=self.wait[rows],
            expected=np.where(np.isnan(expected), fresh.usual_demand(number, self.weekday[rows]), expected),
            up_to=np.where(np.isnan(up_to), fresh.goods.up_to[number], up_to),
        )


def of_fresh_items(ladders: FreshLadders, items: Sequence[FreshItem]) -> FreshItems:
    """From a list of items."""
    columns = {name: [getattr(item, name) for item in items] for name in FreshItem.model_fields}
    return _items(ladders, columns)


def of_fresh_shelves(ladders: FreshLadders, shelves: FreshShelves) -> FreshItems:
    """From columns."""
    return _items(ladders, {name: getattr(shelves, name) for name in FreshShelves.model_fields})


def _items(ladders: FreshLadders, told: dict[str, Any]) -> FreshItems:
    count = len(told["good"])

    def column(name: str, kind: Any, otherwise: Any) -> Any:
        return np.asarray([otherwise] * count if told[name] is None else told[name], dtype=kind)

    expected = [NOT_TOLD if each is None else each for each in told["expected"] or [None] * count]
    return FreshItems(
        ladders,
        tuple(told["good"]),
        listed=column("list_price", np.float64, None),
        stock=by_left(told["stock"]),
        before=column("before", np.float64, None),
        weekday=column("weekday", np.int64, None),
        coming=column("coming", np.int64, 0),
        wait=column("wait", np.int64, 0),
        expected=np.asarray(expected, dtype=np.float64),
        up_to=column("up_to", np.float64, None),
        lowest=column("lowest", np.float64, None),
    )
