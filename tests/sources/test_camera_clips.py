"""Clips of the twin's cameras: what is taken and put is what the pictures, the scales and the antennas show."""

import hashlib

import numpy as np
import pytest

from sources.twin.cameras.clips import Clip
from sources.twin.cameras.params import CameraParams, ClipParams, EffectParams, PictureParams, SensorParams, ShelfParams
from sources.twin.cameras.planogram import Gondola, plan, stock
from sources.twin.cameras.sensors import RFID_READS, TAGS, WEIGHTS, Sensed, sense
from sources.twin.cameras.story import Story
from sources.twin.cameras.studio import Studio
from sources.twin.cameras.visits import tell

TIDY = ShelfParams(width_cm=70, levels=3, misplaced_share=0, turned_share=0, fallen_share=0)
EXACT = SensorParams(
    weight_noise_g=0, weight_drift_g=0, touch_g=0, package_spread=0, rfid_read=1, rfid_dead=0, rfid_stray=0
)
PARAMS = CameraParams(
    products=30, picture=PictureParams(width=320, height=240), shelf=TIDY, effects=EffectParams(jpeg_lowest=100)
)
STUDIO = Studio(PARAMS, 2, world_seed=11)
LOOKS = STUDIO.appearances


def told(number: int, **knobs: float) -> tuple[Story, Gondola]:
    rng = np.random.default_rng(number)
    gondola = plan(TIDY, LOOKS, np.arange(30), rng)
    stocked = stock(gondola, TIDY, LOOKS, np.arange(30), rng)
    return tell(ClipParams.model_validate(knobs), gondola, stocked, LOOKS, rng), gondola


STORIES = [told(number, visits=3, put_share=0.4, swap_share=0.2, browse_share=0.1) for number in range(60)]


def sensed(story: Story, gondola: Gondola, params: SensorParams = EXACT, offset_s: float = 0.0) -> Sensed:
    return sense(params, offset_s, story, gondola, LOOKS, np.random.default_rng(1))


def test_events_are_the_differences_of_what_stands() -> None:
    for story, _ in STORIES:
        product = {placed.item: placed.product for placed in story.items}
        assert len(story.standing) == len(story.events) + 1
        for before, after, event in zip(story.standing[:-1], story.standing[1:], story.events, strict=True):
            gone, come = before.lanes.keys() - after.lanes.keys(), after.lanes.keys() - before.lanes.keys()
            moved, still = (gone, come) if event.deed == "take" else (come, gone)
            lanes = before.lanes if event.deed == "take" else after.lanes
            assert not still and len(moved) == event.count in (1, 2, 3)
            assert {(product[item], lanes[item]) for item in moved} == {(event.product, event.lane)}
            assert after.from_s == event.at_s
        assert [placed.item for placed in story.items] == list(range(len(story.items)))


def test_every_kind_of_happening_comes_about() -> None:
    events = [(event, gondola) for story, gondola in STORIES for event in story.events]
    puts = [(event, gondola.lanes[event.lane].product) for event, gondola in events if event.deed == "put"]
    wrong = [event for event, planned in puts if event.product != planned]
    assert {event.count for event, _ in events if event.deed == "take"} == {1, 2, 3}
    assert 0.1 < len(wrong) / len(puts) < 0.6
    reaches = [(reach, story) for story, _ in STORIES for reach in story.reaches]
    idle = [r for r, story in reaches if not any(r.times[0] < e.at_s < r.times[-1] for e in story.events)]
    swaps = [r for r, story in reaches if sum(r.times[0] < e.at_s < r.times[-1] for e in story.events) == 2]
    assert 3 <= len(idle) < len(reaches) / 3 and 3 <= len(swaps) < len(reaches) / 2


def test_packages_never_stand_in_one_another() -> None:
    for story, gondola in STORIES:
        state = story.standing[-1]
        for lane in gondola.lanes:
            mine = [placed for placed in state.items if state.lanes[placed.item] == lane.lane]
            for k, one in enumerate(mine):
                assert one.position[2] - LOOKS[one.product].depth / 2 > -gondola.depth - 1
                for two in mine[:k]:
                    apart = np.abs(one.position - two.position)[[0, 2]]
                    sizes = [(LOOKS[p.product].width, LOOKS[p.product].depth) for p in (one, two)]
                    assert (apart > 0.46 * np.sum(sizes, axis=0) - 0.6).any(), (lane, one, two)


def test_a_hand_is_at_its_place_when_things_happen() -> None:
    for story, gondola in STORIES:
        for event in story.events:
            reach = next(r for r in story.reaches if r.times[0] < event.at_s < r.times[-1])
            palm, lane = reach.palm(event.at_s), gondola.lanes[event.lane]
            assert palm is not None and lane.left - 1 < palm[0] < lane.right + 1
            assert gondola.level_of(float(palm[1])) == lane.level
        assert story.reaches[0].palm(0.0) is None and story.held(story.length_s) == ()


def test_scales_show_units_times_count() -> None:
    for story, gondola in STORIES[:20]:
        table = sensed(story, gondola).weights
        assert table.schema.equals(WEIGHTS)
        for level in range(3):
            grams = table.filter(np.asarray(table["sensor_id"]) == f"W{level + 1}")["grams"].to_numpy()
            due = sum(
                (1 if e.deed == "put" else -1) * e.count * LOOKS[e.product].weight_g
                for e in story.events
                if gondola.lanes[e.lane].level == level
            )
            assert grams[-1] - grams[0] == pytest.approx(due, abs=1.0)


def test_noise_drift_and_touch_blur_the_scales() -> None:
    story, gondola = STORIES[0]
    exact, real = (sensed(story, gondola, p).weights for p in (EXACT, SensorParams(package_spread=0)))
    off = real["grams"].to_numpy() - exact["grams"].to_numpy()
    quiet = real["at_s"].to_numpy() < 0.7
    assert 0.3 < off[quiet].std() < 4.0
    assert np.abs(off).max() > 30  # the hand on the board


def test_antennas_read_what_stands_before_them() -> None:
    story, gondola = next(s for s in STORIES if [event.deed for event in s[0].events] == ["take"])
    found = sensed(story, gondola)
    assert found.reads.schema.equals(RFID_READS) and found.tags.schema.equals(TAGS)
    event, rows = story.events[0], found.reads.to_pylist()
    gone = story.standing[0].lanes.keys() - story.standing[1].lanes.keys()
    own = f"R{gondola.lanes[event.lane].level + 1}"
    stays = [item for item in story.standing[-1].lanes if item in story.standing[0].lanes]
    for epc, item in found.epcs.items():
        times = [row["at_s"] for row in rows if row["epc"] == epc]
        if item in gone:
            by_own = [r["at_s"] for r in rows if r["epc"] == epc and r["antenna_id"] == own and r["at_s"] < event.at_s]
            assert len(by_own) == np.ceil(event.at_s * EXACT.rfid_hz) or len(by_own) == np.floor(
                event.at_s * EXACT.rfid_hz
            )
            assert times and max(times) < event.at_s + 2.5  # once out of the hand's way it is gone
        elif item in stays:
            assert len(times) == int(np.ceil(story.length_s * EXACT.rfid_hz))
    named = dict(zip(found.tags["epc"].to_pylist(), found.tags["product_id"].to_pylist(), strict=True))
    assert all(named[epc] == LOOKS.ids[story.items[item].product] for epc, item in found.epcs.items())


def test_misses_strays_and_dead_tags() -> None:
    story, gondola = STORIES[1]
    clean = sensed(story, gondola).reads
    missing = sensed(story, gondola, EXACT.model_copy(update={"rfid_read": 0.5})).reads
    assert missing.num_rows / clean.num_rows == pytest.approx(0.5, abs=0.05)
    strays = sensed(story, gondola, EXACT.model_copy(update={"rfid_stray": 0.2})).reads
    assert strays.num_rows > 1.1 * clean.num_rows
    assert set(strays["epc"].to_pylist()) > set(clean["epc"].to_pylist())  # goods from elsewhere too
    assert sensed(story, gondola, EXACT.model_copy(update={"rfid_dead": 1.0})).reads.num_rows == 0


def test_clocks_are_off_within_their_bound() -> None:
    story, gondola = STORIES[2]
    exact, off = sensed(story, gondola), sensed(story, gondola, offset_s=0.5)
    assert set(off.offsets) == {"W1", "W2", "W3", "R1", "R2", "R3"}
    assert 0.1 < max(map(abs, off.offsets.values())) <= 0.5 and set(exact.offsets.values()) == {0.0}
    for name, offset in off.offsets.items():
        if name.startswith("W"):
            first = min(row["at_s"] for row in off.weights.to_pylist() if row["sensor_id"] == name)
            assert first == pytest.approx(offset, abs=1e-3)


def digest(clip: Clip) -> str:
    parts = [picture.pixels.tobytes() for picture in clip.seen.pictures]
    parts += [repr((clip.truth.events, clip.weights.to_pylist(), clip.reads.to_pylist())).encode()]
    return hashlib.sha256(b"".join(parts)).hexdigest()


def test_a_clip_hangs_on_seed_and_number_alone() -> None:
    first = digest(STUDIO.clip(3))
    STUDIO.clip(4)
    assert digest(Studio(PARAMS, 2, world_seed=11).clip(3)) == first
    assert digest(Studio(PARAMS, 3, world_seed=11).clip(3)) != first


def test_pictures_show_what_was_taken_leave_the_shelf() -> None:
    number = next(n for n in range(20) if [e.deed for e in STUDIO.clip(n).truth.events] == ["take"])
    clip = STUDIO.clip(number)
    event, truth, boxes = clip.truth.events[0], clip.truth, clip.truth.boxes
    assert {camera.camera_id for camera in clip.seen.cameras} == {"C1", "C2"}
    stamps = [p.at_s - truth.clock_offset_s[p.camera_id] for p in clip.seen.pictures]
    assert stamps == sorted(stamps)
    shown = [set(boxes.of(k, least_share=-1.0).item.tolist()) for k in range(len(stamps))]
    taken = shown[0] - shown[-1]
    assert len(taken) == event.count
    assert {truth.items[item].product for item in taken} == {event.product}
    middles = [boxes.of(k, least_share=-1.0) for k in range(len(stamps))]
    for item in taken:
        tracks = [
            rows.amodal[rows.item == item][0] for rows, p in zip(middles, clip.seen.pictures, strict=True)
            if p.camera_id == "C1" and item in rows.item
        ]  # fmt: skip
        steps = np.abs(np.diff(np.array(tracks), axis=0)).max(axis=1)
        assert steps[0] == 0 and steps[-1] > 3  # stands, then moves with the hand


def test_cameras_tell_no_effects_from_truth() -> None:
    """Light and lens of another kind leave what happens as it is: effects are drawn after the story."""
    plain = Studio(
        PARAMS.model_copy(update={"effects": EffectParams(noise=0, jpeg_lowest=100)}), 2, world_seed=11
    ).clip(5)
    assert plain.truth.events == STUDIO.clip(5).truth.events


def test_clips_are_those_that_the_base_checkpoints_were_learnt_on() -> None:
    """Taken before stories could be given: whoever changes a draw must make the checkpoints anew."""
    clip = STUDIO.clip(3, developed=False)
    told = (clip.truth.events, clip.weights.to_pylist(), clip.reads.to_pylist(), clip.tags.to_pylist())
    tables = [repr(told).encode(), repr([(p.camera_id, p.at_s) for p in clip.seen.pictures]).encode()]
    boxes = [getattr(clip.truth.boxes, name).tobytes() for name in ("item", "product", "amodal", "visible", "share")]
    found = [hashlib.sha256(b"".join(parts)).hexdigest()[:16] for parts in (tables, boxes)]
    assert found == ["826fc996d879a97e", "cd1004bf1a40ec35"]


def test_an_undeveloped_clip_lacks_pixels_alone() -> None:
    whole, blank = STUDIO.clip(3), STUDIO.clip(3, developed=False)
    assert {picture.pixels.shape for picture in blank.seen.pictures} == {(0, 0, 3)}
    assert [(p.camera_id, p.at_s) for p in blank.seen.pictures] == [(p.camera_id, p.at_s) for p in whole.seen.pictures]
    for name in ("picture", "item", "product", "amodal", "visible", "share"):
        np.testing.assert_array_equal(getattr(blank.truth.boxes, name), getattr(whole.truth.boxes, name))
    assert blank.reads.equals(whole.reads) and blank.weights.equals(whole.weights)
    assert list(blank.truth.events) == list(whole.truth.events)
