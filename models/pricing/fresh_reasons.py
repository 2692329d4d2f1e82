"""Which variables move the prices of fresh goods: permutation importance (Breiman 2001, "Random Forests", section 10)."""

from dataclasses import replace

import numpy as np

from models.pricing.fresh import Situation
from models.pricing.fresh_rules import FreshNetwork
from models.pricing.market import Floats

GROUPS: dict[str, tuple[str, ...]] = {
    "stock by age": ("stock",),
    "orders under way": ("coming", "wait", "up_to", "lead"),
    "expected demand": ("mean",),
    "elasticity": ("elasticity", "elasticity_error"),
    "spread of demand": ("dispersion",),
    "costs": ("cost", "disposal"),
    "day of the week": ("weekday",),
    "price before": ("before",),
}


def moves(policy: FreshNetwork, at: Situation, *, seed: int = 0) -> list[tuple[str, float]]:
    """Mean move of the price, in percent of list price, when a group of variables is another shelf's; largest first.

    Stock is exchanged among shelves of goods that keep as long, for no unit can have more days left than it keeps.
    """
    rng = np.random.default_rng(seed)
    usual = policy.choose(at)
    count = len(usual)
    found = []
    for name, group in GROUPS.items():
        other = _within(at.life, rng) if "stock" in group else rng.permutation(count)
        moved: Floats = policy.choose(replace(at, **{each: getattr(at, each)[other] for each in group}))
        found.append((name, float(100 * np.abs(moved - usual).mean())))
    return sorted(found, key=lambda pair: -pair[1])


def _within(life: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A permutation (N,) among rows of the same life."""
    order = np.arange(len(life))
    for value in np.unique(life):
        rows = np.flatnonzero(life == value)
        order[rows] = rng.permutation(rows)
    return order
