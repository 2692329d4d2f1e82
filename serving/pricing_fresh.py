"""Fresh goods, from a request to what the model room and the ladders answer."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from models.pricing.answering import FreshShelves, by_left
from models.pricing.explain import PriceReasons
from models.pricing.fresh import AHEAD
from models.pricing.fresh_explain import FreshReasons, explain_fresh
from models.pricing.fresh_ladder import FreshLadders
from models.pricing.fresh_what_if import what_if_fresh
from models.pricing.market import Bools, Ints
from models.pricing.spec import FRESH
from models.pricing.what_if import Curve
from serving.pricing_champion import Model
from serving.pricing_fresh_schemas import FreshItem
from serving.pricing_fresh_schemas import FreshShelves as FreshColumns

NOT_TOLD = [np.nan] * AHEAD


@dataclass(frozen=True)
class FreshItems(FreshShelves):
    """N fresh goods, `serving.pricing_batches.Asked`, by their names."""

    market: str = FRESH
    endpoint: str = "_fresh"

    @property
    def item_ids(self) -> tuple[str, ...]:
        """Their names."""
        return self.good

    @property
    def moment(self) -> Ints:
        """The day of the week."""
        return self.weekday

    def titled(self, item_id: str) -> dict[str, str]:
        """By its name."""
        return {"good": item_id}

    def head(self) -> dict[str, Any]:
        """Their names."""
        return {"good": self.good}

    def explain(self, model: Model, rows: Bools) -> FreshReasons:
        """Why."""
        return explain_fresh(model.predictor.fresh, self.request(model, rows))

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
        return what_if_fresh(model.predictor.fresh, self.request(model, np.array([True])))

    def passed_over(self, model: Model) -> str | None:
        """Nothing."""
        del model
        return None


def of_fresh_items(ladders: FreshLadders, items: Sequence[FreshItem]) -> FreshItems:
    """From a list of items."""
    columns = {name: [getattr(item, name) for item in items] for name in FreshItem.model_fields}
    return _items(ladders, columns)


def of_fresh_shelves(ladders: FreshLadders, shelves: FreshColumns) -> FreshItems:
    """From columns."""
    return _items(ladders, {name: getattr(shelves, name) for name in FreshColumns.model_fields})


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
