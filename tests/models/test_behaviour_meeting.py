"""Two people who are much alike meet and turn round: whose track is whose is told by all that was seen before and after."""

from dataclasses import replace

import numpy as np
import pytest
from floor_walks import PLAN

from models.behaviour.people_config import TrackingConfig
from models.behaviour.people_joining import track_people
from models.behaviour.people_meeting import cut_where_met
from models.behaviour.people_observed import Finds

CFG, NEVER = TrackingConfig(), TrackingConfig(exchanged_log=50.0)
RATE, LONG_S, LOOKS = 4, 60, 8
MET = RATE * LONG_S // 2  # finds of each before they meet


def met(seed: int, apart: float, *, near_s: float = 2.0) -> tuple[Finds, np.ndarray]:
    """Two walk up to each other from east and west, stand close for `near_s` and turn back. Their looks differ by `apart` in all;
    finds in order of time, and whose each is."""
    rng = np.random.default_rng(seed)
    at_s = np.arange(0, LONG_S, 1 / RATE)
    away = np.maximum(np.abs(at_s - LONG_S / 2) - near_s / 2, 0.0) * 0.15 + 0.05
    who = np.tile([0, 1], at_s.size)
    times = np.repeat(at_s, 2)
    x = 5.0 + np.where(who == 0, -1, 1) * np.repeat(away, 2)
    xy = np.column_stack([x, np.full(x.size, 5.0)]) + rng.normal(0, 0.1, (x.size, 2))
    base = rng.normal(0, 1, LOOKS)
    looks = base + np.where(who == 0, 0.0, apart / np.sqrt(LOOKS))[:, None] + rng.normal(0, 0.45, (x.size, LOOKS))
    return Finds(np.zeros(x.size, dtype=np.int64), times, xy, looks), who


def pieces(who: np.ndarray, *, exchanged: bool) -> list[np.ndarray]:
    """Rows of both, taken for one another from the middle on or not."""
    (one, other) = (np.flatnonzero(who == person) for person in (0, 1))
    if not exchanged:
        return [one, other]
    return [np.append(one[:MET], other[MET:]), np.append(other[:MET], one[MET:])]


@pytest.mark.parametrize("seed", range(5))
def test_pieces_are_cut_where_they_changed(seed: int) -> None:
    finds, who = met(seed, 1.0)
    parts = cut_where_met(finds, pieces(who, exchanged=True), PLAN, CFG)
    assert len(parts) == 4 and sum(part.size for part in parts) == who.size
    assert sorted(abs(part.size - MET) < 0.1 * MET for part in parts) == [True] * 4
    assert all((np.diff(part) > 0).all() for part in parts)


@pytest.mark.parametrize(("apart", "least"), [(0.0, 16), (0.6, 19), (3.0, 20)])
def test_pieces_of_one_person_stay_whole(apart: float, least: int) -> None:
    """Of 20; where both look the same it is a guess, and joining has another look."""
    assert [len(cut_where_met(*_of(seed, apart), PLAN, CFG)) for seed in range(20)].count(2) >= least


def _of(seed: int, apart: float) -> tuple[Finds, list[np.ndarray]]:
    finds, who = met(seed, apart)
    return finds, pieces(who, exchanged=False)


@pytest.mark.parametrize("gate", [PLAN.entrance, PLAN.exit])
def test_nothing_is_cut_in_a_gate(gate: np.ndarray) -> None:
    """A half that seems to have come or gone would be joined to nothing."""
    finds, who = met(0, 1.0)
    there = replace(finds, xy=finds.xy + gate - (5.0, 5.0))
    assert len(cut_where_met(there, pieces(who, exchanged=True), PLAN, CFG)) == 2


@pytest.mark.parametrize("seed", range(10))
def test_no_piece_is_too_short_for_a_person(seed: int) -> None:
    """Three alike people meet in pairs within a few finds, and all are taken for the next."""
    rng, one = np.random.default_rng(seed), np.arange(2 * MET)
    at_s = np.repeat(one / RATE, 3)
    xy = np.array([5.0, 5.0]) + rng.normal(0, 0.2, (at_s.size, 2))
    who = np.tile([0, 1, 2], 2 * MET)
    looks = 0.5 * np.eye(LOOKS)[who] + rng.normal(0, 0.45, (at_s.size, LOOKS))
    rows = [np.append(3 * one[:MET] + k, 3 * one[MET:] + (k + 1) % 3) for k in range(3)]
    parts = cut_where_met(Finds(np.zeros(at_s.size, dtype=np.int64), at_s, xy, looks), rows, PLAN, CFG)
    assert len(parts) > 3 and min(part.size for part in parts) >= CFG.least_finds


def test_it_buys_whole_tracks() -> None:
    """Of 40 meetings of people hard to tell apart by a single look, more end with each on their own side."""
    right = {
        cfg.exchanged_log: sum(_kept_apart(met(seed, 0.6, near_s=6.0)[0], cfg) for seed in range(40))
        for cfg in (CFG, NEVER)
    }
    assert right[CFG.exchanged_log] >= 38 and right[CFG.exchanged_log] > right[NEVER.exchanged_log], right


def _kept_apart(finds: Finds, cfg: TrackingConfig) -> bool:
    tracks = track_people(finds, PLAN, cfg)
    ends = [track.at(np.array([1.0, LONG_S - 2.0]))[:, 0] for track in tracks]
    return len(tracks) == 2 and all((end[0] - 5.0) * (end[1] - 5.0) > 0 for end in ends)
