"""Which variables moved a price: exact Shapley values of readable groups of the state, against the market's first morning."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from models.common.explain import group_shapley
from models.pricing.market import FACTORS, Floats, Market
from models.pricing.predict import NetworkPolicy, Predictor, PriceInput
from models.pricing.requests import read
from models.pricing.shelf import deliver
from models.pricing.state import NAMES

GROUPS: Mapping[str, tuple[str, ...]] = {
    "stock": ("stock", *(f"stock_left_{k}" for k in range(1, 7)), "cover", "clearing"),
    "deliveries": ("next_delivery", "coming"),
    "clock": ("to_go", "hour_sin", "hour_cos", "week_sin", "week_cos"),
    "demand": ("demand_now", "demand_to_go", "elasticity", "premium", "best_alone", "willingness", "attention"),
    "rivals": ("competitor_price", "substitute_price"),
    "weather": ("weather",),
    "scarcity": ("bid", "best_charged"),  # and what each price gains over the bid
    "cost": ("cost",),
    "price before": ("price_before",),
}
GAINS = "scarcity"  # the group of the columns behind NAMES


@dataclass(frozen=True)
class Reference:
    """The situation that reasons are told against: the market's first period, opened as usual."""

    period: int
    stock: tuple[int, ...]
    before: float
    factors: Mapping[str, float]


@dataclass(frozen=True)
class PriceReasons:
    """Of N items and G groups, in money: `base` (N,) the network's price of the reference, `values` (N, G) what each group
    moved it by, `wanted` (N,) its price. base + values.sum(axis=1) == wanted."""

    groups: tuple[str, ...]
    base: Floats
    values: Floats
    wanted: Floats
    reference: Reference


def reference_of(market: Market) -> Reference:
    """First period, opening stock, factors as they start, list price on the label."""
    opening, _ = deliver(market.stock, market.delivered[0], market.up_to[0], market.room)
    shown = market.chain.shown[market.chain.start]
    factors: dict[str, float] = {
        name: float(shown[number]) for number, name in enumerate(FACTORS) if not np.isnan(shown[number])
    }
    return Reference(0, tuple(opening.tolist()), market.list_price, factors)


def explain(predictor: Predictor, market: Market, request: PriceInput) -> PriceReasons:
    """Why the network wants its price for each item of a request. InputError as `Predictor.predict`.

    Groups are of state variables; one that is left out takes its value of the reference. 2^G coalitions an item are priced.
    """
    reference = reference_of(market)
    at, before, _ = read(request, market)
    count = len(before)
    usual = replace(
        request,
        period=np.full(count, reference.period),
        stock=np.tile(reference.stock, (count, 1)),
        before=np.full(count, reference.before),
        factors={name: np.full(count, value) for name, value in reference.factors.items()},
        lowest=None,
    )
    policy = predictor.policy(market.name)
    rows, base_rows = (policy.assembler.assemble(each) for each in (at, read(usual, market)[0]))
    found = group_shapley(lambda states: _wanted(policy, market, states), rows, base_rows, _columns(rows.shape[1]))
    return PriceReasons(tuple(GROUPS), found.base, found.values, found.prediction, reference)


def _wanted(policy: NetworkPolicy, market: Market, states: npt.NDArray[np.float32]) -> Floats:
    """The price (M,) of the highest value in states (M, W) that the largest change leaves open."""
    before = states[:, NAMES.index("price_before")] * market.list_price
    nearest = np.abs(market.prices[None, :] - before[:, None]).argmin(axis=1)
    values = np.asarray(policy.network.values(states), dtype=np.float64)
    return np.asarray(market.prices[market.best(nearest, values)])


def _columns(width: int) -> Sequence[Sequence[int]]:
    """Columns of each group in a state of so many numbers."""
    gains = tuple(range(len(NAMES), width))
    return [
        (*(NAMES.index(name) for name in names), *(gains if group == GAINS else ())) for group, names in GROUPS.items()
    ]
