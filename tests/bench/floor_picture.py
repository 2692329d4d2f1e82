"""A picture of the twin's floor for people to look at: plan, ways of a stretch of a day, and where hands reached.

python tests/bench/floor_picture.py OUT.png [FROM_HOUR [MINUTES]]
"""

import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from sources.twin.floor.floor import Floor, ShopDay
from sources.twin.floor.params import FloorParams
from sources.twin.floor.plan import GATE_M, FloorPlan


def draw_plan(axes: Axes, plan: FloorPlan) -> None:
    """Room, walls, gondolas with their fronts, gates, cameras and access points."""
    axes.add_patch(Rectangle((0, 0), plan.width, plan.depth, fill=False, lw=2))
    for block in plan.blocks[len(plan.places) :]:
        axes.add_patch(Rectangle(block[:2], *(block[2:] - block[:2]), color="0.8"))
    for place in plan.places:
        left, bottom, right, top = place.block
        axes.add_patch(Rectangle((left, bottom), right - left, top - bottom, fc="burlywood", ec="saddlebrown"))
        axes.plot(*zip(place.at(-place.width / 2, 0), place.at(place.width / 2, 0), strict=True), "k", lw=2)
        axes.annotate(f"G{place.gondola}", place.at(0, -place.depth / 2), ha="center", va="center", fontsize=7)
    for x0, y0, x1, y1 in plan.walls:
        axes.plot([x0, x1], [y0, y1], "k", lw=2)
    for gate, colour in ((plan.entrance, "tab:green"), (plan.exit, "tab:red")):
        axes.plot([gate.x - GATE_M / 2, gate.x + GATE_M / 2], [0, 0], color=colour, lw=5)
    axes.plot(*plan.ceiling.T, "s", color="0.4", ms=5, label="ceiling camera")
    axes.plot(*plan.access_points.T, "^", color="purple", ms=6, label="access point")


def draw_ways(axes: Axes, floor: Floor, day: ShopDay, from_s: float, to_s: float) -> int:
    """Ways of all who enter between two times, and the places of what they took and put; how many persons."""
    shown = 0
    for visit in (each for each in day.truth.visits if from_s <= each.opened_s < to_s):
        for person in visit.people:
            track = day.truth.tracks[visit.name(person.member)]
            axes.plot(*track.xy.T, lw=0.9, alpha=0.8, color=f"C{visit.number % 10}")
            shown += 1
    for event in (each for each in day.truth.events if from_s <= each.at_s < to_s):
        lane = floor.stands[event.gondola].gondola.lanes[event.lane]
        spot = floor.plan.places[event.gondola].at((lane.left + lane.right) / 200, -0.1)
        axes.plot(*spot, "o" if event.deed == "take" else "x", color="k", ms=3)
    return shown


def draw(floor: Floor, day: ShopDay, from_h: float, minutes: float, out: Path) -> None:
    """Ways and what the ceiling found of them, side by side."""
    from_s, to_s = 3600 * from_h, 3600 * from_h + 60 * minutes
    figure, (ways, found) = plt.subplots(1, 2, figsize=(15, 7.5))
    for axes in (ways, found):
        draw_plan(axes, floor.plan)
        axes.set_aspect("equal")
    count = draw_ways(ways, floor, day, from_s, to_s)
    ways.set_title(f"day {day.number}, {minutes:g} min from {from_h:g} h: {count} persons; o taken, x put")
    seen = day.observed.people
    kept = (seen.at_s >= from_s) & (seen.at_s < to_s)
    found.scatter(*seen.xy[kept].T, s=2, c=seen.camera[kept], cmap="tab10")
    found.set_title(f"{int(np.count_nonzero(kept))} finds of the ceiling cameras")
    found.legend(loc="upper left", fontsize=7)
    figure.tight_layout()
    figure.savefig(out, dpi=80)
    plt.close(figure)


if __name__ == "__main__":
    shop = Floor(FloorParams(), 3, world_seed=11)
    hours = [float(word) for word in sys.argv[2:]] + [12.0, 30.0][len(sys.argv) - 2 :]
    draw(shop, shop.day(0), *hours, Path(sys.argv[1]))
