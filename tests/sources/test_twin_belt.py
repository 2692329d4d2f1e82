"""The packing belt: its draws are keyed, a defect shows where it should and nowhere else, naive methods are in their band."""

import io
import time
from datetime import date

import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError

from sources.base import SourceError
from sources.twin.belt import defects
from sources.twin.belt.belt import Belt, Packages
from sources.twin.belt.params import NAIVE_BAND, BeltParams, CameraParams
from sources.twin.belt.tables import APPROVED_SAMPLES, INSPECTIONS, approved_samples, inspections
from sources.twin.belt.truth import KINDS, SEEN, BeltTruth

STILL = CameraParams(
    light_drift=0,
    light_spread=0,
    light_slope=0,
    colour_drift=0,
    jitter=0,
    turn_degrees=0,
    blur_px=0,
    reflections=0,
    noise=0,
)
PACKAGES = 1_500


@pytest.fixture(scope="module")
def belt() -> Belt:
    return Belt(BeltParams(), 21)


@pytest.fixture(scope="module")
def seen(belt: Belt) -> Packages:
    return belt.packages(0, PACKAGES)


@pytest.fixture(scope="module")
def truth(belt: Belt) -> BeltTruth:
    return belt.truth(0, PACKAGES)


def deviations(belt: Belt, seen: Packages) -> np.ndarray:
    """Readings (N, 3) off their nominal values, in standard deviations of sound packages."""
    nominal = [belt.batch(number) for number in range(int(seen.batch.max()) + 1)]
    of = np.array([(each.weight_g, each.pressure_kpa, each.temperature_c) for each in nominal])[seen.batch]
    sensors = belt.params.sensors
    weight = (seen.weight_g / of[:, 0] - 1) / np.hypot(sensors.weight_spread, sensors.weight_drift)
    pressure = (seen.pressure_kpa - of[:, 1]) / np.hypot(sensors.pressure_spread, sensors.pressure_drift)
    warmth = (seen.temperature_c - of[:, 2]) / np.hypot(sensors.temperature_spread, sensors.temperature_drift)
    return np.stack([weight, pressure, warmth], axis=1)


def auroc(score: np.ndarray, faulty: np.ndarray) -> float:
    """Chance that a faulty package scores above a sound one (Mann and Whitney 1947); scores are continuous."""
    rank = np.empty(len(score))
    rank[np.argsort(score)] = np.arange(1, len(score) + 1)
    above = rank[faulty].sum() - faulty.sum() * (faulty.sum() + 1) / 2
    return float(above / (faulty.sum() * (~faulty).sum()))


def test_auroc_by_hand() -> None:
    # Pairs (faulty, sound): 0.9 > 0.1, 0.9 > 0.5, 0.3 > 0.1, 0.3 < 0.5: three of four.
    assert auroc(np.array([0.9, 0.1, 0.3, 0.5]), np.array([True, False, True, False])) == pytest.approx(0.75)


def test_a_package_hangs_on_its_number_alone(belt: Belt, seen: Packages) -> None:
    again = Belt(belt.params, 21).packages(700, 5)
    np.testing.assert_array_equal(again.pictures, seen.pictures[700:705])
    np.testing.assert_array_equal(again.weight_g, seen.weight_g[700:705])
    other = Belt(belt.params, 22).packages(700, 5)
    assert (other.pictures != again.pictures).any() and (other.weight_g != again.weight_g).all()


def test_truth_has_every_kind_about_equally_often_and_weak_ones(truth: BeltTruth) -> None:
    assert truth.faulty.mean() == pytest.approx(0.3, abs=0.04)
    count = np.bincount(truth.kind, minlength=len(KINDS))[1:]
    expected = truth.faulty.sum() / len(count)
    assert (np.abs(count - expected) < 4 * np.sqrt(expected)).all()
    assert truth.severity[truth.faulty].min() < 0.2 and truth.severity[truth.faulty].max() > 0.95
    assert (truth.severity[~truth.faulty] == 0).all()


def test_readings_tell_of_their_own_defects_only(belt: Belt, seen: Packages, truth: BeltTruth) -> None:
    off = deviations(belt, seen)
    least = belt.params.sensors.least_deviation
    for column, (kind, sign) in enumerate((("underfill", -1), ("leak", -1), ("warm", 1))):
        here = truth.kind == KINDS.index(kind)
        assert (sign * off[here, column]).min() > least - 4
        others = np.delete(off, column, axis=1)[here]
        assert abs(others.mean()) < 0.5
    sound = off[truth.kind == 0]
    np.testing.assert_allclose(sound.std(axis=0), 1.0, atol=0.2)
    torn = off[truth.kind == KINDS.index("tear"), 1]
    assert torn[truth.severity[truth.kind == KINDS.index("tear")] > 0.6].mean() < -3


def test_on_a_still_belt_a_picture_differs_from_the_approved_one_by_its_defect() -> None:
    still = Belt(BeltParams(camera=STILL, defect_share=0.7), 5)
    seen, truth = still.packages(0, 200), still.truth(0, 200)
    approved = still.batch(0).picture.astype(int)
    inside = (slice(14, 114), slice(20, 108))  # the package without the belt beside it
    worst = np.abs(seen.pictures[(slice(None), *inside)].astype(int) - approved[inside]).max(axis=(1, 2, 3))
    moved = truth.kind == 0
    labelled = np.isin(truth.kind, [KINDS.index(kind) for kind in ("dent", "tear", "label_missing", "date_blurred")])
    share = (np.abs(seen.pictures.astype(int) - approved)[:, 14:114, 20:108].max(axis=3) > 12).mean(axis=(1, 2))
    assert worst[labelled].min() > 12
    for kind in SEEN:
        here = truth.kind == KINDS.index(kind)
        assert here.any() and share[here].mean() > 1.5 * share[moved].mean(), kind


def test_a_severer_defect_changes_more_of_the_picture() -> None:
    still = Belt(BeltParams(camera=STILL, defect_share=1.0), 6)
    seen, truth = still.packages(0, 200), still.truth(0, 200)
    away = np.abs(seen.pictures.astype(int) - still.batch(0).picture).mean(axis=(1, 2, 3))
    for kind in ("dent", "tear", "label_missing", "label_skewed"):
        here = truth.kind == KINDS.index(kind)
        ranks = [np.argsort(np.argsort(values[here])) for values in (away, truth.severity)]
        assert np.corrcoef(*ranks)[0, 1] > 0.5, kind


def test_a_wrong_date_is_another_date_and_close_where_weak() -> None:
    right = date(2024, 1, 22)
    assert defects.wrong_date(right, 0.15, np.array([0.0, 0.4])) == date(2024, 1, 23)
    assert defects.wrong_date(right, 0.15, np.array([0.0, 0.6])) == date(2024, 1, 21)
    # 8 + 1500 x 0.0225 = 41.75 days at most
    assert defects.wrong_date(right, 0.15, np.array([0.9999, 0.4])) == date(2024, 3, 4)
    assert all(
        defects.wrong_date(right, s, np.array([u, v])) != right for s in (0, 1) for u in (0, 0.9) for v in (0, 1)
    )


def test_naive_methods_are_in_their_band(belt: Belt, seen: Packages, truth: BeltTruth) -> None:
    approved = [belt.batch(number).picture.astype(np.float32) for number in range(int(seen.batch.max()) + 1)]
    picture = np.array([np.abs(p - approved[b]).mean() for p, b in zip(seen.pictures, seen.batch, strict=True)])
    sensors = np.abs(deviations(belt, seen)).max(axis=1)
    for score in (sensors, picture):
        assert NAIVE_BAND[0] <= auroc(score, truth.faulty) <= NAIVE_BAND[1]


def test_tables_hold_pictures_readings_and_findings_but_no_severity(
    belt: Belt, seen: Packages, truth: BeltTruth
) -> None:
    rows, samples = inspections(belt, 190, 20), approved_samples(belt, 190, 20)
    assert rows.schema == INSPECTIONS and samples.schema == APPROVED_SAMPLES
    assert rows["batch_id"].to_pylist() == ["B000000"] * 10 + ["B000001"] * 10
    assert samples["batch_id"].to_pylist() == ["B000000", "B000001"]
    assert rows["defect"].to_pylist() == truth.names[190:210]
    assert "severity" not in rows.column_names
    picture = np.asarray(Image.open(io.BytesIO(rows["picture"][3].as_py())), dtype=int)
    assert picture.shape == (128, 128, 3)
    assert np.abs(picture - seen.pictures[193]).mean() < 4


def test_a_larger_picture_shows_the_same_package() -> None:
    small, large = (Belt(BeltParams(camera=STILL, size_px=side), 3).batch(0).picture for side in (128, 256))
    halved = large.reshape(128, 2, 128, 2, 3).mean(axis=(1, 3))
    assert np.abs(halved - small).mean() < 8


def test_the_belt_is_fast_enough() -> None:
    belt = Belt(BeltParams(), 1)
    belt.packages(0, 50)
    rates = []
    for start in (50, 200, 350):  # the best of three, for other work may share the core
        began = time.process_time()
        belt.packages(start, 150)
        rates.append(150 / (time.process_time() - began))
    assert max(rates) >= 200


def test_bounds_are_kept() -> None:
    with pytest.raises(ValidationError):
        BeltParams(defect_share=1.5)
    with pytest.raises(ValidationError):
        BeltParams.model_validate({"speed": 1})
    with pytest.raises(SourceError, match="ask for numbers"):
        Belt(BeltParams(), 0).packages(-1, 5)
    with pytest.raises(SourceError, match="ask for numbers"):
        Belt(BeltParams(), 0).truth(0, 0)
    with pytest.raises(SourceError, match="seed -1"):
        Belt(BeltParams(), -1)
