"""Why a price, and what others would bring: the model room's answers in the fields of a reply."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from models.pricing.explain import explain, reference_of
from models.pricing.ladder import ApprovedLadder
from models.pricing.what_if import Curve, what_if
from serving.pricing_batches import Columns, price
from serving.pricing_champion import Model


@dataclass(frozen=True)
class WhatIf:
    """A curve and the item it is for."""

    curve: Curve
    columns: Columns


def reasons_of(columns: Columns, ladder: ApprovedLadder, model: Model) -> dict[str, Any]:
    """`reference`, `reasons` and `notes` of `ExplainReply`; items outside the range of training have a note instead."""
    market, known = model.markets[columns.market], model.ranges[columns.market]
    found = price(columns, ladder, model)
    outside = found.outside_of()
    inside = np.array([row not in outside for row in range(len(columns.item_ids))])
    notes = [
        f"{columns.item_ids[row]}: {_said(told)}, so the approved ladder prices it" for row, told in outside.items()
    ]
    if not inside.any():
        return {"reference": asdict(reference_of(market)), "reasons": [], "notes": notes}
    why = explain(model.predictor, market, columns.request(inside, known))
    rows = np.flatnonzero(inside).tolist()
    reasons = [
        {
            "item_id": columns.item_ids[row],
            "price": float(found.price[row]),
            "base": base,
            "moved_by": dict(sorted(zip(why.groups, values, strict=True), key=lambda each: -abs(each[1]))),
            "limits": float(found.price[row]) - wanted,
            "rule": str(found.rule[row]),
        }
        for row, base, values, wanted in zip(
            rows, why.base.tolist(), why.values.tolist(), why.wanted.tolist(), strict=True
        )
    ]
    return {"reference": asdict(why.reference), "reasons": reasons, "notes": notes}


def curve_of(columns: Columns, ladder: ApprovedLadder, model: Model) -> WhatIf | str:
    """The curve of one item, or in which variables it lies outside the range of training."""
    known = model.ranges[columns.market]
    outside = price(columns, ladder, model).outside_of()
    if outside:
        return f"{columns.item_ids[0]}: {_said(outside[0])}"
    market = model.markets[columns.market]
    bounds = ladder.bounds(np.full(len(market.prices), columns.before[0]))
    return WhatIf(what_if(model.predictor, market, bounds, columns.request(np.array([True]), known)), columns)


def _said(outside: list[dict[str, Any]]) -> str:
    parts = []
    for each in outside:
        value = "is not given" if each["value"] is None else f"is {each['value']:g}"
        parts.append(f"{each['variable']} {value}, trained on {each['low']:g} to {each['high']:g}")
    return "; ".join(parts)
