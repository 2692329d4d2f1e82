"""What each price of the ladder would bring for a fresh good: units today, worth, and whether the rules allow it."""

import numpy as np

from models.common.protocols import InputError
from models.pricing.fresh_predict import FreshInput, FreshPredictor
from models.pricing.guardrails import CENTS, LEAST, NO_RULE, rule_names
from models.pricing.what_if import Curve, expected_sales


def what_if_fresh(predictor: FreshPredictor, request: FreshInput) -> Curve:
    """The curve of one shelf, in whole cents; what lies above the good's ceiling is left out. InputError as `predict`."""
    reading = predictor.read(request)
    if len(reading.number) != 1:
        raise InputError(f"what-if: {len(reading.number)} shelves: ask for one at a time")
    at, listed = reading.at, reading.list_price
    found = predictor.predict(request)
    money = predictor.asked(reading)[0]
    prices, first = np.unique(np.maximum(np.round(money * CENTS) / CENTS, LEAST), return_index=True)
    bounds = predictor.limits(reading.rows(np.zeros(len(prices), dtype=np.int64)))
    _, rule = bounds.clip(prices)
    return Curve(
        prices=prices,
        units=expected_sales(
            at.mean[0, 0] * (prices / listed[0]) ** -at.elasticity[0], int(at.stock.sum()), float(at.dispersion[0])
        ),
        worth=found.values[0][first],
        allowed=rule == NO_RULE,
        rule=rule_names(rule),
        price=float(found.price[0]),
        served_rule=str(found.rule[0]),
    )
