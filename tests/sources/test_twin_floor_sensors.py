"""The sensors of the twin's shop floor show what happened, each by its own clock, and name nobody."""

from collections import Counter
from dataclasses import fields, is_dataclass, replace
from itertools import islice
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from floor_case import PARAMS, day, floor

from sources.twin.floor import wifi
from sources.twin.floor.ceiling import people_seen
from sources.twin.floor.floor import Floor
from sources.twin.floor.mats import spread
from sources.twin.floor.observed import Observed, ShelfClip
from sources.twin.floor.params import ExitParams, MatParams, RadioParams
from sources.twin.floor.people import people_of
from sources.twin.floor.plan import floor_plan
from sources.twin.floor.radio import Radio
from sources.twin.keyed_random import KeyedRandom

LOOKS = floor().studio.appearances
OFFSET = day().truth.clock_offset_s
CLIPS: list[ShelfClip] = list(day().clips())


def with_params(**groups: Any) -> Floor:
    return Floor(PARAMS.model_copy(update=groups), 5, world_seed=11)


def test_levels_are_worked_by_hand() -> None:
    params = RadioParams(access_points=3, shadow_db=0)
    plan = floor_plan(PARAMS)
    island = next(place for place in plan.places if place.facing == (0, -1))
    before = np.array(island.at(0.0, 1.0))
    plan = replace(plan, access_points=np.array([(2.0, 0.5), (8.0, 0.5), before]))
    behind = np.array(island.at(0.0, -2 * island.depth - 1.0))
    level = Radio(params, plan, KeyedRandom(1)).level(np.stack([(3.0, 0.5), (2.2, 0.5), behind]))
    assert level[0, 0] == pytest.approx(-38.0)  # one metre
    assert level[1, 0] == pytest.approx(-38.0)  # nearer than that
    assert level[0, 1] == pytest.approx(-38 - 24 * np.log10(5) - 7)  # the screen between the gates
    assert level[2, 2] == pytest.approx(-38 - 24 * np.log10(2 + 2 * island.depth) - 2 * 2.5)  # two gondolas


def test_shadows_have_their_spread_and_change_slowly() -> None:
    plan = floor_plan(PARAMS)
    bare, real = (Radio(RadioParams(shadow_db=db, access_points=6), plan, KeyedRandom(1)) for db in (0.0, 3.0))
    spots = np.random.default_rng(0).uniform((0, 0), (plan.width, plan.depth), (400, 2))
    shadow = real.level(spots) - bare.level(spots)
    assert 2.0 < shadow.std() < 4.0
    aside = spots + np.array([0.2, 0.0])
    step = real.level(aside) - bare.level(aside) - shadow
    assert step.std() < 0.2 * shadow.std()


def test_scans_are_heard_from_where_people_are() -> None:
    seen, truth = day().observed.wifi, day().truth
    assert seen.scans.schema.equals(wifi.SCANS) and seen.fingerprints.schema.equals(wifi.FINGERPRINTS)
    assert seen.fingerprints["x"].null_count == seen.fingerprints.num_rows
    rssi = seen.scans["rssi_dbm"].to_numpy()
    assert (rssi >= -100).all() and (rssi == np.round(rssi)).all()
    heard = set(seen.fingerprints["device_id"].to_pylist())
    carriers = {v.name(p.member) for v in truth.visits for p in v.people if p.device_db is not None}
    assert {truth.devices[device] for device in heard} == carriers
    assert 0.7 < len(carriers) / len(truth.tracks) < 0.97
    midnight = np.datetime64("2024-01-03")
    at_s = (seen.fingerprints["at"].to_numpy() - midnight) / np.timedelta64(1, "s") - OFFSET["wifi"]
    whose = [truth.devices[device] for device in seen.fingerprints["device_id"].to_pylist()]
    places = np.array([truth.tracks[who].at(at_s[k : k + 1])[0] for k, who in enumerate(whose)])
    mean = dict(zip(seen.fingerprints["scan_id"].to_pylist(), floor().radio.level(places), strict=True))
    rows = seen.scans.to_pylist()
    off = np.array([row["rssi_dbm"] - mean[row["scan_id"]][int(row["access_point"][2:]) - 1] for row in rows])
    assert abs(off.mean()) < 2 and 3 < off.std() < 7  # devices spread by 4, readings by 3
    assert wifi.device_id(KeyedRandom(5), 2, 0, 0) != wifi.device_id(KeyedRandom(5), 3, 0, 0)


def test_a_survey_knows_its_places() -> None:
    survey = floor().survey()
    prints = survey.fingerprints
    assert prints["x"].null_count == 0 and len(set(prints["device_id"].to_pylist())) == 3
    spots = np.column_stack([prints["x"].to_numpy(), prints["y"].to_numpy()])
    left, bottom, right, top = floor().plan.blocks.T
    assert not ((spots[:, :1] > left) & (spots[:, :1] < right) & (spots[:, 1:] > bottom) & (spots[:, 1:] < top)).any()
    assert set(survey.scans["scan_id"].to_pylist()) <= set(prints["scan_id"].to_pylist())


def test_gates_tell_of_crossings_by_their_clocks() -> None:
    door, truth = day().observed.door, day().truth
    opened = {row["visit_id"]: row["at_s"] for row in door.openings.to_pylist()}
    assert {v.visit_id: v.opened_s + OFFSET["entrance"] for v in truth.visits} == pytest.approx(opened, abs=1e-3)
    for gate, when in (("entrance", "enters_s"), ("exit", "leaves_s")):
        due = np.array(sorted(getattr(p, when) for v in truth.visits for p in v.people)) + OFFSET[gate]
        told = np.array([row["at_s"] for row in door.crossings.to_pylist() if row["gate"] == gate])
        assert np.abs(told[:, None] - due).min(axis=1).max() < 1e-3
        assert len(due) - 5 <= len(told) <= len(due)


def test_the_ceiling_finds_everybody_unless_something_hides_them() -> None:
    shop, truth = floor(), day().truth
    people = people_of(truth.visits, PARAMS.crowd.sway_m, KeyedRandom(5), 2)
    inside = sum(int(((t.xy > 0).all(axis=1)).sum()) for t in truth.tracks.values())
    seen = day().observed.people
    assert inside <= seen.at_s.size < 1.6 * inside  # seen twice where cameras overlap
    by_clock = seen.at_s - np.array([OFFSET[f"ceiling{k + 1}"] for k in seen.camera])
    tracks = list(truth.tracks.values())
    for k in range(0, seen.at_s.size, 97):
        near = [np.linalg.norm(t.at(by_clock[k : k + 1])[0] - seen.xy[k]) for t in tracks]
        assert min(near) < 1.0
    found = {}
    for name in ("missed_behind_person", "missed_behind_shelf"):
        params = PARAMS.ceiling.model_copy(update={name: 1.0})
        found[name] = people_seen(params, shop.plan, people, OFFSET, KeyedRandom(5), 2).at_s.size
    assert all(0.5 * seen.at_s.size < count < seen.at_s.size for count in found.values()), found


def test_loads_lie_on_the_cells_under_them() -> None:
    along, deep = np.array([0.0, 5.0, 10.0]), -np.array([0.0, 10.0, 20.0])
    cells = spread(np.array([[4.0, -9.0]]), np.array([[2.0, 4.0]]), np.array([80.0]), along, deep)
    np.testing.assert_allclose(cells, 80 * np.outer([0.75, 0.25], [5 / 8, 3 / 8]))
    beyond = spread(np.array([[12.0, -5.0]]), np.array([[1.0, 1.0]]), np.array([50.0]), along, deep)
    np.testing.assert_allclose(beyond, [[0, 0], [50, 0]])


def test_mats_show_the_weight_that_comes_and_goes() -> None:
    mats, compared = day().observed.mats, 0
    for found in CLIPS:
        length = max(picture.at_s for picture in found.clip.seen.pictures) + 1
        levels = [floor().stands[found.gondola].gondola.lanes[e.lane].level for e in found.clip.truth.events]
        for level in set(levels):
            mine = (mats.gondola == found.gondola) & (mats.level == level)
            mine &= (mats.at_s > found.from_s - 0.2) & (mats.at_s < found.from_s + length)
            grams = mats.grams[mine].sum(axis=(1, 2))
            due = sum(
                (1 if e.deed == "put" else -1) * e.count * LOOKS[e.product].weight_g
                for e, own in zip(found.clip.truth.events, levels, strict=True)
                if own == level
            )
            assert grams[-1] - grams[0] == pytest.approx(due, abs=20)  # readings of 72 cells are rounded to 0.1 g
            compared += 1
    assert compared > 50


def test_mats_have_noise_drift_and_dead_cells() -> None:
    noisy = with_params(mats=MatParams(touch_g=0, dead_share=0.05, drift_g=0)).day(2).observed.mats
    exact = day().observed.mats.grams
    off, loaded = noisy.grams - exact, exact > 30
    dead = (noisy.grams == 0) & loaded
    assert 0.02 < dead.sum() / loaded.sum() < 0.1
    assert off[~dead & loaded].std() == pytest.approx(2.0, rel=0.05)


def test_clips_tell_what_happened_at_their_gondola() -> None:
    truth = day().truth
    told = [
        (e.shopper, e.deed, e.product, e.count, each.gondola, e.lane, round(each.from_s + e.at_s, 6))
        for each in CLIPS
        for e in each.clip.truth.events
    ]
    due = [(e.person, e.deed, e.product, e.count, e.gondola, e.lane, round(e.at_s, 6)) for e in truth.events]
    assert sorted(told) == sorted(due)
    assert [each.from_s for each in CLIPS] == sorted(each.from_s for each in CLIPS) and len(CLIPS) == len(day())
    assert any(len({e.shopper for e in each.clip.truth.events}) == 2 for each in CLIPS)


def test_clips_show_what_others_left_behind() -> None:
    """What stands at the end of a clip stands at the beginning of the gondola's next one, tag by tag."""
    stood: dict[int, set[str]] = {}
    books = dict(zip(*(day().observed.tags[name].to_pylist() for name in ("epc", "product_id")), strict=True))
    for each in CLIPS:
        clip = each.clip
        rows = clip.reads.to_pylist()
        assert all(books[row["epc"]] == row["product_id"] for row in clip.tags.to_pylist())
        clock = {name: offset for name, offset in clip.truth.clock_offset_s.items() if name.startswith("R")}
        assert clock == {name: OFFSET[f"G{each.gondola}.{name}"] for name in clock}
        ends = max(row["at_s"] for row in rows)
        first = {row["epc"] for row in rows if row["at_s"] < 0.6}  # nothing happens in so short a time
        last = {row["epc"] for row in rows if row["at_s"] > ends - 0.6}
        assert stood.get(each.gondola, first) == first
        stood[each.gondola] = last


def test_outlines_that_are_kept_are_those_drawn_anew() -> None:
    drawn = list(islice(day().clips(developed=True), 12))
    for blank, whole in ((CLIPS[number].clip, drawn[number].clip) for number in (0, 10, 11)):
        assert {picture.pixels.size for picture in blank.seen.pictures} == {0}
        for name in ("picture", "item", "product", "amodal", "visible", "share"):
            np.testing.assert_array_equal(getattr(blank.truth.boxes, name), getattr(whole.truth.boxes, name))


def test_the_exit_reads_what_is_carried_out() -> None:
    truth = day().truth
    read = {truth.tags[epc] for epc in day().observed.exit_reads["epc"].to_pylist()}
    assert read == {unit for units in truth.carried.values() for unit in units}
    passes = {unit: p.leaves_s for v in truth.visits for p in v.people for unit in truth.carried[v.name(p.member)]}
    rows = day().observed.exit_reads.to_pylist()
    off = np.array([row["at_s"] - OFFSET["exit_antenna"] - passes[truth.tags[row["epc"]]] for row in rows])
    assert abs(off.mean()) < 0.1 and off.std() == pytest.approx(0.6, rel=0.1)


def test_the_exit_misses_tags_and_reads_strays() -> None:
    params = ExitParams(missed=0.2, missed_shielded=0.2, stray_waiting=0, stray_shelf=0.01, reach_m=3.5)
    real = with_params(exit=params).day(2)
    carried = {unit for units in real.truth.carried.values() for unit in units}
    read = {real.truth.tags[epc] for epc in real.observed.exit_reads["epc"].to_pylist()}
    assert 0.7 < len(read & carried) / len(carried) < 0.9
    strays = read - carried
    assert strays and len(strays) < 0.5 * len(carried)


def strings(thing: Any) -> Counter[str]:
    if isinstance(thing, pa.Table):
        columns = [column.to_pylist() for column in thing.columns if pa.types.is_string(column.type)]
        return Counter(word for column in columns for word in column)
    assert is_dataclass(thing) or isinstance(thing, np.ndarray), type(thing)
    parts = [getattr(thing, field.name) for field in fields(thing)] if is_dataclass(thing) else []
    return sum((strings(part) for part in parts), Counter())


def test_nothing_observed_names_a_person() -> None:
    words, truth = strings(day().observed), day().truth
    assert not set(words) & set(truth.tracks)
    visits = {visit.visit_id for visit in truth.visits}
    assert all(words[visit] == 2 for visit in visits)  # the token at the gate, and the device it was shown by
    assert [field.name for field in fields(Observed)] == [
        "door", "people", "wifi", "bindings", "mats", "exit_reads", "tags",
    ]  # fmt: skip
    seen = day().observed.people
    whose = np.lexsort([seen.xy[:, 0], seen.at_s])
    np.testing.assert_array_equal(whose, np.arange(whose.size))  # the order within a moment says nothing
