"""Which features are trained on: those that vary and, of too many, those that a first booster gains most by.

Only training rows are looked at. Gain as an order of features: Breiman (2001), Chen and Guestrin (2016).
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.common.protocols import DataError
from models.forecaster.config import Config
from models.forecaster.inputs import FeatureMatrix
from models.forecaster.model import Loss, Rows, fit_booster, mean_params

RANKING_TREES = 60
SMOOTH_VALUES = 3  # a covariate with more distinct values is smooth: its neighbours add nothing to the value itself
NEIGHBOURS = ("prev_", "next_", "before_", "after_")
AT_TARGET = "at_"


@dataclass(frozen=True)
class Chosen:
    """Features to train on and those left out, both in the order of `assemble`."""

    names: tuple[str, ...]
    constant: tuple[str, ...]
    weak: tuple[str, ...]


def choose_features(matrix: FeatureMatrix, rows: Rows, cfg: Config, loss: Loss, *, seed: int) -> Chosen:
    """Choose at most `cfg.max_features` by a sample of training rows: `matrix` (M, F), `rows` with its targets.

    DataError if no feature varies.
    """
    varies = _varying(matrix)
    if not varies.any():
        raise DataError(
            f"all of {len(matrix.names)} features are constant over {matrix.X.shape[0]} training rows: "
            "give more periods or series"
        )
    useful = np.flatnonzero(varies)
    kept = set(useful.tolist())
    if useful.size > cfg.max_features:
        gain = _gains(Rows(matrix.X[:, useful], rows.target, rows.weight), cfg, loss, seed)
        # What is known of the period itself has half of the places: a clearance is rare, so that it gains little, and
        # is all there is to tell of it.
        ahead = [at for at in np.argsort(-gain, kind="stable") if matrix.names[useful[at]].startswith(AT_TARGET)]
        gain[ahead[: cfg.max_features // 2]] = np.inf
        kept = set(useful[np.argsort(-gain, kind="stable")[: cfg.max_features]].tolist())

    def named(wanted: npt.NDArray[np.bool_]) -> tuple[str, ...]:
        return tuple(name for name, take in zip(matrix.names, wanted, strict=True) if take)

    chosen = np.isin(np.arange(len(matrix.names)), sorted(kept))
    return Chosen(named(chosen), named(~varies), named(varies & ~chosen))


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
    booster, _ = fit_booster(mean_params(cfg, loss, rows, seed), rows, None, trees=RANKING_TREES, early_stopping=1)
    gain = booster.get_score(importance_type="total_gain")
    return np.array([gain.get(f"f{index}", 0.0) for index in range(rows.X.shape[1])])
