"""What positioning is measured beside: the one nearest fingerprint, and scikit-learn's neighbours by two distances."""

from dataclasses import dataclass

import numpy as np

from models.behaviour.positioning_data import Scans
from models.behaviour.rssi import INAUDIBLE_DBM, Floats, Ints, Readings, power

NEAREST, NEIGHBOURS, ALIKE = "1-NN", "neighbours, Euclid (scikit-learn)", "neighbours, Bray-Curtis (scikit-learn)"
FOLDS = 5
COUNTS = (1, 3, 5, 11, 21)
_TOGETHER = 256


@dataclass(frozen=True, eq=False)
class Guess:
    """Level, x and y of N scans, (N,) each."""

    level: Ints
    x: Floats
    y: Floats


def nearest(survey: Scans, rssi: Readings) -> Guess:
    """The place of the fingerprint at the least Euclidean distance in dB, unheard as inaudible (Bahl and Padmanabhan 2000)."""
    known, asked = _signals(survey.rssi), _signals(rssi)
    squares = (known**2).sum(axis=1)
    parts = [asked[begin : begin + _TOGETHER] for begin in range(0, len(asked), _TOGETHER)]
    rows = np.concatenate([(squares - 2.0 * part @ known.T).argmin(axis=1) for part in parts])
    return Guess(survey.level[rows], survey.x[rows], survey.y[rows])


def neighbours(survey: Scans, rssi: Readings, *, count: int, exponent: float | None = None) -> Guess:
    """scikit-learn's classifier of levels and regressor of places, weights by distance: Euclid's in dB or, with an exponent, that of
    Bray and Curtis between powers, which is 1 less the Soerensen index."""
    from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor

    known, asked = (_signals(each) if exponent is None else power(each, exponent) for each in (survey.rssi, rssi))
    metric = "euclidean" if exponent is None else "braycurtis"
    options = {"n_neighbors": count, "weights": "distance", "algorithm": "brute", "metric": metric}
    level = KNeighborsClassifier(**options).fit(known, survey.level).predict(asked)
    place = KNeighborsRegressor(**options).fit(known, np.column_stack([survey.x, survey.y])).predict(asked)
    return Guess(np.asarray(level), place[:, 0], place[:, 1])


def best_count(survey: Scans) -> int:
    """Neighbours of least mean error over folds of the survey that share no device; of a sole device the least count."""
    from sklearn.model_selection import GroupKFold

    folds = min(FOLDS, len(np.unique(survey.device)))
    if folds < 2:
        return COUNTS[0]
    errors = dict.fromkeys(COUNTS, 0.0)
    for left, out in GroupKFold(folds).split(survey.rssi, groups=survey.device):
        asked = survey.take(out)
        for count in COUNTS:
            guess = neighbours(survey.take(left), asked.rssi, count=count)
            errors[count] += float(np.hypot(guess.x - asked.x, guess.y - asked.y).sum())
    return min(COUNTS, key=errors.__getitem__)


def _signals(rssi: Readings) -> Readings:
    return np.nan_to_num(rssi, nan=INAUDIBLE_DBM) - np.float32(INAUDIBLE_DBM)
