"""What a policy may decide in the world; whatever it leaves open follows the shop's plain rules."""

from dataclasses import dataclass
from datetime import date

import numpy as np

from sources.twin.arrays import Floats, Ints
from sources.twin.catalogue import day_number
from sources.twin.customers.protocol import RecommendationPolicy
from sources.twin.promotions import ALL_STORES, DECIDED_SLOT, KINDS, Promotions

LOWEST_PRICE, HIGHEST_PRICE = 0.1, 3.0  # times list price: outside, prices count as keying errors


class DecisionError(ValueError):
    """A decision outside what the world can carry out; the message gives the value, the bound and the remedy."""


@dataclass(frozen=True)
class DecidedPromotion:
    """A promotion on top of the plan. `store` is a store number, None for all stores; last day inclusive."""

    product: int
    starts_on: date
    ends_on: date
    discount_fraction: float
    store: int | None = None
    kind: str = "price_cut"


@dataclass(frozen=True)
class Decisions:
    """Decisions of one day. Grids are (S, P) in the world's order of stores and products; NaN means the plain rule.

    `prices`: shelf price of today. `orders`: units ordered tonight. `recommendations`: exposure of today in [0, 1].
    `promotions`: announced today, starting today or later. `policy`: what the online shop recommends today, None for its
    plain policy. `slot_fees`: delivery fees of today (H, A, P), by days to delivery, area and part of the day.
    """

    prices: Floats | None = None
    orders: Floats | None = None
    promotions: tuple[DecidedPromotion, ...] = ()
    recommendations: Floats | None = None
    policy: RecommendationPolicy | None = None
    slot_fees: Floats | None = None


def check_decisions(decisions: Decisions, day: int, list_price: Floats, stores: int) -> None:
    """Raise `DecisionError` for the first decision that cannot be carried out on `day`."""
    shape = (stores, len(list_price))
    for name in ("prices", "orders", "recommendations"):
        grid = getattr(decisions, name)
        if grid is not None and grid.shape != shape:
            raise DecisionError(
                f"{name} has shape {grid.shape}, the world is {shape}; give a value a store and product, NaN for plain"
            )
    _check_range("prices", decisions.prices, LOWEST_PRICE * list_price[None, :], HIGHEST_PRICE * list_price[None, :])
    _check_range("orders", decisions.orders, np.zeros((1, 1)), np.full((1, 1), 1e6))
    _check_range("recommendations", decisions.recommendations, np.zeros((1, 1)), np.ones((1, 1)))
    for promotion in decisions.promotions:
        _check_promotion(promotion, day, stores, len(list_price))


def _check_range(name: str, grid: Floats | None, low: Floats, high: Floats) -> None:
    if grid is None:
        return
    bad = (grid < low) | (grid > high)
    if bad.any():
        s, p = (int(i[0]) for i in np.nonzero(bad))
        least, most = (float(np.broadcast_to(b, grid.shape)[s, p]) for b in (low, high))
        raise DecisionError(
            f"{name}[{s}, {p}] = {grid[s, p]:g} lies outside [{least:g}, {most:g}]; clip it, or NaN for the plain rule"
        )


def _check_promotion(promotion: DecidedPromotion, day: int, stores: int, products: int) -> None:
    if not 0 <= promotion.product < products:
        raise DecisionError(
            f"promotion of product {promotion.product} outside 0..{products - 1}; give the product's number"
        )
    if promotion.store is not None and not 0 <= promotion.store < stores:
        raise DecisionError(
            f"promotion in store {promotion.store} outside 0..{stores - 1}; give the store's number or None for all"
        )
    if not day <= day_number(promotion.starts_on) <= day_number(promotion.ends_on):
        raise DecisionError(
            f"promotion {promotion.starts_on}..{promotion.ends_on} must start today or later and end after it starts"
        )
    if not 0 < promotion.discount_fraction <= 0.9:
        raise DecisionError(
            f"promotion's discount_fraction {promotion.discount_fraction:g} outside (0, 0.9]; give a fraction of price"
        )
    if promotion.kind not in KINDS:
        raise DecisionError(f"promotion's kind {promotion.kind!r} is unknown; use one of {', '.join(KINDS)}")


def as_promotions(decided: tuple[DecidedPromotion, ...], day: int) -> Promotions:
    """Decided promotions as columns, announced on `day`."""

    def whole(values: list[int]) -> Ints:
        return np.array(values, dtype=np.int64)

    return Promotions(
        product=whole([d.product for d in decided]),
        store=whole([ALL_STORES if d.store is None else d.store for d in decided]),
        slot=whole([DECIDED_SLOT] * len(decided)),
        starts=whole([day_number(d.starts_on) for d in decided]),
        ends=whole([day_number(d.ends_on) for d in decided]),
        announced=whole([day] * len(decided)),
        discount=np.array([d.discount_fraction for d in decided], dtype=np.float64),
        kind=whole([KINDS.index(d.kind) for d in decided]),
    )
