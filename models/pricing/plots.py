"""Pictures of prices as PNG bytes: paths a person can follow, the map from stock and time to price, shares of the optimum."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from models.common.figures import BAND, CHAMPION, INK, OTHER, figure, png
from models.pricing.baselines import Policy
from models.pricing.exact import UNKNOWN, Solution
from models.pricing.judging import Lived
from models.pricing.market import Floats, Ints, Market
from models.pricing.state import Reading

_COLOURS = (CHAMPION, OTHER, "#3d6fb4", "#d9a441", "#7a5195", "#4fb0ae", "#8a6d3b", "#b05a8c")


def paths_plot(market: Market, lived: Mapping[str, Lived]) -> bytes:
    """Mean price asked and mean stock before each period, a line a policy."""
    drawn = figure(10, 5.2)
    above, below = drawn.subplots(2, 1, sharex=True)
    for colour, (name, each) in zip(_COLOURS, lived.items(), strict=False):
        first = name == next(iter(lived))
        style: dict[str, Any] = {"color": colour, "linewidth": 2.4 if first else 1.1, "zorder": 3 if first else 2}
        above.step(range(market.periods), each.path, where="mid", label=name, **style)
        below.step(range(market.periods), each.left, where="mid", **style)
    above.axhline(market.list_price, color=INK, linewidth=0.6, linestyle=":")
    above.set_ylabel("mean price asked")
    below.set_ylabel("mean stock, units")
    below.set_xlabel("period")
    above.legend(fontsize=7, ncols=4, loc="upper center", bbox_to_anchor=(0.5, 1.3))
    drawn.suptitle(f"{market.name}: how prices and stock move (dotted: list price)", fontsize=10)
    return png(drawn)


def map_plot(market: Market, policy: Policy, solution: Solution | None) -> bytes:
    """The price asked by stock and period, factors as they start, all units as fresh as the last delivery; beside the optimum."""
    drawn = figure(10, 3.8)
    axes = drawn.subplots(1, 1 if solution is None else 2, squeeze=False)[0]
    most = min(market.room, 60)
    units = np.arange(most + 1)
    t, s = (each.ravel() for each in np.meshgrid(np.arange(market.periods), units, indexing="ij"))
    stock = np.zeros((len(t), market.ages), dtype=np.int64)
    stock[:, -1] = s
    start = np.full_like(t, market.chain.start)
    at = Reading(t, start, np.full_like(t, market.list_index), stock)
    grids: list[tuple[str, Floats]] = [(policy.name, market.prices[policy.choose(at)])]
    if solution is not None:
        grids.append(("dynamic program (white: never reached)", _best(market, solution, t, stock)))
    for axis, (name, grid) in zip(axes, grids, strict=True):
        picture = axis.imshow(
            grid.reshape(market.periods, -1).T,
            origin="lower", aspect="auto", cmap="viridis", vmin=market.prices[0], vmax=market.prices[-1],
        )  # fmt: skip
        axis.set_title(name, fontsize=9)
        axis.set_xlabel("period")
        axis.set_ylabel("units in stock")
    drawn.colorbar(picture, ax=list(axes), label="price")
    drawn.suptitle(f"{market.name}: price by stock and time", fontsize=10)
    return png(drawn)


def _best(market: Market, solution: Solution, t: Ints, stock: Ints) -> Floats:
    """The best price (N,) in periods (N,) with stock (N, L); NaN where that cannot be."""
    found = np.full(len(t), np.nan)
    for period, layer in enumerate(solution.stocks.layers):
        rows = np.flatnonzero(t == period)
        numbers = layer.number(stock[rows])
        actions = solution.actions[period]
        before = 0 if actions.shape[2] == 1 else market.list_index
        best = market.prices[actions[numbers, market.chain.start, before]]
        found[rows] = np.where(numbers == UNKNOWN, np.nan, best)
    return found


def shares_plot(shares: Mapping[str, Mapping[str, float]], champion: str) -> bytes:
    """Share of the optimum of every policy on every market; the line is at 98 %."""
    drawn = figure(10, 1.6 + 0.5 * len(shares))
    axis = drawn.subplots()
    for row, found in enumerate(shares.values()):
        for name, share in found.items():
            best = name == champion
            axis.scatter(share, row, s=60 if best else 28, color=CHAMPION if best else BAND, zorder=3 if best else 2)
            if not best:
                axis.annotate(name, (share, row), fontsize=6, rotation=25, xytext=(0, 4), textcoords="offset points")
    axis.axvline(0.98, color=OTHER, linewidth=0.8)
    axis.set_yticks(range(len(shares)), list(shares), fontsize=8)
    axis.set_ylim(-0.6, len(shares) - 0.2)
    axis.set_xlabel(f"expected value over that of the exact dynamic program (large dot: {champion}; line: 98 %)")
    return png(drawn)
