"""Pictures of prices as PNG bytes: paths a person can follow, the map from stock and time to price, shares of the optimum."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from models.common.figures import CHAMPION, INK, OTHER, figure, png
from models.pricing.baselines import Policy
from models.pricing.exact import Solution
from models.pricing.judging import Lived
from models.pricing.market import Floats, Ints, Market
from models.pricing.state import Reading

_COLOURS = (CHAMPION, OTHER, "#3d6fb4", "#d9a441", "#7a5195", "#4fb0ae", "#8a6d3b", "#b05a8c")

_MARKS = ("s", "^", "D", "v", "P", "X", "*", "<")
MOST_UNITS, LEAST_SHOWN = 60, 0.5


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
    """The price asked by stock and period, factors as they start; beside the optimum, means over the ages that can be reached.
    Where nothing was solved, all units are as fresh as the last delivery."""
    drawn = figure(10, 3.8)
    axes = drawn.subplots(1, 1 if solution is None else 2, squeeze=False)[0]
    if solution is None:
        units = np.arange(min(market.room, MOST_UNITS) + 1)
        stock = np.zeros((len(units), market.ages), dtype=np.int64)
        stock[:, -1] = units
        vectors = [stock] * market.periods
    else:
        vectors = [layer.vectors for layer in solution.stocks.layers]
    asked = [policy.choose(_at(market, t, each)) for t, each in enumerate(vectors)]
    grids = [(policy.name, _mean_prices(market, vectors, asked))]
    if solution is not None:
        before = 0 if market.allowed.all() else market.list_index
        best = [each[:, market.chain.start, before] for each in solution.actions]
        grids.append(("dynamic program", _mean_prices(market, vectors, best)))
    for axis, (name, grid) in zip(axes, grids, strict=True):
        picture = axis.imshow(
            grid, origin="lower", aspect="auto", cmap="viridis", vmin=market.prices[0], vmax=market.prices[-1]
        )
        axis.set_title(name, fontsize=9)
        axis.set_xlabel("period")
        axis.set_ylabel("units in stock")
    drawn.colorbar(picture, ax=list(axes), label="price")
    drawn.suptitle(f"{market.name}: mean price by stock and time (white: never reached)", fontsize=10)
    return png(drawn)


def _at(market: Market, t: int, stock: Ints) -> Reading:
    same = np.zeros(len(stock), dtype=np.int64)
    return Reading(same + t, same + market.chain.start, same + market.list_index, stock)


def _mean_prices(market: Market, vectors: Sequence[Ints], actions: Sequence[Ints]) -> Floats:
    """Mean price (units + 1, T) over the stock vectors of each total; NaN where there is none."""
    most = max(int(each.sum(axis=1).max()) for each in vectors)
    grid = np.full((most + 1, len(vectors)), np.nan)
    for t, (stock, action) in enumerate(zip(vectors, actions, strict=True)):
        total = stock.sum(axis=1)
        count = np.bincount(total, minlength=most + 1)
        summed = np.bincount(total, weights=market.prices[action], minlength=most + 1)
        grid[count > 0, t] = summed[count > 0] / count[count > 0]
    return grid


def shares_plot(shares: Mapping[str, Mapping[str, float]], champion: str) -> bytes:
    """Share of the optimum of every policy on every market, a mark a policy; the line is at 98 %, what lies below half is left."""
    drawn = figure(10, 2.0 + 0.4 * len(shares))
    axis = drawn.subplots()
    names = list(dict.fromkeys(name for found in shares.values() for name in found))
    for number, name in enumerate(names):
        rows = [(row, found[name]) for row, found in enumerate(shares.values()) if name in found]
        best = name == champion
        axis.scatter(
            [max(share, LEAST_SHOWN) for _, share in rows], [row for row, _ in rows], label=name, zorder=3 if best else 2,
            s=70 if best else 34, color=CHAMPION if best else _COLOURS[1:][number % (len(_COLOURS) - 1)],
            marker="o" if best else _MARKS[number % len(_MARKS)],
        )  # fmt: skip
    axis.axvline(0.98, color=OTHER, linewidth=0.8)
    axis.set_yticks(range(len(shares)), list(shares), fontsize=8)
    axis.set_xlim(LEAST_SHOWN - 0.01, 1.01)
    axis.set_xlabel(
        "expected value over that of the exact dynamic program (line: 98 %; at the left edge: half or less)"
    )
    axis.legend(fontsize=7, ncols=5, loc="lower center", bbox_to_anchor=(0.5, 1.0))
    return png(drawn)
