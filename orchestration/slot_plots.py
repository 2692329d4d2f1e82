"""Pictures of delivery slots: fees and slots left as the delivery comes near, and what each policy makes of price and load."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from models.common.figures import BAND, CHAMPION, INK, OTHER, figure, png
from orchestration.slot_demand import KINDS

if TYPE_CHECKING:
    from orchestration.slot_play import Judged, Played

_COLOURS = (CHAMPION, OTHER, "#3d6fb4", "#d9a441", "#7a5195", "#4fb0ae", "#8a6d3b", "#b05a8c", INK)
SHOWN = ("DQN", "fixed fare", "list price", "EMSR-b, marginal revenues", "bid price", "oracle")


def fees_plot(played: Mapping[str, "Played"]) -> bytes:
    """Mean fee asked (above) and mean slots left (below) by days to delivery, a column a kind of window."""
    drawn = figure(11, 5.6)
    axes = drawn.subplots(2, len(KINDS), sharex=True, sharey="row")
    for colour, name in zip(_COLOURS, (name for name in SHOWN if name in played), strict=False):
        each, first = played[name], name == SHOWN[0]
        style: dict[str, Any] = {"color": colour, "linewidth": 2.4 if first else 1.2, "zorder": 3 if first else 2}
        to_go = np.arange(each.path.shape[1], 0, -1)
        for column in range(len(KINDS)):
            axes[0, column].step(to_go, each.path[column], where="mid", label=name, **style)
            axes[1, column].step(to_go, each.left[column], where="mid", **style)
    for column, kind in enumerate(KINDS):
        axes[0, column].set_title(f"{kind} windows", fontsize=9)
        axes[1, column].set_xlabel("days to delivery")
    axes[0, 0].invert_xaxis()  # shared: time runs to the right
    axes[0, 0].set_ylabel("mean fee asked")
    axes[1, 0].set_ylabel("mean slots left")
    drawn.legend(*axes[0, 0].get_legend_handles_labels(), fontsize=8, ncols=6, loc="outside lower center")
    return png(drawn)


def frontier_plot(judged: Sequence["Judged"]) -> bytes:
    """Load factor and mean price of each policy, means of all worlds; along a grey line revenue is the same."""
    drawn = figure(9.5, 5.2)
    axis = drawn.subplots()
    loads, prices = {}, {}
    for name in judged[0].played:
        loads[name] = float(np.mean([each.played[name].load for each in judged]))
        prices[name] = float(np.mean([each.played[name].price for each in judged]))
    span = np.linspace(min(loads.values()) - 0.03, max(loads.values()) + 0.03, 50)
    for number, (name, colour) in enumerate(zip(loads, _COLOURS * 2, strict=False)):
        mark = "o" if number < len(_COLOURS) else "^"
        axis.plot(span, loads[name] * prices[name] / span, color=BAND, linewidth=0.6, zorder=1)
        axis.scatter(loads[name], prices[name], color=colour, marker=mark, s=60, label=name, zorder=3)
    axis.set_ylim(min(prices.values()) * 0.93, max(prices.values()) * 1.07)
    axis.set_xlabel("load factor")
    axis.set_ylabel("mean price paid")
    axis.set_title("further up and right is more revenue (lines: the same revenue)", fontsize=9)
    drawn.legend(fontsize=8, loc="outside right upper")
    return png(drawn)
