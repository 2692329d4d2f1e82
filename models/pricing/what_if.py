"""What each price of the ladder would bring: units now, worth until the end, and whether the rules allow it."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.common.protocols import InputError
from models.pricing.guardrails import HALF_CENT, Limits, rule_names
from models.pricing.market import SMALLEST, Bools, Floats, Market
from models.pricing.predict import Predictor, PriceInput
from models.pricing.requests import read


@dataclass(frozen=True)
class Curve:
    """Of A prices, ascending: `units` (A,) expected to be sold now, at most the stock; `worth` (A,) money expected until the
    end; `allowed` (A,) by the rules and `rule` (A,) that forbids, "" for none; `price` the one that would be served."""

    prices: Floats
    units: Floats
    worth: Floats
    allowed: Bools
    rule: npt.NDArray[np.str_]
    price: float
    served_rule: str


def what_if(predictor: Predictor, market: Market, bounds: Limits, request: PriceInput) -> Curve:
    """The curve of one situation; `bounds` what the rules leave each price of the ladder. InputError as `predict`."""
    at, before, _ = read(request, market)
    if len(before) != 1:
        raise InputError(f"what-if: {len(before)} situations: ask for one at a time")
    found = predictor.predict(request)
    stock = int(at.stock.sum())
    price, rule = bounds.clip(market.prices)
    return Curve(
        prices=market.prices,
        units=expected_sales(market.nominal[at.t[0], at.e[0]], stock, market.dispersion),
        worth=found.values[0],
        allowed=np.abs(price - market.prices) <= HALF_CENT,
        rule=rule_names(rule),
        price=float(found.price[0]),
        served_rule=str(found.rule[0]),
    )


def expected_sales(mean: Floats, stock: int, dispersion: float | None) -> Floats:
    """Units (A,) expected to be sold of `stock` where demand is around `mean` (A,), Poisson or negative binomial.

    E min(D, s) is the sum of P(D > k) over k < s; NumPy alone, for a service carries no SciPy.
    """
    k = np.arange(stock)
    log_counted = np.cumsum(np.log(np.maximum(k, 1)))  # log k!
    sold = np.zeros(len(mean))
    for number, m in enumerate(np.maximum(mean, SMALLEST).tolist() if stock else ()):
        if dispersion is None:
            log_mass = k * np.log(m) - m - log_counted
        else:
            grown = np.concatenate([[0.0], np.cumsum(np.log(dispersion + k[:-1]))])
            log_mass = grown - log_counted + k * np.log(m / (m + dispersion))
            log_mass += dispersion * np.log(dispersion / (m + dispersion))
        sold[number] = np.maximum(1.0 - np.cumsum(np.exp(log_mass)), 0.0).sum()
    return sold
