"""Wi-Fi positioning: likeness and averages by hand, a radius that holds, devices of other ears, and nothing trusted blindly."""

import time
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_checks.contracts import load_contract
from models.behaviour.positioning import UNKNOWN, Positioner, Survey, average, level_probabilities
from models.behaviour.positioning_choice import choose
from models.behaviour.positioning_config import PositioningConfig
from models.behaviour.positioning_data import Level, Scans, read_scans
from models.behaviour.positioning_evaluate import POSITIONING, evaluate
from models.behaviour.positioning_files import FINGERPRINTS, load, save, to_files
from models.behaviour.positioning_fit import conformal, fit, held_out, spacing, survey_of, surveyed
from models.behaviour.positioning_peers import NEAREST, Guess
from models.behaviour.rssi import Heard, Likeness, power
from models.common.artifact import ArtifactError
from models.common.protocols import DataError, InputError
from sources.adapters.ujiindoorloc import UjiIndoorLocSource

NAN = np.nan
CFG = PositioningConfig(held_out=400)


@pytest.fixture(scope="module")
def points(wifi_shop: ModuleType) -> np.ndarray:
    return wifi_shop.access_points(np.random.default_rng(1))


@pytest.fixture(scope="module")
def scans(wifi_shop: ModuleType, points: np.ndarray) -> Scans:
    return wifi_shop.survey(points, np.random.default_rng(2))


@pytest.fixture(scope="module")
def positioner(scans: Scans) -> Positioner:
    return fit(scans, CFG, seed=0)


@pytest.fixture(scope="module")
def unseen(wifi_shop: ModuleType, points: np.ndarray) -> Scans:
    return wifi_shop.visits(points, np.random.default_rng(3), 600)


def test_likeness_by_hand() -> None:
    """-52.5 dBm is half of the scale from -105 to 0, -78.75 a quarter."""
    heard = Heard.of(np.array([[-52.5, -78.75, NAN], [-78.75, -52.5, NAN], [NAN, NAN, -52.5]]))
    scan = np.array([[-52.5, -78.75, NAN], [NAN, NAN, NAN]])
    likeness = Likeness(heard, exponent=1.0, shifts_db=(0.0,))
    np.testing.assert_allclose(likeness(scan), [[1.0, 2 / 3, 0.0], [0.0, 0.0, 0.0]], rtol=1e-6)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), exponent=st.floats(0.5, 4))
def test_likeness_is_the_soerensen_index_of_the_best_shift(seed: int, exponent: float) -> None:
    rng = np.random.default_rng(seed)
    rssi = np.where(rng.random((9, 6)) < 0.6, rng.uniform(-100, -20, (9, 6)), NAN)
    rssi[:, 0] = -60.0  # each heard something
    shifts = (-5.0, 0.0, 5.0)
    b = power(rssi[4:].astype(np.float32), exponent)
    plain = np.zeros((4, 5))
    for shift in shifts:
        a = power(rssi[:4] + shift, exponent)
        apart, both = np.abs(a[:, None] - b).sum(axis=2), (a[:, None] + b).sum(axis=2)
        plain = np.maximum(plain, 1 - apart / both)
    np.testing.assert_allclose(
        Likeness(Heard.of(rssi[4:]), exponent=exponent, shifts_db=shifts)(rssi[:4]), plain, atol=1e-5
    )
    np.testing.assert_array_equal(Heard.of(rssi).dense(), rssi.astype(np.float32))


def test_place_and_levels_by_hand() -> None:
    """Distances 1/2 and 1/4 weigh 1 : 2, so that the place is 2/3 of the way; the third fingerprint is on another level."""
    flat = Survey(Heard.of(np.full((3, 1), -50.0)), np.array([0, 2]), np.array([0.0, 3.0, 50.0]), np.zeros(3))
    likeness = np.array([[0.5, 0.75, 0.7]], dtype=np.float32)
    found = average(likeness, flat, np.array([0]), PositioningConfig(neighbours=3, closeness=1.0))
    np.testing.assert_allclose([found.x[0], found.y[0], found.spread[0]], [2.0, 0.0, np.sqrt(2.0)], rtol=1e-4)
    # Three nats more in likeness, by a sharpness of 10, are evidence of 1 : 1 against two fingerprints of half of that each.
    likeness = np.array([[0.5, 0.5, 0.5 + np.log(2) / 10]], dtype=np.float32)
    np.testing.assert_allclose(level_probabilities(likeness, flat.starts, 10.0), [[0.5, 0.5]], atol=1e-6)


@pytest.mark.parametrize(("coverage", "expected"), [(0.9, 9.0), (0.5, 5.0), (0.55, 6.0), (0.99, 9.0)])
def test_conformal_rank_by_hand(coverage: float, expected: float) -> None:
    assert conformal(np.arange(9.0, 0.0, -1.0), coverage) == expected


def test_held_out_scans_see_neither_their_place_nor_their_device(scans: Scans) -> None:
    ordered = surveyed(scans)
    held = held_out(ordered, survey_of(ordered), CFG, seed=0)
    assert len(held.rows) == CFG.held_out and np.ptp(np.unique(ordered.device[held.rows], return_counts=True)[1]) <= 1
    for row, likeness in zip(held.rows, held.likeness, strict=True):
        same = (ordered.x == ordered.x[row]) & (ordered.y == ordered.y[row]) & (ordered.level == ordered.level[row])
        assert not likeness[same | (ordered.device == ordered.device[row])].any()
        assert likeness.any()
    assert spacing(ordered) == 2.0
    alone = ordered.take(np.flatnonzero(ordered.device == "d-1"))
    assert held_out(alone, survey_of(alone), CFG, seed=0).likeness.any(axis=1).all()  # of one device: its place alone


def test_unseen_scans_lie_within_the_radius_as_often_as_told(
    positioner: Positioner, unseen: Scans, scans: Scans
) -> None:
    report = evaluate(positioner, unseen, scans)
    assert 0.87 <= report.value(POSITIONING, "coverage") <= 0.96
    assert report.value(POSITIONING, "mean_radius") < 8.0  # of a shop of 20 m by 12 m
    assert report.value(POSITIONING, "mean_error") < 0.8 * report.value(NEAREST, "mean_error")
    assert report.value(POSITIONING, "level") >= report.value(NEAREST, "level")
    assert abs(report.value(POSITIONING, "level_confidence") - report.value(POSITIONING, "level")) < 0.03
    wider = fit(scans, CFG.model_copy(update={"coverage": 0.99}), seed=0)
    assert (wider.locate(unseen.rssi).radius > positioner.locate(unseen.rssi).radius).all()


def test_report_counts_what_could_not_be_placed(positioner: Positioner, unseen: Scans, scans: Scans) -> None:
    two = unseen.take(np.array([0, 1]))
    two.rssi[1] = NAN
    middle = Guess(two.level.copy(), np.full(2, scans.x.mean()), np.full(2, scans.y.mean()))
    report = evaluate(positioner, two, scans, peers={"middle": middle})
    assert report.value(POSITIONING, "placed") == 0.5 and report.value(POSITIONING, "coverage") <= 0.5
    first = positioner.locate(two.rssi)
    errors = (
        np.hypot(first.x[0] - two.x[0], first.y[0] - two.y[0]),
        np.hypot(middle.x[1] - two.x[1], middle.y[1] - two.y[1]),
    )
    assert report.value(POSITIONING, "mean_error") == pytest.approx(np.mean(errors))
    assert report.value("middle", "level") == 1.0 and report.plots["errors"].startswith(b"\x89PNG")
    with pytest.raises(DataError, match="2 of 2 scans have no place"):
        evaluate(positioner, replace(two, x=np.full(2, NAN)), scans)


@settings(max_examples=20, deadline=None)
@given(offset=st.floats(-6, 6))
def test_a_device_that_hears_louder_is_placed_alike(positioner: Positioner, unseen: Scans, offset: float) -> None:
    """All readings move by a constant; a positioner that tries no shifts is led off further."""
    asked = unseen.rssi[:100]
    louder = np.clip(asked + np.float32(offset), -110, 0)
    told, moved = positioner.locate(asked), positioner.locate(louder)
    away = np.hypot(told.x - moved.x, told.y - moved.y)
    assert np.median(away) < 0.25 * np.median(told.radius) and np.mean(told.level == moved.level) >= 0.9


def test_shifts_earn_their_keep(
    wifi_shop: ModuleType, positioner: Positioner, scans: Scans, points: np.ndarray
) -> None:
    deaf = fit(scans, CFG.model_copy(update={"shifts_db": (0.0,)}), seed=0)
    asked = wifi_shop.visits(points, np.random.default_rng(4), 400, loudness=-12.0)
    errors = [
        np.hypot(told.x - asked.x, told.y - asked.y).mean()
        for told in (each.locate(asked.rssi) for each in (positioner, deaf))
    ]
    assert errors[0] < 0.95 * errors[1]


def test_what_hears_nothing_known_is_unknown(positioner: Positioner, unseen: Scans) -> None:
    nothing = np.full(12, NAN, dtype=np.float32)
    asked = np.stack([nothing, unseen.rssi[0], nothing])
    told = positioner.locate(asked)
    assert told.known.tolist() == [False, True, False] and told.level[[0, 2]].tolist() == [UNKNOWN, UNKNOWN]
    for each in (told.x, told.y, told.radius, told.probabilities[:, 0]):
        assert np.isnan(each).tolist() == [True, False, True]
    assert told.probabilities[1].sum() == pytest.approx(1.0)
    assert len(positioner.locate(asked[:0]).level) == 0


def test_a_scan_is_placed_alike_alone_and_among_others(positioner: Positioner, unseen: Scans) -> None:
    together = positioner.locate(unseen.rssi[:150])
    alone = [positioner.locate(unseen.rssi[row : row + 1]) for row in (0, 128, 149)]
    np.testing.assert_allclose([each.x[0] for each in alone], together.x[[0, 128, 149]], rtol=1e-6)
    np.testing.assert_allclose([each.radius[0] for each in alone], together.radius[[0, 128, 149]], rtol=1e-6)


@pytest.mark.parametrize(
    ("rssi", "words"),
    [
        (np.full((1, 12), 100.0), "100 dBm lies outside -110 to 0: give NaN"),
        (np.full((1, 12), -111.0), "-111 dBm lies outside"),
        (np.full((1, 12), np.inf), "inf dBm lies outside"),
        (np.zeros((1, 11)), r"expected floats \(N, 12\)"),
        (np.zeros(12), r"rssi \(12,\)"),
        (np.zeros((1, 12), dtype=int), "int64"),
        (np.zeros((200_001, 12), dtype=np.float16), "200,000 is the bound"),
    ],
)
def test_hostile_readings_are_refused(positioner: Positioner, rssi: np.ndarray, words: str) -> None:
    with pytest.raises(InputError, match=words):
        positioner.locate(rssi)


def test_files_are_the_same_twice_and_come_back_whole(
    positioner: Positioner, scans: Scans, unseen: Scans, tmp_path: Path
) -> None:
    assert to_files(fit(scans, CFG, seed=0)) == to_files(positioner)
    manifest = save(positioner, tmp_path / "artifact", scans=scans, seed=0, report=evaluate(positioner, unseen, scans))
    assert manifest.trained_until.isoformat() == "2026-01-05" and manifest.metrics
    read = load(tmp_path / "artifact")
    told, expected = read.locate(unseen.rssi), positioner.locate(unseen.rssi)
    for name in ("level", "probabilities", "x", "y", "radius"):
        np.testing.assert_array_equal(getattr(told, name), getattr(expected, name))
    weights = tmp_path / "artifact" / FINGERPRINTS
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x7f")
    with pytest.raises(ArtifactError, match="SHA-256"):
        load(tmp_path / "artifact")


def test_choice_is_the_least_error_of_held_out_scans(scans: Scans) -> None:
    choice = choose(scans, PositioningConfig(held_out=150), seed=0)
    assert choice.tried[0].error != choice.tried[-1].error
    assert choice.config == min(choice.tried, key=lambda each: each.error).config
    least = {len(each.config.shifts_db): 1e9 for each in choice.tried}
    for each in choice.tried:
        least[len(each.config.shifts_db)] = min(least[len(each.config.shifts_db)], each.error)
    assert least[5] < least[1]  # devices of three ears surveyed


def test_surveys_that_cannot_be_fitted_are_named(scans: Scans) -> None:
    lost = replace(scans, level=np.where(np.arange(len(scans)) < 3, -1, scans.level))
    with pytest.raises(DataError, match="3 of 720 scans have no place"):
        fit(lost, CFG, seed=0)
    with pytest.raises(DataError, match=r"Level\(building='shop', floor=1\).* have no scan"):
        fit(scans.take(np.flatnonzero(scans.level == 0)), CFG, seed=0)
    with pytest.raises(DataError, match="one place: survey at least two"):
        fit(scans.take(np.flatnonzero((scans.x == 1) & (scans.y == 1))), CFG, seed=0)
    with pytest.raises(DataError, match="survey more places, or each with two devices"):
        fit(scans.take(np.flatnonzero(scans.device == np.where(scans.level == 0, "d-0", "d-1"))), CFG, seed=0)
    with pytest.raises(ValueError, match="include 0"):
        PositioningConfig(shifts_db=(3.0,))


@pytest.mark.realdata
def test_the_official_split_of_ujiindoorloc_is_placed_within_the_bars(real_data: Path) -> None:
    """In coordinates of the set, without a factor; the nearest fingerprint is known to reach about 90 % and 9.8."""
    source = UjiIndoorLocSource(real_data / "ujiindoorloc")
    tables = {name: source.read(name).read_all().cast(load_contract(name).arrow_schema()) for name in source.tables}
    known = read_scans(tables, split="train")
    asked = read_scans(tables, split="test", access_points=known.access_points, levels=known.levels)
    assert (len(known), len(asked), len(known.levels), known.coordinates) == (19_937, 1_111, 13, "web_mercator")
    positioner = fit(known, PositioningConfig(), seed=0)
    report = evaluate(positioner, asked, known)
    assert report.value(POSITIONING, "level") >= 0.92
    assert report.value(POSITIONING, "mean_error") <= 7.0
    assert 0.88 <= report.value(POSITIONING, "coverage") <= 0.95
    assert report.value(POSITIONING, "mean_radius") <= 17.0
    assert 9.0 <= report.value(NEAREST, "mean_error") <= 10.0 and 0.89 <= report.value(NEAREST, "level") <= 0.91
    began = time.process_time()
    positioner.locate(asked.rssi)
    assert time.process_time() - began < 10.0


TABLES = {
    "wifi_scans": pa.table(
        {
            "scan_id": ["b", "a", "v"],
            "at": pa.array([2, 1, 3], pa.timestamp("us")),
            "device_id": ["d1", "d2", "d3"],
            "split": ["train", "train", None],
            "building": ["shop", "shop", None],
            "floor": pa.array([1, 0, None], pa.int64()),
            "x": [3.0, 1.5, None],
            "y": [4.0, 2.5, None],
            "coordinates": ["floor_m", "floor_m", None],
        }
    ),
    "wifi_fingerprints": pa.table(
        {
            "scan_id": ["a", "b", "b", "v", "v"],
            "access_point": ["p", "q", "p", "q", "new"],
            "rssi_dbm": [-40, -50, -60, -70, -80],
        }
    ),
}


def test_tables_become_scans_column_by_column() -> None:
    known = read_scans(TABLES, split="train")
    assert (
        known.scan_id.tolist() == ["a", "b"]
        and known.access_points == ("p", "q")
        and known.levels == (Level("shop", 0), Level("shop", 1))
    )
    np.testing.assert_array_equal(known.rssi, [[-40, NAN], [-60, -50]])
    assert known.level.tolist() == [0, 1] and known.x.tolist() == [1.5, 3.0] and known.coordinates == "floor_m"
    everything = read_scans(TABLES, access_points=known.access_points, levels=(Level("shop", 1),))
    np.testing.assert_array_equal(everything.rssi[2], [NAN, -70])  # `new` was not surveyed
    assert everything.level.tolist() == [-1, 0, -1] and np.isnan(everything.x[2])
    assert known.fingerprint != read_scans(TABLES).fingerprint


@pytest.mark.parametrize(
    ("table", "column", "values", "words"),
    [
        ("wifi_fingerprints", "rssi_dbm", [-40, 100, -60, -70, -80], "1 rows outside -110 to 0, first 100"),
        ("wifi_scans", "device_id", [None, "d2", "d3"], "device_id: 1 of 3 rows are null"),
        ("wifi_scans", "scan_id", ["a", "a", "v"], "repeat some ids"),
        ("wifi_scans", "coordinates", ["floor_m", "web_mercator", None], "floor_m, web_mercator in one table"),
    ],
)
def test_tables_that_cannot_be_read_are_named(table: str, column: str, values: list[object], words: str) -> None:
    broken = TABLES[table].set_column(TABLES[table].column_names.index(column), column, pa.array(values))
    with pytest.raises(DataError, match=words):
        read_scans({**TABLES, table: broken})
    with pytest.raises(DataError, match=f"columns .*{column}.* are missing"):
        read_scans({**TABLES, table: TABLES[table].drop_columns(column)})
