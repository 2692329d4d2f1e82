"""Who did what is seen at a shelf: by places, by what a party holds, by what the exit read; and nobody who is not there."""

from dataclasses import replace

import numpy as np
import pytest
from floor_walks import PLAN, finds, openings
from hypothesis import given, settings
from hypothesis import strategies as st

from models.behaviour import visit_tracker
from models.behaviour.attribution import read_chance
from models.behaviour.exit_tags import Passing, read_tags
from models.behaviour.people_config import ExitConfig
from models.behaviour.people_observed import DevicePlaces
from models.behaviour.visit_events import Came, Carried, GateReads, Handled, Option, ShelfDeed, Went
from models.behaviour.visit_tracker import SensedDay, VisitTracker, Walked
from models.common.protocols import InputError

TRACKER = VisitTracker(PLAN)
NOTHING_READ = GateReads([], np.empty(0), np.empty(0), [])
# Before the gondola at (5, 4), which looks down the plan: v0 stands there from 10 s on, v1 from 24 s on, 30 cm to the right; from 40 s
# to 48 s v1 stands where v0 does. They leave at 60 s and 70 s.
HERE, RIGHT = (5.0, 3.53), (5.3, 3.53)
V0 = [(2.0, 2.0, 0.1), (10.0, *HERE), (50.0, *HERE), (60.0, 8.0, 0.1)]
V1 = [(15.0, 2.0, 0.1), (24.0, *RIGHT), (38.0, *RIGHT), (40.0, *HERE), (48.0, *HERE), (70.0, 8.0, 0.1)]


def walked(reads: GateReads | None = NOTHING_READ) -> Walked:
    found = finds([V0, V1], [0, 1], noise_m=0.05)
    return TRACKER.walk(SensedDay(found, openings(0.5, 13.5), DevicePlaces.none(), {}, reads))


def deed(what: str, at_s: float, product: int = 7, along_m: float = 0.0, sure: float = 1.0) -> ShelfDeed:
    return ShelfDeed(what, product, 1, 0, along_m, at_s, sure)  # type: ignore[arg-type]


def handled(day: Walked, *deeds: ShelfDeed) -> list[Handled]:
    return [event for event in TRACKER.attribute(day, deeds) if isinstance(event, Handled)]


def read(epc: str, product: int, *at_s: float, dbm: float = -50.0) -> GateReads:
    return GateReads([epc] * len(at_s), np.array(at_s), np.full(len(at_s), dbm), [product] * len(at_s))


def test_who_stands_there_did_it() -> None:
    told = handled(walked(), deed("take", 20.0), deed("take", 30.0, 8, 0.3), deed("take", 31.0, 9))
    assert [(event.visit_id, event.product) for event in told] == [("v0", 7), ("v1", 8), ("v0", 9)]
    assert min(event.share for event in told) > 0.9
    assert told[0].confidence == pytest.approx(told[0].share, abs=0.01)


def test_all_that_a_till_hears_in_order() -> None:
    kinds = [(type(event), event.visit_id) for event in TRACKER.attribute(walked(), [deed("take", 20.0)])]
    assert kinds == [
        (Came, "v0"), (Came, "v1"), (Handled, "v0"), (Carried, "v0"), (Went, "v0"), (Carried, "v1"), (Went, "v1"),
    ]  # fmt: skip
    assert all(type(event) is not Carried for event in TRACKER.attribute(walked(None), []))


def test_tracks_of_a_visit() -> None:
    (track,) = DAY.of_visit("v1")
    assert np.abs(track.at(np.array([30.0]))[0] - RIGHT).max() < 0.1
    with pytest.raises(InputError, match="'v9' is none of the 2"):
        DAY.of_visit("v9")


def test_one_lost_from_sight_has_gone_all_the_same() -> None:
    found = finds([V0[:3], V1], [0, 1], noise_m=0.05)
    day = TRACKER.walk(SensedDay(found, openings(0.5, 13.5), DevicePlaces.none(), {}, NOTHING_READ))
    (went,) = [event for event in TRACKER.attribute(day, []) if isinstance(event, Went) and event.visit_id == "v0"]
    assert went.at_s == pytest.approx(50.0, abs=0.5)


def test_a_visit_of_which_nobody_is_sure_ends_too() -> None:
    """One person came in as two opened the gate at once, so that either visit may be theirs; nobody came in at 5 s."""
    day = TRACKER.walk(
        SensedDay(finds([V0], [0], noise_m=0.05), openings(0.5, 0.5, 5.0), DevicePlaces.none(), {}, NOTHING_READ)
    )
    assert day.parties.members() == [[], [], []]
    events = TRACKER.attribute(day, [deed("take", 20.0), deed("take", 90.0)])
    (took,) = [event for event in events if isinstance(event, Handled)]
    assert took.visit_id in ("v0", "v1") and took.at_s == 20.0 and took.confidence < 0.6
    assert events[-3:] == [Went("v0", 90.0), Went("v1", 90.0), Went("v2", 90.0)], "the last moment known"
    assert not any(isinstance(event, Carried) for event in events)


def test_two_at_one_place_are_told_by_what_only_one_can_put_back() -> None:
    day = walked()
    (unknown,) = handled(day, deed("take", 44.0))
    assert 0.4 < unknown.share < 0.6
    told = handled(day, deed("take", 20.0), deed("put", 44.0))
    assert [(event.visit_id, event.deed) for event in told] == [("v0", "take"), ("v0", "put")] and told[1].share > 0.95
    told = handled(day, deed("take", 30.0, along_m=0.3), deed("put", 44.0))
    assert [event.visit_id for event in told] == ["v1", "v1"] and told[1].share > 0.9


@pytest.mark.parametrize(("passes_s", "visit"), [(60.0, "v0"), (70.0, "v1")])
def test_two_at_one_place_are_told_by_whom_the_tag_left_with(passes_s: float, visit: str) -> None:
    reads = read("e", 7, *(passes_s + np.linspace(-0.8, 0.8, 6)))
    events = TRACKER.attribute(walked(reads), [deed("take", 44.0)])
    (told,) = [event for event in events if isinstance(event, Handled)]
    assert told.visit_id == visit and told.share > 0.95
    assert [event.tags for event in events if isinstance(event, Carried) and event.visit_id == visit] == [(("e", 7),)]


def test_what_was_taken_is_told_by_the_tag_where_shelves_are_in_doubt() -> None:
    unsure = replace(deed("take", 20.0, sure=0.5), others=(Option(9, 1, 0.4),))
    (told,) = handled(walked(), unsure)
    assert (told.product, round(told.confidence, 2)) == (7, 0.5)
    (told,) = handled(walked(read("e", 9, 59.7, 60.0, 60.2, 60.3)), unsure)
    assert (told.product, round(told.confidence, 1)) == (9, 0.4), "the till hears of the tag itself"


def test_what_is_put_back_is_told_by_what_a_visit_holds() -> None:
    unsure = replace(deed("put", 20.0, sure=0.6), others=(Option(9, 1, 0.3),))
    for took, sure in (
        (7, 0.6 / (0.6 + 0.3 * 0.02 + 0.1)),
        (9, 0.3 / (0.3 + 0.6 * 0.02 + 0.1)),
    ):  # 0.02: what is not held
        put = handled(walked(), deed("take", 15.0, took), unsure)[-1]
        assert (put.deed, put.product) == ("put", took) and put.confidence == pytest.approx(sure, abs=0.01)


def test_nobody_there_and_nothing_sure_is_told_of_no_visit() -> None:
    day = walked()
    assert handled(day, deed("take", 5.0), deed("take", 200.0), deed("take", 20.0, sure=0.2)) == []
    assert handled(day, deed("take", 1e6), deed("put", -1e6), deed("take", 20.0, sure=0.0)) == []


def test_a_stray_tag_is_nobodys() -> None:
    passings, cfg = [Passing(0, 60.0), Passing(1, 64.0)], ExitConfig()
    for reads, held, best in (
        (read("e", 7, 59.6, 60.0, 60.5), [0.0], 0),  # loud and often: carried, though nobody saw it taken
        (read("e", 7, 60.1, dbm=-60.0), [0.0], None),  # faint and once: of a shelf
        (read("e", 7, 60.1, dbm=-60.0), [1.0], 0),  # and of one who took such: carried
        (read("e", 7, 300.0), [], None),
    ):
        (tag,) = read_tags(reads, passings, cfg)
        share = tag.shares(held, cfg)
        assert (share.size > 0 and share.max() > 0.5) == (best is not None)
        assert tag.visits == ((0,) if held else ())


def test_chances_of_reads_by_hand() -> None:
    gate = ExitConfig(reads=0.9, false=0.1)
    assert read_chance(0, 1, gate) == pytest.approx(0.1 * 0.9, abs=1e-6)
    assert read_chance(1, 1, gate) == pytest.approx(0.9 * 0.9 + 0.1 * 0.9 * 0.1, abs=1e-6)
    assert read_chance(0, 0.25, gate) == pytest.approx(0.75 * 0.9 + 0.25 * 0.09, abs=1e-6)
    assert read_chance(0.5, 0, gate) == pytest.approx((0.9 + 0.09) / 2, abs=1e-6)


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(["take", "put"]), st.floats(-20, 100), st.integers(0, 3), st.floats(-0.6, 0.6)),
        max_size=8,
    ),
    st.randoms(use_true_random=False),
)
def test_any_order_and_never_one_who_is_not_inside(told: list[tuple[str, float, int, float]], rng: object) -> None:
    day = DAY
    deeds = [deed(*each) for each in told]
    events = TRACKER.attribute(day, deeds)
    rng.shuffle(deeds)  # type: ignore[attr-defined]
    assert TRACKER.attribute(day, deeds) == events
    inside = {"v0": (1.0, 61.0), "v1": (14.0, 71.0)}
    for event in events:
        if isinstance(event, Handled):
            begins, ends = inside[event.visit_id]
            assert begins <= event.at_s <= ends and 0 <= event.confidence <= event.share + 1e-9


DAY = walked()


def test_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    for wrong, words in (
        (replace(deed("take", 20.0), gondola=1), "gondola 1: the plan has 1"),
        (replace(deed("take", 20.0), at_s=np.inf), "give finite numbers"),
        (replace(deed("take", 20.0), confidence=1.5), "confidence 1.5"),
        (replace(deed("take", 20.0), others=(Option(1, 1, 0.2),)), "chance of 1.2 together"),
    ):
        with pytest.raises(InputError, match=words):
            TRACKER.attribute(DAY, [wrong])
    with pytest.raises(InputError, match="expected 2 each"):
        walked(GateReads(["e", "f"], np.zeros(1), np.zeros(2), [1, 2]))
    monkeypatch.setattr(visit_tracker, "MOST_DEEDS", 1)
    with pytest.raises(InputError, match="2 deeds, 1 is the bound"):
        TRACKER.attribute(DAY, [deed("take", 20.0)] * 2)
