"""Training squares by values worked by hand."""

import numpy as np
import pytest

from models.common.protocols import DataError
from models.detector.finder_config import FinderConfig
from models.detector.finder_data import Labelled, cut, whole, within

PLAIN = FinderConfig(crop=32, resized_share=0, beyond=0, light=0, tint=0)


def boxes(*rows: tuple[float, float, float, float]) -> np.ndarray:
    return np.array(rows, dtype=np.float64).reshape(-1, 4)


def test_a_box_is_asked_for_where_a_quarter_of_it_lies_in_the_square() -> None:
    """20 x 10 at 22: 10 of 20 columns lie within 32, half; at 28: 4 of 20, a fifth; 2 px are nothing to see."""
    found = within(boxes((22, 0, 42, 10), (28, 0, 48, 10), (-4, 4, 4, 8), (30, 0, 34, 30), (40, 0, 50, 9)), 32, 0.25)
    np.testing.assert_array_equal(found, boxes((22, 0, 32, 10), (0, 4, 4, 8)))


@pytest.mark.parametrize("seed", range(6))
def test_boxes_follow_what_they_hold(seed: int) -> None:
    """A white rectangle on black: wherever it lies in the square, scaled and mirrored, the box spans its white pixels."""
    image = np.zeros((80, 100, 3), np.uint8)
    image[30:50, 40:64] = 255
    config = PLAIN.model_copy(update={"crop": 64, "resized_share": 0.5, "beyond": 0.3})
    square = cut(image, boxes((40, 30, 64, 50)), config, np.random.default_rng(seed))
    rows, columns = np.nonzero((square.pixels == 255).all(axis=2))
    assert square.pixels.shape == (64, 64, 3) and len(square.boxes) == 1
    spanned = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
    np.testing.assert_allclose(square.boxes[0], spanned, atol=1.5)


def test_a_square_beyond_the_picture_is_grey_there() -> None:
    image = np.full((20, 16, 3), 200, np.uint8)
    square = cut(image, boxes((0, 0, 16, 20)), PLAIN, np.random.default_rng(1))
    assert (square.pixels == 200).all(axis=2).sum() == 16 * 20
    assert (square.pixels == 114).all(axis=2).sum() == 32 * 32 - 16 * 20
    left, top, right, bottom = square.boxes[0].astype(int)
    assert (square.pixels[top:bottom, left:right] == 200).all()


def test_one_generator_gives_one_square_and_light_stays_within_its_bounds() -> None:
    image, dim = np.full((40, 40, 3), 100, np.uint8), PLAIN.model_copy(update={"light": 0.2, "tint": 0.1})
    levels = []
    for seed in range(8):
        first, second = (cut(image, boxes(), dim, np.random.default_rng(seed)).pixels for _ in range(2))
        assert np.array_equal(first, second)
        levels += first[0, 0].tolist()
    assert 72 <= min(levels) < 100 < max(levels) <= 132


def test_a_whole_picture_is_shown_as_it_is_served() -> None:
    """200 x 100 in 64: scale 0.32, 16 rows above."""
    square = whole(np.zeros((100, 200, 3), np.uint8), boxes((50, 25, 100, 75)), 64)
    np.testing.assert_allclose(square.boxes, boxes((16, 24, 32, 40)))


@pytest.mark.parametrize(
    ("pictures", "given", "said"),
    [
        (0, [], "0 pictures and 0 arrays"),
        (2, [boxes()], "2 pictures and 1 arrays"),
        (1, [np.zeros((3, 5))], r"boxes of picture 0 are \(3, 5\)"),
        (1, [boxes((4, 4, 4, 9))], "has no area"),
        (1, [boxes((4, 4, np.nan, 9))], "has no area"),
    ],
)
def test_boxes_that_cannot_be_learnt_from_are_refused(pictures: int, given: list[np.ndarray], said: str) -> None:
    with pytest.raises(DataError, match=said):
        Labelled([np.zeros((8, 8, 3), np.uint8)] * pictures, given)
