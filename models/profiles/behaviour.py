"""From plain sums to what separates customers: recency, frequency, monetary value, and how they buy. numpy alone."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

Floats = npt.NDArray[np.floating[Any]]
Ints = npt.NDArray[np.int64]

#: Sums of one customer, in the order of the table; `unbought_days` is NaN where nothing was bought.
SUMS = (
    "observed_days", "seen_days", "silent_days", "unbought_days", "visits", "clicks", "carts", "lines", "orders",
    "units", "spend", "priced_lines", "reduced_lines",
)  # fmt: skip
#: What segments are made of: name -> what it says, in words.
FEATURES = {
    "silence": "log(1 + days since the last visit)",
    "pace": "log of visits a day since the customer is known",
    "conversion": "log of lines bought per click",
    "basket": "log of spend per order",
    "reduced": "share of lines bought below the list price",
}


class Usual(BaseModel):
    """What is usual of all customers: what each is credited with before own deeds speak."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    visits_a_day: float = Field(gt=0, description="visits a day")
    lines_a_click: float = Field(ge=0, description="0 where the source tells of no clicks")
    order_spend: float = Field(ge=0, description="currency; 0 where it tells of no prices")
    reduced_share: float = Field(ge=0, le=1, description="0 where it tells of no list prices")
    clicks: float = Field(gt=0, description="clicks credited")
    orders: float = Field(gt=0, description="orders and lines credited")


def usual(sums: Mapping[str, Floats], *, clicks: float, orders: float) -> Usual:
    """The usual rates over all customers (N,)."""
    total = {name: float(np.nansum(sums[name])) for name in SUMS}
    return Usual(
        visits_a_day=max(total["visits"], 1.0) / max(total["observed_days"], 1.0),
        lines_a_click=_ratio(total["lines"], total["clicks"]),
        order_spend=_ratio(total["spend"], total["orders"]),
        reduced_share=_ratio(total["reduced_lines"], total["priced_lines"]),
        clicks=clicks,
        orders=orders,
    )


def told_features(told: Usual) -> tuple[str, ...]:
    """Names of the features that the source's tables can tell."""
    can = {
        "conversion": told.lines_a_click > 0,
        "basket": told.order_spend > 0,
        "reduced": 0 < told.reduced_share < 1,
    }
    return tuple(name for name in FEATURES if can.get(name, True))


def features(sums: Mapping[str, Floats], told: Usual, names: tuple[str, ...]) -> Floats:
    """Features (N, F) of customers whose sums are (N,) each.

    Rates are shrunken to the usual ones: as if everybody had been seen once more, clicked `told.clicks` times and bought
    `told.orders` times at usual rates.
    """
    lines, clicks, orders = sums["lines"], sums["clicks"], sums["orders"]
    columns = {
        "silence": np.log1p(sums["silent_days"]),
        "pace": np.log((sums["visits"] + 1.0) / (sums["observed_days"] + 1.0 / told.visits_a_day)),
        "reduced": (sums["reduced_lines"] + told.orders * told.reduced_share) / (sums["priced_lines"] + told.orders),
    }
    if "conversion" in names:
        columns["conversion"] = np.log((lines + told.clicks * told.lines_a_click) / (clicks + told.clicks))
    if "basket" in names:
        columns["basket"] = np.log((sums["spend"] + told.orders * told.order_spend) / (orders + told.orders))
    return np.column_stack([columns[name] for name in names])


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole > 0 else 0.0
