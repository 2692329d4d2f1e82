"""Why a price, and what others would bring: the model room's answers in the fields of a reply."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from models.pricing.what_if import Curve
from serving.pricing_batches import Asked, price
from serving.pricing_champion import Model


@dataclass(frozen=True)
class WhatIf:
    """A curve and the item it is for."""

    curve: Curve
    asked: Asked


def reasons_of(asked: Asked, model: Model) -> dict[str, Any]:
    """`reasons`, `notes` and, where it is one for all, `reference` of a reply; items outside the range of training have a note
    instead."""
    found = price(asked, model)
    outside = found.outside_of()
    inside = np.array([row not in outside for row in range(len(asked.item_ids))])
    notes = [f"{asked.item_ids[row]}: {_said(told)}, so the approved ladder prices it" for row, told in outside.items()]
    if not inside.any():
        return {**asked.reference(model), "reasons": [], "notes": notes}
    why = asked.explain(model, inside)
    rows = np.flatnonzero(inside).tolist()
    reasons = [
        {
            **asked.titled(asked.item_ids[row]),
            "price": float(found.price[row]),
            "base": base,
            "moved_by": dict(sorted(zip(why.groups, values, strict=True), key=lambda each: -abs(each[1]))),
            "limits": float(found.price[row]) - wanted,
            "rule": str(found.rule[row]),
            **usual,
        }
        for row, base, values, wanted, usual in zip(
            rows, why.base.tolist(), why.values.tolist(), why.wanted.tolist(), asked.usual(why), strict=True
        )
    ]
    return {**asked.reference(model), "reasons": reasons, "notes": notes}


def curve_of(asked: Asked, model: Model) -> WhatIf | str:
    """The curve of one item, or in which variables it lies outside the range of training."""
    outside = price(asked, model).outside_of()
    if outside:
        return f"{asked.item_ids[0]}: {_said(outside[0])}"
    return WhatIf(asked.curve(model), asked)


def _said(outside: list[dict[str, Any]]) -> str:
    parts = []
    for each in outside:
        value = "is not given" if each["value"] is None else f"is {each['value']:g}"
        parts.append(f"{each['variable']} {value}, trained on {each['low']:g} to {each['high']:g}")
    return "; ".join(parts)
