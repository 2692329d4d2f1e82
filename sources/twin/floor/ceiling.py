"""Cameras at the ceiling: places and looks of the persons that they find, without names.

A camera sees its part of the floor and a little more. Persons and gondolas hide those behind them, as far as the height of the
lens lets them.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from sources.twin.arrays import Bools, Floats, Ints
from sources.twin.floor.crowd import CLOTHES
from sources.twin.floor.params import CeilingParams
from sources.twin.floor.people import People
from sources.twin.floor.plan import FloorPlan, crossings
from sources.twin.floor.walking import TICK_S
from sources.twin.keyed_random import KeyedRandom

_CHEST_M, _HEAD_M, _SHELF_M = 1.1, 1.7, 1.6  # heights of what must be seen, and of what hides it
_SHOULDERS_M = 0.25  # half of what a body hides, across the line of sight


@dataclass(frozen=True, eq=False)
class PeopleSeen:
    """N finds in order of time: number of the `camera` (N,), `at_s` by its own clock (N,), place `xy` (N, 2) in metres, `looks`
    (N, 8)."""

    camera: Ints
    at_s: Floats
    xy: Floats
    looks: Floats


@dataclass(frozen=True, eq=False)
class _Sights:
    """Rows of persons in view: `row` of the person, `tick`, place `xy` (R, 2); ascending by tick."""

    row: Ints
    tick: Ints
    xy: Floats


def people_seen(
    params: CeilingParams, plan: FloorPlan, people: People, clocks: Mapping[str, float], random: KeyedRandom, day: int
) -> PeopleSeen:
    """What all cameras find in a day."""
    present = _present(people, plan)
    clothes = people.clothes
    half = np.array([plan.width / params.across, plan.depth / params.deep]) / 2
    parts = []
    for camera, lens in enumerate(plan.ceiling):
        in_view = (np.abs(present.xy - lens) <= half + params.overlap_m).all(axis=1)
        seen = _Sights(present.row[in_view], present.tick[in_view], present.xy[in_view])
        chance = _missed(params, plan, lens, seen)
        whose = people.visit[seen.row], people.member[seen.row], seen.tick
        found = np.flatnonzero(random.uniform("floor.found", day, *whose, camera) >= chance)
        seen = _Sights(seen.row[found], seen.tick[found], seen.xy[found])
        visit, member, tick = (part[found, None] for part in whose)
        key = day, visit, member, tick, camera
        spread = params.noise_m + params.noise_per_m * np.linalg.norm(seen.xy - lens, axis=1)[:, None]
        xy = seen.xy + spread * random.normal("floor.place_noise", *key, np.arange(2))
        looks = clothes[seen.row] + params.clothes_noise * random.normal("floor.looks", *key, np.arange(CLOTHES))
        ticks, false_xy, false_looks = _false(params, lens, half, np.unique(present.tick), camera, random, day)
        moments = TICK_S * np.concatenate([seen.tick, ticks]) + clocks[f"ceiling{camera + 1}"]
        xy, looks = np.concatenate([xy, false_xy]), np.concatenate([looks, false_looks])
        parts.append((np.full(moments.size, camera), moments, xy, looks))
    cameras, at_s, places, looks = (np.concatenate([part[k] for part in parts]) for k in range(4))
    order = np.lexsort([places[:, 0], at_s])  # who came first must not show
    return PeopleSeen(cameras[order], np.round(at_s[order], 3), np.round(places[order], 3), np.round(looks[order], 3))


def _present(people: People, plan: FloorPlan) -> _Sights:
    row = np.repeat(np.arange(len(people)), [len(track.xy) for track in people.tracks])
    tick = np.concatenate([track.first + np.arange(len(track.xy)) for track in people.tracks])
    xy = np.concatenate([track.xy for track in people.tracks])
    inside = (xy > 0).all(axis=1) & (xy < (plan.width, plan.depth)).all(axis=1)
    order = np.flatnonzero(inside)[np.argsort(tick[inside], kind="stable")]
    return _Sights(row[order], tick[order], xy[order])


def _missed(params: CeilingParams, plan: FloorPlan, lens: Floats, seen: _Sights) -> Floats:
    """Chance (R,) that each person in view is not found."""
    low = params.height_m - _CHEST_M
    # The last part of the line of sight, which runs below the top of a gondola.
    below = seen.xy - (seen.xy - lens) * (1 - (params.height_m - _SHELF_M) / low)
    shelved = crossings(below, seen.xy, plan.blocks).max(axis=1, initial=0.0) > 0
    behind = _behind(lens, seen, (params.height_m - _HEAD_M) / low)
    sure = (1 - params.missed_behind_shelf * shelved) * (1 - params.missed_behind_person * behind)
    return np.asarray(1 - (1 - params.missed) * sure)


def _behind(lens: Floats, seen: _Sights, near: float) -> Bools:
    """Whether another body stands between each person (R,) and the lens, from the share `near` of the way on."""
    hidden: Bools = np.zeros(seen.tick.size, dtype=bool)
    for shift in range(1, seen.tick.size):
        pairs = np.flatnonzero(seen.tick[shift:] == seen.tick[:-shift])
        if not pairs.size:
            break
        for far, close in ((pairs, pairs + shift), (pairs + shift, pairs)):
            way, other = seen.xy[far] - lens, seen.xy[close] - lens
            length = np.maximum(np.linalg.norm(way, axis=1), 1e-6)
            along = (way * other).sum(axis=1) / length
            across = np.abs(way[:, 0] * other[:, 1] - way[:, 1] * other[:, 0]) / length
            hidden[far] |= (across < _SHOULDERS_M) & (along > near * length) & (along < length)
    return hidden


def _false(
    params: CeilingParams, lens: Floats, half: Floats, ticks: Ints, camera: int, random: KeyedRandom, day: int
) -> tuple[Ints, Floats, Floats]:
    """Ticks, places and looks of what is taken for a person."""
    ticks = ticks[random.uniform("floor.false", day, camera, ticks) < params.false_per_s * TICK_S]
    xy = lens + half * (2 * random.uniform("floor.false_place", day, camera, ticks[:, None], np.arange(2)) - 1)
    return ticks, xy, random.normal("floor.false_looks", day, camera, ticks[:, None], np.arange(CLOTHES))
