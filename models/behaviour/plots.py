"""Pictures of attention and dwell as PNG bytes."""

from collections.abc import Mapping, Sequence

import numpy as np

from models.behaviour.shop import Floats
from models.behaviour.spec import LEVELS
from models.common.figures import BAND, CHAMPION, INK, OTHER, figure, png

SHOWN = 4_000  # points of a cloud
LONGEST = 20  # products of a bar chart
_COLOURS = (CHAMPION, INK, OTHER, "#3d6fb4")


def attention_plot(true: Floats, told: Floats) -> bytes:
    """Seconds told beside true ones, a point a person's product; those that are 0 in both are left out."""
    drawn = figure(5, 4.6)
    axis = drawn.subplots()
    here = (true > 0) | (told > 0.5)
    x, y = true[here][:SHOWN], told[here][:SHOWN]
    most = float(max(x.max(initial=1.0), y.max(initial=1.0)))
    axis.plot([0, most], [0, most], color=INK, linewidth=0.6)
    axis.scatter(x, y, s=5, alpha=0.3, color=CHAMPION, linewidths=0)
    axis.set_xlabel("seconds looked at a product")
    axis.set_ylabel("seconds told")
    return png(drawn)


def left_plot(true: Floats, told: Floats) -> bytes:
    """What was left of stops beside what was told (Q, 5): median and middle 80 %, in ten groups of like medians."""
    drawn = figure(5, 4.6)
    axis = drawn.subplots()
    order = np.argsort(told[:, LEVELS.index(0.5)])
    for part in np.array_split(order, min(10, len(order))):
        middle = float(np.median(told[part, LEVELS.index(0.5)]))
        axis.plot([middle] * 2, np.quantile(true[part], [0.1, 0.9]), color=BAND, linewidth=6)
        axis.plot([middle] * 2, told[part][:, [0, -1]].mean(axis=0), color=INK, linewidth=1)
        axis.plot(middle, float(np.median(true[part])), "o", color=CHAMPION, markersize=5)
    axis.axline((0, 0), slope=1, color=INK, linewidth=0.6)
    axis.set_xlabel("median told, s left of a stop")
    axis.set_ylabel("s left: true 80 % (band), median (dot), told 80 % (line)")
    return png(drawn)


def calibration_plot(below: Mapping[str, Floats]) -> bytes:
    """Share of true values below each told quantile, model by model."""
    drawn = figure(5, 4.2)
    axis = drawn.subplots()
    axis.plot([0, 1], [0, 1], color=INK, linewidth=0.6)
    for (name, shares), colour in zip(below.items(), _COLOURS, strict=True):
        axis.plot(LEVELS, shares, "o-", color=colour, linewidth=1, markersize=4, label=name)
    axis.set_xlabel("level of the quantile")
    axis.set_ylabel("share of stops with less left")
    axis.legend(fontsize=8)
    return png(drawn)


def products_plot(products: Sequence[str], seconds: Floats) -> bytes:
    """Minutes of attention by product (P,), longest first, the first twenty."""
    drawn = figure(6, 4.6)
    axis = drawn.subplots()
    names, minutes = list(products[:LONGEST]), seconds[:LONGEST] / 60
    axis.barh(names[::-1], minutes[::-1], color=CHAMPION)
    axis.tick_params(axis="y", labelsize=7)
    axis.set_xlabel("minutes looked at, groups alone")
    return png(drawn)
