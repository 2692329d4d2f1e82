"""Which features are trained on: those that vary and, of too many, those that a first booster gains most by.

Left out too are those that tell the day of the forecast rather than the series: an age that all series share names the
date, and trees that know the date learn past days by heart. Only training rows are looked at. Gain as an order of
features: Breiman (2001), Chen and Guestrin (2016).
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.common.protocols import DataError
from models.forecaster.config import Config
from models.forecaster.inputs import FeatureMatrix
from models.forecaster.model import Loss, Rows, fit_booster, mean_params

RANKING_RATES = 6.0  # trees of the ranking booster times their rate
SMOOTH_VALUES = 3  # a covariate with more distinct values is smooth: its neighbours add nothing to the value itself
NEIGHBOURS = ("prev_", "next_", "before_", "after_")
AT_TARGET = "at_"
OF_TARGET = (AT_TARGET, "change_")  # what is known ahead of the target period itself
DATED_SHARE = 0.87  # of a feature's variance: more of it between origins, and it tells the date
MIN_SERIES = 30  # with fewer series what all of them share cannot be told from what one of them does


@dataclass(frozen=True)
class Chosen:
    """Features to train on and those left out, both in the order of `assemble`."""

    names: tuple[str, ...]
    constant: tuple[str, ...]
    weak: tuple[str, ...]
    dated: tuple[str, ...] = ()


def choose_features(
    matrix: FeatureMatrix,
    rows: Rows,
    cfg: Config,
    loss: Loss,
    *,
    seed: int,
    origin: npt.NDArray[np.int64] | None = None,
    of_origin: Collection[str] = (),
    always: Collection[str] = (),
) -> Chosen:
    """Choose at most `cfg.max_features` by a sample of training rows: `matrix` (M, F), `rows` with its targets.

    origin (M,) numbers the origin of each row, and of the features `of_origin` those that tell it are left out; None:
    there are too few series to say. always: features that have a place whatever they gain. DataError if no feature varies.
    """
    varies = _varying(matrix)
    dated = np.zeros_like(varies)
    if origin is not None:
        own = np.isin(matrix.names, list(of_origin)) & varies
        dated[own] = _between(matrix.X[:, own], origin) > DATED_SHARE
        varies &= ~dated
    if not varies.any():
        raise DataError(
            f"all of {len(matrix.names)} features are constant over {matrix.X.shape[0]} training rows: "
            "give more periods or series"
        )
    useful = np.flatnonzero(varies)
    kept = set(useful.tolist())
    if useful.size > cfg.max_features:
        # In order of rows: an index of columns gives one of columns, which is binned at half the speed.
        varying = np.ascontiguousarray(matrix.X[:, useful])
        gain = _gains(Rows(varying, rows.target, rows.weight), cfg, loss, seed)
        kept = set(useful[_strongest([matrix.names[at] for at in useful], gain, cfg.max_features, always)].tolist())

    def named(wanted: npt.NDArray[np.bool_]) -> tuple[str, ...]:
        return tuple(name for name, take in zip(matrix.names, wanted, strict=True) if take)

    chosen = np.isin(np.arange(len(matrix.names)), sorted(kept))
    return Chosen(named(chosen), named(~varies & ~dated), named(varies & ~chosen), named(dated))


def _between(X: npt.NDArray[np.float32], origin: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Share of each column's variance that lies between origins, (F,): the adjusted R^2 of a mean per origin.

    The outer hundredths are cut, for the tails of ratios would be all there is to their variance.
    """
    _, group = np.unique(origin, return_inverse=True)
    shares = np.zeros(X.shape[1])
    for column in range(X.shape[1]):
        known = ~np.isnan(X[:, column])
        own, values = group[known], X[known, column].astype(np.float64)
        values = np.clip(values, *np.quantile(values, [0.01, 0.99]))
        count = np.bincount(own)
        means = np.bincount(own, values) / np.maximum(count, 1)
        freedom = values.size - int((count > 0).sum())
        total = values.var() * values.size / max(values.size - 1, 1)
        if freedom > 0 and total > 0:
            shares[column] = 1.0 - float(((values - means[own]) ** 2).sum()) / freedom / total
    return shares


def _varying(matrix: FeatureMatrix) -> npt.NDArray[np.bool_]:
    X = matrix.X
    missing = np.isnan(X)
    low = np.where(missing, np.inf, X).min(axis=0)
    high = np.where(missing, -np.inf, X).max(axis=0)
    varies = high > low
    place = {name: index for index, name in enumerate(matrix.names)}
    smooth: dict[int, bool] = {}
    for index, name in enumerate(matrix.names):
        if name.startswith(NEIGHBOURS):
            # Means of neighbours have many values: the covariate itself tells whether it is smooth.
            told = place.get(AT_TARGET + name.partition("_")[2], index)
            if told not in smooth:
                smooth[told] = np.unique(X[~missing[:, told], told]).size > SMOOTH_VALUES
            varies[index] &= not smooth[told]
    return np.asarray(varies)


def _gains(rows: Rows, cfg: Config, loss: Loss, seed: int) -> npt.NDArray[np.float64]:
    """Gain of each feature, summed over the splits of a small booster of the mean, (F,)."""
    trees = max(5, round(RANKING_RATES / cfg.learning_rate))
    booster, _ = fit_booster(mean_params(cfg, loss, rows, seed), rows, None, trees=trees, early_stopping=1)
    gain = booster.get_score(importance_type="total_gain")
    return np.array([gain.get(f"f{index}", 0.0) for index in range(rows.X.shape[1])])


def _strongest(
    names: Sequence[str], gain: npt.NDArray[np.float64], bound: int, always: Collection[str]
) -> npt.NDArray[np.int64]:
    """Places of the `bound` features of most gain (F,), those of `always` before all others.

    What is known of the period itself has half of the places: a clearance is rare, so that it gains little, and is all
    there is to tell of it.
    """
    order = sorted(np.argsort(-gain, kind="stable"), key=lambda at: names[at] not in always)
    ahead = [at for at in order if names[at].startswith(OF_TARGET)][: bound // 2]
    taken = set(ahead)
    rest = [at for at in order if at not in taken][: bound - len(ahead)]
    return np.array([*ahead, *rest], dtype=np.int64)
