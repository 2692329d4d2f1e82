"""Tracks of people: they cross, hide behind one another and come back, whatever the order of what was found."""

from dataclasses import replace

import numpy as np
import pytest
from floor_walks import PLAN, finds, without
from hypothesis import given, settings
from hypothesis import strategies as st

from models.behaviour import people_joining, people_observed
from models.behaviour.people_config import TrackingConfig
from models.behaviour.people_joining import track_people
from models.behaviour.people_observed import Finds, GondolaPlace
from models.common.protocols import InputError

EAST, NORTH = [(0.0, 0.0, 3.0), (10.0, 10.0, 3.0)], [(0.0, 5.0, -2.0), (10.0, 5.0, 8.0)]


@pytest.mark.parametrize("columns", [8, 0])
def test_two_who_cross_stay_who_they_were(columns: int) -> None:
    """At 5 s both stand at (5, 3); by looks, and by how they go where there are none."""
    tracks = track_people(finds([EAST, NORTH], [0, 1], columns=columns), PLAN)
    ends = sorted(tuple(np.round(track.at(np.array([0.0, 9.8])).ravel(), 0).tolist()) for track in tracks)
    assert ends == [(0.0, 3.0, 10.0, 3.0), (5.0, -2.0, 5.0, 8.0)]
    assert all(abs(track.at(np.array([5.0]))[0] - (5.0, 3.0)).max() < 0.25 for track in tracks)


def test_one_hidden_behind_another_for_two_seconds_is_one_track() -> None:
    beside = [(0.0, 0.0, 3.3), (10.0, 10.0, 3.3)]
    (one, other) = track_people(without(finds([EAST, beside], [0, 1]), 4.0, 6.0, 1), PLAN)
    assert {round(float(track.xy[:, 1].mean()), 1) for track in (one, other)} == {3.0, 3.3}
    assert one.begins_s < 0.5 and other.begins_s < 0.5 and min(one.ends_s, other.ends_s) > 9.0


@pytest.mark.parametrize(("kinds", "tracks"), [((0, 0), 1), ((0, 1), 2)])
def test_who_comes_back_after_long_is_known_by_looks(kinds: tuple[int, int], tracks: int) -> None:
    early, late = [(0.0, 0.0, 3.0), (8.0, 4.0, 3.0)], [(28.0, 6.0, 3.0), (36.0, 10.0, 3.0)]
    assert len(track_people(finds([early, late], kinds), PLAN)) == tracks


def test_who_has_left_does_not_come_back() -> None:
    """They look alike: one leaves by the exit at (8, 0), another comes in by the entrance at (2, 0) half a minute later."""
    leaves, comes = [(0.0, 5.0, 4.0), (8.0, 8.0, 0.1)], [(38.0, 2.0, 0.1), (46.0, 5.0, 4.0)]
    assert len(track_people(finds([leaves, comes], [0, 0]), PLAN)) == 2


def test_a_false_find_is_not_where_the_next_person_comes_from() -> None:
    """It lies 2 m aside a second before, and looks like the person."""
    false = [(18.9, 4.0, 1.0), (19.1, 4.0, 1.0)]
    (track,) = track_people(finds([[(20.0, 2.0, 0.1), (30.0, 2.0, 6.0)], false], [0, 0]), PLAN)
    assert track.begins_s >= 20.0


def test_cameras_with_clocks_of_their_own_see_one_person() -> None:
    once, again = finds([EAST], [0]), finds([EAST], [0], seed=1)
    late = replace(again, camera=again.camera + 1, at_s=again.at_s + 0.2)
    both = Finds(
        *(np.concatenate([getattr(part, n) for part in (once, late)]) for n in ("camera", "at_s", "xy", "looks"))
    )
    (track,) = track_people(both, PLAN)
    assert track.finds == both.at_s.size
    assert np.abs(track.at(np.array([5.1]))[0] - (5.0, 3.0)).max() < 0.15


def test_few_finds_are_no_person() -> None:
    lone = [(3.0, 9.0, 9.0), (3.7, 9.0, 9.0)]
    assert len(track_people(finds([EAST, lone], [0, 3]), PLAN)) == 1
    assert len(track_people(finds([EAST, lone], [0, 3]), PLAN, TrackingConfig(least_finds=2))) == 2
    assert track_people(finds([], []), PLAN) == []


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_the_order_of_finds_does_not_matter(seed: int) -> None:
    found = finds([EAST, NORTH], [0, 1])
    mixed = found.take(np.random.default_rng(seed).permutation(found.at_s.size))
    for one, other in zip(track_people(found, PLAN), track_people(mixed, PLAN), strict=True):
        np.testing.assert_array_equal(one.xy, other.xy)


def test_what_stands_where_as_who_faces_it_sees_it() -> None:
    """A gondola at the far wall: its customers look up the plan, so that right is right."""
    along, before = GondolaPlace(5.0, 4.0, 0.0, -1.0).seen_from(np.array([5.3, 3.5]))
    assert (round(float(along), 6), round(float(before), 6)) == (0.3, 0.5)
    along, before = GondolaPlace(5.0, 4.0, 0.0, 1.0).seen_from(np.array([5.3, 4.5]))
    assert (round(float(along), 6), round(float(before), 6)) == (-0.3, 0.5)


def test_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    found = finds([EAST], [0])
    with pytest.raises(InputError, match="xy holds a value that is not finite"):
        track_people(replace(found, xy=np.full_like(found.xy, np.nan)), PLAN)
    with pytest.raises(InputError, match=r"camera \(3,\): expected \(50,\)"):
        track_people(replace(found, camera=found.camera[:3]), PLAN)
    monkeypatch.setattr(people_joining, "MOST_PIECES", 1)
    with pytest.raises(InputError, match="2 pieces of tracks, 1 is the bound"):
        track_people(finds([EAST, NORTH], [0, 1]), PLAN)
    monkeypatch.setattr(people_observed, "MOST_FINDS", 9)
    with pytest.raises(InputError, match="50 finds, 9 is the bound"):
        track_people(found, PLAN)
