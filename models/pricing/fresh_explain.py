"""Which variables moved the price of a fresh good: exact Shapley values of groups, against the good's usual morning.

What is mixed is what the morning tells, not the state that is made of it: what each price gains is counted anew for each
coalition, so that no reason stands on a shelf that cannot be.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from models.common.explain import group_shapley
from models.pricing.fresh_predict import FreshInput, FreshPredictor
from models.pricing.market import Floats, Ints

# Fields of Situation. Elasticity and cost are the good's own, so they move nothing against its own morning.
GROUPS: Mapping[str, tuple[str, ...]] = {
    "stock": ("stock", "life"),
    "orders": ("coming", "wait", "up_to", "lead"),
    "demand": ("mean", "dispersion", "scale"),
    "elasticity": ("elasticity", "elasticity_error"),
    "cost": ("cost", "disposal", "ceiling"),
    "clock": ("weekday",),
    "price before": ("before",),
}


@dataclass(frozen=True)
class FreshReasons:
    """Of N shelves and G groups, in money: `base` (N,) the network's price on the usual morning, `values` (N, G) what each group
    moved it by, `wanted` (N,) its price. base + values.sum(axis=1) == wanted. `usual` is that morning."""

    groups: tuple[str, ...]
    base: Floats
    values: Floats
    wanted: Floats
    usual: FreshInput


def usual_morning(predictor: FreshPredictor, number: Ints, listed: Floats) -> FreshInput:
    """A Monday of the goods of `number` (N,): filled up to the order level with fresh units, nothing on the way, demand as
    trained, list price (N,) on the label."""
    of = predictor.goods.rows(number)
    stock = np.where(np.arange(predictor.goods.ages) == of.life[:, None] - 1, of.up_to[:, None], 0)
    names = [predictor.spec.goods[each] for each in number.tolist()]
    return FreshInput(names, listed, stock, listed, np.zeros(len(number), dtype=np.int64))


def explain_fresh(predictor: FreshPredictor, request: FreshInput) -> FreshReasons:
    """Why the network wants its price for each shelf of a request. InputError as `FreshPredictor.predict`.

    2^G coalitions a shelf are priced.
    """
    reading = predictor.read(request)
    number, at, listed = reading.number, reading.at, reading.list_price
    morning = usual_morning(predictor, number, listed)
    usual = predictor.read(morning).at

    def wanted(told: npt.NDArray[np.float32]) -> Floats:
        """The price (M,) where only the groups marked in `told` (M, G) are as they are today."""
        rows = np.arange(len(told)) % len(number)
        today, then = at.rows(rows), usual.rows(rows)
        mixed = {}
        for column, names in enumerate(GROUPS.values()):
            for name in names:
                value = getattr(today, name)
                mark = told[:, column].reshape(-1, *(1,) * (value.ndim - 1)) > 0
                mixed[name] = np.where(mark, value, getattr(then, name))
        return predictor.wanted(replace(today, **mixed), listed[rows])

    marks = np.ones((len(number), len(GROUPS)), dtype=np.float32)
    found = group_shapley(wanted, marks, np.zeros_like(marks), [[column] for column in range(len(GROUPS))])
    return FreshReasons(tuple(GROUPS), found.base, found.values, found.prediction, morning)
