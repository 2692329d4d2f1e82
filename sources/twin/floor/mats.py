"""Pressure mats on the boards: how many grams lie on each cell, sent when hands have been there.

A mat sends its matrix shortly before a hand comes (what it last saw), twice while it rests, and once it has gone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sources.twin.arrays import Floats, Ints
from sources.twin.cameras.appearance import Appearances
from sources.twin.cameras.packages import Placed
from sources.twin.cameras.planogram import Gondola
from sources.twin.cameras.story import Story
from sources.twin.floor.happenings import Episode
from sources.twin.floor.params import MatParams
from sources.twin.floor.units import Morning
from sources.twin.keyed_random import KeyedRandom

_BEFORE_S, _AFTER_S = 0.3, 0.4  # of a hand's stay
_WHILE = (0.25, 0.75)  # shares of it
_LEAST_CM = 1e-6
_HAND_CM = (8.0, 6.0)  # width and depth of a resting hand's load


@dataclass(frozen=True, eq=False)
class MatPictures:
    """N matrices in order of time: `gondola`, `level` of the board (N,), `at_s` by the mat's own clock (N,), `grams` (N, C, D) on
    cells of columns from left to right and rows from the front edge to the back."""

    gondola: Ints
    level: Ints
    at_s: Floats
    grams: Floats


class Mats:
    """The mats of a shop; cells that are dead hang on the world's seed."""

    def __init__(self, params: MatParams, gondolas: Sequence[Gondola], looks: Appearances, world: KeyedRandom) -> None:
        self._params, self._gondolas, self._looks, self._world = params, gondolas, looks, world

    def cells(self, gondola: int) -> tuple[Floats, Floats]:
        """Edges of columns along the shelf and of rows from front to back, cm in the gondola's axes."""
        shelf, params = self._gondolas[gondola], self._params
        columns = round(shelf.width / params.cell_cm)
        along = np.linspace(-shelf.width / 2, shelf.width / 2, columns + 1)
        return along, -np.linspace(0, shelf.depth, params.cells_deep + 1)

    def pictures(
        self, episodes: Sequence[Episode], morning: Morning, clocks: Mapping[str, float], random: KeyedRandom, day: int
    ) -> MatPictures:
        """Everything the mats send of some episodes."""
        gondola: list[int] = []
        level: list[int] = []
        at_s: list[Floats] = []
        grams: list[Floats] = []
        for episode in episodes:
            units = morning.grams[episode.units]
            rng = np.random.default_rng(
                int(random.bits("floor.mats", day, episode.gondola, round(1e3 * episode.from_s)))
            )
            for board in sorted({touch[0] for reach in episode.story.reaches for touch in reach.touches}):
                times = _moments(episode.story, board)
                load = self._load(episode, board, times, units, rng)
                gondola += [episode.gondola] * len(times)
                level += [board] * len(times)
                at_s.append(times + episode.from_s + clocks[f"G{episode.gondola}.M{board + 1}"])
                grams.append(self._read(load, episode.gondola, board, times + episode.from_s, rng))
        if not gondola:
            shape = tuple(part.size - 1 for part in self.cells(0))
            return MatPictures(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0), np.zeros((0, *shape)))
        stamps: Floats = np.asarray(np.round(np.concatenate(at_s), 3), dtype=np.float64)
        order = np.argsort(stamps, kind="stable")
        return MatPictures(
            np.array(gondola)[order], np.array(level)[order], stamps[order], np.concatenate(grams)[order]
        )

    def _load(self, episode: Episode, board: int, times: Floats, units: Floats, rng: np.random.Generator) -> Floats:
        """True grams (T, C, D) at some times: what stands there, and the hands that rest on it."""
        story, lanes = episode.story, self._gondolas[episode.gondola].lanes
        along, deep = self.cells(episode.gondola)
        by_state: dict[float, Floats] = {}
        found = []
        for at_s in times.tolist():
            state = story.at(at_s)
            if state.from_s not in by_state:
                here = [placed for placed in state.items if lanes[state.lanes[placed.item]].level == board]
                weights = units[[placed.item for placed in here]]
                by_state[state.from_s] = spread(*self._footprints(here), weights, along, deep)
            load = by_state[state.from_s]
            for reach in story.reaches:
                palm = reach.palm(at_s)
                if palm is not None and any(lv == board and a <= at_s <= b for lv, a, b in reach.touches):
                    middle = np.array([[palm[0], min(float(palm[2]), -_HAND_CM[1] / 2)]])
                    weight = np.array([self._params.touch_g * rng.uniform(0.3, 1.7)])
                    load = load + spread(middle, np.array([_HAND_CM]) / 2, weight, along, deep)
            found.append(load)
        return np.array(found)

    def _footprints(self, items: Sequence[Placed]) -> tuple[Floats, Floats]:
        """Middles (N, 2) and half sizes (N, 2) of what packages stand on, along the shelf and across, cm."""
        looks = [self._looks[placed.product] for placed in items]
        half = np.array([(look.width / 2, look.height / 2, look.depth / 2) for look in looks]).reshape(-1, 3)
        turns = np.array([placed.rotation for placed in items]).reshape(-1, 3, 3)
        middles = np.array([placed.position for placed in items]).reshape(-1, 3) + turns[:, :, 1] * half[:, 1:2]
        reach = np.einsum("nij,nj->ni", np.abs(turns), half)
        return middles[:, [0, 2]], reach[:, [0, 2]]

    def _read(self, load: Floats, gondola: int, board: int, at_s: Floats, rng: np.random.Generator) -> Floats:
        params, (columns, rows) = self._params, load.shape[1:]
        cell = (gondola, board, np.arange(columns)[:, None], np.arange(rows))
        phase = 2 * np.pi * self._world.uniform("floor.mat_phase", *cell)
        swing = np.sqrt(2) * params.drift_g * self._world.normal("floor.mat_drift", *cell)
        drift = swing * np.sin(2 * np.pi * at_s[:, None, None] / 86_400 + phase)
        read = load + drift + params.noise_g * rng.normal(size=load.shape)
        dead = self._world.uniform("floor.mat_dead", *cell) < params.dead_share
        return np.where(dead, 0.0, np.round(read, 1))


def spread(middles: Floats, half: Floats, grams: Floats, along: Floats, deep: Floats) -> Floats:
    """Grams (C, D) on cells between edges `along` (C + 1,) and `deep` (D + 1,), front first: loads (N,) spread evenly over
    rectangles of middles (N, 2) and half sizes (N, 2). What lies beyond a board's edge rests on its last cells."""
    low, high = np.array([along[0], deep[-1]]) + _LEAST_CM, np.array([along[-1], deep[0]]) - _LEAST_CM
    start, end = np.minimum(middles - half, high), np.maximum(middles + half, low)
    end = np.maximum(end, start + _LEAST_CM)
    (x0, z0), (x1, z1) = ((part[:, :1], part[:, 1:]) for part in (start, end))
    wide = np.clip(np.minimum(x1, along[1:]) - np.maximum(x0, along[:-1]), 0.0, None)
    thick = np.clip(np.minimum(z1, deep[:-1]) - np.maximum(z0, deep[1:]), 0.0, None)
    wide, thick = (part / np.maximum(part.sum(axis=1, keepdims=True), 1e-12) for part in (wide, thick))
    return np.asarray(np.einsum("n,nc,nd->cd", grams, wide, thick))


def _moments(story: Story, board: int) -> Floats:
    """When a mat sends, by the story's clock."""
    stays = [(a, b) for reach in story.reaches for level, a, b in reach.touches if level == board]
    times = [at for a, b in stays for at in (a - _BEFORE_S, *(a + share * (b - a) for share in _WHILE), b + _AFTER_S)]
    return np.unique(np.clip(times, 0.0, story.length_s))
