"""Pictures of fresh goods' prices as PNG bytes: what is thrown away against what is gained, and which prices are asked."""

from collections.abc import Mapping, Sequence

import numpy as np

from models.common.figures import BAND, CHAMPION, INK, OTHER, figure, png
from models.pricing.fresh_judging import FreshLived, FreshPath
from models.pricing.market import Floats


def trade_plot(lived: Mapping[str, FreshLived]) -> bytes:
    """Gross margin against waste, a mark a policy: up and to the left is better."""
    drawn = figure(7, 4.2)
    axis = drawn.subplots()
    champion = next(iter(lived), None)
    for (waste, margin), names in _by_place(lived).items():
        first = champion in names
        axis.scatter(100 * waste, margin, s=90 if first else 40, color=CHAMPION if first else OTHER, zorder=3)
        axis.annotate(
            "\n".join(names), (100 * waste, margin), xytext=(6, 4), textcoords="offset points", fontsize=8, va="bottom"
        )
    axis.margins(x=0.25, y=0.1)
    axis.set_xlabel("waste, % of what was sold or thrown away")
    axis.set_ylabel("gross margin a shelf and day, list prices")
    drawn.suptitle("Fresh goods: margin against waste (up and to the left is better)", fontsize=10)
    return png(drawn)


def _by_place(lived: Mapping[str, FreshLived]) -> dict[tuple[float, float], list[str]]:
    """Waste and gross margin -> the policies that have both: rules that come to the same prices are one mark, not words on words."""
    places: dict[tuple[float, float], list[str]] = {}
    for name, each in lived.items():
        places.setdefault((round(each.waste, 6), round(each.gross_margin, 6)), []).append(name)
    return places


def asked_plot(prices: Floats, lived: Mapping[str, FreshLived]) -> bytes:
    """Share of shelves and days that each price was asked on, the first policy's bars beside the others' lines."""
    drawn = figure(7, 3.6)
    axis = drawn.subplots()
    for number, (name, each) in enumerate(lived.items()):
        if not number:
            axis.bar(prices, 100 * each.path, width=0.06, color=BAND, label=name)
        else:
            axis.plot(prices, 100 * each.path, linewidth=1.0, marker="o", markersize=3, label=name)
    axis.axvline(1.0, color=INK, linewidth=0.6, linestyle=":")
    axis.set_xlabel("price over list price")
    axis.set_ylabel("% of shelves and days")
    axis.legend(fontsize=7)
    drawn.suptitle("Fresh goods: which prices are asked", fontsize=10)
    return png(drawn)


def days_plot(path: FreshPath, titles: Sequence[str]) -> bytes:
    """Shelves over days, a column each: price over list price above, units by morning and units thrown away below."""
    drawn = figure(4 * len(titles), 4.2)
    rows = drawn.subplots(2, len(titles), sharex=True, squeeze=False)
    days = np.arange(len(path.price))
    for number, title in enumerate(titles):
        above, below = rows[0][number], rows[1][number]
        above.step(days, path.price[:, number], where="mid", color=CHAMPION)
        above.axhline(1.0, color=INK, linewidth=0.6, linestyle=":")
        above.set_ylim(0.0, max(1.15, 1.05 * float(path.price.max())))
        above.set_title(title, fontsize=9)
        below.bar(days, path.stock[:, number], color=BAND, label="in stock in the morning")
        below.bar(days, path.wasted[:, number], color=OTHER, label="thrown away at night")
        below.set_xlabel("day")
    rows[0][0].set_ylabel("price over list price")
    rows[1][0].set_ylabel("units")
    rows[1][0].legend(fontsize=7)
    drawn.suptitle("Fresh goods: what is asked, day by day", fontsize=10)
    return png(drawn)
