"""How much a model doubts what it sees, 0 to 1: of class probabilities, and of the boxes that a detector proposes.

Settles 2009, "Active Learning Literature Survey", section 3.1; boxes as in Brust, Kaeding, Denzler 2019, "Active Learning for
Deep Object Detection" (https://arxiv.org/abs/1809.09875), who sum over the boxes of a picture.
"""

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Float: TypeAlias = npt.NDArray[np.float64]


def margin(probabilities: Float) -> Float:
    """1 less the distance of the two likeliest classes, (N,) of rows (N, K) that sum to 1; 0 where there is one class."""
    if probabilities.shape[1] < 2:
        return np.zeros(len(probabilities))
    second, first = np.partition(probabilities, -2, axis=1)[:, -2:].T
    return np.asarray(1.0 - (first - second))


def entropy(probabilities: Float) -> Float:
    """Shannon's entropy over that of K equal chances, (N,) of rows (N, K)."""
    classes = probabilities.shape[1]
    if classes < 2:
        return np.zeros(len(probabilities))
    logs = np.log(probabilities, out=np.zeros_like(probabilities), where=probabilities > 0)
    return np.asarray(-(probabilities * logs).sum(axis=1) / np.log(classes))


def least_confidence(probabilities: Float) -> Float:
    """1 less the likeliest class's chance, over what K equal chances leave, (N,) of rows (N, K)."""
    classes = probabilities.shape[1]
    if classes < 2:
        return np.zeros(len(probabilities))
    return np.asarray((1.0 - probabilities.max(axis=1)) * classes / (classes - 1))


MEASURES: dict[str, Callable[[Float], Float]] = {
    "margin": margin,
    "entropy": entropy,
    "least_confidence": least_confidence,
}


def doubt_of_boxes(confidence: Float, picture: npt.NDArray[np.int64], pictures: int, measure: str) -> Float:
    """Doubt (N,) of N = `pictures` from boxes: `confidence` (M,) that a box holds what it says, of `picture` (M,).

    A box is there or not: two chances. Sums over the boxes of a picture, over the largest sum of all; 0 without boxes.
    """
    of_box = MEASURES[measure](np.column_stack([confidence, 1.0 - confidence]))
    sums = np.bincount(picture, weights=of_box, minlength=pictures)
    return np.asarray(sums / max(sums.max(initial=0.0), np.finfo(float).tiny))
