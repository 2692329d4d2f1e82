"""Who came in with which opening: by times at the gates, by who leaves together, and by whose device is heard where."""

import numpy as np
import pytest
from floor_walks import PLAN, finds, openings
from hypothesis import given, settings
from hypothesis import strategies as st

from models.behaviour.parties import Parties, share_out
from models.behaviour.people_joining import PersonTrack, track_people
from models.behaviour.people_observed import DevicePlaces, Openings
from models.common.protocols import InputError


def person(enters_s: float, leaves_s: float, by: float) -> list[tuple[float, float, float]]:
    """Through the shop past (`by`, 5)."""
    return [(enters_s, 2.0, 0.1), ((enters_s + leaves_s) / 2, by, 5.0), (leaves_s, 8.0, 0.1)]


def heard(track: PersonTrack, device: str, late_s: float = 0.0) -> DevicePlaces:
    """A device where a person is, every 2 s."""
    at_s = np.arange(track.begins_s, track.ends_s, 2.0)
    return DevicePlaces(np.array([device] * at_s.size), at_s + late_s, track.at(at_s), np.full(at_s.size, 1.0))


def whose(parties: Parties, tracks: list[PersonTrack]) -> list[int]:
    """Visit of each person, in order of leaving."""
    order = sorted(range(len(tracks)), key=lambda k: tracks[k].ends_s)
    assert (parties.share.sum(axis=0) <= 1 + 1e-9).all()
    return [int(parties.share[:, k].argmax()) if parties.share[:, k].max() > 0.5 else -1 for k in order]


def test_who_comes_in_together_goes_together() -> None:
    """Two openings 0.8 s apart: the first lets one in who stays for long, the second two who leave one after another."""
    ways = [person(2.0, 90.0, 3.0), person(3.0, 50.0, 5.0), person(4.2, 51.5, 6.0)]
    tracks = track_people(finds(ways, [0, 1, 2]), PLAN)
    assert whose(share_out(openings(0.5, 1.3), tracks, PLAN), tracks) == [1, 1, 0]


def test_the_payers_device_tells_what_times_do_not() -> None:
    """Two openings at once, two who come in at once; by times nobody could tell. A device that is not heard tells nothing."""
    tracks = track_people(finds([person(2.0, 50.0, 0.5), person(2.0, 70.0, 9.5)], [0, 1]), PLAN)
    early, late = sorted(tracks, key=lambda track: track.ends_s)
    payers = {"v0": "d0", "v1": "d1"}
    blind = share_out(openings(0.4, 0.4), tracks, PLAN, payers=payers)
    np.testing.assert_allclose(blind.share, 0.5, atol=0.01)
    for track, expected in ((late, [1, 0]), (early, [0, 1])):
        told = share_out(openings(0.4, 0.4), tracks, PLAN, devices=heard(track, "d0", 0.4), payers=payers)
        assert whose(told, tracks) == expected
        assert told.members() == [[k] for k in sorted(range(2), key=lambda k: tracks[k] is not track)]


def test_a_device_that_walks_elsewhere_leaves_nobody_without_a_visit() -> None:
    """Who pays was lost from sight: twenty scans lie far from the one who was followed, who came in with that opening all the same."""
    tracks = track_people(finds([person(2.0, 50.0, 0.5)], [0]), PLAN)
    at_s = np.linspace(5.0, 45.0, 20)
    far = DevicePlaces(np.array(["d0"] * 20), at_s, np.full((20, 2), 9.0), np.full(20, 0.5))
    assert whose(share_out(openings(0.4), tracks, PLAN, devices=far, payers={"v0": "d0"}), tracks) == [0]


def test_nobody_is_of_a_visit_that_began_later_or_long_before() -> None:
    tracks = track_people(finds([person(30.0, 60.0, 5.0)], [0]), PLAN)
    assert whose(share_out(openings(0.0, 33.0), tracks, PLAN), tracks) == [-1]
    assert share_out(openings(), tracks, PLAN).share.shape == (0, 1)
    assert share_out(openings(1.0), [], PLAN).share.shape == (1, 0)


@settings(max_examples=15, deadline=None)
@given(st.permutations(range(4)))
def test_the_order_of_openings_does_not_matter(order: list[int]) -> None:
    at_s = [0.5, 1.3, 40.0, 41.0]
    starts = (2.0, 3.0, 4.2, 41.5, 42.6)
    ways = [person(a, a + 40 + 3 * k, 4.0) for k, a in enumerate(starts)]
    tracks = track_people(finds(ways, [0, 1, 2, 3, 4]), PLAN)
    straight = share_out(openings(*at_s), tracks, PLAN).share
    mixed = share_out(Openings([f"v{k}" for k in order], np.array([at_s[k] for k in order])), tracks, PLAN).share
    np.testing.assert_allclose(mixed, straight[order], atol=1e-12)


def test_bounds() -> None:
    with pytest.raises(InputError, match="2 openings repeat some visit_id"):
        share_out(Openings(["v", "v"], np.array([0.0, 1.0])), [], PLAN)
    with pytest.raises(InputError, match=r"at_s \(1,\): expected \(2,\)"):
        share_out(Openings(["v", "w"], np.array([0.0])), [], PLAN)
