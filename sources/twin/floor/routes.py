"""Ways through the shop: shortest paths over the corners of what stands in the way.

A shortest way among obstacles turns at their corners alone (Lozano-Pérez and Wesley, 1979, "An algorithm for planning collision-free
paths among polyhedral obstacles"). Corners are moved outward by a body's width and a little more, each time by another bit.
"""

import numpy as np

from sources.twin.arrays import Bools, Floats
from sources.twin.floor.plan import FloorPlan, crossings

BODY_M = 0.28  # no way comes nearer to a block than this
_CORNER_M = 0.45  # at which ways turn, before the spread
_SPREAD_M = 0.3
_WALL_M = 0.25  # corners nearer to the room's walls are no way through


class Routes:
    """Shortest ways on a plan."""

    def __init__(self, plan: FloorPlan) -> None:
        self._inflated = plan.blocks + np.array([-BODY_M, -BODY_M, BODY_M, BODY_M])
        signs = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)])
        sides = plan.blocks[:, [[0, 1], [2, 1], [2, 3], [0, 3]]]  # (B, 4, 2)
        corners = (sides + signs * _CORNER_M).reshape(-1, 2)
        outward = np.tile(signs, (len(plan.blocks), 1)).astype(float)
        inside = (corners > _WALL_M).all(axis=1) & (corners < np.array([plan.width, plan.depth]) - _WALL_M).all(axis=1)
        x, y = corners.T[..., None]
        left, bottom, right, top = self._inflated.T
        free = inside & ~((x > left) & (x < right) & (y > bottom) & (y < top)).any(axis=1)
        self._nodes, self._outward = corners[free], outward[free]
        count = len(self._nodes)
        a, b = np.divmod(np.arange(count * count), count)
        far = np.linalg.norm(self._nodes[a] - self._nodes[b], axis=1)
        far[~self.clear(self._nodes[a], self._nodes[b])] = np.inf
        self._far = far.reshape(count, count)
        self._via = np.tile(np.arange(count), (count, 1))  # the next node on the way from a row's to a column's
        for k in range(count):  # Floyd and Warshall
            other = self._far[:, k, None] + self._far[None, k]
            shorter = other < self._far
            self._far = np.where(shorter, other, self._far)
            self._via = np.where(shorter, self._via[:, k, None], self._via)

    def clear(self, start: Floats, end: Floats) -> Bools:
        """Whether straight ways (N, 2) to (N, 2) keep away from every block."""
        return np.asarray(crossings(start, end, self._inflated).max(axis=1, initial=0.0) <= 0.0)

    def way(self, start: Floats, end: Floats, rng: np.random.Generator) -> Floats:
        """Points (K, 2) of a way from `start` (2,) to `end` (2,), both included."""
        if self.clear(start[None], end[None])[0]:
            return np.stack([start, end])
        count = len(self._nodes)
        ends = np.stack([start, end])[:, None].repeat(count, axis=1).reshape(-1, 2)
        nodes = np.tile(self._nodes, (2, 1))
        far = np.where(self.clear(ends, nodes), np.linalg.norm(nodes - ends, axis=1), np.inf).reshape(2, count)
        total = far[0][:, None] + self._far + far[1][None]
        now, last = (int(k) for k in np.unravel_index(int(total.argmin()), total.shape))
        chain = [now]
        while now != last:
            now = int(self._via[now, last])
            chain.append(now)
        moved = self._nodes[chain] + self._outward[chain] * rng.uniform(0.0, _SPREAD_M, (len(chain), 1))
        points = np.concatenate([start[None], moved, end[None]])
        if not self.clear(points[:-1], points[1:]).all():  # a narrow place: keep to the corners themselves
            points = np.concatenate([start[None], self._nodes[chain], end[None]])
        return points
