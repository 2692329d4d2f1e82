"""From offline scores to log-odds of a click: Platt's logistic regression (1999) with the position of each impression beside.

Fit it on impressions that the offline ranker's training did not see, such as its first day in service: of clicks that it
was trained on any ranker seems surer than it is.
"""

import numpy as np

from models.common.protocols import DataError
from models.recommender.histories import Ints
from models.recommender.online import Bools, Floats
from models.recommender.reweighting import ReweightingConfig

MIN_OF_EACH = 20  # clicks, and impressions without one


def fit_calibration(centred: Floats, position: Ints, clicked: Bools) -> ReweightingConfig:
    """Intercept (of the first position) and slope from N impressions: scores less the mean of their request's candidates
    (N,), positions (N,) from 0, clicks (N,). A score that speaks against clicks gets slope 0.

    DataError where fewer than MIN_OF_EACH impressions were clicked, or were not.
    """
    from sklearn.linear_model import LogisticRegression

    taken = int(clicked.sum())
    if min(taken, len(clicked) - taken) < MIN_OF_EACH:
        raise DataError(
            f"impressions: {taken} of {len(clicked)} were clicked, at least {MIN_OF_EACH} of either kind are needed; wait for more"
        )
    places = np.arange(1, int(position.max(initial=0)) + 1)
    known = np.column_stack([centred, position[:, None] == places[None, :]])
    fitted = LogisticRegression(C=1e4, max_iter=500).fit(known, clicked)
    return ReweightingConfig(
        intercept=float(np.clip(fitted.intercept_[0], -20, 20)), slope=float(np.clip(fitted.coef_[0, 0], 0, 100))
    )
