"""The parts of the event fusion: steps of scales, reads of tags, sights of cameras, what moves, and calibrated confidence."""

import json
from dataclasses import replace

import numpy as np
import pytest

from models.common.protocols import DataError, InputError
from models.detector.beliefs import ScaleNoise, ShelfNoise, TagNoise
from models.detector.calibration import Calibration, expected_calibration_error, fit_calibration
from models.detector.fusion import fuse
from models.detector.geometry import on_plane, triangulated
from models.detector.inventory import shelf_evidence
from models.detector.observed import NamedDetections, Recording, ScaleReadings, Shelf, TagReads
from models.detector.rfid import IMPOSSIBLE, _counted, tag_evidence
from models.detector.scales import Step, step_log_ratio, steps
from models.detector.tracks import watch
from sources.twin.cameras.camera import look_at
from sources.twin.cameras.params import PictureParams

LEFT = look_at("C1", np.array([-60.0, 90.0, 150.0]), np.array([0.0, 50.0, 0.0]), PictureParams(), k1=-0.06)
RIGHT = look_at("C2", np.array([55.0, 80.0, 140.0]), np.array([0.0, 50.0, 0.0]), PictureParams(), k1=-0.03)
PRODUCTS = 5
SHELF = Shelf(
    np.array([0, 0]),
    np.array([0, 1]),
    np.array([-20.0, 0.0]),
    np.array([0.0, 20.0]),
    np.array([0.0]),
    np.full(5, 300.0),
)


def named(product: int, sure: float = 0.99) -> np.ndarray:
    share = np.full(PRODUCTS, (1 - sure) / (PRODUCTS - 1))
    share[product] = sure
    return np.log(share)


def filmed(boxes: list[list[tuple[float, float, int]]], at_s: np.ndarray) -> Recording:
    """One camera's pictures; of each, the left top corners of boxes of 40 x 50 pixels and their products."""
    rows = [(k, x, y, product) for k, picture in enumerate(boxes) for x, y, product in picture]
    box = np.array([(x, y, x + 40, y + 50) for _, x, y, _ in rows], dtype=float).reshape(-1, 4)
    names = np.array([named(product) for *_, product in rows]).reshape(-1, PRODUCTS)
    found = NamedDetections(np.array([row[0] for row in rows], dtype=np.int64), box, names)
    return Recording([LEFT], np.zeros(len(boxes), dtype=np.int64), at_s, found, SHELF)


def carried() -> Recording:
    """Four packages stand, one of them hidden once; two of product 3 are carried down past them in pictures 3 to 8."""
    standing = [(100.0 + 60 * k, 100.0, k % 3) for k in range(4)]
    pictures = []
    for k in range(12):
        seen = [each for number, each in enumerate(standing) if (k, number) != (5, 2)]
        moving = [(130.0 + side, 70.0 + 22 * (k - 3), 3) for side in (0, 33)] if 3 <= k <= 8 else []
        pictures.append(seen + moving)
    return filmed(pictures, np.arange(12) / 4)


def test_a_step_is_found_between_two_quiet_stretches() -> None:
    at_s = np.arange(61) / 10
    grams = np.where(at_s < 3, 1000.0, 500.0)
    grams[27:34] += 60 * np.array([1, -1, 1, -1, 1, -1, 1])  # a hand rests on the board
    (step,) = steps(ScaleReadings(np.zeros(61, dtype=np.int64), at_s, grams), ScaleNoise())
    assert (step.level, step.from_s, step.to_s, step.grams) == (0, 2.6, 3.4, -500.0)
    assert step.at_s == pytest.approx(3.0)
    # 22 readings of 1.6 g on either side, 0.4 g of drift a second over the gap and a third of both stretches.
    assert step.sd_g == pytest.approx(np.sqrt(1.6**2 * 2 / 22 + 0.16 * (0.8 + 44 / 30)))


def test_drift_and_noise_alone_make_no_step_and_a_small_package_does() -> None:
    rng = np.random.default_rng(3)
    at_s = np.arange(80) / 10
    level = np.repeat(np.arange(40), 80)
    drift = 0.4 * np.cumsum(rng.normal(size=(40, 80)), axis=1) / np.sqrt(10)
    grams = 2000 + drift + 1.5 * rng.normal(size=(40, 80))
    assert not steps(ScaleReadings(level, np.tile(at_s, 40), np.round(grams).ravel()), ScaleNoise())
    grams[:, 40:] += 40.0
    found = steps(ScaleReadings(level, np.tile(at_s, 40), np.round(grams).ravel()), ScaleNoise())
    assert sorted(step.level for step in found) == list(range(40))
    off = np.array([(step.grams - 40.0) / step.sd_g for step in found])
    assert 0.6 < off.std() < 1.4  # the stated error is the error


def test_what_a_step_weighs_tells_product_and_count() -> None:
    ratio = step_log_ratio(Step(0, 1.0, 2.0, -500.0, 1.0), -1, np.array([500.0, 250.0, 100.0]), ScaleNoise())
    # One of 500 g: variance 1 + 5^2; two of 250 g: 1 + 2 x 2.5^2; against 1e-4 spread over 1,000 g.
    without = np.log(1e-4 / 1000)
    assert ratio[0, 0] == pytest.approx(-0.5 * np.log(2 * np.pi * 26.0) - without)
    assert ratio[1, 1] == pytest.approx(-0.5 * np.log(2 * np.pi * 13.5) - without)
    assert ratio[2].max() < -1000
    assert step_log_ratio(Step(0, 1.0, 2.0, -500.0, 1.0), 1, np.array([500.0]), ScaleNoise()).max() < -1000


def test_counts_of_tags_are_means_over_all_choices() -> None:
    found = _counted(np.array([[[2.0, 7.0, 3.0, 5.0]]]), np.array([0, 1, 0, 0]), 2)[0, 0]
    assert np.exp(found[0]) == pytest.approx([10 / 3, 31 / 3, 30])
    assert np.exp(found[1, 0]) == pytest.approx(7.0)
    assert (found[1, 1:] == IMPOSSIBLE).all()


def reads(until: dict[int, float], product: list[int]) -> TagReads:
    """A board whose antenna reads each tag in two rounds of three until a time."""
    rows = [(0.2 * k + 0.05, tag) for k in range(30) for tag in until if (k + tag) % 3 and 0.2 * k < until[tag] - 0.01]
    at_s, tag = (np.array(column) for column in zip(*rows, strict=True))
    return TagReads(np.zeros(at_s.size, dtype=np.int64), at_s, tag, np.full(at_s.size, -52.0), np.array(product))


def test_tags_that_fall_silent_tell_what_was_taken_how_many_and_when() -> None:
    # Tags 0 to 2 are of product 1, of which two fall silent at 3 s; tag 3 is of product 4 and stays; tag 4 is dead.
    told = tag_evidence(reads({0: 3.0, 1: 3.0, 2: 6.0, 3: 6.0}, [1, 1, 1, 4, 4]), 1, 0.0, 6.0, TagNoise())
    assert told.products.tolist() == [1, 4]
    at, board, product, count = np.unravel_index(int(told.take.argmax()), told.take.shape)
    assert (board, told.products[product], count + 1) == (0, 1, 2)
    assert told.at_s[at] == pytest.approx(3.0, abs=0.41)
    assert told.take[at, 0, 0, 1] > 4.0
    assert told.take[at, 0, 0, 2] < told.take[at, 0, 0, 1] - 4.0
    assert told.take[at, 0, 1, 0] < 0 and told.put.max() < 2.0
    # What happened at 3 s speaks against the same at another time.
    assert told.take[np.abs(told.at_s - 5.4).argmin(), 0, 0, 1] < -4.0


def test_a_put_is_a_take_played_backwards() -> None:
    forward = reads({0: 3.0, 1: 6.0}, [0, 1])
    backward = replace(forward, at_s=6.0 - forward.at_s)
    noise = TagNoise()
    one, other = tag_evidence(forward, 1, 0.0, 6.0, noise), tag_evidence(backward, 1, 0.0, 6.0, noise)
    np.testing.assert_allclose(one.take, other.put[::-1], atol=1e-9)


def test_sights_of_two_cameras_meet_at_the_place() -> None:
    rng = np.random.default_rng(5)
    place = rng.uniform((-40, 10, -20), (40, 90, 30), (50, 3))
    found, miss = triangulated(LEFT, LEFT.project(place), RIGHT, RIGHT.project(place))
    np.testing.assert_allclose(found, place, atol=0.05)
    assert miss.max() < 0.02
    _, apart = triangulated(LEFT, LEFT.project(place), RIGHT, RIGHT.project(place + np.array([0, 10.0, 0])))
    assert apart.min() > 5.0
    flat = place * (1, 1, 0) + np.array([0, 0, -3.0])
    np.testing.assert_allclose(on_plane(LEFT, LEFT.project(flat), -3.0), flat[:, :2], atol=0.05)


def test_what_moves_is_told_from_what_stands() -> None:
    recording = carried()
    watched = watch(recording, least_pictures=5)
    moving = recording.detections.log_probs.argmax(axis=1) == 3
    np.testing.assert_array_equal(watched.still, ~moving)
    (carry,) = watched.carries
    assert carry.count.tolist() == [2] * 6
    np.testing.assert_allclose(carry.at_s, np.arange(3, 9) / 4)
    assert int(carry.log_probs.argmax()) == 3
    assert carry.centre[:, 0] == pytest.approx([166.5] * 6)
    assert np.diff(carry.centre[:, 1]) == pytest.approx([22.0] * 5)


def test_a_false_box_here_and_there_is_nobodys_package() -> None:
    boxes = [[(100.0, 100.0, 0), (float(37 * k % 400), float(91 * k % 300), k % 5)] for k in range(12)]
    watched = watch(filmed(boxes, np.arange(12) / 4), least_pictures=5)
    assert not watched.carries


def test_what_is_gone_from_the_shelf_speaks_for_a_take_at_its_time() -> None:
    boxes = [[(100.0, 100.0, 0), (160.0, 100.0, 1)] if k < 10 else [(100.0, 100.0, 0)] for k in range(20)]
    told = shelf_evidence(filmed(boxes, np.arange(20) / 4), np.ones(30, dtype=bool), apart_s=0.5, noise=ShelfNoise())
    at = int(np.abs(told.at_s - 2.4).argmin())
    assert told.take[at, 1].max() > 3.0 and told.take[at, 0].max() < 0
    assert told.put[at].max() < 0 and told.put[at, 1].max() < -1.0
    # Without pictures on either side nothing is said.
    assert not told.take[0].any() and not told.take[-1].any()


def test_events_hang_on_no_order_of_detections() -> None:
    recording = carried()
    events = fuse(recording, least_confidence=0.0)
    assert [(event.deed, event.product, event.count) for event in events][:1] == [("take", 3, 2)]
    order = np.lexsort(
        (np.random.default_rng(1).random(recording.detections.picture.size), recording.detections.picture)
    )
    found = recording.detections
    mixed = NamedDetections(found.picture[order], found.box[order], found.log_probs[order])
    again = fuse(replace(recording, detections=mixed), least_confidence=0.0)
    assert [replace(event, confidence=0.0) for event in again] == [replace(event, confidence=0.0) for event in events]
    assert [e.confidence for e in again] == pytest.approx([e.confidence for e in events])


def test_confidence_is_calibrated_on_the_way_out() -> None:
    halved = Calibration(np.array([0.0, 1.0]), np.array([0.0, 0.5]))
    raw, made = fuse(carried(), least_confidence=0.0), fuse(carried(), least_confidence=0.0, calibration=halved)
    assert [event.confidence for event in made] == pytest.approx([event.confidence / 2 for event in raw])


def test_calibration_error_by_hand() -> None:
    sure, right = np.array([0.9, 0.9, 0.9, 0.9, 0.4, 0.4]), np.array([1, 1, 1, 0, 1, 0], dtype=bool)
    # 4 events at 0.9 of which 75 % are right, 2 at 0.4 of which half are: (4 x 0.15 + 2 x 0.1) / 6.
    assert expected_calibration_error(sure, right, groups=2) == pytest.approx(0.8 / 6)
    assert expected_calibration_error(np.zeros(0), np.zeros(0, dtype=bool)) == 0.0


def test_isotonic_calibration_mends_overconfidence_and_survives_json() -> None:
    rng = np.random.default_rng(8)
    truly, held = rng.uniform(0.2, 1.0, 4_000), rng.uniform(0.2, 1.0, 4_000)
    learnt = fit_calibration(truly**0.3, rng.random(4_000) < truly)
    right = rng.random(4_000) < held
    kept = Calibration.from_json(json.loads(json.dumps(learnt.to_json())))
    assert expected_calibration_error(held**0.3, right) > 0.15
    assert expected_calibration_error(kept(held**0.3), right) < 0.03
    np.testing.assert_array_equal(kept(held), learnt(held))
    certain = fit_calibration(np.full(200, 0.999), np.ones(200, dtype=bool))
    assert 0.98 < float(certain(np.array([1.0]))[0]) < 1.0  # 200 right events prove no certainty


@pytest.mark.parametrize(
    ("kept", "complaint"),
    [
        ({"raw": [0.0, 1.0]}, "not raw and right"),
        ({"raw": [0.0, 1.0], "right": [1.0, 0.5]}, "not ascending"),
        ({"raw": [0.0, 2.0], "right": [0.0, 0.5]}, "not ascending in"),
        ({"raw": [0.0, float("nan")], "right": [0.0, 0.5]}, "not ascending"),
        ({"raw": [], "right": []}, "give 1 to"),
    ],
)
def test_a_calibration_that_is_none_is_refused(kept: dict[str, list[float]], complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        Calibration.from_json(kept)


def test_too_few_events_calibrate_nothing() -> None:
    with pytest.raises(DataError, match="49 events"):
        fit_calibration(np.linspace(0, 1, 49), np.ones(49, dtype=bool))


def test_recordings_that_do_not_fit_together_are_refused() -> None:
    sound = carried()
    found = sound.detections
    cases = {
        "not ascending": replace(sound, detections=NamedDetections(found.picture[::-1], found.box, found.log_probs)),
        "box has shape": replace(sound, detections=NamedDetections(found.picture, found.box[:, :3], found.log_probs)),
        "above 0": replace(sound, detections=NamedDetections(found.picture, found.box, found.log_probs + 5.0)),
        "not finite": replace(sound, detections=NamedDetections(found.picture, found.box * np.nan, found.log_probs)),
        "camera 0 to 0 reaches outside": replace(sound, cameras=[]),
        "span 36000 s, 3600 s is the bound": replace(sound, at_s=np.append(sound.at_s[:11], sound.at_s[0] + 36_000.0)),
        "101 boards": replace(sound, shelf=replace(SHELF, boards=np.arange(101.0))),
        "weighs more than 0": replace(sound, shelf=replace(SHELF, weight_g=np.zeros(5))),
        "scale's level 3": replace(sound, weights=ScaleReadings(np.array([3]), np.zeros(1), np.zeros(1))),
        "tag 9": replace(sound, reads=TagReads(*(np.zeros(1, int), np.zeros(1)), np.array([9]), np.zeros(1), np.zeros(1, int))),
    }  # fmt: skip
    for complaint, broken in cases.items():
        with pytest.raises(InputError, match=complaint):
            fuse(broken)
    assert fuse(sound.keeping(np.zeros(12, dtype=bool))) == []
