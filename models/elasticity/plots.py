"""Pictures of elasticities as PNG bytes: groups with their spread, series beside the standard regression."""

from collections.abc import Sequence

import numpy as np

from models.common.figures import BAND, CHAMPION, INK, OTHER, figure, png
from models.elasticity.data import Floats
from models.elasticity.peers import LogLog
from models.elasticity.requests import Reply

MOST = 30


def groups_plot(groups: Sequence[str], mean: Floats, error: Floats, spread: Floats) -> bytes:
    """Mean elasticity of each group with two standard errors (thick) and the spread of its series (thin); at most 30."""
    order = np.argsort(mean)[:: max(1, len(mean) // MOST)][:MOST]
    drawn = figure(8, 1.4 + 0.28 * len(order))
    axis = drawn.subplots()
    for place, number in enumerate(order):
        axis.plot(mean[number] + 2 * spread[number] * np.array([-1, 1]), [place, place], color=BAND, linewidth=1.5)
        axis.plot(mean[number] + 2 * error[number] * np.array([-1, 1]), [place, place], color=CHAMPION, linewidth=4)
        axis.plot(mean[number], place, "o", color=INK, markersize=4)
    axis.axvline(0, color=INK, linewidth=0.6)
    axis.set_yticks(range(len(order)), [groups[number] for number in order], fontsize=8)
    axis.set_xlabel("elasticity: % fewer units when the price rises by 1 % (thick: of the mean, thin: of its series)")
    return png(drawn)


def forest_plot(series: Sequence[str], reply: Reply, alone: LogLog) -> bytes:
    """Each series drawn to its group beside its own log-log regression; at most 30, spread over all."""
    order = np.argsort(reply.elasticity)
    order = order[np.unique(np.linspace(0, len(order) - 1, min(MOST, len(order))).astype(int))]
    drawn = figure(8, 1.4 + 0.28 * len(order))
    axis = drawn.subplots()
    for place, number in enumerate(order):
        axis.plot([reply.low[number], reply.high[number]], [place, place], color=CHAMPION, linewidth=2.5)
        axis.plot(reply.elasticity[number], place, "o", color=CHAMPION, markersize=4)
        if np.isfinite(alone.error[number]):
            wide = 1.645 * alone.error[number] * np.array([-1, 1])
            axis.plot(alone.elasticity[number] + wide, [place - 0.25] * 2, color=OTHER, linewidth=0.8)
            axis.plot(alone.elasticity[number], place - 0.25, "x", color=OTHER, markersize=4)
    axis.axvline(0, color=INK, linewidth=0.6)
    axis.set_yticks(range(len(order)), [series[number][:40] for number in order], fontsize=7)
    axis.set_xlabel("elasticity with 90 % intervals (dots: drawn to the group, crosses: log-log of the series alone)")
    return png(drawn)
