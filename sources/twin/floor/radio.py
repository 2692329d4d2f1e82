"""How strongly access points are heard: log-distance path loss with walls, gondolas and a static field of shadows.

Level = P(1 m) - 10 n log10(d / 1 m) - walls - gondolas + shadow (Rappaport, 2002, "Wireless Communications", sections 4.9 and
4.11). Shadows are alike at near places: a sum of plane waves whose correlation falls as a Gaussian with distance.
"""

import numpy as np

from sources.twin.arrays import Floats
from sources.twin.floor.params import RadioParams
from sources.twin.floor.plan import FloorPlan, crossings
from sources.twin.keyed_random import KeyedRandom

_WAVES = 96  # of a shadow field
_WALL_M = 0.02  # half the thickness of a wall


class Radio:
    """Mean levels in a shop; what is static hangs on the world's seed."""

    def __init__(self, params: RadioParams, plan: FloorPlan, world: KeyedRandom) -> None:
        self._params, self._plan = params, plan
        self._gondolas = plan.blocks[: len(plan.places)]
        ends = np.sort(plan.walls.reshape(-1, 2, 2), axis=1)
        self._walls = np.concatenate([ends[:, 0] - _WALL_M, ends[:, 1] + _WALL_M], axis=1)
        point, wave = np.arange(params.access_points)[:, None], np.arange(_WAVES)
        size = (point[..., None], wave[:, None], np.arange(2))
        self._vectors = world.normal("floor.shadow_wave", *size) / params.shadow_m  # (A, W, 2)
        self._phases = 2 * np.pi * world.uniform("floor.shadow_phase", point, wave)  # (A, W)

    def level(self, xy: Floats) -> Floats:
        """Mean level (N, A) in dBm of each access point at places (N, 2), for a device without offset."""
        params, levels = self._params, []
        for k, point in enumerate(self._plan.access_points):
            far = np.maximum(np.linalg.norm(xy - point, axis=1), 1.0)
            start = np.broadcast_to(point, xy.shape)
            walls = (crossings(start, xy, self._walls) > 0).sum(axis=1)
            gondolas = (crossings(start, xy, self._gondolas) > 0).sum(axis=1)
            loss = 10 * params.exponent * np.log10(far) + params.wall_db * walls + params.gondola_db * gondolas
            waves = np.cos(xy @ self._vectors[k].T + self._phases[k]).sum(axis=1)
            levels.append(params.at_1_m_dbm - loss + params.shadow_db * np.sqrt(2 / _WAVES) * waves)
        return np.column_stack(levels)
