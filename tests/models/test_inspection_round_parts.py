"""Round parts: found hubs, rings laid out straight, pits that stand out whatever the turn and the light."""

from pathlib import Path

import numpy as np
import pytest

from models.common.protocols import DataError
from models.inspection.anomaly import farthest
from models.inspection.round_parts import ANGLES, BANDS, RADII, fold_aurocs, hub, ring_features, unrolled

SIDE = 120


def part(seed: int, *, pit: bool) -> np.ndarray:
    """A grey disc with a dark annulus about a bright hub, lit from one side; a pit is a dark dot on the disc."""
    rng = np.random.default_rng(seed)
    middle = 59.5 + rng.uniform(-6, 6, 2)
    rows, columns = np.ogrid[:SIDE, :SIDE]
    radius = np.hypot(rows - middle[0], columns - middle[1])
    photo = np.where(radius < 50, 190.0, 140.0)
    photo[(radius > 10) & (radius < 28)] = 25.0
    turn = rng.uniform(0, 2 * np.pi)
    if pit:
        at = middle + 40 * np.array([np.sin(turn), np.cos(turn)])
        photo[np.hypot(rows - at[0], columns - at[1]) < 2.0] = 90.0
    photo *= 1 + rng.uniform(-0.2, 0.2) * (columns / SIDE - 0.5)
    return np.clip(photo + rng.normal(0, 4, photo.shape), 0, 255).astype(np.uint8)


def test_the_hub_is_the_middle_of_the_dark_ring() -> None:
    photo = np.full((SIDE, SIDE), 200, np.uint8)
    rows, columns = np.ogrid[:SIDE, :SIDE]
    radius = np.hypot(rows - 50, columns - 66)
    photo[(radius > 8) & (radius < 20)] = 10
    assert hub(photo) == pytest.approx((50, 66), abs=0.2)
    assert hub(np.full((SIDE, SIDE), 200, np.uint8)) == (59.5, 59.5)


def test_a_ring_becomes_a_column_and_a_spoke_a_row() -> None:
    rows, columns = np.ogrid[:SIDE, :SIDE]
    radius = np.hypot(rows - 59.5, columns - 59.5)
    photo = np.where(np.abs(radius - 40) < 3, 250, 100).astype(np.uint8)
    photo[59:61, 60:] = 180  # a spoke at angle 0
    polar = unrolled(photo)
    assert polar.shape == (ANGLES, RADII)
    ring = round(40 * RADII / (SIDE / 2))
    assert (polar[10:350, ring] > 240).all()
    assert (polar[0, 20:80] == 180).all() and (polar[20:340, 20:80] == 100).all()


def test_pits_are_told_from_sound_parts() -> None:
    faulty = np.arange(40) % 2 == 0
    photos = np.stack([part(seed, pit=bool(each)) for seed, each in enumerate(faulty)])
    features = ring_features(photos)
    assert features.shape[:2] == (40, BANDS)
    # The pit lies at 40 of 60 pixels: in band 6 of 9; the bands within the dark ring do not know of it.
    away = np.abs(features[faulty].mean(axis=0) - features[~faulty].mean(axis=0)).max(axis=1)
    assert away[[5, 6]].max() > 0.5 and away[[2, 3]].max() < 0.3
    found = fold_aurocs(features, faulty, folds=4, repeats=1, seed=0)
    assert len(found["rings"]) == 4
    assert found["rings"].mean() > 0.95
    shuffled = fold_aurocs(features, np.random.default_rng(1).permutation(faulty), folds=4, repeats=2, seed=0)
    assert shuffled["rings"].mean() < 0.75


def test_the_farthest_place_by_hand() -> None:
    # One place, two numbers of variance 1 (n - 1) without covariance; with so little shrinkage as there is, 3 off is 3 far.
    sound = np.array([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]])[:, None] * np.sqrt(3 / 4)
    np.testing.assert_allclose(farthest(sound, np.array([[[3.0, 0.0]], [[3.0, 4.0]]])), [3.0, 5.0], rtol=1e-5)


def test_other_photos_are_refused() -> None:
    for photos in (np.zeros((2, 30, 40), np.uint8), np.zeros((2, 40, 40)), np.zeros((0, 40, 40), np.uint8)):
        with pytest.raises(DataError, match="expected"):
            ring_features(photos)
    with pytest.raises(DataError, match="2000 px a side"):
        ring_features(np.zeros((1, 2_000, 2_000), np.uint8))


@pytest.mark.realdata
def test_casting_photos_are_told_by_their_rings(real_data: Path) -> None:
    from PIL import Image

    folder = real_data / "casting_defects" / "casting_data"
    files = sorted(folder.glob("*/*/*.jpeg"))[::3]  # the bench row takes all
    photos = np.stack([np.asarray(Image.open(file).convert("L")) for file in files])
    faulty = np.array([file.parent.name.startswith("def") for file in files])
    found = fold_aurocs(ring_features(photos), faulty, folds=5, repeats=1, seed=0)
    assert found["rings"].mean() >= 0.9
