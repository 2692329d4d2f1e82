"""From offline scores to log-odds of a click: Platt's logistic regression (1999) with the position of each impression beside.

Fit it on impressions that the offline ranker's training did not see, for of clicks that it was trained on any ranker seems
surer than it is; and on such as another policy chose, with chance among it: among a ranker's own first choices scores
hardly differ, and a slope that was found there means nothing for all others.
"""

import numpy as np

from models.common.protocols import DataError
from models.recommender.histories import Ints
from models.recommender.online import Bools, Floats
from models.recommender.reweighting import ReweightingConfig

MIN_OF_EACH = 20  # clicks, and impressions without one
MAX_STEPS, TOLERANCE = 50, 1e-8
RIDGE = 1e-3  # keeps a position that nobody saw or clicked from running away


def fit_calibration(centred: Floats, position: Ints, clicked: Bools) -> ReweightingConfig:
    """Intercept (of the first position) and slope from N impressions: scores less the mean of their request's candidates
    (N,), positions (N,) from 0, clicks (N,). A score that speaks against clicks gets slope 0.

    DataError where fewer than MIN_OF_EACH impressions were clicked, or were not.
    """
    taken = int(clicked.sum())
    if min(taken, len(clicked) - taken) < MIN_OF_EACH:
        raise DataError(
            f"impressions: {taken} of {len(clicked)} were clicked, at least {MIN_OF_EACH} of either kind are needed; wait for more"
        )
    places = np.arange(1, int(position.max(initial=0)) + 1)
    known = np.column_stack([np.ones(len(clicked)), centred, position[:, None] == places[None, :]])
    intercept, slope = _logistic(known, clicked)[:2]
    return ReweightingConfig(intercept=float(np.clip(intercept, -20, 20)), slope=float(np.clip(slope, 0, 100)))


def _logistic(known: Floats, clicked: Bools) -> Floats:
    """Weights (F,) of a logistic regression of clicks on known (N, F), by Newton's steps with a faint ridge."""
    weights = np.zeros(known.shape[1])
    for _ in range(MAX_STEPS):
        chance = 0.5 + 0.5 * np.tanh(0.5 * (known @ weights))
        curvature = known.T @ (known * (chance * (1 - chance))[:, None]) + RIDGE * np.eye(len(weights))
        step = np.linalg.solve(curvature, known.T @ (clicked - chance) - RIDGE * weights)
        weights = weights + step
        if np.abs(step).max() < TOLERANCE:
            break
    return weights
