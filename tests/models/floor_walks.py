"""Finds of people who walk as they are told. Not a test."""

from collections.abc import Sequence

import numpy as np

from models.behaviour.people_observed import Finds, GondolaPlace, Openings, ShopPlan

TICK_S = 0.2
PLAN = ShopPlan(np.array([2.0, 0.0]), np.array([8.0, 0.0]), [GondolaPlace(5.0, 4.0, 0.0, -1.0)])
Way = Sequence[tuple[float, float, float]]


def looks(kind: int) -> np.ndarray:
    """Of a kind of person: far from those of all others."""
    found = np.zeros(8)
    found[kind % 8] = 2.0 if kind < 8 else -2.0
    return found


def finds(ways: Sequence[Way], kinds: Sequence[int], *, seed: int = 0, noise_m: float = 0.1, columns: int = 8) -> Finds:
    """Of people who walk straight between times and places (s, x, y), five times a second by one camera."""
    rng = np.random.default_rng(seed)
    at_s, xy, seen = [np.empty(0)], [np.empty((0, 2))], [np.empty((0, 8))]
    for way, kind in zip(ways, kinds, strict=True):
        knots = np.array(way)
        times = np.arange(np.ceil(knots[0, 0] / TICK_S), knots[-1, 0] / TICK_S) * TICK_S
        places = np.column_stack([np.interp(times, knots[:, 0], knots[:, k]) for k in (1, 2)])
        at_s.append(times)
        xy.append(places + noise_m * rng.normal(size=places.shape))
        seen.append(looks(kind) + 0.4 * rng.normal(size=(times.size, 8)))
    times = np.concatenate(at_s)
    order = np.argsort(times, kind="stable")
    camera = np.zeros(times.size, dtype=np.int64)
    return Finds(camera, times[order], np.concatenate(xy)[order], np.concatenate(seen)[order][:, :columns])


def without(found: Finds, x_from: float, x_to: float, kind: int) -> Finds:
    """The same, but a person of a kind is not found while x lies between two."""
    hidden = (found.xy[:, 0] > x_from) & (found.xy[:, 0] < x_to) & (found.looks[:, kind] > 1.0)
    return found.take(np.flatnonzero(~hidden))


def openings(*at_s: float) -> Openings:
    """Visits v0, v1, ... in the order of what is given."""
    return Openings([f"v{k}" for k in range(len(at_s))], np.array(at_s, dtype=np.float64))
