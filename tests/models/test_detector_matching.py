"""Matched boxes and average precision by values worked by hand."""

import subprocess
import sys

import numpy as np
import pytest

from models.detector.boxes import Detections
from models.detector.matching import RECALLS, curve, match, precision_curves


def boxes(*rows: tuple[float, float, float, float]) -> np.ndarray:
    return np.array(rows, dtype=np.float64).reshape(-1, 4)


def found(*rows: tuple[float, float, float, float], scores: tuple[float, ...]) -> Detections:
    return Detections(boxes(*rows), np.array(scores))


ONE, TWO = (0.0, 0.0, 10.0, 10.0), (20.0, 0.0, 30.0, 10.0)
NONE = np.zeros(2, dtype=bool)


def test_the_best_scored_box_takes_an_item_and_the_next_one_is_too_much() -> None:
    told = match(found((1, 0, 11, 10), ONE, TWO, scores=(0.9, 0.8, 0.3)), boxes(ONE, TWO), NONE, 0.5)
    assert told.label.tolist() == [0, -1, 1] and not told.left_out.any()
    # 9 x 10 shared of 110: 0.818
    assert match(found((1, 0, 11, 10), scores=(0.9,)), boxes(ONE, TWO), NONE, 0.82).label.tolist() == [-1]
    assert match(found(scores=()), boxes(ONE), NONE[:1], 0.5).label.size == 0
    assert match(found(ONE, scores=(0.9,)), boxes(), np.zeros(0, bool), 0.5).label.tolist() == [-1]


def test_what_lies_in_a_crowd_is_neither_right_nor_wrong() -> None:
    crowd = boxes((0, 0, 100, 100), TWO)
    told = match(found(ONE, TWO, (95, 0, 105, 10), scores=(0.9, 0.8, 0.7)), crowd, np.array([True, False]), 0.6)
    assert told.label.tolist() == [-1, 1, -1]
    assert told.left_out.tolist() == [True, False, False], "half of the last one lies outside"


def test_average_precision_by_hand() -> None:
    """Four items; right, wrong, right, right: precision 1, 1/2, 2/3, 3/4 at recall 1/4, 1/4, 1/2, 3/4; at best beyond it 1, 3/4,
    3/4, 3/4, and nothing beyond recall 3/4: 26 recalls to 0.25, 50 to 0.75, 25 more."""
    told = curve(np.array([0.9, 0.8, 0.7, 0.6]), np.array([True, False, True, True]), 4)
    assert told.recall == 0.75
    assert told.area == pytest.approx((26 * 1.0 + 50 * 0.75) / 101)
    assert told.precision[RECALLS <= 0.25].tolist() == [1.0] * 26
    assert curve(np.zeros(0), np.zeros(0, bool), 3).area == 0.0
    assert curve(np.array([0.5, 0.4]), np.array([True, True]), 2).area == 1.0
    with pytest.raises(ValueError, match="0 labelled items"):
        curve(np.zeros(0), np.zeros(0, bool), 0)


def test_curves_are_over_all_pictures_and_fall_with_the_overlap() -> None:
    """Boxes 1 of 10 off overlap by 9/11 = 0.818: right to 0.8, wrong beyond."""
    seen = [found((1, 0, 11, 10), scores=(0.9,)), found((21, 0, 31, 10), (50, 50, 60, 60), scores=(0.8, 0.95))]
    told = precision_curves(seen, [boxes(ONE), boxes(TWO)], [NONE[:1]] * 2)
    assert told[0.8].recall == 1.0 and told[0.85].area == 0.0
    # the best-scored box is none: precision 0, 1/2, 2/3, and 2/3 at every recall
    assert told[0.5].area == pytest.approx(2 / 3)


THEIRS = """
import numpy as np
from ultralytics.utils.metrics import ap_per_class
rng = np.random.default_rng(3)
scores = rng.random(400)
right = rng.random(400) < scores
labelled = int(right.sum()) + 40
print(ap_per_class(right[:, None], scores, np.zeros(400), np.zeros(labelled))[5][0, 0])
"""


def test_average_precision_agrees_with_ultralytics() -> None:
    """Theirs draws straight lines between 101 recalls where COCO's takes steps: within a point on 400 random boxes. In a process of
    its own, for Ultralytics puts its own reader in the place of Pillow's."""
    rng = np.random.default_rng(3)
    scores = rng.random(400)
    right = rng.random(400) < scores
    ours = curve(scores, right, int(right.sum()) + 40).area
    done = subprocess.run([sys.executable, "-c", THEIRS], capture_output=True, text=True, check=True)
    assert ours == pytest.approx(float(done.stdout.splitlines()[-1]), abs=0.01)
