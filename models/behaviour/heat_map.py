"""Where people spend their time: seconds by cell of the floor, told of groups alone."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models.behaviour.data import Dataset
from models.behaviour.disclosure import Released, release
from models.behaviour.sequences import STEP_S
from models.behaviour.shop import Floats, Shop
from models.common.figures import INK, figure, png

CELL_M = 0.5  # the grid of every heat map: two grids of one floor would tell what neither does


@dataclass(frozen=True, eq=False)
class HeatMap:
    """`seconds` (Y, X) of cells of `CELL_M` from (0, 0) on, NaN where nothing may be told; `withheld` atoms of day and cell."""

    seconds: Floats
    withheld: int


def heat_map(data: Dataset, *, group_min: int, days: Sequence[np.datetime64] | None = None) -> HeatMap:
    """Seconds of all paths by cell, over some days (all by default); see `disclosure` for what is withheld."""
    at = np.maximum(np.floor(data.steps.inputs[:, :2] / CELL_M).astype(np.int64), 0)
    across, deep = at.max(axis=0) + 1
    path = data.steps.path
    found = release(
        data.visit[path],
        data.day[path],
        at[:, 1] * across + at[:, 0],
        np.full(len(path), STEP_S),
        group_min=group_min,
    )
    return HeatMap(found.by_cell(int(across * deep), days=days).reshape(deep, across), found.withheld)


def attention_by_product(data: Dataset, attention_s: Floats, *, group_min: int) -> Released:
    """Seconds of attention (N, L) of all paths by day and place in `shop.products`, of groups alone."""
    path, lane = np.nonzero(attention_s > 0)
    return release(
        data.visit[path], data.day[path], data.shop.product[lane], attention_s[path, lane], group_min=group_min
    )


def heat_map_plot(heat: HeatMap, shop: Shop) -> bytes:
    """The floor in seconds, gondolas drawn in; cells that may not be told stay white."""
    deep, across = heat.seconds.shape
    drawn = figure(7, 6)
    axis = drawn.subplots()
    extent = (0, across * CELL_M, 0, deep * CELL_M)
    most = np.sqrt(np.nanmax(heat.seconds, initial=60.0) / 60)
    picture = axis.imshow(np.sqrt(heat.seconds / 60), origin="lower", extent=extent, cmap="YlOrRd", vmin=0, vmax=most)
    for gondola in range(shop.gondolas):
        (x, y), (nx, ny) = shop.front[gondola], shop.facing[gondola]
        half = shop.width[gondola] / 2
        axis.plot([x + half * ny, x - half * ny], [y - half * nx, y + half * nx], color=INK, linewidth=3)
        axis.text(x - 0.25 * nx, y - 0.25 * ny, f"G{gondola}", ha="center", va="center", fontsize=8, color=INK)
    bar = drawn.colorbar(picture, ax=axis, shrink=0.8)
    ticks = bar.get_ticks()
    bar.set_ticks(ticks, labels=[f"{each**2:.0f}" for each in ticks])
    bar.set_label("minutes")
    axis.set_xlabel("m")
    axis.set_ylabel("m")
    axis.set_title(f"Time by cell of {CELL_M:g} m; {heat.withheld} pairs of day and cell withheld", fontsize=9)
    return png(drawn)
