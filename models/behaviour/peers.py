"""What attention and dwell stand beside: a naive rule, and two gradient boosters on numbers made by hand."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from models.behaviour.data import Dataset
from models.behaviour.handmade import Stays, moments, stays
from models.behaviour.shop import Floats, Ints
from models.behaviour.spec import LEVELS

NAIVE = "naive rule"
XGBOOST = "XGBoost, numbers made by hand"
HISTOGRAMS = "scikit-learn's booster, same numbers"
EVERY = 4  # steps of a stop between those that a booster learns from: neighbours say the same
LEAST_STAY_S = 3.0  # for which a naive eye says that somebody stopped
_TREES, _DEPTH, _RATE, _LEAST = 250, 6, 0.06, 20
_FOLDS = 5
_PRIOR_STAYS = 20.0  # by which a lane's usual seconds are drawn to those of all lanes


@dataclass(frozen=True, eq=False)
class Guess:
    """Of N paths seconds of `attention_s` (N, L) and `dwell_s` (N, G); of the asked steps quantiles `left_s` (Q, 5) at `LEVELS`."""

    attention_s: Floats
    dwell_s: Floats
    left_s: Floats


def guesses(data: Dataset, asked: Ints, *, seed: int = 0) -> dict[str, Guess]:
    """What each peer says, fitted on the paths before `calibrate_from`; `asked` (Q,) are steps of stops."""
    steps, targets = data.steps, data.targets
    found, last = stays(data), data.calibrate_from
    learnt = np.flatnonzero(targets.stays & (steps.path < last))
    return {
        NAIVE: _naive(data, found, learnt, asked),
        XGBOOST: _boosted(data, found, learnt, asked, _xgboost(seed), _xgboost_quantiles(seed)),
        HISTOGRAMS: _boosted(data, found, learnt, asked, _histograms(seed), _histogram_quantiles(seed)),
    }


def _naive(data: Dataset, found: Stays, learnt: Ints, asked: Ints) -> Guess:
    """Who is in a zone for 3 s has stopped; looks are spread alike over the nearest lanes; of a stop is left what usually is."""
    targets, known = data.targets, found.path < data.calibrate_from
    dwelt = np.where(found.numbers[:, 0] >= LEAST_STAY_S, found.numbers[:, 0], 0.0)
    rows = known[found.stay]
    looked = targets.attention_s[found.path[found.stay[rows]], found.lane[rows]].sum()
    nearest = found.nearest_s * (dwelt > 0)[found.stay] * looked / found.nearest_s[rows].sum()
    usual = np.quantile(targets.remaining_s[learnt], LEVELS)
    return Guess(_by_lane(data, found, nearest), _by_gondola(data, found, dwelt), np.tile(usual, (len(asked), 1)))


def _boosted(
    data: Dataset,
    found: Stays,
    learnt: Ints,
    asked: Ints,
    fitted: Callable[[Floats, Floats], Any],
    fitted_quantiles: Callable[[Floats, Floats], Callable[[Floats], Floats]],
) -> Guess:
    targets, known = data.targets, found.path < data.calibrate_from
    rows, owner = known[found.stay], found.path[found.stay]
    looked = targets.attention_s[owner, found.lane]
    features = np.column_stack([found.features, _usual(data, found, looked, rows)])
    attention = np.maximum(fitted(features[rows], looked[rows]).predict(features), 0.0)
    dwelt = targets.dwell_s[found.path, found.gondola]
    dwell = np.maximum(fitted(found.numbers[known], dwelt[known]).predict(found.numbers), 0.0)
    numbers, some = moments(data), learnt[::EVERY]
    left = fitted_quantiles(numbers[some], targets.remaining_s[some])(numbers[asked])
    left = np.maximum(np.sort(left, axis=1), 0.0)
    return Guess(_by_lane(data, found, attention), _by_gondola(data, found, dwell), left)


def _usual(data: Dataset, found: Stays, looked: Floats, rows: npt.NDArray[np.bool_]) -> Floats:
    """Seconds (C,) that a stay usually gives to each lane, told by the training stays of other folds of visits.

    To leave out the own stay alone would tell a booster its target: the more it was, the less is left.
    """
    lanes, overall = len(data.shop.gondola), looked[rows].mean()
    fold = np.where(rows, data.visit[found.path[found.stay]] % _FOLDS, _FOLDS)
    key, shape = fold * lanes + found.lane, (_FOLDS + 1, lanes)
    sums, counts = (
        np.bincount(key[rows], weights=each, minlength=shape[0] * lanes).reshape(shape)
        for each in (looked[rows], np.ones(int(rows.sum())))
    )
    sums, counts = sums.sum(axis=0) - sums, counts.sum(axis=0) - counts
    usual = (sums + _PRIOR_STAYS * overall) / (counts + _PRIOR_STAYS)
    return np.asarray(usual[fold, found.lane])


def _by_lane(data: Dataset, found: Stays, seconds: Floats) -> Floats:
    filled = np.zeros((len(data.day), len(data.shop.gondola)))
    filled[found.path[found.stay], found.lane] = seconds
    return filled


def _by_gondola(data: Dataset, found: Stays, seconds: Floats) -> Floats:
    filled = np.zeros((len(data.day), data.shop.gondolas))
    filled[found.path, found.gondola] = seconds
    return filled


def _xgboost(seed: int, **more: Any) -> Callable[[Floats, Floats], Any]:
    def fitted(features: Floats, target: Floats) -> Any:
        from xgboost import XGBRegressor

        return XGBRegressor(
            n_estimators=_TREES,
            max_depth=_DEPTH,
            learning_rate=_RATE,
            min_child_weight=_LEAST,
            subsample=0.8,
            colsample_bytree=0.7,
            n_jobs=1,
            random_state=seed,
            **more,
        ).fit(features, target)

    return fitted


def _xgboost_quantiles(seed: int) -> Callable[[Floats, Floats], Callable[[Floats], Floats]]:
    fit = _xgboost(seed, objective="reg:quantileerror", quantile_alpha=np.array(LEVELS))

    def fitted(features: Floats, target: Floats) -> Callable[[Floats], Floats]:
        model = fit(features, target)
        return lambda asked: np.asarray(model.predict(asked), dtype=np.float64)

    return fitted


def _histograms(seed: int, **more: Any) -> Callable[[Floats, Floats], Any]:
    def fitted(features: Floats, target: Floats) -> Any:
        from sklearn.ensemble import HistGradientBoostingRegressor
        from threadpoolctl import threadpool_limits

        booster = HistGradientBoostingRegressor(
            max_iter=_TREES, learning_rate=_RATE, min_samples_leaf=_LEAST, random_state=seed, **more
        )
        with threadpool_limits(1):  # threads that wait for each other on busy cores take many times as long
            return booster.fit(features, target)

    return fitted


def _histogram_quantiles(seed: int) -> Callable[[Floats, Floats], Callable[[Floats], Floats]]:
    def fitted(features: Floats, target: Floats) -> Callable[[Floats], Floats]:
        models = [_histograms(seed, loss="quantile", quantile=level)(features, target) for level in LEVELS]
        return lambda asked: np.stack([model.predict(asked) for model in models], axis=1)

    return fitted
